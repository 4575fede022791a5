//! An element as a value, made piece by piece, and printed as libvirt prints it. Pure.

/// An element with its attributes and children, or its text, in the order in which they are printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Its name.
    pub name: String,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
    /// Its children.
    pub children: Vec<Tree>,
    /// Its text, where it has no children.
    pub text: String,
}

impl Tree {
    /// An element of this name, with nothing in it.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// An element that is nothing but its text.
    pub fn leaf(name: &str, text: impl ToString) -> Self {
        Self {
            text: text.to_string(),
            ..Self::new(name)
        }
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.attributes.push((name.to_owned(), value.to_string()));
        self
    }

    /// The same with one more attribute, if there is a value.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The same with more children.
    #[must_use]
    pub fn holding(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Adds an attribute, unless it is there.
    pub fn add_missing(&mut self, name: &str, value: &str) {
        if self.attribute(name).is_none() {
            self.attributes.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The document whose root it is, as libvirt prints it: two spaces for each level, single quotes, everything escaped.
    pub fn document(&self) -> String {
        let mut out = String::new();
        self.print(&mut out, 0);
        out
    }

    fn print(&self, out: &mut String, depth: usize) {
        indent(out, depth);
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("='");
            escape(out, value, true);
            out.push('\'');
        }
        if self.children.is_empty() && self.text.is_empty() {
            return out.push_str("/>\n");
        }
        out.push('>');
        if self.children.is_empty() {
            escape(out, &self.text, false);
        } else {
            out.push('\n');
            let deeper = depth.saturating_add(1);
            for child in &self.children {
                if depth == 1 && self.name == "metadata" {
                    // What is somebody's own libvirt has its library print.
                    indent(out, deeper);
                    super::path::element(out, child, deeper);
                    out.push('\n');
                } else {
                    child.print(out, deeper);
                }
            }
            indent(out, depth);
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push_str(">\n");
    }
}

/// Two spaces for each level.
pub fn indent(out: &mut String, depth: usize) {
    out.extend(core::iter::repeat_n("  ", depth));
}

/// Appends text so that a reader gets it back as it is: line breaks that a reader would change are written as references.
fn escape(out: &mut String, text: &str, attribute: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_printed_as_it_was_made() {
        let tree = Tree::new("a")
            .with("b", 1)
            .with_some("c", None::<u8>)
            .holding([Tree::leaf("d", "<"), Tree::new("e").with("f", "'")]);
        assert_eq!(tree.document(), "<a b='1'>\n  <d>&lt;</d>\n  <e f='&apos;'/>\n</a>\n");
    }
}

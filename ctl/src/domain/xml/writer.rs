//! Writes elements as libvirt prints them: two spaces for each level, single quotes, everything escaped. Pure.

/// A document in the making.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
    depth: usize,
}

/// Attributes in the order in which they are printed.
pub type Attributes<'a> = &'a [(&'a str, Option<&'a str>)];

impl Writer {
    /// Writes an element, whose children `inside` writes; attributes that are `None` are left out.
    pub fn element(&mut self, name: &str, attributes: Attributes<'_>, inside: impl FnOnce(&mut Self)) {
        self.start(name, attributes);
        self.text.push_str(">\n");
        self.depth = self.depth.saturating_add(1);
        inside(self);
        self.depth = self.depth.saturating_sub(1);
        self.indent();
        self.end(name);
    }

    /// Writes an element without content.
    pub fn empty(&mut self, name: &str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.text.push_str("/>\n");
    }

    /// Writes an element that is nothing but its text.
    pub fn leaf(&mut self, name: &str, attributes: Attributes<'_>, text: &str) {
        self.start(name, attributes);
        self.text.push('>');
        escape(&mut self.text, text, false);
        self.end(name);
    }

    /// The document.
    pub fn finish(self) -> String {
        self.text
    }

    fn start(&mut self, name: &str, attributes: Attributes<'_>) {
        self.indent();
        self.text.push('<');
        self.text.push_str(name);
        for (name, value) in attributes {
            let Some(value) = value else { continue };
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("='");
            escape(&mut self.text, value, true);
            self.text.push('\'');
        }
    }

    fn end(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push_str(">\n");
    }

    fn indent(&mut self) {
        self.text.extend(core::iter::repeat_n("  ", self.depth));
    }
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
    use super::super::read;
    use super::*;

    #[test]
    fn whatever_is_written_is_read_back() {
        let nasty = " <a b='c'>&amp;\"\t\r\n]]>é\u{85} ";
        let mut writer = Writer::default();
        writer.element("x", &[("a", Some(nasty)), ("b", None)], |w| {
            w.leaf("y", &[], nasty);
            w.empty("z", &[]);
        });
        let text = writer.finish();
        let root = read(text.as_bytes()).unwrap();
        assert_eq!(
            (root.attributes[0].value.as_str(), root.children[0].text.as_str()),
            (nasty, nasty)
        );
        assert_eq!(root.attributes.len(), 1);
        assert!(text.ends_with("\n  <z/>\n</x>\n"), "{text}");
    }
}

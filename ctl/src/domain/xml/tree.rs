//! An element as a value, to be made piece by piece and then printed. Pure.

use super::Writer;

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

    /// Prints it where the writer stands.
    pub fn write(&self, writer: &mut Writer) {
        let attributes: Vec<(&str, Option<&str>)> = self
            .attributes
            .iter()
            .map(|(name, value)| (name.as_str(), Some(value.as_str())))
            .collect();
        if !self.children.is_empty() {
            writer.element(&self.name, &attributes, |w| {
                self.children.iter().for_each(|c| c.write(w))
            });
        } else if self.text.is_empty() {
            writer.empty(&self.name, &attributes);
        } else {
            writer.leaf(&self.name, &attributes, &self.text);
        }
    }

    /// The document whose root it is.
    pub fn document(&self) -> String {
        let mut writer = Writer::default();
        self.write(&mut writer);
        writer.finish()
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

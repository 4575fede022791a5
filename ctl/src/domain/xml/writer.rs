//! Puts an element together as whoever prints it goes through it. Pure.

use super::Tree;
use core::mem::take;

/// A document in the making.
#[derive(Debug, Default)]
pub struct Writer {
    /// What was made where it stands.
    made: Vec<Tree>,
}

/// Attributes in the order in which they are printed.
pub type Attributes<'a> = &'a [(&'a str, Option<&'a str>)];

impl Writer {
    /// Makes an element, whose children `inside` makes; attributes that are `None` are left out.
    pub fn element(&mut self, name: &str, attributes: Attributes<'_>, inside: impl FnOnce(&mut Self)) {
        let before = take(&mut self.made);
        inside(self);
        let children = core::mem::replace(&mut self.made, before);
        self.push(name, attributes, |tree| tree.children = children);
    }

    /// Makes an element without content.
    pub fn empty(&mut self, name: &str, attributes: Attributes<'_>) {
        self.push(name, attributes, |_| {});
    }

    /// Makes an element that is nothing but its text.
    pub fn leaf(&mut self, name: &str, attributes: Attributes<'_>, text: &str) {
        self.push(name, attributes, |tree| text.clone_into(&mut tree.text));
    }

    /// Takes an element that is there already.
    pub fn tree(&mut self, tree: &Tree) {
        self.made.push(tree.clone());
    }

    /// The element that was made.
    pub fn finish(mut self) -> Tree {
        self.made.pop().unwrap_or_default()
    }

    fn push(&mut self, name: &str, attributes: Attributes<'_>, content: impl FnOnce(&mut Tree)) {
        let mut tree = Tree::new(name);
        let given = attributes
            .iter()
            .filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned())));
        tree.attributes.extend(given);
        content(&mut tree);
        self.made.push(tree);
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
        let text = writer.finish().document();
        let root = read(text.as_bytes()).unwrap();
        assert_eq!(
            (root.attributes[0].value.as_str(), root.children[0].text.as_str()),
            (nasty, nasty)
        );
        assert_eq!(root.attributes.len(), 1);
        assert!(text.ends_with("\n  <z/>\n</x>\n"), "{text}");
    }
}

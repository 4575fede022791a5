//! An element that is read strictly: whoever reads it takes out what it knows, and whatever is left is refused. Pure.

use crate::domain::error::{Fault, shown, shown_name};
use core::mem::take;

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its name, with a prefix if it has one.
    pub name: String,
    /// The line of its start tag.
    pub line: usize,
    /// Its attributes, each name once.
    pub attributes: Vec<Attribute>,
    /// Its child elements, in order.
    pub children: Vec<Element>,
    /// Its own text, without that of its children.
    pub text: String,
    /// The line on which that text begins, after any space, if there is some.
    pub text_line: Option<usize>,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value, with references resolved.
    pub value: String,
    /// Its line.
    pub line: usize,
}

impl Element {
    /// Reads the whole element: `reading` takes out what it knows, and what it has left is refused.
    pub fn read<T>(self, reading: impl FnOnce(&mut Parts) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut parts = Parts(self);
        let value = reading(&mut parts)?;
        parts.finish()?;
        Ok(value)
    }

    /// Reads an element that is nothing but its text.
    pub fn leaf(self) -> Result<Given, Fault> {
        self.read(|parts| Ok(parts.text()))
    }

    /// Reads an element that is nothing but its name.
    pub fn empty(self) -> Result<(), Fault> {
        self.read(|_| Ok(()))
    }
}

/// What has not yet been taken out of an element.
#[derive(Debug)]
pub struct Parts(Element);

impl Parts {
    /// Something is wrong with the element as a whole.
    pub fn fault(&self, what: impl Into<String>) -> Fault {
        Fault::new(self.0.line, what)
    }

    /// Takes an attribute.
    pub fn attribute(&mut self, name: &str) -> Option<Given> {
        let at = self.0.attributes.iter().position(|a| a.name == name)?;
        let Attribute { value, line, .. } = self.0.attributes.remove(at);
        Some(Given {
            value,
            line,
            what: format!("attribute {name} of <{}>", shown_name(&self.0.name)),
        })
    }

    /// Takes an attribute that must be there.
    pub fn required(&mut self, name: &str) -> Result<Given, Fault> {
        let missing = self.fault(format!("<{}> has no attribute {name}", shown_name(&self.0.name)));
        self.attribute(name).ok_or(missing)
    }

    /// Takes every child of a name.
    pub fn children(&mut self, name: &str) -> Vec<Element> {
        let (taken, left) = take(&mut self.0.children).into_iter().partition(|c| c.name == name);
        self.0.children = left;
        taken
    }

    /// Takes the child of a name, which may come once.
    pub fn child(&mut self, name: &str) -> Result<Option<Element>, Fault> {
        let mut children = self.children(name).into_iter();
        let first = children.next();
        match children.next() {
            None => Ok(first),
            Some(second) => Err(Fault::new(
                second.line,
                format!("<{name}> comes twice in <{}>", shown_name(&self.0.name)),
            )),
        }
    }

    /// Takes the text of the child of a name, which may come once and holds nothing else.
    pub fn leaf(&mut self, name: &str) -> Result<Option<Given>, Fault> {
        self.child(name)?.map(Element::leaf).transpose()
    }

    /// Takes the child of a name, which says something by being there; whether it is.
    pub fn flag(&mut self, name: &str) -> Result<bool, Fault> {
        Ok(self.child(name)?.map(Element::empty).transpose()?.is_some())
    }

    /// The fault of lacking a child.
    pub fn lacks(&self, name: &str) -> Fault {
        self.fault(format!("<{}> has no <{name}>", shown_name(&self.0.name)))
    }

    /// Takes all children, whatever their names.
    pub fn all_children(&mut self) -> Vec<Element> {
        take(&mut self.0.children)
    }

    /// Takes the text.
    pub fn text(&mut self) -> Given {
        Given {
            value: take(&mut self.0.text),
            line: self.0.line,
            what: format!("<{}>", shown_name(&self.0.name)),
        }
    }

    fn finish(self) -> Result<(), Fault> {
        let Element {
            name,
            line,
            attributes,
            children,
            text,
            text_line,
        } = self.0;
        let name = shown_name(&name);
        if let Some(a) = attributes.first() {
            return Err(Fault::new(
                a.line,
                format!("attribute {} of <{name}> is not known", shown_name(&a.name)),
            ));
        }
        if let Some(c) = children.first() {
            return Err(Fault::new(
                c.line,
                format!("<{}> in <{name}> is not known", shown_name(&c.name)),
            ));
        }
        if !text.trim_ascii().is_empty() {
            return Err(Fault::new(
                text_line.unwrap_or(line),
                format!("the text {:?} in <{name}> is not known", shown(text.trim_ascii(), 40)),
            ));
        }
        Ok(())
    }
}

/// A value that the document gives, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The value.
    pub value: String,
    /// Its line.
    pub line: usize,
    /// What holds it, for messages.
    what: String,
}

impl Given {
    /// The value that `reading` makes of it, or the fault of not being `wanted`.
    pub fn read<T>(&self, wanted: &str, reading: impl FnOnce(&str) -> Option<T>) -> Result<T, Fault> {
        reading(&self.value).ok_or_else(|| self.fault(&format!("is \"{}\", not {wanted}", shown(&self.value, 60))))
    }

    /// The value that `reading` makes of it, or the fault that it names.
    pub fn try_read<T, E: core::fmt::Display>(&self, reading: impl FnOnce(&str) -> Result<T, E>) -> Result<T, Fault> {
        reading(&self.value).map_err(|e| self.fault(&format!("is \"{}\": {e}", shown(&self.value, 60))))
    }

    /// Checks that it is the one word that is supported here.
    pub fn only(&self, word: &str) -> Result<(), Fault> {
        self.read(&format!("\"{word}\", the only one that is supported"), |v| {
            (v == word).then_some(())
        })
    }

    /// Something is wrong with it: what holds it, and then `what`.
    pub fn fault(&self, what: &str) -> Fault {
        Fault::new(self.line, format!("{} {what}", self.what))
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn element(text: &str) -> Element {
        read(text.as_bytes()).unwrap()
    }

    #[test]
    fn refuses_whatever_was_not_taken() {
        let known = |parts: &mut Parts| {
            parts.attribute("a");
            parts.child("b").map(|_| ())
        };
        assert_eq!(element("<x a='1'> <b/> </x>").read(known), Ok(()));
        for (text, what) in [
            ("<x a='1'\nc='2'/>", (2, "attribute c of <x> is not known")),
            ("<x>\n<c/></x>", (2, "<c> in <x> is not known")),
            ("<x>\n<b/>\n<b/></x>", (3, "<b> comes twice in <x>")),
            ("<x>\n <b/>\n stray </x>", (3, "the text \"stray\" in <x> is not known")),
            ("<x> stray </x>", (1, "the text \"stray\" in <x> is not known")),
        ] {
            assert_eq!(element(text).read(known), Err(Fault::new(what.0, what.1)));
        }
    }

    #[test]
    fn a_value_knows_what_holds_it() {
        let given = element("<x>\u{85}</x>").leaf().unwrap();
        assert_eq!(
            given.only("y").unwrap_err().what,
            "<x> is \"\\u{85}\", not \"y\", the only one that is supported"
        );
        let given = element("<x y='1'/>").read(|p| p.required("y")).unwrap();
        assert_eq!(given.fault("is bad").what, "attribute y of <x> is bad");
        assert_eq!(
            element("<x/>").read(|p| p.required("y")).unwrap_err().what,
            "<x> has no attribute y"
        );
    }
}

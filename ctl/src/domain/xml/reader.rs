//! From characters to a tree of elements, within limits on depth, attributes and elements. Pure.

use super::element::{Attribute, Element};
use super::text::{Lines, attribute_value, decode, reference};
use crate::domain::error::{Fault, shown, shown_name};
use quick_xml::Reader;
use quick_xml::errors::{Error, SyntaxError};
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesDecl, BytesStart, Event};

/// The deepest nesting.
const MAX_DEPTH: usize = 64;
/// The most attributes of one element.
const MAX_ATTRIBUTES: usize = 256;
/// The most elements of one document.
const MAX_ELEMENTS: usize = 16384;

/// Reads a whole document and returns its root element.
pub fn read(bytes: &[u8]) -> Result<Element, Fault> {
    let text = decode(bytes)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut tree = Tree {
        lines: Lines::of(text),
        open: Vec::new(),
        root: None,
        elements: 0,
    };
    loop {
        let start = position(reader.buffer_position());
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                return Err(Fault::new(
                    tree.lines.at(position(reader.error_position())),
                    malformed(&error),
                ));
            }
        };
        if event == Event::Eof {
            return tree.finish(start);
        }
        tree.take(event, start)?;
    }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// The part of the tree that has been read.
struct Tree<'a> {
    lines: Lines<'a>,
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree<'_> {
    fn take(&mut self, event: Event<'_>, start: usize) -> Result<(), Fault> {
        match event {
            Event::Start(tag) => {
                let element = self.element(&tag, start)?;
                self.open.push(element);
                Ok(())
            }
            Event::Empty(tag) => {
                let element = self.element(&tag, start)?;
                self.close(element)
            }
            Event::End(_) => match self.open.pop() {
                Some(element) => self.close(element),
                None => Err(self.fault(start, "an end tag without its start tag")),
            },
            Event::Text(text) => self.text(&text.xml10_content(), start),
            Event::CData(text) => self.text(&text.xml10_content(), start),
            Event::GeneralRef(name) => {
                let c = reference(&name.into_inner()).map_err(|what| self.fault(start, what))?;
                match self.open.last_mut() {
                    Some(element) => element.text.push(c),
                    None => return Err(self.fault(start, "a reference outside the root element")),
                }
                Ok(())
            }
            Event::Decl(declaration) => match refused_declaration(&declaration, start) {
                Some(what) => Err(self.fault(start, what)),
                None => Ok(()),
            },
            Event::DocType(_) => Err(self.fault(start, "a document type (<!DOCTYPE>) is not accepted")),
            // What an instruction asks for is asked of no reader of domains.
            Event::PI(_) | Event::Comment(_) | Event::Eof => Ok(()),
        }
    }

    fn fault(&mut self, offset: usize, what: impl Into<String>) -> Fault {
        Fault::new(self.lines.at(offset), what)
    }

    fn element(&mut self, tag: &BytesStart<'_>, start: usize) -> Result<Element, Fault> {
        let line = self.lines.at(start);
        if self.root.is_some() {
            return Err(Fault::new(line, "a second root element"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault::new(
                line,
                format!("elements are nested more than {MAX_DEPTH} deep"),
            ));
        }
        if self.elements >= MAX_ELEMENTS {
            return Err(Fault::new(line, format!("there are more than {MAX_ELEMENTS} elements")));
        }
        self.elements = self.elements.saturating_add(1);
        let name = tag.name().as_ref().to_owned();
        let attributes = self.attributes(tag)?;
        Ok(Element {
            name,
            line,
            attributes,
            children: Vec::new(),
            text: String::new(),
            text_line: None,
        })
    }

    fn attributes(&mut self, tag: &BytesStart<'_>) -> Result<Vec<Attribute>, Fault> {
        let mut attributes: Vec<Attribute> = Vec::new();
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| Fault::new(self.lines.line(), malformed_attribute(&error)))?;
            let name = attribute.key.as_ref();
            let line = self.lines.of_part(name);
            if attributes.len() >= MAX_ATTRIBUTES {
                return Err(Fault::new(
                    line,
                    format!("an element has more than {MAX_ATTRIBUTES} attributes"),
                ));
            }
            if attributes.iter().any(|a| a.name == name) {
                return Err(Fault::new(
                    line,
                    format!("the attribute {} comes twice", shown_name(name)),
                ));
            }
            let value = attribute_value(&attribute.value).map_err(|what| Fault::new(line, what))?;
            attributes.push(Attribute {
                name: name.to_owned(),
                value,
                line,
            });
        }
        Ok(attributes)
    }

    fn close(&mut self, element: Element) -> Result<(), Fault> {
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str, start: usize) -> Result<(), Fault> {
        let begins = text.find(|c: char| !c.is_ascii_whitespace());
        let line = begins.map(|before| self.lines.at(start.saturating_add(before)));
        match (self.open.last_mut(), line) {
            (Some(element), _) => {
                element.text.push_str(text);
                element.text_line = element.text_line.or(line);
                Ok(())
            }
            (None, Some(line)) => Err(Fault::new(line, "there is text outside the root element")),
            (None, None) => Ok(()),
        }
    }

    fn finish(mut self, end: usize) -> Result<Element, Fault> {
        if let Some(open) = self.open.pop() {
            return Err(Fault::new(
                open.line,
                format!("<{}> has no end tag", shown_name(&open.name)),
            ));
        }
        let line = self.lines.at(end);
        self.root.ok_or_else(|| Fault::new(line, "the document has no element"))
    }
}

/// Why an XML declaration is refused, if it is.
fn refused_declaration(declaration: &BytesDecl<'_>, start: usize) -> Option<&'static str> {
    if start != 0 {
        return Some("an XML declaration stands only at the beginning");
    }
    if declaration.version().ok().as_deref() != Some("1.0") {
        return Some("only XML 1.0 is read");
    }
    match declaration.encoding() {
        Some(Ok(encoding)) if !encoding.eq_ignore_ascii_case("utf-8") => Some("only the encoding UTF-8 is read"),
        Some(Err(_)) => Some("the XML declaration is malformed"),
        _ => None,
    }
}

fn malformed(error: &Error) -> String {
    match error {
        Error::Syntax(SyntaxError::InvalidBangMarkup) => "'<!' begins neither a comment nor CDATA".to_owned(),
        Error::Syntax(error) => shown(&error.to_string(), 200),
        Error::IllFormed(error) => shown(&error.to_string(), 200),
        error => shown(&error.to_string(), 200),
    }
}

const fn malformed_attribute(error: &AttrError) -> &'static str {
    match error {
        AttrError::ExpectedEq(_) => "an attribute without '='",
        AttrError::ExpectedValue(_) => "an attribute without a value",
        AttrError::UnquotedValue(_) => "an attribute's value without quotes",
        AttrError::ExpectedQuote(..) => "an attribute's value without its closing quote",
        AttrError::Duplicated(..) => "an attribute comes twice",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let fault = read(text.as_bytes()).unwrap_err();
        format!("{}: {}", fault.line, fault.what)
    }

    #[test]
    fn builds_the_tree_with_the_line_of_everything() {
        let root = read("<?xml version='1.0' encoding='utf-8'?>\n<!-- c -->\n<a>\n x<b\n  c='1'\n  d=\"&lt;\"/>\n&amp;<![CDATA[<y>]]>\r\n</a>\n".as_bytes()).unwrap();
        assert_eq!(
            (root.name.as_str(), root.line, root.text.as_str()),
            ("a", 3, "\n x\n&<y>\n")
        );
        let b = &root.children[0];
        assert_eq!((b.name.as_str(), b.line), ("b", 4));
        let seen: Vec<_> = b
            .attributes
            .iter()
            .map(|a| (a.name.as_str(), a.value.as_str(), a.line))
            .collect();
        assert_eq!(seen, [("c", "1", 5), ("d", "<", 6)]);
    }

    #[test]
    fn refuses_what_could_expand_or_be_executed() {
        assert_eq!(
            refusal("\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
            "2: a document type (<!DOCTYPE>) is not accepted"
        );
        assert_eq!(
            refusal("<!doctype a><a/>"),
            "1: a document type (<!DOCTYPE>) is not accepted"
        );
        assert_eq!(refusal("<a>\n&b;</a>"), "2: the entity &b; is not known");
        assert_eq!(refusal("<a b='&c;'/>"), "1: the entity &c; is not known");
        // Nobody is asked to do what an instruction says.
        let root = read(b"<?a x?><a>1<?php x?>2<!-- c -->3</a><?b?>").unwrap();
        assert_eq!((root.text.as_str(), root.children.len()), ("123", 0));
        assert!(read(b"<a><?xml?></a>").is_err() && read(b"<a><?php x</a>").is_err());
    }

    #[test]
    fn refuses_other_versions_and_encodings() {
        assert_eq!(
            refusal("<?xml version='1.0' encoding='latin1'?><a/>"),
            "1: only the encoding UTF-8 is read"
        );
        assert_eq!(refusal("<?xml version='1.1'?><a/>"), "1: only XML 1.0 is read");
        assert_eq!(
            refusal("<a>\n<?xml version='1.0'?></a>"),
            "2: an XML declaration stands only at the beginning"
        );
    }

    #[test]
    fn refuses_documents_that_are_not_well_formed() {
        for (text, what) in [
            ("", "1: the document has no element"),
            ("\n\n", "3: the document has no element"),
            ("<a>\n<b>\n", "2: <b> has no end tag"),
            ("<a/>\n<b/>", "2: a second root element"),
            ("<a/>\n x", "2: there is text outside the root element"),
            ("&amp;<a/>", "1: a reference outside the root element"),
            ("<a>\n</b></a>", "2: expected `</a>`, but `</b>` was found"),
            ("</a>", "1: close tag `</a>` does not match any open tag"),
            (
                "<a>&amp</a>",
                "1: entity or character reference not closed: `;` not found before end of input",
            ),
            ("<a\n b/>", "1: an attribute without '='"),
            ("<a b=c/>", "1: an attribute's value without quotes"),
            ("<a\nb='1'\nb='2'/>", "3: the attribute b comes twice"),
            ("<a>\n<b", "2: tag not closed: `>` not found before end of input"),
            ("<a><!x></a>", "1: '<!' begins neither a comment nor CDATA"),
        ] {
            assert_eq!(refusal(text), what);
        }
    }

    #[test]
    fn refuses_what_passes_the_limits() {
        let deep = format!("{}{}", "<a>".repeat(64), "</a>".repeat(64));
        assert!(read(deep.as_bytes()).is_ok());
        assert_eq!(
            refusal(&"<a>".repeat(100_000)),
            "1: elements are nested more than 64 deep"
        );
        let attributes: String = (0..90_000).map(|n| format!(" a{n}=''")).collect();
        assert_eq!(
            refusal(&format!("<a{attributes}/>")),
            "1: an element has more than 256 attributes"
        );
        assert_eq!(
            refusal(&format!("<a>{}</a>", "<b/>\n".repeat(17_000))),
            "16384: there are more than 16384 elements"
        );
        assert_eq!(
            refusal(&format!("<a>{}", "&".repeat(1_000_000))),
            "1: entity or character reference not closed: `;` not found before end of input"
        );
    }
}

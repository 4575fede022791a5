//! Why a document is refused: what is wrong with it, and where. Pure.

use core::fmt;

/// A refused document: one line for the user, `FILE:LINE: what`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The name under which the document was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there; without control characters.
    pub what: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", shown(&self.file, usize::MAX), self.line, self.what)
    }
}

impl core::error::Error for ParseError {}

/// A [`ParseError`] before the file's name is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

impl Fault {
    /// Something is wrong at a line.
    pub fn new(line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }

    /// The same with the file's name.
    pub fn of(self, file: &str) -> ParseError {
        ParseError {
            file: file.to_owned(),
            line: self.line,
            what: self.what,
        }
    }
}

/// Text of the document as a message may show it: at most `most` characters, and nothing that a terminal would obey.
pub fn shown(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n >= most {
            out.push_str("...");
            break;
        }
        if matches!(c, '\'' | '"' | '\\') {
            out.push(c)
        } else {
            out.extend(c.escape_debug())
        }
    }
    out
}

/// A name in the document, of an element, an attribute or an entity, as a message may show it.
pub fn shown_name(name: &str) -> String {
    shown(name, 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_harmless_line() {
        let error = Fault::new(7, "<x> is not known").of("a\n\u{1b}[2J'b.xml");
        assert_eq!(error.to_string(), "a\\n\\u{1b}[2J'b.xml:7: <x> is not known");
        assert_eq!(shown_name(&"x".repeat(1000)), format!("{}...", "x".repeat(40)));
        assert_eq!(shown("\u{202e}é", 10), "\\u{202e}é");
    }
}

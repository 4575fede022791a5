//! From bytes to characters: size, encoding, the characters that XML permits, line numbers and references. Pure.

use crate::domain::error::{Fault, shown_name};

/// The longest document, in bytes. A caller that reads one byte more than this need not read on.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The document's text, without a byte order mark, if it is UTF-8 and holds no character that XML forbids.
pub fn decode(bytes: &[u8]) -> Result<&str, Fault> {
    if let Some(most) = bytes.get(..MAX_BYTES).filter(|most| most.len() < bytes.len()) {
        return Err(Fault::new(
            line_at(most, MAX_BYTES),
            "the document is longer than 1 MiB",
        ));
    }
    let sixteen = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    if sixteen || bytes.iter().take(4).any(|b| *b == 0) {
        return Err(Fault::new(1, "the document is UTF-16 or UTF-32; only UTF-8 is read"));
    }
    let text = str::from_utf8(bytes).map_err(|e| {
        Fault::new(
            line_at(bytes, e.valid_up_to()),
            "there are bytes here that are not UTF-8",
        )
    })?;
    if let Some((at, c)) = text
        .char_indices()
        .find(|(at, c)| !permitted(*c) && (*at, *c) != (0, '\u{feff}'))
    {
        let what = format!("the character U+{:04X} is not permitted in XML", u32::from(c));
        return Err(Fault::new(line_at(bytes, at), what));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Whether a document may hold this character, as it is or by reference (production 2, `Char`).
fn permitted(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

fn line_at(bytes: &[u8], offset: usize) -> usize {
    bytes
        .iter()
        .take(offset)
        .filter(|b| **b == b'\n')
        .count()
        .saturating_add(1)
}

/// Counts lines on the way through a document, so that asking for each place in turn costs no more than one walk.
#[derive(Debug)]
pub struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    /// At the beginning of a text.
    pub const fn of(text: &'a str) -> Self {
        Self {
            text,
            offset: 0,
            line: 1,
        }
    }

    /// The line of a byte offset; one that lies before the last is counted from the beginning.
    pub fn at(&mut self, offset: usize) -> usize {
        if offset < self.offset {
            (self.offset, self.line) = (0, 1);
        }
        let passed = self.text.as_bytes().get(self.offset..offset).unwrap_or_default();
        let newlines = passed.iter().filter(|b| **b == b'\n').count();
        self.line = self.line.saturating_add(newlines);
        self.offset = self.offset.saturating_add(passed.len());
        self.line
    }

    /// The last line asked for.
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The line of a part of the text, found by its address; the last line asked for if it is no part of it.
    pub fn of_part(&mut self, part: &str) -> usize {
        let offset = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr());
        match offset.filter(|o| *o <= self.text.len()) {
            Some(offset) => self.at(offset),
            None => self.line,
        }
    }
}

/// The character that a reference without its `&` and `;` stands for. Only XML's own five entities exist.
pub fn reference(name: &str) -> Result<char, String> {
    let number = |digits: &str, radix| {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let code = plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten();
        code.and_then(char::from_u32).filter(|c| permitted(*c))
    };
    let found = match (name, name.strip_prefix("#x"), name.strip_prefix('#')) {
        ("amp", ..) => Some('&'),
        ("lt", ..) => Some('<'),
        ("gt", ..) => Some('>'),
        ("apos", ..) => Some('\''),
        ("quot", ..) => Some('"'),
        (_, Some(hexadecimal), _) => number(hexadecimal, 16),
        (_, None, Some(decimal)) => number(decimal, 10),
        _ => return Err(format!("the entity &{}; is not known", shown_name(name))),
    };
    found.ok_or_else(|| format!("&{}; is no character of XML", shown_name(name)))
}

/// An attribute's value from what stands between its quotes (section 3.3.3, for attributes without a declaration).
pub fn attribute_value(raw: &str) -> Result<String, String> {
    if raw.contains('<') {
        return Err("an attribute's value contains '<'".to_owned());
    }
    let mut value = String::with_capacity(raw.len());
    let mut pieces = raw.split('&');
    push_normal(&mut value, pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, literal) = piece.split_once(';').ok_or("an '&' without its ';'")?;
        value.push(reference(name)?);
        push_normal(&mut value, literal);
    }
    Ok(value)
}

fn push_normal(value: &mut String, literal: &str) {
    let one_break = literal.replace("\r\n", "\n");
    value.extend(
        one_break
            .chars()
            .map(|c| if matches!(c, '\t' | '\n' | '\r') { ' ' } else { c }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> (usize, String) {
        let fault = decode(bytes).unwrap_err();
        (fault.line, fault.what)
    }

    #[test]
    fn refuses_every_encoding_but_utf8() {
        for bytes in [
            &b"\xff\xfe<\0a\0"[..],
            b"\xfe\xff\0<",
            b"<\0a\0",
            b"\0<\0a",
            b"\0\0\0<",
            b"<\0\0\0",
        ] {
            assert_eq!(
                refusal(bytes),
                (1, "the document is UTF-16 or UTF-32; only UTF-8 is read".to_owned())
            );
        }
        assert_eq!(refusal(b"<a>\n\n\xe4</a>").0, 3);
        assert_eq!(decode("\u{feff}<a/>".as_bytes()), Ok("<a/>"));
    }

    #[test]
    fn refuses_control_characters_where_they_stand() {
        assert_eq!(
            refusal(b"<a>\n\x1b[2J</a>"),
            (2, "the character U+001B is not permitted in XML".to_owned())
        );
        assert_eq!(refusal(b"<abcd>\n\n\0</abcd>").0, 3);
        assert_eq!(refusal("<a>\u{ffff}".as_bytes()).0, 1);
        assert!(decode(b"<a>\t\r\n</a>").is_ok());
    }

    #[test]
    fn refuses_more_than_the_longest_document() {
        assert!(decode(&vec![b'\n'; MAX_BYTES]).is_ok());
        assert_eq!(
            refusal(&vec![b'\n'; MAX_BYTES + 1]),
            (MAX_BYTES + 1, "the document is longer than 1 MiB".to_owned())
        );
    }

    #[test]
    fn resolves_what_xml_defines_and_nothing_else() {
        assert_eq!(
            ["amp", "lt", "gt", "apos", "quot", "#65", "#x1F600"].map(|n| reference(n).unwrap()),
            ['&', '<', '>', '\'', '"', 'A', '😀']
        );
        for bad in [
            "",
            "nbsp",
            "#",
            "#x",
            "#0",
            "#x1b",
            "#xD800",
            "#x110000",
            "#+65",
            "#-1",
            "#6f",
            "#99999999999",
            "AMP",
            "#xFFFE",
        ] {
            assert!(reference(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_attribute_keeps_only_the_breaks_that_are_references() {
        assert_eq!(attribute_value("a\r\nb\tc&#10;d&amp;amp;").unwrap(), "a b c\nd&amp;");
        for bad in ["a<b", "a&b", "&x;"] {
            assert!(attribute_value(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn counts_lines_forwards_and_back() {
        let text = "a\nb\nc";
        let mut lines = Lines::of(text);
        assert_eq!((lines.at(4), lines.at(0), lines.at(99)), (3, 1, 1));
        assert_eq!(lines.of_part(&text[2..3]), 2);
        assert_eq!(lines.of_part("elsewhere"), 2);
    }
}

//! Text that came from a file or from inside a container, made harmless for a terminal. Pure.

/// Escapes everything that a terminal would act on rather than show: control characters of both sets, and the characters that
/// change the direction of text or hide (Unicode, general category Cf and the line separators).
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' || !acts(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out
}

/// As [`escape`], but line ends and tabs stay: for text of several lines.
pub fn escape_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\n' | '\t') || !acts(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out
}

/// As [`escape`], for JSON as serde_json writes it: that escapes what JSON itself forbids, and leaves the other control characters as they are.
/// Beyond ASCII there is nothing in it but within strings, where this reads back as the same.
pub fn escape_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || !acts(c) {
            out.push(c);
        } else {
            let units = c
                .encode_utf16(&mut [0; 2])
                .iter()
                .map(|u| format!("\\u{u:04x}"))
                .collect::<String>();
            out.push_str(&units);
        }
    }
    out
}

fn acts(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c), 0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_that_it_would_obey() {
        assert_eq!(escape("a\x1b[2Jb\n\r\u{9b}31m"), "a\\u{1b}[2Jb\\n\\r\\u{9b}31m");
        assert_eq!(escape("safe\u{202e}fdp.exe"), "safe\\u{202e}fdp.exe");
        assert_eq!(escape("häfen 日本 \\n"), "häfen 日本 \\n");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(escape_lines("a\n\tb\x07"), "a\n\tb\\u{7}");
    }

    #[test]
    fn json_reads_back_as_the_same_and_holds_nothing_that_acts() {
        let said = serde_json::json!({"\u{9b}31m": ["\x1b\x7f\u{85}", "safe\u{202e}fdp.exe \u{e0041} 日本 \n"]});
        for text in [said.to_string(), serde_json::to_string_pretty(&said).unwrap()] {
            let shown = escape_json(&text);
            assert!(shown.chars().all(|c| c == '\n' || !acts(c)), "{shown:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), said);
        }
    }
}

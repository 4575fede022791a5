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
}

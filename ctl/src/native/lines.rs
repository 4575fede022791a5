//! LXC's configuration files (lxc.container.conf(5)) as settings, with the files that they include. Pure: whoever calls it reads files.

use crate::domain::error::{ParseError, shown};
use std::rc::Rc;

/// The most bytes of one file. A caller that reads one byte more need not read on.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most files, those that are included being among them.
const MAX_FILES: usize = 64;
/// The deepest inclusion.
const MAX_DEPTH: usize = 8;
/// The most settings of all files together.
const MAX_SETTINGS: usize = 8192;

/// A file's name and content.
pub type File = (String, Vec<u8>);

/// Reads what `lxc.include` names: a file, or each file of a directory whose name ends in `.conf`; or says in a few words why it cannot.
pub type Includes<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<File>, String>;

/// One line `key = value`.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The file that it is in.
    pub file: Rc<str>,
    /// The line, from 1.
    pub line: usize,
    /// Its key.
    pub key: String,
    /// Its value, without blanks or quotes around it.
    pub value: String,
}

impl Setting {
    /// The refusal of it: the file, the line, the key, and then `what`.
    pub fn refused(&self, what: &str) -> ParseError {
        ParseError {
            file: self.file.to_string(),
            line: self.line,
            what: format!("{} {what}", shown(&self.key, 60)),
        }
    }

    /// The refusal of its value, which is not what was wanted.
    pub fn not(&self, wanted: &str) -> ParseError {
        self.refused(&format!("is \"{}\", not {wanted}", shown(&self.value, 60)))
    }
}

/// The settings of a file and of all that it includes, in order, with a warning for each line that is no setting of LXC's.
#[derive(Debug, Default)]
pub struct Settings {
    /// The settings.
    pub all: Vec<Setting>,
    /// The warnings.
    pub warnings: Vec<ParseError>,
    files: usize,
}

impl Settings {
    /// Reads a file.
    pub fn read(name: &str, bytes: &[u8], includes: Includes<'_>) -> Result<Self, ParseError> {
        let mut settings = Self::default();
        settings.file(name, bytes, includes, &mut Vec::new())?;
        Ok(settings)
    }

    fn file(
        &mut self,
        name: &str,
        bytes: &[u8],
        includes: Includes<'_>,
        within: &mut Vec<String>,
    ) -> Result<(), ParseError> {
        let refused = |line: usize, what: String| ParseError {
            file: name.to_owned(),
            line,
            what,
        };
        self.files = self.files.saturating_add(1);
        if self.files > MAX_FILES {
            return Err(refused(1, format!("there are more than {MAX_FILES} files")));
        }
        let shared: Rc<str> = Rc::from(name);
        for (line, content) in decoded(bytes).map_err(|(line, what)| refused(line, what))? {
            let Some((key, value)) = content.split_once('=') else {
                let what = format!("there is no '=' in \"{}\"", shown(content.trim_ascii(), 60));
                return Err(refused(line, what));
            };
            let setting = Setting {
                file: Rc::clone(&shared),
                line,
                key: key.trim_ascii().to_owned(),
                value: unquoted(value.trim_ascii()).to_owned(),
            };
            if self.all.len().saturating_add(self.warnings.len()) >= MAX_SETTINGS {
                return Err(refused(line, format!("there are more than {MAX_SETTINGS} settings")));
            }
            if !setting.key.starts_with("lxc.") {
                self.warnings.push(setting.refused("is no key of LXC's"));
                continue;
            }
            if setting.key == "lxc.include" && setting.value.is_empty() {
                continue;
            }
            if setting.key == "lxc.include" {
                self.include(&setting, includes, within)?;
            } else {
                self.all.push(setting);
            }
        }
        Ok(())
    }

    fn include(
        &mut self,
        setting: &Setting,
        includes: Includes<'_>,
        within: &mut Vec<String>,
    ) -> Result<(), ParseError> {
        let name = &setting.value;
        if within.contains(name) {
            return Err(setting.refused(&format!("includes {} within itself", shown(name, 200))));
        }
        if within.len() >= MAX_DEPTH {
            return Err(setting.refused(&format!("is nested more than {MAX_DEPTH} deep")));
        }
        let files = includes(name).map_err(|why| setting.refused(&format!("= {}: {why}", shown(name, 200))))?;
        within.push(name.clone());
        for (name, bytes) in files {
            self.file(&name, &bytes, includes, within)?;
        }
        within.pop();
        Ok(())
    }
}

/// The numbered lines of a file that say something.
fn decoded(bytes: &[u8]) -> Result<Vec<(usize, &str)>, (usize, String)> {
    let line_at = |at: usize| {
        let before = bytes.iter().take(at).filter(|b| **b == b'\n');
        before.count().saturating_add(1)
    };
    if bytes.len() > MAX_BYTES {
        return Err((line_at(MAX_BYTES), format!("the file has more than {MAX_BYTES} bytes")));
    }
    let text = str::from_utf8(bytes).map_err(|e| {
        (
            line_at(e.valid_up_to()),
            "there are bytes here that are not UTF-8".to_owned(),
        )
    })?;
    let forbidden =
        |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r') || matches!(c, '\u{fffe}' | '\u{ffff}');
    if let Some((at, c)) = text.char_indices().find(|(_, c)| forbidden(*c)) {
        let what = format!("the character U+{:04X} is not permitted", u32::from(c));
        return Err((line_at(at), what));
    }
    let lines = (1..).zip(text.split('\n'));
    let says = |line: &str| !line.is_empty() && !line.starts_with('#');
    Ok(lines.filter(|(_, line)| says(line.trim_ascii())).collect())
}

/// The text between one pair of quotes, if there is one around it.
fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, includes: Includes<'_>) -> Result<Settings, String> {
        Settings::read("c", text.as_bytes(), includes).map_err(|e| e.to_string())
    }

    fn nothing(_: &str) -> Result<Vec<File>, String> {
        Err("it is not there".to_owned())
    }

    fn pairs(settings: &Settings) -> Vec<(usize, &str, &str)> {
        settings
            .all
            .iter()
            .map(|s| (s.line, s.key.as_str(), s.value.as_str()))
            .collect()
    }

    #[test]
    fn a_value_ends_with_its_line_and_has_no_blanks_or_quotes_around_it() {
        let text =
            "# a comment\r\n\n  lxc.a=b # c \t\r\nlxc.b = 'x\"\nlxc.c = \" y \"\nlxc.d =\nlxc.e = a=b\nlxc.f = '\n";
        let settings = read(text, &mut nothing).unwrap();
        let expected = [
            (3, "lxc.a", "b # c"),
            (4, "lxc.b", "'x\""),
            (5, "lxc.c", " y "),
            (6, "lxc.d", ""),
            (7, "lxc.e", "a=b"),
            (8, "lxc.f", "'"),
        ];
        assert_eq!(pairs(&settings), expected);
    }

    #[test]
    fn what_is_no_setting_is_refused_or_told() {
        assert_eq!(
            read("\nlxc.a\n", &mut nothing).unwrap_err(),
            "c:2: there is no '=' in \"lxc.a\""
        );
        assert_eq!(
            read("\n\u{1b}[2J", &mut nothing).unwrap_err(),
            "c:2: the character U+001B is not permitted"
        );
        let bytes = Settings::read("c", b"a\n\xff", &mut nothing).unwrap_err();
        assert_eq!(bytes.to_string(), "c:2: there are bytes here that are not UTF-8");
        let told = read("\ncolour = red\n", &mut nothing).unwrap();
        assert_eq!(told.warnings[0].to_string(), "c:2: colour is no key of LXC's");
        assert!(told.all.is_empty());
    }

    #[test]
    fn a_file_is_included_where_it_is_named() {
        let mut include = |name: &str| Ok(vec![(name.to_owned(), b"lxc.b = 1\n".to_vec())]);
        let settings = read("lxc.a = 0\nlxc.include = /x\nlxc.c = 2\n", &mut include).unwrap();
        assert_eq!(
            pairs(&settings),
            [(1, "lxc.a", "0"), (1, "lxc.b", "1"), (3, "lxc.c", "2")]
        );
        assert_eq!(&*settings.all[1].file, "/x");
        let missing = read("\nlxc.include = /y\n", &mut nothing).unwrap_err();
        assert_eq!(missing, "c:2: lxc.include = /y: it is not there");
    }

    #[test]
    fn inclusion_ends() {
        let mut same = |name: &str| Ok(vec![(name.to_owned(), b"lxc.include = /x\n".to_vec())]);
        let refusal = read("lxc.include = /x\n", &mut same).unwrap_err();
        assert_eq!(refusal, "/x:1: lxc.include includes /x within itself");
        let mut deeper = |name: &str| Ok(vec![(name.to_owned(), format!("lxc.include = {name}x").into_bytes())]);
        let refusal = read("lxc.include = /x\n", &mut deeper).unwrap_err();
        assert!(refusal.ends_with("lxc.include is nested more than 8 deep"), "{refusal}");
        let mut wide = |_: &str| Ok((0..100).map(|n| (n.to_string(), Vec::new())).collect());
        let refusal = read("lxc.include = /x\n", &mut wide).unwrap_err();
        assert_eq!(refusal, "63:1: there are more than 64 files");
    }

    #[test]
    fn refuses_what_passes_the_limits() {
        let long = vec![b'\n'; MAX_BYTES + 1];
        let refusal = Settings::read("c", &long, &mut nothing).unwrap_err().to_string();
        assert_eq!(refusal, "c:65537: the file has more than 65536 bytes");
        let mut many = |name: &str| Ok(vec![(name.to_owned(), "lxc.a=\n".repeat(9000).into_bytes())]);
        let refusal = read("lxc.include = /x\n", &mut many).unwrap_err();
        assert_eq!(refusal, "/x:8193: there are more than 8192 settings");
    }
}

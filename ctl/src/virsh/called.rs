//! How `lazaret` was called: by which name, and with which of virsh's options before the verb. Pure.

use super::{builtin, line, operands};
use crate::compose::DIRECTORIES;
use crate::manner::Manner;
use crate::values::uri;
use std::ffi::OsString;

/// How it was called.
#[derive(Debug, PartialEq, Eq)]
pub struct Called {
    /// How it is to speak.
    pub manner: Manner,
    /// What it is to do.
    pub what: What,
    /// What is to be said of the options first.
    pub told: Vec<String>,
}

/// What it is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum What {
    /// One verb, in these words.
    Verb(Vec<OsString>),
    /// Several, or those that are typed.
    Session(Session),
    /// Print this.
    Print(String),
    /// Nothing: the command line is wrong, and this says why.
    Refused(Vec<String>),
    /// Nothing: the command was looked at, cannot be done, and this says why.
    Failed(String),
}

/// Several commands of one caller's.
#[derive(Debug, PartialEq, Eq)]
pub struct Session {
    /// What precedes each verb.
    pub before: Vec<String>,
    /// The commands; none where they are read from standard input.
    pub commands: Option<Vec<Vec<String>>>,
}

/// Reads the words, of which the first is the program's own name. `variable` is what `LIBVIRT_DEFAULT_URI` holds.
pub fn called(words: &[OsString], variable: Option<&str>) -> Called {
    let text: Option<Vec<String>> = words.iter().map(|w| w.to_str().map(str::to_owned)).collect();
    let rest = words.get(1..).unwrap_or_default();
    let text = text.unwrap_or_default();
    let virsh = text
        .first()
        .is_some_and(|name| name.rsplit('/').next() == Some("virsh"));
    let text = text.get(1..).unwrap_or_default();
    if virsh || connects(text) {
        return as_virsh(text, variable.filter(|v| !v.is_empty()));
    }
    // The variable is virsh's, and may name what is meant for another program.
    Called {
        manner: Manner::default(),
        what: What::Verb(rest.to_vec()),
        told: Vec::new(),
    }
}

/// Whether a connection is named before the verb.
fn connects(words: &[String]) -> bool {
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            _ if DIRECTORIES.contains(&word) => drop(words.next()),
            _ if word.starts_with("-c") || word == "--connect" || word.starts_with("--connect=") => return true,
            _ if DIRECTORIES.iter().any(|d| word.split('=').next() == Some(d)) => {}
            _ => return false,
        }
    }
    false
}

/// What virsh's options before the verb say.
#[derive(Debug, Default)]
struct Before {
    manner: Manner,
    uri: Option<String>,
    kept: Vec<String>,
    escape: Option<String>,
    shown: Option<Shown>,
    told: Vec<String>,
}

/// What is shown instead of a verb.
#[derive(Debug, Clone, Copy)]
enum Shown {
    Help,
    Short,
    Long,
}

fn as_virsh(words: &[String], variable: Option<&str>) -> Called {
    let mut before = Before::default();
    before.manner.virsh = true;
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next_if(|w| w.starts_with('-') && *w != "-") {
        if word == "--" {
            break;
        }
        if let Err(reason) = before.option(word, &mut words) {
            return before.called(What::Refused(vec![reason]));
        }
    }
    let rest: Vec<String> = words.map(str::to_owned).collect();
    let named = before.uri.as_deref().or(variable).map_or(Ok(String::new()), uri::check);
    let what = match (before.shown, named) {
        (Some(Shown::Help), _) => What::Print(super::help::options()),
        (Some(Shown::Short), _) => What::Print(format!("{}\n", env!("CARGO_PKG_VERSION"))),
        (Some(Shown::Long), _) => What::Print(super::help::version()),
        (None, Err(reason)) => What::Refused(vec!["failed to connect to the hypervisor".to_owned(), reason]),
        (None, Ok(_)) => before.what(rest),
    };
    before.called(what)
}

impl Before {
    fn called(self, what: What) -> Called {
        Called {
            manner: self.manner,
            what,
            told: self.told,
        }
    }

    /// One word of options, with its value if it takes one.
    fn option<'a>(&mut self, word: &'a str, rest: &mut impl Iterator<Item = &'a str>) -> Result<(), String> {
        let Some(long) = word.strip_prefix("--") else {
            return self.letters(word, rest);
        };
        let (name, attached) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
        let mut value = || {
            let value = attached.or_else(|| rest.next()).map(str::to_owned);
            value.ok_or_else(|| wanting(name))
        };
        match name {
            "connect" => self.uri = Some(value()?),
            "escape" => {
                let key = value()?;
                let letters = key.chars().count();
                if letters != if key.starts_with('^') { 2 } else { 1 } {
                    return Err(format!("Invalid string '{key}' for escape sequence"));
                }
                self.escape = Some(key);
            }
            "debug" => {
                let level = value()?.parse::<i32>();
                let level = level.map_err(|_| "option -d takes a numeric argument".to_owned())?;
                let wrong =
                    (!(0..=4).contains(&level)).then(|| format!("ignoring debug level {level} out of range [0-4]"));
                self.told.extend(wrong);
            }
            "keepalive-interval" => number('k', &value()?)?,
            "keepalive-count" => number('K', &value()?)?,
            "log" => {
                let file = value()?;
                self.told.push(format!(
                    "warning: nothing is written to {file}: what is done is on record, see lazaret audit"
                ));
            }
            "help" => self.shown = Some(Shown::Help),
            "version" => {
                self.shown = Some(if attached == Some("long") {
                    Shown::Long
                } else {
                    Shown::Short
                })
            }
            "quiet" => self.manner.quiet = true,
            "readonly" => self.manner.readonly = true,
            "timing" => self.manner.timing = true,
            "no-pkttyagent" => {}
            _ if DIRECTORIES.iter().any(|d| d.strip_prefix("--") == Some(name)) => {
                let value = value()?;
                self.kept.extend([format!("--{name}"), value]);
            }
            _ => return Err(format!("unsupported option '{word}'. See --help.")),
        }
        Ok(())
    }

    /// One word of letters.
    fn letters<'a>(&mut self, word: &'a str, rest: &mut impl Iterator<Item = &'a str>) -> Result<(), String> {
        let mut letters = word.chars().skip(1);
        while let Some(letter) = letters.next() {
            match letter {
                'q' => self.manner.quiet = true,
                'r' => self.manner.readonly = true,
                't' => self.manner.timing = true,
                'h' => self.shown = Some(Shown::Help),
                'v' => self.shown = Some(Shown::Short),
                'V' => self.shown = Some(Shown::Long),
                'c' | 'e' | 'd' | 'k' | 'K' | 'l' => {
                    let attached: String = letters.by_ref().collect();
                    let value = Some(attached).filter(|a| !a.is_empty());
                    let value = value.or_else(|| rest.next().map(str::to_owned));
                    let name = match letter {
                        'c' => "connect",
                        'e' => "escape",
                        'd' => "debug",
                        'l' => "log",
                        'k' => "keepalive-interval",
                        _ => "keepalive-count",
                    };
                    let value = value.ok_or_else(|| wanting(name))?;
                    return self.option(&format!("--{name}={value}"), &mut std::iter::empty());
                }
                _ => return Err(format!("unsupported option '-{letter}'. See --help.")),
            }
        }
        Ok(())
    }

    /// What is to be done with the words that follow.
    fn what(&self, rest: Vec<String>) -> What {
        let commands = match rest.as_slice() {
            [] => return What::Session(self.session(None)),
            [one] if line::is_line(one) => match line::split(one) {
                Ok(commands) => commands,
                Err(reason) => return What::Refused(vec![reason]),
            },
            [verb, ..] if builtin::is(verb) => vec![rest],
            _ => {
                let mut words: Vec<OsString> = self.kept.iter().map(OsString::from).collect();
                let placed = match operands::placed(&rest) {
                    Ok(placed) => placed,
                    Err(operands::Wrong::Early(reasons)) => return What::Refused(reasons),
                    Err(operands::Wrong::Late(reason)) => return What::Failed(reason),
                };
                let (verb, rest) = placed
                    .split_first()
                    .map_or(("", [].as_slice()), |(v, r)| (v.as_str(), r));
                words.push(OsString::from(verb));
                if let (Some(escape), "console") = (&self.escape, verb) {
                    words.push(OsString::from(format!("--escape={escape}")));
                }
                words.extend(rest.iter().map(OsString::from));
                return What::Verb(words);
            }
        };
        What::Session(self.session(Some(commands)))
    }

    fn session(&self, commands: Option<Vec<Vec<String>>>) -> Session {
        let mut before = vec!["--connect".to_owned(), uri::LXC.to_owned()];
        before.extend(self.kept.iter().cloned());
        let manner = self.manner;
        let said = [(manner.quiet, "-q"), (manner.readonly, "-r"), (manner.timing, "-t")];
        before.extend(
            said.iter()
                .filter(|(is, _)| *is)
                .map(|(_, option)| (*option).to_owned()),
        );
        before.extend(self.escape.iter().map(|e| format!("--escape={e}")));
        Session { before, commands }
    }
}

/// What is said of an option without what it takes: both its names.
fn wanting(name: &str) -> String {
    let letter = match name {
        "keepalive-count" => "K".to_owned(),
        _ if DIRECTORIES.iter().any(|d| d.strip_prefix("--") == Some(name)) => {
            return format!("option '--{name}' requires an argument");
        }
        other => other.chars().take(1).collect(),
    };
    format!("option '-{letter}'/'--{name}' requires an argument")
}

/// There is nothing that this number would change: no connection has to be kept alive.
fn number(letter: char, value: &str) -> Result<(), String> {
    match value.parse::<i32>() {
        Ok(0..) => Ok(()),
        Ok(_) => Err(format!("option -{letter} requires a positive integer argument")),
        Err(_) => Err(format!("Invalid value for option -{letter}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str, variable: Option<&str>) -> Called {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        called(&words, variable)
    }

    fn verb(line: &str) -> Option<String> {
        match call(line, None).what {
            What::Verb(words) => Some(words.iter().map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")),
            _ => None,
        }
    }

    #[test]
    fn virsh_by_name_or_by_connection() {
        for (line, expected) in [
            ("lazaret list -c x", "list -c x"),
            ("/usr/bin/virsh list", "list"),
            ("virsh -c lxc:/// --quiet start vm1", "start vm1"),
            ("lazaret --run-dir /r -clxc:/// list --all", "--run-dir /r list --all"),
            ("lazaret --connect=lxc:/// start --domain vm1", "start vm1"),
            ("virsh -rqt -k 5 list", "list"),
            ("virsh -e ^A console vm1", "console --escape=^A vm1"),
        ] {
            assert_eq!(verb(line).as_deref(), Some(expected), "{line}");
        }
        assert!(!call("lazaret list", None).manner.virsh && call("lazaret -c lxc:// list", None).manner.virsh);
        let manner = call("virsh -rqt list", None).manner;
        assert!(manner.quiet && manner.readonly && manner.timing);
    }

    #[test]
    fn another_connection_is_refused_wherever_it_is_named() {
        let refused = |called: Called| matches!(called.what, What::Refused(_));
        assert!(refused(call("virsh -c qemu:///system list", None)));
        assert!(refused(call("virsh list", Some("qemu:///system"))));
        assert!(!refused(call("lazaret list", Some("qemu:///system"))));
        assert!(!refused(call("virsh -c lxc:/// list", Some("qemu:///system"))));
        assert!(!refused(call("virsh list", Some("lxc:///"))) && !refused(call("virsh list", Some(""))));
        for bad in ["virsh -x list", "virsh --nope list", "virsh -c", "virsh -d x list"] {
            assert!(refused(call(bad, None)), "{bad}");
        }
    }

    #[test]
    fn what_changes_nothing_is_told() {
        assert_eq!(call("virsh -d 9 list", None).told.len(), 1);
        assert!(call("virsh -l f list", None).told[0].contains("nothing is written to f"));
        assert!(call("virsh -d 0 -k 5 -K 5 list", None).told.is_empty());
    }

    #[test]
    fn a_session_is_what_is_no_one_verb() {
        let session = |line: &[&str]| {
            let words: Vec<OsString> = line.iter().map(OsString::from).collect();
            match called(&words, None).what {
                What::Session(session) => Some(session.commands),
                _ => None,
            }
        };
        assert_eq!(session(&["virsh"]), Some(None));
        assert_eq!(session(&["lazaret", "-c", "lxc:///"]), Some(None));
        assert_eq!(session(&["virsh", "pwd"]).flatten().map(|c| c.len()), Some(1));
        assert_eq!(session(&["virsh", "list; list"]).flatten().map(|c| c.len()), Some(2));
        assert_eq!(session(&["virsh", "list"]), None);
        assert_eq!(session(&["lazaret"]), None);
    }
}

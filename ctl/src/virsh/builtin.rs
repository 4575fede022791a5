//! The commands that virsh answers itself: `help`, `echo`, `cd`, `pwd`, `connect`, `quit`. Pure.

use super::help;
use crate::values::uri;

/// Their names, with what `help` says of each.
pub const ALL: [(&str, &str); 7] = [
    ("cd", "change the current directory"),
    ("connect", "(re)connect to the hypervisor"),
    ("echo", "echo arguments"),
    ("exit", "quit this interactive terminal"),
    ("help", "print help"),
    ("pwd", "print the current directory"),
    ("quit", "quit this interactive terminal"),
];

/// Whether it is one.
pub fn is(verb: &str) -> bool {
    ALL.iter().any(|(name, _)| *name == verb)
}

/// What a command comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// This is printed.
    Print(String),
    /// This is said on standard error, and that is all right.
    Say(String),
    /// It was wrong, and this says why.
    Refused(String),
    /// The session is over.
    Quit,
    /// Whoever starts commands goes to this directory; home or `/` where none is named.
    GoTo(Option<String>),
    /// Whoever starts commands says where it is.
    Where,
    /// It is none of these.
    Verb,
}

/// Answers a command.
pub fn answer(words: &[String]) -> Answer {
    let mut words = words.iter().map(String::as_str);
    let verb = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    match (verb, rest.as_slice()) {
        ("quit" | "exit", []) => Answer::Quit,
        ("pwd", []) => Answer::Where,
        ("cd", []) => Answer::GoTo(None),
        ("cd", ["--dir", directory] | [directory]) => {
            let directory = directory.strip_prefix("--dir=").unwrap_or(directory);
            Answer::GoTo(Some(directory.to_owned()))
        }
        ("help", []) => Answer::Print(help::all()),
        ("help", ["--command", about, ..] | [about, ..]) => {
            help::about(about).map_or_else(Answer::Refused, Answer::Print)
        }
        ("connect", [] | ["--readonly"]) => Answer::Print(String::new()),
        ("connect", ["--name", to] | [to]) => match uri::check(to) {
            Ok(_) => Answer::Print(String::new()),
            Err(reason) => Answer::Refused(reason),
        },
        ("echo", words) => echo(words),
        // They take one operand, and the second is what is too much.
        ("cd" | "connect", [first, second, ..]) if !first.starts_with("--") && !second.starts_with("--") => {
            Answer::Refused(format!("unexpected data '{second}'"))
        }
        (name, [first, ..]) if is(name) => Answer::Refused(if first.starts_with("--") {
            format!("command '{name}' doesn't support option {first}")
        } else {
            format!("unexpected data '{first}'")
        }),
        _ => Answer::Verb,
    }
}

fn echo(words: &[&str]) -> Answer {
    let (mut shell, mut xml, mut split, mut aside, mut options) = (false, false, false, false, true);
    let mut said = Vec::new();
    for word in words {
        match *word {
            "--" if options => options = false,
            "--shell" if options => shell = true,
            "--xml" if options => xml = true,
            "--split" if options => split = true,
            "--err" if options => aside = true,
            other if options && other.starts_with("--") => {
                return Answer::Refused(format!("command 'echo' doesn't support option {other}"));
            }
            other => said.push(other.to_owned()),
        }
    }
    if shell && xml {
        return Answer::Refused("Options --shell and --xml are mutually exclusive".to_owned());
    }
    if split {
        said = said.iter().flat_map(|word| parts(word)).collect();
    }
    let escaped = said.into_iter().map(|word| {
        let word = if xml { for_xml(&word) } else { word };
        if shell { for_shell(&word) } else { word }
    });
    let words: Vec<String> = escaped.collect();
    let line = match split {
        true => words.iter().map(|word| format!("{word}\n")).collect(),
        false => words.join(" "),
    };
    if aside { Answer::Say(line) } else { Answer::Print(line) }
}

/// What commas part; two of them are one that parts nothing.
fn parts(word: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = word.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == ',' && letters.next_if_eq(&',').is_none() {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(letter);
        }
    }
    parts
}

fn for_xml(word: &str) -> String {
    let named = |c| match c {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '\'' => "&apos;".to_owned(),
        '"' => "&quot;".to_owned(),
        c => c.to_string(),
    };
    word.chars().map(named).collect()
}

fn for_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(line: &[&str]) -> Answer {
        answer(&line.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn echo_says_its_words_again() {
        assert_eq!(answers(&["echo", "a", "b c"]), Answer::Print("a b c".into()));
        assert_eq!(
            answers(&["echo", "--shell", "a b", "it's"]),
            Answer::Print("'a b' 'it'\\''s'".into())
        );
        assert_eq!(
            answers(&["echo", "--xml", "<a b='c'>"]),
            Answer::Print("&lt;a b=&apos;c&apos;&gt;".into())
        );
        assert_eq!(
            answers(&["echo", "--split", "a,b,,c", "d"]),
            Answer::Print("a\nb,c\nd\n".into())
        );
        assert!(matches!(answers(&["echo", "--nope", "a"]), Answer::Refused(_)));
        assert!(matches!(
            answers(&["echo", "--xml", "--shell", "a"]),
            Answer::Refused(_)
        ));
    }

    #[test]
    fn what_is_not_known_here_is_a_verb() {
        assert_eq!(answers(&["list", "--all"]), Answer::Verb);
        assert_eq!(answers(&["quit"]), Answer::Quit);
        assert_eq!(answers(&["cd", "/tmp"]), Answer::GoTo(Some("/tmp".into())));
        assert!(matches!(answers(&["pwd", "x"]), Answer::Refused(_)));
        assert!(matches!(answers(&["connect", "qemu:///system"]), Answer::Refused(_)));
    }
}

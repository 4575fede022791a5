//! What each of virsh's verbs takes, by name and in its order. Pure.

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Flag,
    /// Text.
    Text,
    /// A number.
    Number,
}

/// One option or operand.
#[derive(Debug)]
pub struct Taken {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether the verb cannot do without it.
    pub required: bool,
    /// Whether it may come again.
    pub further: bool,
    /// Whether it has no place of its own among what comes without a name.
    pub by_name: bool,
}

/// A line for each verb.
const GRAMMAR: &str = include_str!("grammar.txt");

/// What a verb of virsh's takes.
pub fn of(verb: &str) -> Option<Vec<Taken>> {
    let line = GRAMMAR.lines().filter(|l| !l.starts_with('#'));
    let rest = line
        .filter_map(|l| l.split_once(' ').or(Some((l, ""))))
        .find(|(name, _)| *name == verb)?
        .1;
    Some(rest.split_whitespace().map(taken).collect())
}

fn taken(word: &'static str) -> Taken {
    let name = word.trim_end_matches(['=', '#', '!', '*']);
    let marks = word.get(name.len()..).unwrap_or_default();
    let kind = match marks.chars().next() {
        Some('=') => Kind::Text,
        Some('#') => Kind::Number,
        _ => Kind::Flag,
    };
    Taken {
        name: name.trim_start_matches('-'),
        kind,
        required: marks.contains('!'),
        further: marks.contains('*'),
        by_name: name.starts_with('-'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_a_verb_takes() {
        let takes = of("memtune").unwrap();
        let names: Vec<&str> = takes.iter().map(|t| t.name).collect();
        assert_eq!(names.first(), Some(&"domain"));
        assert!(
            takes
                .iter()
                .any(|t| t.name == "hard-limit" && t.kind == Kind::Number && !t.required)
        );
        assert!(of("dumpxml").unwrap().iter().any(|t| t.name == "xpath" && t.by_name));
        assert!(of("desc").unwrap().iter().any(|t| t.name == "new-desc" && t.further));
        assert!(of("hostname").unwrap().is_empty() && of("run").is_none());
        let lines = || GRAMMAR.lines().filter(|l| !l.starts_with('#'));
        assert!(lines().is_sorted() && lines().count() > 250);
    }
}

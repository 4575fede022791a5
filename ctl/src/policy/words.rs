//! Which words of the verb `policy` name files, and which containers. Pure.

use crate::options::{Policy, PolicyVerb};
use policies::texts;

/// Whether a word of `show` or `diff` names a file.
pub fn is_file(word: &str) -> bool {
    !texts::is_name(word) && (word.contains('/') || word.ends_with(".policy"))
}

impl Policy {
    /// The words that name a policy.
    fn words(&self) -> Vec<&String> {
        match &self.verb {
            PolicyVerb::Show(show) => vec![&show.what],
            PolicyVerb::Diff(diff) => vec![&diff.first, &diff.second],
            PolicyVerb::Check(check) => vec![&check.file],
            PolicyVerb::Learn(_) => Vec::new(),
        }
    }

    /// Those of them that name files.
    pub fn files(&self) -> impl Iterator<Item = &String> {
        let every = matches!(self.verb, PolicyVerb::Check(_));
        self.words().into_iter().filter(move |w| every || is_file(w))
    }

    /// Whether it is about a container, which only the store knows.
    pub fn needs_authority(&self) -> bool {
        let container = |w: &&String| !texts::is_name(w) && !is_file(w);
        match self.verb {
            PolicyVerb::Check(_) => false,
            PolicyVerb::Learn(_) => true,
            PolicyVerb::Show(_) | PolicyVerb::Diff(_) => self.words().iter().any(container),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_name_a_file_or_a_container() {
        assert!(is_file("./app") && is_file("x.policy") && !is_file("app") && !is_file("vm1"));
    }
}

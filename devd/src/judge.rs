//! May these device rules be put in force? Pure: numbers within what the kernel has, nothing that allows nothing.

use wire::Failure;
use wire::devd::Rule;

/// The most rules of one container: enough for any, and far below what the kernel verifies.
const MOST: usize = 256;

/// Rules that have been judged; only [`judge`] makes them.
#[derive(Debug)]
pub struct Judged(Vec<Rule>);

impl Judged {
    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }
}

/// Judges a whole list. An empty one is fine: it denies every device.
pub fn judge(rules: Vec<Rule>) -> Result<Judged, Failure> {
    if rules.len() > MOST {
        return Err(Failure::caller(&format!(
            "put {} device rules in force: the most is {MOST}",
            rules.len()
        )));
    }
    if !rules.iter().all(Rule::is_sound) {
        return Err(Failure::caller(
            "put a device rule in force that allows nothing, or whose number no device can have",
        ));
    }
    Ok(Judged(rules))
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Rule = Rule {
        block: false,
        major: Some(1),
        minor: Some(3),
        read: true,
        write: false,
        make: false,
    };

    #[test]
    fn accepts_no_rule_and_whole_ranges() {
        assert!(judge(vec![]).is_ok());
        assert!(
            judge(vec![
                READ,
                Rule {
                    major: None,
                    minor: None,
                    ..READ
                }
            ])
            .is_ok()
        );
    }

    #[test]
    fn refuses_rules_that_allow_nothing_or_have_impossible_numbers() {
        for bad in [
            Rule { read: false, ..READ },
            Rule {
                major: Some(1 << 12),
                ..READ
            },
            Rule {
                minor: Some(1 << 20),
                ..READ
            },
        ] {
            assert!(judge(vec![READ, bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refuses_too_many() {
        assert!(judge(vec![READ; MOST]).is_ok());
        assert!(judge(vec![READ; MOST + 1]).is_err());
    }
}

//! A container's own system call filter, as data: which calls, with which arguments, meet which answer. It travels like this, so that
//! whoever passes it on can judge it; only who is filtered makes a program of it. Pure.

use serde::{Deserialize, Serialize};

/// The most rules of a filter.
pub const MOST_RULES: usize = 1024;
/// The most alternatives of a rule.
pub const MOST_ALTERNATIVES: usize = 256;
/// The most tests of one alternative.
pub const MOST_TESTS: usize = 16;
/// The highest number of a call: those of x32 begin far above.
pub const HIGHEST_CALL: u16 = 1023;
/// `MAX_ERRNO` of `linux/err.h`.
const MAX_ERRNO: u16 = 4095;
/// execve(2) and exit_group(2), without which nothing could begin or end.
const NEEDED: [u16; 2] = [59, 231];

/// What one argument of a call must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// Number of the argument, from 0.
    pub argument: u8,
    /// Whether all 64 bits count; without, the lower 32, as the kernel itself takes an `int`.
    pub wide: bool,
    /// Bits that count.
    pub mask: Option<u64>,
    /// Whether the value must differ.
    pub differs: bool,
    /// The value.
    pub value: u64,
}

impl Test {
    /// Whether a filter program can make it: of some of the bits, only equality.
    fn possible(&self) -> bool {
        self.argument < 6 && !(self.differs && self.mask.is_some())
    }

    /// Whether these arguments satisfy it.
    pub fn holds(&self, arguments: &[u64; 6]) -> bool {
        let width = if self.wide { u64::MAX } else { u64::from(u32::MAX) };
        let mask = self.mask.unwrap_or(u64::MAX) & width;
        let found = arguments.get(usize::from(self.argument)).copied().unwrap_or(0);
        (found & mask == self.value & mask) != self.differs
    }
}

/// A call, and on what condition it meets an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The call's number (`arch/x86/entry/syscalls/syscall_64.tbl`).
    pub call: u16,
    /// `None`: it is allowed. Otherwise it fails with this errno.
    pub answer: Option<u16>,
    /// Alternatives, in each of which all tests must hold. None at all: whatever the arguments.
    pub condition: Vec<Vec<Test>>,
}

impl Rule {
    /// Whether the rule says something of a call with these arguments.
    pub fn meets(&self, arguments: &[u64; 6]) -> bool {
        self.condition.is_empty() || self.condition.iter().any(|all| all.iter().all(|t| t.holds(arguments)))
    }
}

/// What is wrong with a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterError {
    /// More rules, alternatives or tests than there may be.
    TooLong,
    /// A call, an argument, a test or an errno that does not exist, or an alternative without a test.
    Impossible,
    /// Two rules that allow a call, two that refuse it, or a condition for what is allowed beside another answer.
    Contradiction,
    /// The call of this number has to be allowed, whatever its arguments.
    Needed(u16),
}

impl core::fmt::Display for FilterError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLong => write!(f, "it has more rules or alternatives than a filter may have"),
            Self::Impossible => write!(
                f,
                "it names a call, an argument, a test or an errno that does not exist"
            ),
            Self::Contradiction => write!(f, "it gives a call two answers"),
            Self::Needed(59) => write!(
                f,
                "it must allow execve with any arguments, or nothing could be executed"
            ),
            Self::Needed(_) => write!(f, "it must allow exit_group with any arguments, or nothing could end"),
        }
    }
}

impl core::error::Error for FilterError {}

/// The rules of a filter. A call that is allowed and has other answers too is allowed with whatever arguments those leave; a call that no
/// rule names does not exist (`ENOSYS`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Rule>", into = "Vec<Rule>")]
pub struct Filter(Vec<Rule>);

impl Filter {
    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// The numbers of the calls that it allows, with some arguments at least.
    pub fn allowed(&self) -> impl Iterator<Item = u16> {
        let some = |r: &&Rule| r.answer.is_none() || !r.condition.is_empty();
        self.0.iter().filter(some).map(|r| r.call)
    }
}

impl TryFrom<Vec<Rule>> for Filter {
    type Error = FilterError;
    fn try_from(rules: Vec<Rule>) -> Result<Self, FilterError> {
        if rules.len() > MOST_RULES {
            return Err(FilterError::TooLong);
        }
        for (index, rule) in rules.iter().enumerate() {
            check(rule)?;
            for other in rules.iter().take(index).filter(|o| o.call == rule.call) {
                let whole = |r: &Rule| r.answer.is_some() || r.condition.is_empty();
                if other.answer.is_some() == rule.answer.is_some() || !whole(other) || !whole(rule) {
                    return Err(FilterError::Contradiction);
                }
            }
        }
        for call in NEEDED {
            let of_it = |r: &&Rule| r.call == call;
            let mut its = rules.iter().filter(of_it);
            if !matches!((its.next(), its.next()), (Some(r), None) if r.answer.is_none() && r.condition.is_empty()) {
                return Err(FilterError::Needed(call));
            }
        }
        Ok(Self(rules))
    }
}

fn check(rule: &Rule) -> Result<(), FilterError> {
    if rule.condition.len() > MOST_ALTERNATIVES || rule.condition.iter().any(|all| all.len() > MOST_TESTS) {
        return Err(FilterError::TooLong);
    }
    let tests_exist = rule
        .condition
        .iter()
        .all(|all| !all.is_empty() && all.iter().all(Test::possible));
    let errno_exists = rule.answer.is_none_or(|e| (1..=MAX_ERRNO).contains(&e));
    if rule.call > HIGHEST_CALL || !tests_exist || !errno_exists {
        return Err(FilterError::Impossible);
    }
    Ok(())
}

impl From<Filter> for Vec<Rule> {
    fn from(filter: Filter) -> Self {
        filter.0
    }
}

/// A filter that a container has of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnFilter {
    /// It.
    pub filter: Filter,
    /// Whether it stands in the place of its profile's, for which the host's policy must name the container. Otherwise both are in force,
    /// and of two answers the kernel gives the stricter: it can only take away.
    pub in_place: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(call: u16, answer: Option<u16>, condition: Vec<Vec<Test>>) -> Rule {
        Rule {
            call,
            answer,
            condition,
        }
    }

    fn test(argument: u8) -> Test {
        Test {
            argument,
            wide: false,
            mask: None,
            differs: false,
            value: 1,
        }
    }

    fn with(more: Vec<Rule>) -> Result<Filter, FilterError> {
        let mut rules = vec![rule(59, None, vec![]), rule(231, None, vec![])];
        rules.extend(more);
        Filter::try_from(rules)
    }

    #[test]
    fn bytes_are_frozen() {
        let test = Test {
            mask: Some(3),
            ..test(2)
        };
        let filter = with(vec![rule(16, Some(1), vec![vec![test]])]).unwrap();
        let bytes = postcard::to_allocvec(&filter).unwrap();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "033b0000e70100001001010101020001030001");
        assert_eq!(postcard::from_bytes::<Filter>(&bytes), Ok(filter));
    }

    #[test]
    fn what_could_not_be_installed_cannot_be_decoded() {
        use FilterError::{Contradiction, Impossible, Needed, TooLong};
        let some = vec![vec![test(0)]];
        let bits_that_differ = Test {
            mask: Some(3),
            differs: true,
            ..test(0)
        };
        for (rules, why) in [
            (vec![rule(1024, None, vec![])], Impossible),
            (vec![rule(0, Some(0), vec![])], Impossible),
            (vec![rule(0, Some(4096), vec![])], Impossible),
            (vec![rule(0, None, vec![vec![]])], Impossible),
            (vec![rule(0, None, vec![vec![test(6)]])], Impossible),
            (vec![rule(0, None, vec![]), rule(0, None, some.clone())], Contradiction),
            (
                vec![rule(0, Some(1), some.clone()), rule(0, Some(2), some.clone())],
                Contradiction,
            ),
            (vec![rule(0, None, vec![vec![bits_that_differ]])], Impossible),
            (
                vec![rule(0, None, some.clone()), rule(0, Some(1), some.clone())],
                Contradiction,
            ),
            (vec![rule(0, None, vec![vec![test(0); 17]])], TooLong),
            (vec![rule(0, None, vec![vec![test(0)]; 257])], TooLong),
            (vec![rule(0, None, vec![]); 1023], TooLong),
            (vec![rule(59, Some(1), some.clone())], Needed(59)),
        ] {
            assert_eq!(with(rules.clone()), Err(why));
            let mut whole = vec![rule(59, None, vec![]), rule(231, None, vec![])];
            whole.extend(rules);
            let bytes = postcard::to_allocvec(&whole).unwrap();
            assert!(postcard::from_bytes::<Filter>(&bytes).is_err());
        }
        assert_eq!(Filter::try_from(vec![rule(59, None, vec![])]), Err(Needed(231)));
        assert!(with(vec![rule(0, None, vec![]), rule(0, Some(1), some)]).is_ok());
    }

    #[test]
    fn a_test_compares_as_the_kernel_takes_the_argument() {
        let high = 1 | 1 << 32;
        assert!(test(0).holds(&[high, 0, 0, 0, 0, 0]));
        let wide = Test { wide: true, ..test(0) };
        assert!(!wide.holds(&[high, 0, 0, 0, 0, 0]) && wide.holds(&[1, 0, 0, 0, 0, 0]));
        let bits = Test {
            mask: Some(3),
            differs: true,
            ..test(1)
        };
        assert!(bits.holds(&[0, 2, 0, 0, 0, 0]) && !bits.holds(&[0, 5, 0, 0, 0, 0]));
    }

    #[test]
    fn what_is_only_ever_refused_is_not_allowed() {
        let filter = with(vec![rule(1, Some(1), vec![]), rule(2, Some(1), vec![vec![test(0)]])]).unwrap();
        assert_eq!(filter.allowed().collect::<Vec<_>>(), [59, 231, 2]);
    }
}

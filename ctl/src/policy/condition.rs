//! A condition as it is written in a policy file, from the tests that it stands for. Pure.

use wire::filter::Test;

/// The condition's text: `any`, or alternatives that a policy file would be read to have.
pub fn condition(alternatives: &[Vec<Test>]) -> String {
    if alternatives.is_empty() {
        return "any".into();
    }
    let all = |tests: &Vec<Test>| tests.iter().map(test).collect::<Vec<_>>().join(" and ");
    alternatives.iter().map(all).collect::<Vec<_>>().join(" or ")
}

fn test(test: &Test) -> String {
    let wide = if test.wide { ":64" } else { "" };
    let argument = format!("arg{}{wide}", test.argument);
    let value = number(test.value);
    match (test.mask, test.differs) {
        (None, false) => format!("{argument} is {value}"),
        (None, true) => format!("{argument} not {value}"),
        (Some(mask), _) if mask == test.value => format!("{argument} with {value}"),
        (Some(mask), _) if test.value == 0 => format!("{argument} without {}", number(mask)),
        (Some(mask), _) => format!("{argument} field {} {value}", number(mask)),
    }
}

fn number(n: u64) -> String {
    if n < 10 { n.to_string() } else { format!("{n:#x}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policies::texts;

    /// Every condition of every policy is written so that it is read as it was.
    #[test]
    fn what_is_written_is_read_as_it_was() {
        let mut read = 0;
        for (name, _) in texts::TEXTS.iter().filter(|(name, _)| texts::is_name(name)) {
            for rule in texts::read(name).unwrap().sections.iter().flat_map(|s| &s.rules) {
                // What fails on a condition has to be allowed otherwise.
                let allowed = match rule.condition.is_empty() {
                    true => String::new(),
                    false => format!("[calls]\n{} | any: a test | x\n", rule.name),
                };
                let line = format!(
                    "{allowed}[answer EPERM]\n{} | {} | x",
                    rule.name,
                    condition(&rule.condition)
                );
                let again = texts::read_other("t", &line).unwrap();
                let refused = again.sections.last().unwrap();
                assert_eq!(refused.rules[0].condition, rule.condition, "{line}");
                read += usize::from(!rule.condition.is_empty());
            }
        }
        assert!(read > 20, "{read}");
    }
}

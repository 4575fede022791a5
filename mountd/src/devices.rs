//! Puts device rules in force on a version 1 group (`Documentation/admin-guide/cgroup-v1/devices.rst`), which takes the capability that this program
//! has, and no other does. Touches the files that came with the frame, already open for writing.

use crate::judge::Rules;
use std::os::fd::OwnedFd;
use wire::Failure;
use wire::devd::Rule;

/// Denies everything where that is asked for, then writes one rule with each write: the kernel takes one at a time.
pub fn write(Rules { rules, deny, to }: &Rules<'_>) -> Result<(), Failure> {
    deny.iter().try_for_each(|deny| put(deny, "a"))?;
    rules.iter().try_for_each(|rule| put(to, &line(rule)))
}

fn put(file: &OwnedFd, text: &str) -> Result<(), Failure> {
    let refused = |e| Failure::kernel(&format!("write {text:?} to devices.deny or devices.allow"), e as i32);
    nix::unistd::write(file, text.as_bytes()).map(drop).map_err(refused)
}

fn line(rule: &Rule) -> String {
    let kind = if rule.block { 'b' } else { 'c' };
    let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
    let letters = [(rule.read, 'r'), (rule.write, 'w'), (rule.make, 'm')];
    let allowed = |(yes, letter): (bool, char)| yes.then_some(letter);
    let access: String = letters.into_iter().filter_map(allowed).collect();
    format!("{kind} {}:{} {access}", number(rule.major), number(rule.minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_written_as_the_kernel_reads_it() {
        let null = Rule {
            block: false,
            major: Some(1),
            minor: Some(3),
            read: true,
            write: true,
            make: true,
        };
        assert_eq!(line(&null), "c 1:3 rwm");
        assert_eq!(
            line(&Rule {
                block: true,
                minor: None,
                write: false,
                ..null
            }),
            "b 1:* rm"
        );
        assert_eq!(
            line(&Rule {
                major: None,
                minor: None,
                read: false,
                write: false,
                ..null
            }),
            "c *:* m"
        );
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error() {
        let open = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let (rules, deny) = (&[][..], Some(open()));
        let failure = write(&Rules {
            rules,
            deny,
            to: open(),
        });
        assert_eq!(failure.unwrap_err().errno, 9);
    }
}

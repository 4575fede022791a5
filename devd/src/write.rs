//! Puts rules in force on a version 1 group (`Documentation/admin-guide/cgroup-v1/devices.rst`). Touches the two files that came
//! with the frame, already open for writing.

use crate::judge::Judged;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use wire::Failure;
use wire::devd::Rule;

/// Denies everything, then allows one rule with each write: the kernel takes one at a time.
pub fn write(rules: &Judged, deny: OwnedFd, allow: OwnedFd) -> Result<(), Failure> {
    let (mut deny, mut allow) = (std::fs::File::from(deny), std::fs::File::from(allow));
    let refused = |what: &str, e: &std::io::Error| Failure::kernel(what, e.raw_os_error().unwrap_or(0));
    deny.write_all(b"a")
        .map_err(|e| refused("deny every device (devices.deny)", &e))?;
    for rule in rules.rules() {
        let line = line(rule);
        allow
            .write_all(line.as_bytes())
            .map_err(|e| refused(&format!("allow {line} (devices.allow)"), &e))?;
    }
    Ok(())
}

fn line(rule: &Rule) -> String {
    let kind = if rule.block { 'b' } else { 'c' };
    let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
    let letters = [(rule.read, 'r'), (rule.write, 'w'), (rule.make, 'm')];
    let access: String = letters
        .iter()
        .filter(|(yes, _)| *yes)
        .map(|(_, letter)| letter)
        .collect();
    format!("{kind} {}:{} {access}", number(rule.major), number(rule.minor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::judge;

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
    fn a_file_that_cannot_be_written_is_named() {
        let open = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let failure = write(&judge(vec![]).unwrap(), open(), open()).unwrap_err();
        assert_eq!(failure, Failure::kernel("deny every device (devices.deny)", 9));
    }
}

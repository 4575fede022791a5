//! The device rules of a container that runs, where control groups are of version 1 alone. The kernel has no group deny everything once there
//! are groups below it, so what is in force is read from it, and what differs is written (`Documentation/admin-guide/cgroup-v1/devices.rst`).
//! May touch: `devices.list`, `devices.allow` and `devices.deny` of the container's groups.

use crate::expect;
use crate::groups::{self, Group};
use crate::open;
use crate::piece::Piece;
use rustix::fs::OFlags;
use std::os::fd::{AsFd, OwnedFd};
use sys::process::errno;
use wire::devd::Rule;
use wire::{ContainerName, Failure, mountd};

/// The container's group, and those below it that may be there.
const PARTS: [&str; 3] = ["", "/payload", "/enter"];

const DENY: &str = "devices.deny";
const ALLOW: &str = "devices.allow";
const LIST: &str = "devices.list";

/// The files of one container's groups.
#[derive(Debug)]
pub struct Files<'a> {
    group: &'a Group,
    name: &'a ContainerName,
}

impl<'a> Files<'a> {
    /// Those in the hierarchy of devices.
    pub const fn new(group: &'a Group, name: &'a ContainerName) -> Self {
        Self { group, name }
    }

    fn open(&self, part: &str, file: &str, how: OFlags) -> Result<OwnedFd, Failure> {
        groups::below(self.group, &format!("{}{part}/{file}", self.name), how)
    }

    /// `devices.deny` and `devices.allow` of the container's group, open for writing.
    pub fn of_a_start(&self) -> Result<[OwnedFd; 2], Failure> {
        let open = |file| self.open("", file, OFlags::WRONLY);
        Ok([open(DENY)?, open(ALLOW)?])
    }

    /// Puts these rules in force in the place of those that are. What is taken the kernel takes from the groups below as well; what is given
    /// has to be given to each, its parent first. Each is asked what it has: a change before this one may have ended between two of them.
    pub fn replace(&self, rules: &[Rule], by: &Piece<mountd::Request, mountd::Reply>) -> Result<(), Failure> {
        // A group that comes into being after it was found missing has what its parent has by then.
        let there = |part: &&&str| open::exists(&self.group.directory, &format!("{}{part}/{LIST}", self.name));
        PARTS.iter().filter(there).try_for_each(|part| {
            let in_force = self.in_force(part)?;
            self.write(by, part, DENY, beyond(&in_force, rules))?;
            self.write(by, part, ALLOW, beyond(rules, &in_force))
        })
    }

    fn in_force(&self, part: &str) -> Result<Vec<Rule>, Failure> {
        let file = self.open(part, LIST, OFlags::RDONLY)?;
        let list = open::text(&file).map_err(|e| Failure::kernel("read the device rules in force", errno(e) as i32))?;
        let rules = list.lines().map(|line| read(line).ok_or_else(|| strange(line)));
        rules.collect()
    }

    fn write(
        &self,
        by: &Piece<mountd::Request, mountd::Reply>,
        part: &str,
        file: &str,
        rules: Vec<Rule>,
    ) -> Result<(), Failure> {
        if rules.is_empty() {
            return Ok(());
        }
        let to = self.open(part, file, OFlags::WRONLY)?;
        by.send(&mountd::Request::Change(rules), &[to.as_fd()])?;
        expect!(by, mountd, (mountd::Reply::Made(0), _) => ());
        Ok(())
    }
}

fn strange(line: &str) -> Failure {
    Failure::caller(&format!(
        "change device rules: the kernel has one in force that is no rule of ours: {line:?}"
    ))
}

/// What the first allow and the others do not; a rule is what the kernel takes for one: a kind, two numbers, and what may be done.
fn beyond(rules: &[Rule], others: &[Rule]) -> Vec<Rule> {
    let same = |a: &Rule, b: &Rule| (a.block, a.major, a.minor) == (b.block, b.major, b.minor);
    let left = |rule: &Rule| {
        let others = || others.iter().filter(|other| same(rule, other));
        Rule {
            read: rule.read && !others().any(|o| o.read),
            write: rule.write && !others().any(|o| o.write),
            make: rule.make && !others().any(|o| o.make),
            ..*rule
        }
    };
    rules.iter().map(left).filter(|r| r.read || r.write || r.make).collect()
}

/// Reads a line of `devices.list`.
fn read(line: &str) -> Option<Rule> {
    let mut words = line.split(' ');
    let (kind, numbers, access) = (words.next()?, words.next()?, words.next()?);
    let block = match kind {
        "b" => true,
        "c" => false,
        _ => return None,
    };
    let number = |text: &str| match text {
        "*" => Some(None),
        _ => text.parse().ok().map(Some),
    };
    let (major, minor) = numbers.split_once(':')?;
    Some(Rule {
        block,
        major: number(major)?,
        minor: number(minor)?,
        read: access.contains('r'),
        write: access.contains('w'),
        make: access.contains('m'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(lines: &[&str]) -> Vec<Rule> {
        lines.iter().map(|l| read(l).unwrap()).collect()
    }

    #[test]
    fn a_rule_is_read_as_the_kernel_writes_it() {
        let [fuse, ptys] = rules(&["c 10:229 rm", "b 136:* rwm"]).try_into().unwrap();
        assert_eq!((fuse.block, fuse.major, fuse.minor), (false, Some(10), Some(229)));
        assert_eq!((fuse.read, fuse.write, fuse.make), (true, false, true));
        assert_eq!(
            (ptys.block, ptys.major, ptys.minor, ptys.write),
            (true, Some(136), None, true)
        );
        for line in ["a *:* rwm", "c 10 rwm", "c x:1 r", "c 1:3", ""] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_beyond_is_told_by_what_may_be_done() {
        let two = rules(&["c 1:3 rwm", "b 7:0 rm"]);
        assert_eq!(beyond(&two, &two), []);
        assert_eq!(beyond(&two, &rules(&["c 1:3 rwm"])), rules(&["b 7:0 rm"]));
        assert_eq!(
            beyond(&two, &rules(&["c 1:3 r", "c 1:3 m", "b 7:0 rwm"])),
            rules(&["c 1:3 w"])
        );
        // The kernel keeps a rule with a wildcard apart, and so does this.
        assert_eq!(beyond(&two, &rules(&["c *:* rwm", "b 7:0 rm"])), rules(&["c 1:3 rwm"]));
    }
}

//! May this be entered as asked, and this signal be sent? Pure: the values it returns are the only ones that acting code accepts.

use std::os::fd::OwnedFd;
use wire::failure::Failure;
use wire::init::{Command, NAMESPACES, Stream};

/// An entry that may be made.
#[derive(Debug)]
pub struct Entry {
    /// The namespaces user, mnt, pid, net, ipc, uts, cgroup.
    pub namespaces: [OwnedFd; NAMESPACES],
    /// `cgroup.procs` in each hierarchy.
    pub groups: Vec<OwnedFd>,
    /// The streams that came.
    pub passed: Vec<OwnedFd>,
    /// Where each stream comes from.
    pub streams: [Stream; 3],
    /// What is executed.
    pub command: Command,
}

/// A signal that may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(pub i32);

/// Tells the descriptors apart by the order in which they come.
pub fn entry(
    command: Command,
    streams: [Stream; 3],
    hierarchies: u16,
    descriptors: Vec<OwnedFd>,
) -> Result<Entry, Failure> {
    if !command.directory.as_str().starts_with('/') {
        return Err(Failure::caller("enter a directory that is not absolute"));
    }
    if command.filter.is_some() && !command.no_new_privileges {
        return Err(Failure::caller(
            "install a filter of the container's own: without no-new-privileges the kernel does not take it last",
        ));
    }
    let mut rest = descriptors.into_iter();
    let namespaces = rest.by_ref().take(NAMESPACES).collect::<Vec<_>>();
    let namespaces = namespaces
        .try_into()
        .map_err(|_| Failure::protocol("join namespaces that did not come"))?;
    let groups = rest.by_ref().take(usize::from(hierarchies)).collect();
    Ok(Entry {
        namespaces,
        groups,
        passed: rest.collect(),
        streams,
        command,
    })
}

/// A signal that exists.
pub fn signal(number: i32) -> Result<Signal, Failure> {
    if (1..=64).contains(&number) {
        return Ok(Signal(number));
    }
    Err(Failure::caller(&format!(
        "send signal {number}: there is none of that number"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::init::{Path, Profile, User};

    fn command(directory: &str) -> Command {
        Command {
            program: Path::new("true").unwrap(),
            arguments: vec![],
            environment: vec![],
            directory: Path::new(directory).unwrap(),
            user: User {
                user: None,
                group: None,
            },
            capabilities: 0,
            no_new_privileges: true,
            profile: Profile::App,
            limits: vec![],
            window: None,
            linux32: false,
            filter: None,
            apparmor: None,
            selinux: None,
            memory: None,
        }
    }

    fn descriptors(n: usize) -> Vec<OwnedFd> {
        (0..n)
            .map(|_| std::fs::File::open("/dev/null").unwrap().into())
            .collect()
    }

    #[test]
    fn refuses_an_entry_with_too_few_descriptors_or_a_relative_directory() {
        let null = [Stream::Null; 3];
        assert!(entry(command("/"), null, 0, descriptors(6)).is_err());
        assert!(entry(command("tmp"), null, 0, descriptors(7)).is_err());
        let whole = entry(command("/"), null, 2, descriptors(10)).unwrap();
        assert_eq!((whole.groups.len(), whole.passed.len()), (2, 1));
    }

    #[test]
    fn refuses_a_filter_that_could_not_be_installed() {
        let rule = |call| wire::filter::Rule {
            call,
            answer: None,
            condition: vec![],
        };
        let mut command = command("/");
        command.filter = Some(wire::filter::OwnFilter {
            filter: vec![rule(59), rule(231)].try_into().unwrap(),
            in_place: false,
        });
        command.no_new_privileges = false;
        assert!(entry(command, [Stream::Null; 3], 0, descriptors(7)).is_err());
    }

    #[test]
    fn refuses_signals_that_do_not_exist() {
        for n in [-1, 0, 65, i32::MAX] {
            assert!(signal(n).is_err(), "{n}");
        }
        assert_eq!(signal(15), Ok(Signal(15)));
    }
}

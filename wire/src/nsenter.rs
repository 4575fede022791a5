//! What the launcher tells `nsenter`, and what it answers, to the launcher first and then, on the same socket, to `lazaret`.

use crate::failure::Failure;
use crate::frame::Message;
use crate::init::{Command, NAMESPACES, Stream};
use crate::node::NodeName;
use serde::{Deserialize, Serialize};

/// A request to `nsenter`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Joins (namespaces user, mnt, pid, net, ipc, uts, cgroup in this order; then, of the container's `enter` group, the file in each
    /// hierarchy that takes whoever writes `0`; then the passed streams), confines itself as PID 1 is, executes. Answer: `Entered`, later `Exited`.
    Enter {
        /// What is executed.
        command: Box<Command>,
        /// The three standard streams; `Console` is a new terminal of the container's.
        streams: [Stream; 3],
        /// Number of hierarchies.
        hierarchies: u16,
    },
    /// Sends a signal to the command.
    Signal(i32),
    /// Executes nothing, but lays a device node below `/dev` (namespaces user and mnt; the factory's file system, in which it is called 0).
    /// Answer: `Placed`.
    Place {
        /// What it is called.
        name: NodeName,
        /// Whether its mount is writable.
        writable: bool,
    },
    /// Executes nothing, but takes such a node off (namespaces user and mnt). Answer: `Removed`.
    Remove(NodeName),
    /// Executes nothing, but opens an rtnetlink socket inside (namespaces user and net). Answer: `Opened`.
    OpenNetlink,
    /// Executes nothing, but asks the container's init for another runlevel, by its pipe called initctl (namespaces user and mnt). Answer: `Asked` or
    /// `NoPipe`.
    Initctl(Runlevel),
}

/// What System V's init is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Runlevel {
    /// 0: halt.
    Halt,
    /// 6: reboot.
    Reboot,
}

/// What `nsenter` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The command has been executed (one descriptor if `terminal`: the master of its terminal).
    Entered {
        /// Whether it has a terminal.
        terminal: bool,
    },
    /// The command ended with this wait(2) status.
    Exited(i32),
    /// It was not done. Errno `ENOENT` and `EACCES` of the execution itself are told apart by the kind `Caller`.
    Refused(Failure),
    /// The node is there.
    Placed,
    /// It is not.
    Removed,
    /// The socket (one descriptor).
    Opened,
    /// The request is in the pipe.
    Asked,
    /// There is no such pipe, or nobody reads it.
    NoPipe,
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        match self {
            Self::Enter {
                streams, hierarchies, ..
            } => {
                let passed = streams.iter().filter(|s| **s == Stream::Passed).count();
                NAMESPACES
                    .saturating_add(usize::from(*hierarchies))
                    .saturating_add(passed)
            }
            Self::Signal(_) => 0,
            Self::Place { .. } => 3,
            Self::Remove(_) | Self::OpenNetlink | Self::Initctl(_) => 2,
        }
    }
}

impl Message for Reply {
    fn descriptors(&self) -> usize {
        match self {
            Self::Entered { terminal } => usize::from(*terminal),
            Self::Opened => 1,
            Self::Exited(_) | Self::Refused(_) | Self::Placed | Self::Removed | Self::Asked | Self::NoPipe => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HEADER, encode};
    use crate::init::{Path, Profile, User};

    fn hex<M: Message>(message: &M) -> String {
        encode(message).unwrap()[HEADER..]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    fn enter(hierarchies: u16) -> Request {
        let command = Command {
            program: Path::new("x").unwrap(),
            arguments: vec![],
            environment: vec![],
            directory: Path::new("/").unwrap(),
            user: User {
                user: None,
                group: None,
            },
            capabilities: 1,
            no_new_privileges: false,
            profile: Profile::App,
            limits: vec![],
            window: None,
            linux32: false,
            filter: None,
            apparmor: None,
            selinux: None,
            memory: None,
        };
        Request::Enter {
            command: Box::new(command),
            streams: [Stream::Null, Stream::Passed, Stream::Console],
            hierarchies,
        }
    }

    #[test]
    fn bytes_are_frozen() {
        assert_eq!(hex(&enter(3)), "0001780000012f00000100000000000000000002000103");
        assert_eq!(hex(&Request::Signal(15)), "011e");
        let name = NodeName::new("vda").unwrap();
        let place = Request::Place {
            name: name.clone(),
            writable: true,
        };
        assert_eq!((hex(&place), place.descriptors()), ("020376646101".into(), 3));
        assert_eq!(hex(&Request::Remove(name)), "0303766461");
        assert_eq!(
            (hex(&Request::OpenNetlink), Request::OpenNetlink.descriptors()),
            ("04".into(), 2)
        );
        assert_eq!((hex(&Reply::Opened), Reply::Opened.descriptors()), ("05".into(), 1));
        assert_eq!((hex(&Reply::Placed), hex(&Reply::Removed)), ("03".into(), "04".into()));
        let initctl = Request::Initctl(Runlevel::Reboot);
        assert_eq!((hex(&initctl), initctl.descriptors()), ("0501".into(), 2));
        assert_eq!((hex(&Reply::Asked), hex(&Reply::NoPipe)), ("06".into(), "07".into()));
        assert_eq!(hex(&Request::Initctl(Runlevel::Halt)), "0500");
        assert_eq!(hex(&Reply::Entered { terminal: true }), "0001");
        assert_eq!(hex(&Reply::Exited(256)), "018004");
        assert_eq!(hex(&Reply::Refused(Failure::caller("x"))), "0200017800");
    }

    #[test]
    fn each_descriptor_is_accounted_for() {
        assert_eq!(enter(3).descriptors(), NAMESPACES + 3 + 1);
    }
}

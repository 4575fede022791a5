//! What the launcher asks of the writer of the log of deeds, what it answers, and what stands in a record. The writer does not read
//! records: it appends their bytes. Who made them, and `lazaret audit`, know their types.

use crate::bytes::Bytes;
use crate::failure::Failure;
use crate::frame::Message;
use crate::name::{ContainerName, Text};
use crate::program::Program;
use serde::{Deserialize, Serialize};

/// The most bytes that the body of a record has.
pub const MAX_BODY: usize = 1024 * 1024;
/// The most bytes of a record that go into one frame; a longer one is sent in parts.
pub const MAX_PART: usize = 60 * 1024;

/// A request to the writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Where records go from now on. Descriptors: the log, open for reading and appending; the head, open for reading and writing; and, if
    /// `kernel`, a netlink socket of the kernel's audit system. No answer.
    Log {
        /// Whether the socket comes.
        kernel: bool,
        /// Whether the log may be another file than the one that the last record went to: it was opened anew after `Replaced`.
        replaced: bool,
    },
    /// Bytes of the next record. After the last of them it is written. Answer to the last: `Recorded` or `Replaced`.
    Append {
        /// The bytes.
        bytes: Bytes,
        /// Whether more of them come.
        more: bool,
        /// Whether the record has to be on disk before the answer (fdatasync(2)).
        sync: bool,
    },
    /// Tells the kernel's audit system. Answer: `Told`.
    Tell {
        /// The type of the message, as `linux/audit.h` numbers it: 2500, 2501 or 2502.
        kind: u16,
        /// The message.
        text: Text<4096>,
    },
}

/// The writer's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The record is in the log.
    Recorded {
        /// Its number: records are counted from 1, over all files of a log.
        number: u64,
    },
    /// It is not: the log is another file than the one that the last record went to. Whoever rotated it made a new one: open that.
    Replaced,
    /// The kernel took the message.
    Told,
    /// It was not done.
    Refused(Failure),
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        match self {
            Self::Log { kernel, .. } => 2usize.saturating_add(usize::from(*kernel)),
            Self::Append { .. } | Self::Tell { .. } => 0,
        }
    }
}

impl Message for Reply {
    fn descriptors(&self) -> usize {
        0
    }
}

/// Who asked, as the kernel tells of the process that executed the launcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Its real uid.
    pub uid: u32,
    /// The uid that somebody logged in with, whatever they became since (`/proc/PID/loginuid`); none where nobody did.
    pub login: Option<u32>,
    /// The number of that login (`/proc/PID/sessionid`).
    pub session: Option<u32>,
    /// Its controlling terminal, as below `/dev`.
    pub terminal: Option<Text<32>>,
    /// Its pid, which is that of the `lazaret` that was called.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Deed {
    /// A container is started.
    Start,
    /// What is left of a container is cleared away, its processes ended.
    Stop,
    /// A command is executed inside.
    Enter,
    /// A container is frozen.
    Suspend,
    /// It is thawed.
    Resume,
    /// A container is to be ended at once, by its supervisor; a `Stop` follows.
    Destroy,
    /// A container is asked to end.
    Shutdown,
    /// A container is asked to start anew.
    Reboot,
    /// Somebody attaches to a console.
    Console,
    /// The log begins a new file.
    Rotate,
    /// A file or directory, or something to be known, was asked for: recorded only if it was refused.
    Open,
    /// What was asked for could not be understood.
    Unreadable,
    /// Limits of a container that runs are changed.
    Limit,
    /// A process of a container's is sent a signal, by its supervisor.
    Signal,
    /// A container that runs is given a device.
    Attach,
    /// A device is taken from it.
    Detach,
    /// A network of ours is started, or ended.
    Network,
    /// The host's hook script is called.
    Hook,
    /// An ordinary user's container is given a link to a bridge of the host's.
    Lend,
}

/// How a deed ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done.
    Done,
    /// A container runs.
    Started {
        /// PID 1, as the host numbers it.
        pid1: u32,
        /// The supervisor.
        supervisor: u32,
    },
    /// It was not done, or taken back.
    Refused(Failure),
}

/// A frame that a program was sent, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The program.
    pub to: Program,
    /// The frame. The descriptors beside it are counted in its header.
    pub frame: Bytes,
}

/// What stands in a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// Something is about to be done. An `Ended` with this record's number follows, unless the launcher was killed.
    Intent {
        /// What.
        deed: Deed,
        /// For which container.
        container: Option<ContainerName>,
        /// Who asked.
        by: Caller,
        /// The frame in which it was asked for: a start's plan is in it.
        request: Bytes,
    },
    /// What an intent came to.
    Ended {
        /// The intent's number.
        intent: u64,
        /// How.
        outcome: Outcome,
        /// Every frame that was sent for it, in order.
        sent: Vec<Sent>,
    },
    /// Something was refused before anything was done.
    Refused {
        /// What.
        deed: Deed,
        /// For which container.
        container: Option<ContainerName>,
        /// Who asked.
        by: Caller,
        /// The frame in which it was asked for; empty where it was none.
        request: Bytes,
        /// Why.
        why: Failure,
    },
    /// `lazaret` says that it is about to do something that takes no power, through a container's supervisor.
    Announced {
        /// What.
        deed: Deed,
        /// For which container.
        container: ContainerName,
        /// Who asked.
        by: Caller,
    },
    /// The first record of a file that a rotation began.
    Rotated {
        /// The number of the rotation's intent, in the file before.
        intent: u64,
    },
    /// What an intent came to, of which the kernel's audit system was told too, or would have been if it were enabled.
    Told {
        /// The intent's number.
        intent: u64,
        /// How.
        outcome: Outcome,
        /// Every frame that was sent for it, in order.
        sent: Vec<Sent>,
        /// What was told, in order.
        told: Vec<Told>,
    },
}

/// A message of the kernel's audit system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its type, as `linux/audit.h` numbers it.
    pub kind: u16,
    /// Its text.
    pub text: Text<4096>,
}

impl Record {
    /// The body of the record.
    pub fn encode(&self) -> Option<Vec<u8>> {
        postcard::to_allocvec(self).ok().filter(|b| b.len() <= MAX_BODY)
    }

    /// The record of a body, which must be consumed whole.
    pub fn decode(body: &[u8]) -> Option<Self> {
        match postcard::take_from_bytes(body) {
            Ok((record, [])) => Some(record),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HEADER, decode, encode};

    fn payload<M: Message>(value: &M) -> Vec<u8> {
        encode(value).unwrap()[HEADER..].to_vec()
    }

    #[test]
    fn bytes_are_frozen() {
        let frozen: [(Request, &[u8]); 3] = [
            (
                Request::Log {
                    kernel: true,
                    replaced: false,
                },
                &[0, 1, 0],
            ),
            (
                Request::Append {
                    bytes: Bytes(vec![7, 8]),
                    more: false,
                    sync: true,
                },
                &[1, 2, 7, 8, 0, 1],
            ),
            (
                Request::Tell {
                    kind: 2500,
                    text: Text::cut("x"),
                },
                &[2, 0xc4, 0x13, 1, b'x'],
            ),
        ];
        for (value, bytes) in frozen {
            assert_eq!(payload(&value), bytes);
            assert_eq!(decode(&encode(&value).unwrap(), value.descriptors()), Ok(value));
        }
        assert_eq!(payload(&Reply::Recorded { number: 300 }), [0, 0xac, 2]);
        assert_eq!(payload(&Reply::Replaced), [1]);
        assert_eq!(payload(&Reply::Told), [2]);
        assert_eq!(payload(&Reply::Refused(Failure::kernel("x", 28))), [3, 1, 1, b'x', 56]);
    }

    #[test]
    fn the_longest_part_fits_a_frame() {
        let append = Request::Append {
            bytes: Bytes(vec![0; MAX_PART]),
            more: true,
            sync: false,
        };
        assert!(encode(&append).is_ok());
    }

    fn by() -> Caller {
        Caller {
            uid: 0,
            login: Some(1000),
            session: None,
            terminal: Some(Text::cut("pts/3")),
            pid: 300,
            parent: 2,
        }
    }

    const BY: &[u8] = &[0, 1, 0xe8, 7, 0, 1, 5, b'p', b't', b's', b'/', b'3', 0xac, 2, 2];

    #[test]
    fn bytes_of_records_are_frozen() {
        let name = || ContainerName::new("c").unwrap();
        let frozen: [(Record, Vec<u8>); 7] = [
            (
                Record::Intent {
                    deed: Deed::Start,
                    container: Some(name()),
                    by: by(),
                    request: Bytes(vec![9]),
                },
                [&[0, 0, 1, 1, b'c'], BY, &[1, 9]].concat(),
            ),
            (
                Record::Ended {
                    intent: 5,
                    outcome: Outcome::Started { pid1: 6, supervisor: 7 },
                    sent: vec![Sent {
                        to: Program::Cgroupd,
                        frame: Bytes(vec![9]),
                    }],
                },
                vec![1, 5, 1, 6, 7, 1, 6, 1, 9],
            ),
            (
                Record::Ended {
                    intent: 5,
                    outcome: Outcome::Refused(Failure::caller("x")),
                    sent: vec![],
                },
                vec![1, 5, 2, 0, 1, b'x', 0, 0],
            ),
            (
                Record::Refused {
                    deed: Deed::Unreadable,
                    container: None,
                    by: by(),
                    request: Bytes::default(),
                    why: Failure::caller("x"),
                },
                [&[2, 11, 0], BY, &[0, 0, 1, b'x', 0]].concat(),
            ),
            (
                Record::Announced {
                    deed: Deed::Destroy,
                    container: name(),
                    by: by(),
                },
                [&[3, 5, 1, b'c'], BY].concat(),
            ),
            (Record::Rotated { intent: 300 }, vec![4, 0xac, 2]),
            (
                Record::Told {
                    intent: 5,
                    outcome: Outcome::Done,
                    sent: vec![],
                    told: vec![Told {
                        kind: 2500,
                        text: Text::cut("x"),
                    }],
                },
                vec![5, 5, 0, 0, 1, 0xc4, 0x13, 1, b'x'],
            ),
        ];
        for (record, bytes) in frozen {
            assert_eq!(record.encode(), Some(bytes.clone()));
            assert_eq!(Record::decode(&bytes), Some(record));
            assert_eq!(Record::decode(&[&bytes[..], &[0]].concat()), None);
        }
        let deeds = [
            Deed::Start,
            Deed::Stop,
            Deed::Enter,
            Deed::Suspend,
            Deed::Resume,
            Deed::Destroy,
            Deed::Shutdown,
            Deed::Reboot,
            Deed::Console,
            Deed::Rotate,
            Deed::Open,
            Deed::Unreadable,
            Deed::Limit,
            Deed::Signal,
            Deed::Attach,
            Deed::Detach,
            Deed::Network,
            Deed::Hook,
            Deed::Lend,
        ];
        for (number, deed) in (0u8..).zip(deeds) {
            assert_eq!(postcard::to_allocvec(&deed).unwrap(), [number]);
        }
        assert_eq!(postcard::to_allocvec(&Outcome::Done).unwrap(), [0]);
    }
}

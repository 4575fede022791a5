//! What the launcher tells a container's supervisor; and, on the control socket, what `lazaret` asks of it.

use crate::failure::Failure;
use crate::frame::Message;
use crate::init::NAMESPACES;
use crate::name::{ContainerName, LinkName};
use serde::{Deserialize, Serialize};

/// The launcher's one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Keeps the container. Descriptors in this order: the state directory's lock file; the claim of the container's ids; the listening control socket; the exit
    /// record, open for writing; the log ring, open for reading and writing; the socket of `init`; a pidfd of PID 1; a pidfd of
    /// `init`; the namespaces user, mnt, pid, net, ipc, uts, cgroup; then the firewall's socket and the claim of addresses and ports if `firewall`; the log pipe's reading
    /// end if `log_pipe`; a pidfd of `fused` unless that is 0; then one pty master for each console.
    Keep {
        /// The container.
        name: ContainerName,
        /// The uid whose processes may use the control socket (`SO_PEERCRED`).
        client: u32,
        /// PID 1 of the container, in the host's pid namespace like the two below.
        pid1: u32,
        /// `init`'s outer half.
        init: u32,
        /// The link whose firewall's socket comes.
        firewall: Option<LinkName>,
        /// Whether a pipe comes that carries the payload's output.
        log_pipe: bool,
        /// The server of `/proc/meminfo`; its pidfd comes unless this is 0.
        fused: u32,
        /// Number of pty masters.
        consoles: u8,
    },
}

/// The answer to the launcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The container is kept: from now on its life does not depend on the launcher.
    Keeping,
    /// It is not.
    Refused(Failure),
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        let Self::Keep {
            firewall,
            log_pipe,
            fused,
            consoles,
            ..
        } = self;
        let walled = firewall.is_some();
        let single = [walled, walled, *log_pipe, *fused != 0];
        let single = single.iter().filter(|b| **b).count();
        8usize
            .saturating_add(NAMESPACES)
            .saturating_add(single)
            .saturating_add(usize::from(*consoles))
    }
}

impl Message for Reply {
    fn descriptors(&self) -> usize {
        0
    }
}

/// What `lazaret` asks on the control socket (`SOCK_SEQPACKET`, one conversation for each connection).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// Who are you? Answer: `State`.
    Identify,
    /// The namespaces, for entering. Answer: `Namespaces`.
    Namespaces,
    /// Sends a signal to PID 1. Answer: `Done`.
    Signal(i32),
    /// Ends the container at once, whatever is to follow its end. Answer: `Done`, and `Ended` to all who wait.
    Kill,
    /// Says `Ended` when the container has ended, at once if it has. What was printed last may still be on its way to viewers then:
    /// they read to the end of their sockets.
    Wait,
    /// Attaches to a console. Answer: `Attached`, with one end of a stream socket: reading gives what was printed, from the start of
    /// the ring if `replay`; writing types.
    Attach {
        /// Number of the console, from 0. A container without consoles but with a log pipe has that as number 0, for reading only.
        console: u8,
        /// Whether to begin with what was printed before.
        replay: bool,
        /// Whether the container waits for this viewer, rather than the viewer losing output. It ends with the viewer.
        lossless: bool,
    },
    /// The viewer's window has this size. Answer: none, or `Refused` where there is no such terminal.
    Resize {
        /// Number of the console.
        console: u8,
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// As `Wait`; and the container ends when this conversation does, whoever ends it.
    WaitTied,
    /// Sends a signal to one process of the container's (one descriptor: a pidfd of it). The kernel lets it reach nobody but those in the
    /// user namespaces that the container's keeper owns, and the keeper's own. Answer: `Done`.
    SignalProcess(i32),
    /// Keeps the rules of this link, which came while the container runs (two descriptors: the firewall's socket, the claim of its addresses). From root
    /// alone. Answer: `Done`.
    Wall(LinkName),
    /// Lets the rules of this link and the claim go, if there are any; those of another one are not. From root alone. Answer: `Done`.
    Unwall(LinkName),
}

/// What the supervisor answers on the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The container and its processes (pids in the host's pid namespace).
    State {
        /// The container.
        name: ContainerName,
        /// PID 1 of the container.
        pid1: u32,
        /// `init`'s outer half.
        init: u32,
        /// The server of `/proc/meminfo`, 0 if there is none or it has died.
        fused: u32,
        /// How often PID 1 was started anew.
        restarts: u32,
    },
    /// The namespaces user, mnt, pid, net, ipc, uts, cgroup.
    Namespaces,
    /// It was done.
    Done,
    /// One stream socket.
    Attached,
    /// The container has ended, with this wait(2) status of its first process.
    Ended(i32),
    /// It was not done.
    Refused(Failure),
}

impl Message for Control {
    fn descriptors(&self) -> usize {
        match self {
            Self::Wall(_) => 2,
            Self::SignalProcess(_) => 1,
            _ => 0,
        }
    }
}

impl Message for Report {
    fn descriptors(&self) -> usize {
        match self {
            Self::Namespaces => NAMESPACES,
            Self::Attached => 1,
            Self::State { .. } | Self::Done | Self::Ended(_) | Self::Refused(_) => 0,
        }
    }
}

/// The exit record: what the supervisor writes, once, into the file that it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// wait(2) status of the first process.
    pub status: i32,
    /// Seconds since 1970.
    pub at: u64,
}

/// The exit record of a container that would have been started anew, had it not been so too often already; it has the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopRecord {
    /// wait(2) status of the last first process.
    pub status: i32,
    /// Seconds since 1970.
    pub at: u64,
    /// How many times it was started, in all.
    pub starts: u32,
}

impl Message for LoopRecord {
    fn descriptors(&self) -> usize {
        0
    }
}

impl Message for ExitRecord {
    fn descriptors(&self) -> usize {
        0
    }
}

/// The log ring: a file of fixed size, [`RING_HEADER`] bytes and then [`RING`] bytes that are written round and round.
/// The header is the number of bytes ever written, a little-endian u64.
pub const RING: u64 = 1024 * 1024;
/// Bytes before the ring's data.
pub const RING_HEADER: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HEADER, decode, encode};

    fn payload<M: Message>(value: &M) -> Vec<u8> {
        encode(value).unwrap()[HEADER..].to_vec()
    }

    fn link() -> LinkName {
        LinkName::new("l").unwrap()
    }

    fn keep(firewall: bool, log_pipe: bool, fused: u32, consoles: u8) -> Request {
        let name = ContainerName::new("c").unwrap();
        Request::Keep {
            name,
            client: 300,
            pid1: 7,
            init: 8,
            firewall: firewall.then(link),
            log_pipe,
            fused,
            consoles,
        }
    }

    #[test]
    fn bytes_are_frozen() {
        assert_eq!(
            payload(&keep(true, false, 9, 2)),
            [0, 1, b'c', 0xac, 2, 7, 8, 1, 1, b'l', 0, 9, 2]
        );
        assert_eq!(
            payload(&keep(false, false, 9, 2)),
            [0, 1, b'c', 0xac, 2, 7, 8, 0, 0, 9, 2]
        );
        assert_eq!(payload(&Reply::Keeping), [0]);
        assert_eq!(payload(&Reply::Refused(Failure::kernel("x", 5))), [1, 1, 1, b'x', 10]);
    }

    #[test]
    fn bytes_of_the_control_socket_are_frozen() {
        let frozen: [(Control, &[u8]); 11] = [
            (Control::Identify, &[0]),
            (Control::Namespaces, &[1]),
            (Control::Signal(15), &[2, 30]),
            (Control::Kill, &[3]),
            (Control::Wait, &[4]),
            (Control::WaitTied, &[7]),
            (Control::SignalProcess(15), &[8, 30]),
            (Control::Wall(link()), &[9, 1, b'l']),
            (Control::Unwall(link()), &[10, 1, b'l']),
            (
                Control::Attach {
                    console: 1,
                    replay: true,
                    lossless: false,
                },
                &[5, 1, 1, 0],
            ),
            (
                Control::Resize {
                    console: 0,
                    rows: 24,
                    columns: 300,
                },
                &[6, 0, 24, 0xac, 2],
            ),
        ];
        for (value, bytes) in frozen {
            assert_eq!(payload(&value), bytes);
            assert_eq!(decode(&encode(&value).unwrap(), value.descriptors()), Ok(value));
        }
        let name = ContainerName::new("c").unwrap();
        let frozen: [(Report, &[u8], usize); 6] = [
            (
                Report::State {
                    name,
                    pid1: 7,
                    init: 8,
                    fused: 0,
                    restarts: 1,
                },
                &[0, 1, b'c', 7, 8, 0, 1],
                0,
            ),
            (Report::Namespaces, &[1], 7),
            (Report::Done, &[2], 0),
            (Report::Attached, &[3], 1),
            (Report::Ended(256), &[4, 0x80, 4], 0),
            (Report::Refused(Failure::caller("x")), &[5, 0, 1, b'x', 0], 0),
        ];
        for (value, bytes, descriptors) in frozen {
            assert_eq!(payload(&value), bytes);
            assert_eq!(decode(&encode(&value).unwrap(), descriptors), Ok(value));
        }
        assert_eq!(payload(&ExitRecord { status: 9, at: 1 }), [18, 1]);
        let looped = LoopRecord {
            status: 9,
            at: 1,
            starts: 5,
        };
        assert_eq!(payload(&looped), [18, 1, 5]);
    }

    #[test]
    fn every_descriptor_is_counted() {
        assert_eq!(keep(false, false, 0, 0).descriptors(), 15);
        assert_eq!(keep(true, true, 9, 3).descriptors(), 22);
    }
}

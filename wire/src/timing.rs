//! When each program was started, asked and answered: what `run --timing` shows. Times are nanoseconds of `CLOCK_MONOTONIC` (clock_gettime(2)),
//! which all processes of a host share. No system calls.

use crate::Program;
use serde::{Deserialize, Serialize};

/// The most moments that are kept of one command.
pub const MOST: usize = 512;

/// Something that happened to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// To which.
    pub program: Program,
    /// What.
    pub step: Step,
    /// When.
    pub at: u64,
}

/// What happened to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// It was started.
    Started,
    /// It was sent a request: its number among those that the program knows.
    Asked(u8),
    /// It answered.
    Answered,
}

/// What a program can be asked, in the order of its request enum, and whether that has an answer.
const fn requests(program: Program) -> &'static [(&'static str, bool)] {
    match program {
        Program::Lazaret | Program::Launcher => &[],
        Program::Supervisor => &[("Keep", true)],
        Program::Mountd => &[("Make", true), ("Allow", true)],
        Program::Netd => &[
            ("Connect", true),
            ("Protect", true),
            ("Forward", true),
            ("RemoveBridge", true),
            ("RemoveLink", true),
            ("FindDropping", true),
            ("KeepBridge", true),
            ("EndBridge", true),
            ("Find", true),
            ("Lend", true),
            ("TakeBack", true),
            ("Restore", true),
            ("Disconnect", true),
            ("Join", true),
            ("Raise", true),
        ],
        Program::Idmapd => &[("WriteMaps", true), ("WriteConsentedMaps", true)],
        Program::Cgroupd => &[
            ("Make", true),
            ("Remove", true),
            ("Freeze", true),
            ("RemoveEmpty", true),
            ("Limit", true),
        ],
        Program::Devd => &[("Attach", true)],
        Program::Fused => &[("Serve", true)],
        Program::Init => &[
            ("Begin", true),
            ("Mapped", true),
            ("Join", false),
            ("Attach", false),
            ("Execute", true),
            ("MappedInto", true),
        ],
        Program::Nsenter => &[
            ("Enter", true),
            ("Signal", false),
            ("Place", true),
            ("Remove", true),
            ("OpenNetlink", true),
        ],
        Program::Recordd => &[("Log", false), ("Append", true), ("Tell", true)],
        Program::Loopd => &[("Find", true), ("Attach", true), ("Look", true)],
    }
}

/// The name of a request, and whether it has an answer.
pub fn request(program: Program, number: u8) -> Option<(&'static str, bool)> {
    requests(program).get(usize::from(number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HEADER, Message, encode};

    /// The number that the encoding gives a request, and the name that it has.
    fn same<M: Message + std::fmt::Debug>(program: Program, messages: &[M]) {
        for message in messages {
            let frame = encode(message).unwrap();
            let shown = format!("{message:?}");
            let name = shown.split(|c: char| !c.is_alphanumeric()).next().unwrap();
            assert_eq!(request(program, frame[HEADER]).map(|r| r.0), Some(name), "{shown}");
        }
        assert_eq!(requests(program).len(), messages.len(), "{}", program.name());
    }

    #[test]
    fn requests_have_the_names_of_their_variants() {
        use crate::{Text, bytes::Bytes, cgroupd, devd, idmapd, init, loopd, mountd, netd, recordd};
        let link = || crate::LinkName::new("lzb0").unwrap();
        let name = || crate::ContainerName::new("a").unwrap();
        same(
            Program::Mountd,
            &[mountd::Request::Make(Vec::new()), mountd::Request::Allow(Vec::new())],
        );
        let (uid, gid) = (Vec::new(), Vec::new());
        same(
            Program::Idmapd,
            &[
                idmapd::Request::WriteMaps {
                    uid: uid.clone(),
                    gid: gid.clone(),
                },
                idmapd::Request::WriteConsentedMaps { uid, gid },
            ],
        );
        same(Program::Devd, &[devd::Request::Attach(Vec::new())]);
        let attach = loopd::Request::Attach { read_only: true };
        same(Program::Loopd, &[loopd::Request::Find, attach, loopd::Request::Look]);
        let (hierarchies, limits) = (Vec::new(), cgroupd::Limits::default());
        same(
            Program::Cgroupd,
            &[
                cgroupd::Request::Make {
                    name: name(),
                    hierarchies: hierarchies.clone(),
                    limits: limits.clone(),
                },
                cgroupd::Request::Remove {
                    name: name(),
                    hierarchies: hierarchies.clone(),
                },
                cgroupd::Request::Freeze {
                    name: name(),
                    hierarchies: hierarchies.clone(),
                    frozen: true,
                },
                cgroupd::Request::RemoveEmpty {
                    name: name(),
                    hierarchies: hierarchies.clone(),
                },
                cgroupd::Request::Limit {
                    name: name(),
                    hierarchies,
                    limits,
                },
            ],
        );
        for (number, shown) in [
            (1, init::Request::Mapped),
            (2, init::Request::Join(0)),
            (3, init::Request::Attach(0)),
            (4, init::Request::Execute),
            (5, init::Request::MappedInto),
        ] {
            assert_eq!(encode(&shown).unwrap()[HEADER], number);
            let name = request(Program::Init, number).unwrap().0;
            assert!(format!("{shown:?}").starts_with(name), "{shown:?}");
        }
        for (number, shown) in [
            (2, netd::Request::Forward),
            (3, netd::Request::RemoveBridge(link())),
            (4, netd::Request::RemoveLink(link())),
            (5, netd::Request::FindDropping(link())),
            (7, netd::Request::EndBridge(link())),
        ] {
            assert_eq!(encode(&shown).unwrap()[HEADER], number);
            let name = request(Program::Netd, number).unwrap().0;
            assert!(format!("{shown:?}").starts_with(name), "{shown:?}");
        }
        same(
            Program::Recordd,
            &[
                recordd::Request::Log {
                    kernel: false,
                    replaced: false,
                },
                recordd::Request::Append {
                    bytes: Bytes::default(),
                    more: false,
                    sync: false,
                },
                recordd::Request::Tell {
                    kind: 1,
                    text: Text::cut("x"),
                },
            ],
        );
    }
}

//! The network `user` of an ordinary user's container: `pasta` (passt(1)), which carries what the container sends over sockets of the user's own. It
//! confines itself, and is told to let nothing in, and to lead nobody to the host's loopback. It is in a pid namespace with a process that watches the
//! container: when that ends, the kernel ends the rest. May touch: pasta's file, the container's namespaces, to hand them over.

use crate::open;
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::birth::Birth;
use sys::process::{Fork, Power, errno};
use wire::ids::IdBlock;
use wire::launcher::Outward;
use wire::user::PASTA;
use wire::{Failure, Program};

/// No port of the container's is one of the host's nor the other way round, and no address of the host's loopback is reached by the gateway's. The
/// namespaces are its first two descriptors, which it has no other use for, and closes.
const WORDS: [&CStr; 17] = [
    c"pasta",
    c"--config-net",
    c"--no-map-gw",
    c"-t",
    c"none",
    c"-u",
    c"none",
    c"-T",
    c"none",
    c"-U",
    c"none",
    c"--no-netns-quit",
    c"--quiet",
    c"--netns",
    c"/proc/self/fd/0",
    c"--userns",
    c"/proc/self/fd/1",
];
/// CAP_SYS_ADMIN (capabilities(7)), in the user's host: it joins the container's namespaces by that, and keeps nothing of it there.
const SYS_ADMIN: u8 = 21;
/// How long it may take to begin, in seconds.
const PATIENCE: i64 = 60;
/// Bytes of what it says on its error output that a refusal has.
const SAID: usize = 256;

fn fail(e: Errno) -> Failure {
    Failure::kernel("start pasta", e as i32)
}

/// pasta's file.
fn program() -> Result<OwnedFd, Failure> {
    let open = |path: &&str| rustix::fs::open(*path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok();
    PASTA
        .iter()
        .find_map(open)
        .ok_or_else(|| Failure::caller("have the network user: pasta is not installed (sudo apt-get install passt)"))
}

/// What it is told.
fn words(link: &Outward) -> Result<Vec<CString>, Failure> {
    let mac = link.mac.map(|byte| format!("{byte:02x}")).join(":");
    let own = ["--ns-ifname", link.guest.as_str(), "--ns-mac-addr", mac.as_str()].map(CString::new);
    let own = own
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Failure::bug("name the link for pasta"))?;
    Ok(WORDS.into_iter().map(CStr::to_owned).chain(own).collect())
}

/// Connects a container, by its user and network namespaces; `container` is the pidfd of what ends with it. When this returns its link is there.
pub fn connect(
    link: &Outward,
    block: IdBlock,
    group: Option<BorrowedFd<'_>>,
    namespaces: [BorrowedFd<'_>; 2],
    container: BorrowedFd<'_>,
) -> Result<(), Failure> {
    let (program, words, null) = (program()?, words(link)?, open::file("/dev/null", true)?);
    let pipe = || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(fail);
    let ((hear, tell), (said, say)) = (pipe()?, pipe()?);
    match sys::process::clone_into(CloneFlags::CLONE_NEWPID, group).map_err(fail)? {
        Fork::Child => {
            let pasta = Pasta {
                id: block.of(Program::Netd),
                program: program.as_fd(),
                words: &words.iter().map(CString::as_c_str).collect::<Vec<_>>(),
                descriptors: [namespaces[1], namespaces[0], say.as_fd()],
            };
            let watched = watch(&pasta, [null.as_fd(), container, tell.as_fd()]);
            sys::process::exit_now(i32::from(watched.is_err()))
        }
        Fork::Parent(_) => drop((tell, say)),
    }
    let mut told = [1u8];
    if ready(&hear, PATIENCE)? && rustix::io::read(&hear, &mut told).map_err(|e| fail(errno(e)))? == 1 && told == [0] {
        return Ok(());
    }
    Err(Failure::caller(&format!(
        "have the network user: pasta does not connect the container: {} (lazaret check)",
        reason(&said)?
    )))
}

/// Whether there is something to read within so many seconds.
fn ready(from: &OwnedFd, seconds: i64) -> Result<bool, Failure> {
    let patience = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let heard = poll(&mut [PollFd::new(from, PollFlags::IN)], Some(&patience));
    heard.map(|n| n == 1).map_err(|e| fail(errno(e)))
}

/// The last line of what it has said.
fn reason(said: &OwnedFd) -> Result<String, Failure> {
    let mut bytes = [0u8; 4096];
    let mut count = 0;
    if ready(said, 0)? {
        count = rustix::io::read(said, &mut bytes).map_err(|e| fail(errno(e)))?;
    }
    let text = String::from_utf8_lossy(bytes.get(..count).unwrap_or_default());
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    // A time comes first.
    let time = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let last = last.map(|line| {
        line.split_once(": ")
            .filter(|(first, _)| time(first))
            .map_or(line, |(_, rest)| rest)
    });
    let last = last.unwrap_or("it says nothing");
    Ok(last.chars().filter(|c| !c.is_control()).take(SAID).collect())
}

/// What is executed, as whom, with what.
struct Pasta<'a> {
    id: u32,
    program: BorrowedFd<'a>,
    words: &'a [&'a CStr],
    descriptors: [BorrowedFd<'a>; 3],
}

/// The first process of the pid namespace: starts pasta, whose first process ends when the link is there, gives up all power, tells that, and waits
/// for the end of the container, or of pasta.
fn watch(pasta: &Pasta<'_>, [null, container, tell]: [BorrowedFd<'_>; 3]) -> Result<(), Errno> {
    let mut power = Power {
        id: pasta.id,
        groups: Vec::new(),
        capabilities: vec![SYS_ADMIN],
        no_new_privileges: true,
    };
    // What this process ignores, pasta would take for a refusal of its handlers.
    sys::signals::reset()?;
    let first = sys::birth::start_in(pasta.program, pasta.words, &pasta.descriptors, &power, Birth::default())?;
    // Nothing of what they were is used from here on, and this process does not return.
    sys::process::lay_out(&[null, null, null, container, tell])?;
    let (container, tell) = (sys::process::inherited(3)?, sys::process::inherited(4)?);
    power.capabilities.clear();
    sys::process::become_power(&power)?;
    sys::process::set_dumpable(false)?;
    if sys::process::wait(first)? != WaitStatus::Exited(first, 0) {
        return Err(Errno::ECHILD);
    }
    let mut ended = SigSet::empty();
    ended.add(Signal::SIGCHLD);
    ended.thread_block()?;
    let ended = SignalFd::with_flags(&ended, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    policies::steady(policies::State::LauncherWatching)?;
    rustix::io::write(&tell, &[0]).map_err(errno)?;
    drop(tell);
    linger(&container, &ended)
}

/// Returns when the container has ended, or pasta, which is this process's child since the one that started it has ended.
fn linger(container: &OwnedFd, ended: &SignalFd) -> Result<(), Errno> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {}
            Ok(_) => continue,
            Err(Errno::ECHILD) => return Ok(()),
            Err(e) => return Err(e),
        }
        let mut both = [
            PollFd::new(container, PollFlags::IN),
            PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN),
        ];
        poll(&mut both, None).map_err(errno)?;
        if !both[0].revents().is_empty() {
            return Ok(());
        }
        while ended.read_signal()?.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::LinkName;

    #[test]
    fn it_is_told_to_let_nothing_through_but_what_the_container_begins() {
        let link = Outward {
            guest: LinkName::new("lan0").unwrap(),
            mac: [2, 0, 0, 0, 0, 0x1f],
        };
        let words = words(&link).unwrap();
        let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
        let has = |pair: [&str; 2]| words.windows(2).any(|two| two == pair);
        for ports in ["-t", "-u", "-T", "-U"] {
            assert!(has([ports, "none"]), "{words:?}");
        }
        assert!(words.contains(&"--no-map-gw"), "{words:?}");
        assert!(
            has(["--ns-ifname", "lan0"]) && has(["--ns-mac-addr", "02:00:00:00:00:1f"]),
            "{words:?}"
        );
    }

    #[test]
    fn the_reason_is_the_last_line_without_its_time() {
        let reason = |text: &[u8]| {
            let (said, say) = nix::unistd::pipe().unwrap();
            rustix::io::write(&say, text).unwrap();
            drop(say);
            reason(&said).unwrap()
        };
        assert_eq!(reason(b"first\n17.4: it: is \x1b[1mso\n\n"), "it: is [1mso");
        assert_eq!(reason(b"no time: here"), "no time: here");
        assert_eq!(reason(b""), "it says nothing");
    }
}

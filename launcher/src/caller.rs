//! Who called: what the kernel tells of the `lazaret` that made the channel, and of this process, its child, which is of the same session.
//! May touch: `/proc/self`, `/proc/PID/stat` of `lazaret`.

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::fs::{Mode, OFlags};
use std::os::fd::BorrowedFd;
use wire::Text;
use wire::recordd::Caller;

/// The process that was called, as the kernel knows it: the one that made this channel (unix(7), `SO_PEERCRED`).
pub fn caller(channel: BorrowedFd<'_>) -> Caller {
    let read = |path: &str| {
        let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        file.and_then(crate::open::text).unwrap_or_default()
    };
    let maker = getsockopt(&channel, PeerCredentials).map_or(0, |made| made.pid());
    let stat = read(&format!("/proc/{maker}/stat"));
    Caller {
        // On a user's host it is 0 that asks, who is the user.
        uid: crate::user::here().map_or_else(|| nix::unistd::getuid().as_raw(), |user| user.uid),
        login: login(&read("/proc/self/loginuid")),
        session: login(&read("/proc/self/sessionid")),
        terminal: terminal(&stat).map(|t| Text::cut(&t)),
        pid: u32::try_from(maker).unwrap_or(0),
        parent: field(&stat, PARENT).unwrap_or(0),
    }
}

/// `ppid` and `tty_nr` of proc_pid_stat(5), by how many fields stand before it after the command's name.
const PARENT: usize = 1;
const TERMINAL: usize = 4;

fn field(stat: &str, number: usize) -> Option<u32> {
    // The second field is the command's name, in parentheses that it may contain too.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(number)?.parse().ok()
}

/// `/proc/self/loginuid` and `/proc/self/sessionid`: all bits set where nobody has logged in.
fn login(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|n| *n != u32::MAX)
}

/// The controlling terminal, `tty_nr` of proc_pid_stat(5), by the name that `/dev` has for its number (`devices.txt` of the kernel).
fn terminal(stat: &str) -> Option<String> {
    let number = field(stat, TERMINAL)?;
    let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xf_ff00));
    match (major, minor) {
        (0, 0) => None,
        (136..=143, _) => {
            let pts = major.saturating_sub(136).saturating_mul(256).saturating_add(minor);
            Some(format!("pts/{pts}"))
        }
        (4, 0..=63) => Some(format!("tty{minor}")),
        (4, _) => Some(format!("ttyS{}", minor.saturating_sub(64))),
        _ => Some(format!("{major}:{minor}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_named_as_dev_names_it() {
        let stat = |tty: u32| format!("7 (a) S 9 (b) S 1 2 3 {tty} 5");
        let named = |major: u32, minor: u32| terminal(&stat((major << 8) | (minor & 0xff) | ((minor >> 8) << 20)));
        assert_eq!(named(0, 0), None);
        assert_eq!(named(136, 3).as_deref(), Some("pts/3"));
        assert_eq!(named(137, 1).as_deref(), Some("pts/257"));
        assert_eq!(named(136, 300).as_deref(), Some("pts/300"));
        assert_eq!(named(4, 1).as_deref(), Some("tty1"));
        assert_eq!(named(4, 64).as_deref(), Some("ttyS0"));
        assert_eq!(named(229, 0).as_deref(), Some("229:0"));
        assert_eq!(terminal(""), None);
    }

    #[test]
    fn nobody_who_logged_in_is_nobody() {
        assert_eq!(
            (login("1000"), login("4294967295"), login("")),
            (Some(1000), None, None)
        );
    }

    #[test]
    fn the_kernel_knows_who_made_the_channel() {
        let (ours, _theirs) = sys::channel::pair::<wire::launcher::Reply, wire::launcher::Request>().unwrap();
        use std::os::fd::AsFd;
        let caller = caller(ours.as_fd());
        assert_eq!(caller.pid, std::process::id());
        assert_eq!(caller.parent, u32::try_from(nix::unistd::getppid().as_raw()).unwrap());
        assert_eq!(caller.uid, nix::unistd::getuid().as_raw());
    }
}

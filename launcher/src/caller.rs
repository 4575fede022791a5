//! Who called: what the kernel tells of this process, before it splits and gives its pid back to `lazaret`. May touch: `/proc/self`.

use wire::Text;
use wire::recordd::Caller;

/// The process that was called, as the kernel knows it.
pub fn caller() -> Caller {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let number = |pid: nix::unistd::Pid| u32::try_from(pid.as_raw()).unwrap_or(0);
    Caller {
        uid: nix::unistd::getuid().as_raw(),
        login: login(&read("loginuid")),
        session: login(&read("sessionid")),
        terminal: terminal(&read("stat")).map(|t| Text::cut(&t)),
        pid: number(nix::unistd::getpid()),
        parent: number(nix::unistd::getppid()),
    }
}

/// `/proc/self/loginuid` and `/proc/self/sessionid`: all bits set where nobody has logged in.
fn login(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|n| *n != u32::MAX)
}

/// The controlling terminal, `tty_nr` of proc_pid_stat(5), by the name that `/dev` has for its number (`devices.txt` of the kernel).
fn terminal(stat: &str) -> Option<String> {
    // The second field is the command's name, in parentheses that it may contain too.
    let (_, fields) = stat.rsplit_once(')')?;
    let number: u32 = fields.split_whitespace().nth(4)?.parse().ok()?;
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
    fn the_kernel_knows_this_process() {
        let caller = caller();
        assert_eq!(caller.pid, std::process::id());
        assert_eq!(caller.uid, nix::unistd::getuid().as_raw());
    }
}

//! `shutdown` and `reboot`: what the container's own init takes for it, by its pipe called initctl or by a signal, and its end. May touch:
//! `/proc/PID/status`, the control socket, a pidfd; through the launcher, that pipe.

use crate::error::{Error, Outcome};
use crate::first::First;
use crate::lent::Held;
use crate::lookup::{Found, find};
use crate::manner::named;
use crate::options::Asking;
use crate::output::done;
use crate::processes::awaits;
use crate::session::Session;
use crate::state::record::{Origin, Record};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;
use wire::init::{Afterwards, Then};
use wire::nsenter::Runlevel;
use wire::recordd::Deed;

const SIGINT: i32 = 2;
const SIGUSR1: i32 = 10;
const SIGUSR2: i32 = 12;
const SIGTERM: i32 = 15;
const SIGTSTP: i32 = 20;
const SIGPWR: i32 = 30;
/// systemd(1): `SIGRTMIN+4` powers off, `SIGRTMIN+5` reboots, `SIGRTMIN+3` halts, which is what a container does.
const SYSTEMD_HALT: i32 = 37;
const SYSTEMD_REBOOT: i32 = 39;

fn waits(status: &str, signal: i32) -> bool {
    u32::try_from(signal).is_ok_and(|s| awaits(status, s))
}

/// Whether this is busybox's init. Older ones catch the signals that they take. Newer ones wait in sigtimedwait(2), where the kernel shows them
/// as neither caught nor blocked; `SIGTSTP` is the only one that they catch.
fn is_busybox(status: &str) -> bool {
    let catches = |signals: &[i32]| signals.iter().all(|s| waits(status, *s));
    let name = status.lines().find_map(|l| l.strip_prefix("Name:")).map(str::trim);
    let waiting = catches(&[SIGTSTP]) && ![SIGTERM, SIGINT, SIGUSR1].iter().any(|s| waits(status, *s));
    catches(&[SIGUSR1, SIGUSR2, SIGTERM]) || (waiting && matches!(name, Some("init" | "linuxrc" | "busybox")))
}

/// Which signal ends an init, judged by what it waits for; `None` if there is none.
///
/// systemd waits for `SIGRTMIN+3`. busybox's init takes `SIGUSR2` for poweroff and `SIGTERM` for reboot. Others end by `SIGTERM`, or, as
/// sysvinit does, by `SIGPWR`.
pub fn ending(status: &str, reaper: bool) -> Option<i32> {
    match () {
        () if reaper => Some(SIGTERM),
        () if waits(status, SYSTEMD_HALT) => Some(SYSTEMD_HALT),
        () if is_busybox(status) => Some(SIGUSR2),
        () if waits(status, SIGTERM) => Some(SIGTERM),
        () if waits(status, SIGPWR) => Some(SIGPWR),
        () => None,
    }
}

/// Which signal makes an init start anew, by the same signs.
pub fn rebooting(status: &str) -> Option<i32> {
    match () {
        () if waits(status, SYSTEMD_REBOOT) => Some(SYSTEMD_REBOOT),
        () if is_busybox(status) => Some(SIGTERM),
        () if waits(status, SIGINT) => Some(SIGINT),
        () => None,
    }
}

/// A container that is to be asked, and its first process.
fn first_of(found: &Found) -> Outcome<(&Record, First)> {
    let (place, record) = found.running()?;
    if record.paused {
        return Err(Error::caller(format!("{} is suspended: resume it first", found.name)));
    }
    Ok((record, First::hold(place)?))
}

/// Sends a container's init the signal that `choose` picks for it, and holds the process that was sent it.
pub fn ask(session: &Session, found: &Found, deed: Deed, choose: impl Fn(&str, bool) -> Option<i32>) -> Outcome<First> {
    let (record, first) = first_of(found)?;
    by_signal(session, found, record, &first, deed, choose)?;
    Ok(first)
}

fn by_signal(
    session: &Session,
    found: &Found,
    record: &Record,
    first: &First,
    deed: Deed,
    choose: impl Fn(&str, bool) -> Option<i32>,
) -> Outcome<()> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", first.pid)).unwrap_or_default();
    let reaper = matches!(record.origin, Origin::Run { .. });
    let signal = choose(&status, reaper).ok_or_else(|| {
        Error::caller(format!(
            "its init waits for no signal that would do it (lazaret destroy {} ends it at once)",
            found.name
        ))
    })?;
    session.launcher.announce(&found.name, deed)?;
    first.supervisor.signal(signal)
}

/// The ways in which a container may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ways {
    /// By the pipe called initctl.
    initctl: bool,
    /// By a signal, where there is no such pipe.
    signal: bool,
}

/// Those that are allowed: virsh's words, with commas between.
fn ways(mode: Option<&str>, and: &str) -> Outcome<Ways> {
    let Some(modes) = mode else {
        return Ok(Ways {
            initctl: true,
            signal: true,
        });
    };
    let mut ways = Ways {
        initctl: false,
        signal: false,
    };
    for mode in modes.split(',') {
        match mode {
            "signal" => ways.signal = true,
            "initctl" => ways.initctl = true,
            "acpi" | "agent" | "paravirt" => {
                return Err(Error::caller(format!(
                    "the mode {mode} is of virtual machines, and containers have none"
                )));
            }
            other => {
                return Err(Error::Usage(format!(
                    "Unknown mode {other} value, expecting 'acpi', 'agent', 'initctl', 'signal'{and} or 'paravirt'"
                )));
            }
        }
    }
    Ok(ways)
}

/// Asks by the pipe where there is one that somebody reads, and otherwise by a signal, as far as each is allowed.
fn ask_by(
    session: &Session,
    found: &Found,
    ways: Ways,
    runlevel: Runlevel,
    choose: impl Fn(&str, bool) -> Option<i32>,
) -> Outcome<First> {
    let (record, first) = first_of(found)?;
    // What `run` started has no init that would listen.
    let listens = !matches!(record.origin, Origin::Run { .. });
    if ways.initctl && (listens || !ways.signal) {
        let namespaces = first.supervisor.namespaces()?;
        let of_mounts: Vec<BorrowedFd<'_>> = namespaces.iter().take(2).map(AsFd::as_fd).collect();
        match session
            .launcher
            .initctl(&found.name, record.block, runlevel, &of_mounts)
        {
            Ok(true) => return Ok(first),
            // One that cannot be written to is no way either; that it was tried is on record.
            Ok(false) | Err(_) if ways.signal => {}
            Ok(false) => {
                return Err(Error::caller(
                    "Container does not provide an initctl pipe that anybody reads",
                ));
            }
            Err(e) => return Err(e),
        }
    }
    let deed = match runlevel {
        Runlevel::Halt => Deed::Shutdown,
        Runlevel::Reboot => Deed::Reboot,
    };
    by_signal(session, found, record, &first, deed, choose)?;
    Ok(first)
}

/// Waits, for as long as was said, until what was asked has gone down. Nobody holds power for that, but where links of the host's come back.
fn wait(
    session: &Session,
    found: &Found,
    (first, held): (&First, Option<Held>),
    seconds: u32,
    again: bool,
) -> Outcome<()> {
    if held.is_none() {
        session.launcher.leave();
    }
    if seconds == 0 {
        return Ok(());
    }
    if first.goes_down(Duration::from_secs(seconds.into()), again)? {
        if let Some(held) = held {
            held.take_back(session);
        }
        return Ok(());
    }
    Err(Error::caller(format!(
        "{name} was asked, and has not gone down within {seconds} s (lazaret destroy {name} ends it at once)",
        name = found.name
    )))
}

/// Holds the network of one that is waited for, if links of the host's are in it: before it is asked, since it may end at once.
fn hold(found: &Found, seconds: u32, again: bool) -> Outcome<Option<Held>> {
    let (place, _) = found.running()?;
    if again || seconds == 0 {
        Ok(None)
    } else {
        Held::of(place)
    }
}

/// Whether something is started in the place of what ends so.
fn again(found: &Found, which: impl Fn(Afterwards) -> bool) -> bool {
    found.domain().is_some_and(|d| which(d.afterwards))
}

/// Asks the container to end, and waits for that.
pub fn shutdown(session: &Session, options: &Asking) -> Outcome<()> {
    // The two messages of virsh's differ in a comma.
    let ways = ways(options.mode.as_deref(), ",")?;
    let found = find(&session.store, &options.container)?;
    let again = again(&found, |a| [a.poweroff, a.crash].contains(&Then::Restart));
    let held = hold(&found, options.timeout, again)?;
    let first = ask_by(session, &found, ways, Runlevel::Halt, ending)?;
    wait(session, &found, (&first, held), options.timeout, again)?;
    let name = named(&options.container, found.name.as_str());
    done(&format!("Domain '{name}' is being shutdown"))
}

/// Asks the container to start anew, and waits until what ran has ended.
pub fn reboot(session: &Session, options: &Asking) -> Outcome<()> {
    let ways = ways(options.mode.as_deref(), "")?;
    let found = find(&session.store, &options.container)?;
    let choose = |status: &str, reaper: bool| if reaper { None } else { rebooting(status) };
    let again = again(&found, |a| a.reboot == Then::Restart);
    let held = hold(&found, options.timeout, again)?;
    let first = ask_by(session, &found, ways, Runlevel::Reboot, choose)?;
    wait(session, &found, (&first, held), options.timeout, again)?;
    let name = named(&options.container, found.name.as_str());
    done(&format!("Domain '{name}' is being rebooted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catching(signals: &[i32]) -> String {
        let set = signals.iter().fold(0u64, |set, s| set | (1u64 << s) >> 1);
        format!("SigBlk:\t0000000000000000\nSigCgt:\t{set:016x}\n")
    }

    #[test]
    fn ways_are_those_that_are_said() {
        let of = |initctl, signal| Ok(Ways { initctl, signal });
        for (mode, expected) in [
            (None, of(true, true)),
            (Some("initctl,signal"), of(true, true)),
            (Some("signal"), of(false, true)),
            (Some("initctl"), of(true, false)),
        ] {
            assert_eq!(ways(mode, ""), expected, "{mode:?}");
        }
        for bad in ["acpi", "agent,signal", "foo", ""] {
            assert!(ways(Some(bad), "").is_err(), "{bad}");
        }
    }

    #[test]
    fn each_init_is_sent_what_it_waits_for() {
        let systemd = catching(&[SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SYSTEMD_HALT, SYSTEMD_REBOOT]);
        assert_eq!(
            (ending(&systemd, false), rebooting(&systemd)),
            (Some(SYSTEMD_HALT), Some(SYSTEMD_REBOOT))
        );
        let busybox = catching(&[SIGUSR1, SIGUSR2, SIGTERM]);
        assert_eq!(
            (ending(&busybox, false), rebooting(&busybox)),
            (Some(SIGUSR2), Some(SIGTERM))
        );
        let newer = format!("Name:\tinit\n{}", catching(&[SIGTSTP]));
        assert_eq!(
            (ending(&newer, false), rebooting(&newer)),
            (Some(SIGUSR2), Some(SIGTERM))
        );
        assert_eq!(ending(&catching(&[SIGTSTP]), false), None);
        assert_eq!(ending(&catching(&[SIGTERM]), false), Some(SIGTERM));
        assert_eq!(ending(&catching(&[]), false), None);
        assert_eq!(ending(&catching(&[]), true), Some(SIGTERM));
    }
}

//! `shutdown` and `reboot`: the signal that the container's own init takes for it, and its end. May touch: `/proc/PID/status`, the control socket,
//! a pidfd.

use crate::error::{Error, Outcome};
use crate::first::First;
use crate::lent::Held;
use crate::lookup::{Found, find};
use crate::options::Asking;
use crate::output::done;
use crate::processes::awaits;
use crate::session::Session;
use crate::state::record::Origin;
use std::time::Duration;
use wire::init::{Afterwards, Then};
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

/// Sends a container's init the signal that `choose` picks for it, and holds the process that was sent it.
pub fn ask(session: &Session, found: &Found, deed: Deed, choose: impl Fn(&str, bool) -> Option<i32>) -> Outcome<First> {
    let (place, record) = found.running()?;
    if record.paused {
        return Err(Error::caller(format!("{} is suspended: resume it first", found.name)));
    }
    let first = First::hold(place)?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", first.pid)).unwrap_or_default();
    let reaper = matches!(record.origin, Origin::Run { .. });
    let signal = choose(&status, reaper).ok_or_else(|| {
        Error::caller(format!(
            "its init waits for no signal that would do it (lazaret destroy {} ends it at once)",
            found.name
        ))
    })?;
    session.launcher.announce(&found.name, deed)?;
    first.supervisor.signal(signal)?;
    Ok(first)
}

/// Whether a signal is among the ways that are allowed: virsh's words, with commas between.
fn allowed(mode: Option<&str>, and: &str) -> Outcome<Allowed> {
    let Some(modes) = mode else { return Ok(Allowed(true)) };
    let mut signal = false;
    for mode in modes.split(',') {
        match mode {
            "signal" => signal = true,
            "initctl" => {}
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
    Ok(Allowed(signal))
}

/// Whether a signal may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Allowed(bool);

impl Allowed {
    /// Refuses what can only be said by a message, of one that runs.
    fn by_signal(self, found: &Found) -> Outcome<()> {
        found.running()?;
        if self.0 {
            return Ok(());
        }
        Err(Error::caller(
            "no message is written to a pipe called initctl; --mode signal says the same by a signal",
        ))
    }
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
    let allowed = allowed(options.mode.as_deref(), ",")?;
    let found = find(&session.store, &options.container)?;
    allowed.by_signal(&found)?;
    let again = again(&found, |a| [a.poweroff, a.crash].contains(&Then::Restart));
    let held = hold(&found, options.timeout, again)?;
    let first = ask(session, &found, Deed::Shutdown, ending)?;
    wait(session, &found, (&first, held), options.timeout, again)?;
    done(&format!("Domain '{}' is being shutdown", found.name))
}

/// Asks the container to start anew, and waits until what ran has ended.
pub fn reboot(session: &Session, options: &Asking) -> Outcome<()> {
    let allowed = allowed(options.mode.as_deref(), "")?;
    let found = find(&session.store, &options.container)?;
    allowed.by_signal(&found)?;
    let choose = |status: &str, reaper: bool| if reaper { None } else { rebooting(status) };
    let again = again(&found, |a| a.reboot == Then::Restart);
    let held = hold(&found, options.timeout, again)?;
    let first = ask(session, &found, Deed::Reboot, choose)?;
    wait(session, &found, (&first, held), options.timeout, again)?;
    done(&format!("Domain '{}' is being rebooted", found.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catching(signals: &[i32]) -> String {
        let set = signals.iter().fold(0u64, |set, s| set | (1u64 << s) >> 1);
        format!("SigBlk:\t0000000000000000\nSigCgt:\t{set:016x}\n")
    }

    #[test]
    fn a_signal_has_to_be_allowed() {
        for good in [None, Some("signal"), Some("initctl,signal")] {
            assert_eq!(allowed(good, ""), Ok(Allowed(true)), "{good:?}");
        }
        assert_eq!(allowed(Some("initctl"), ""), Ok(Allowed(false)));
        for bad in ["acpi", "agent,signal", "foo", ""] {
            assert!(allowed(Some(bad), "").is_err(), "{bad}");
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

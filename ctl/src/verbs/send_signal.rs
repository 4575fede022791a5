//! `send-process-signal`: a signal to one of a container's processes, which its supervisor sends. May touch: `/proc`, to read; the control socket.

use super::privileges::living;
use crate::error::{Error, Outcome};
use crate::lookup::find;
use crate::options::SendSignal;
use crate::session::Session;
use crate::signames;
use crate::supervisor::Supervisor;
use nix::unistd::Pid;
use wire::recordd::Deed;

/// The numbers of a process, the host's first and then one for each pid namespace that it is in (proc_pid_status(5), `NSpid`).
fn numbers(pid: u32) -> Vec<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("NSpid:"))
        .unwrap_or_default();
    line.split_whitespace().filter_map(|n| n.parse().ok()).collect()
}

/// Sends it.
pub fn send(session: &Session, options: &SendSignal) -> Outcome<()> {
    let signal = signames::number(&options.signame)
        .ok_or_else(|| Error::Usage(format!("malformed signal name: {}", options.signame)))?;
    let found = find(&session.store, &options.container)?;
    let (place, record) = found.running()?;
    let supervisor = Supervisor::reach(place)?;
    let known = found
        .pids()
        .ok_or_else(|| Error::caller(format!("{} is still starting", found.name)))?;
    let depth = numbers(known.pid1).len().checked_sub(1).filter(|d| *d > 0);
    let is_meant = |pid: u32| depth.is_some_and(|depth| numbers(pid).get(depth) == Some(&options.pid));
    let living = living(&record.ids, known);
    let process = living
        .iter()
        .find(|p| is_meant(p.pid))
        .ok_or_else(|| Error::caller(format!("{} has no process {}", found.name, options.pid)))?;
    let number = i32::try_from(process.pid).map_err(|_| Error::Bug("a process has no number".into()))?;
    let pidfd = sys::process::pidfd(Pid::from_raw(number)).map_err(|e| Error::kernel("hold the process", e))?;
    // The number may have become another's before it was held; it cannot any more.
    if !is_meant(process.pid) {
        return Err(Error::caller(format!(
            "{} has no process {} any more",
            found.name, options.pid
        )));
    }
    if signal == 0 {
        // It only asks whether the process is there.
        return Ok(());
    }
    session.launcher.announce(&found.name, Deed::Signal)?;
    supervisor.signal_process(signal, &pidfd)
}

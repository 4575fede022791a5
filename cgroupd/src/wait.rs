//! Waits until a group has no process left, by a pidfd of each (pidfd_open(2)). Touches the group's `cgroup.procs`.

use crate::group::Group;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use wire::Failure;

/// The most processes that are waited for in one turn.
const AT_ONCE: usize = 128;
/// How often a group that names no process may still be busy: the kernel lists a process no longer shortly before it lets go of it.
const LATE: u32 = 10_000;

/// How long the processes of a container may still take to end, all of them together.
#[derive(Debug)]
pub struct Patience {
    until: Option<Instant>,
    late: u32,
}

impl Patience {
    /// So long from now.
    pub fn of(time: Duration) -> Self {
        Self {
            until: Instant::now().checked_add(time),
            late: LATE,
        }
    }

    /// Not at all.
    pub const fn none() -> Self {
        Self {
            until: None,
            late: LATE,
        }
    }

    /// What is left of it; zero when it is over.
    pub fn left(&self) -> Duration {
        self.until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// What is left of it, as poll(2) takes it; `None` when it is over.
    pub fn timeout(&self) -> Option<Timespec> {
        let left = self.left();
        (!left.is_zero()).then(|| Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: left.subsec_nanos().into(),
        })
    }
}

/// Returns when no process is left in this group itself.
pub fn until_empty(group: &Group, patience: &mut Patience) -> Result<(), Failure> {
    let mut listed = processes(group)?;
    if listed.is_empty() {
        let busy = || {
            Failure::kernel(
                "remove a group in which no process is listed",
                Errno::BUSY.raw_os_error(),
            )
        };
        patience.late = patience.late.checked_sub(1).ok_or_else(busy)?;
        rustix::thread::sched_yield();
    }
    while let Some(first) = listed.first() {
        let still = || Failure::caller(&format!("remove the group: process {first} is still in it"));
        let mut held: Vec<(i32, OwnedFd)> = Vec::new();
        for pid in listed.iter().take(AT_ONCE) {
            // 0 stands for a process of a pid namespace that we cannot see into.
            match rustix::process::pidfd_open(Pid::from_raw(*pid).ok_or_else(still)?, PidfdFlags::empty()) {
                Ok(fd) => held.push((*pid, fd)),
                Err(Errno::SRCH) => {}
                Err(e) => return Err(Failure::kernel(&format!("wait for process {pid}"), e.raw_os_error())),
            }
        }
        // A number that is listed again, while we hold the process that it named, names that process: it was not given to another.
        let again = processes(group)?;
        for (pid, process) in held.iter().filter(|(pid, _)| again.contains(pid)) {
            if !ended(process, patience)? {
                return Err(Failure::caller(&format!(
                    "remove the group: process {pid} is still in it"
                )));
            }
        }
        listed = processes(group)?;
    }
    Ok(())
}

/// Whether the process ends before patience does.
fn ended(process: &OwnedFd, patience: &Patience) -> Result<bool, Failure> {
    loop {
        let Some(timeout) = patience.timeout() else {
            return Ok(false);
        };
        match rustix::event::poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(e) => return Err(Failure::kernel("wait for the end of a process", e.raw_os_error())),
        }
    }
}

fn processes(group: &Group) -> Result<Vec<i32>, Failure> {
    match group.read(c"cgroup.procs") {
        // A threaded group cannot list processes (cgroups(7), "Thread mode"): they are listed by the group above that it belongs to.
        Err(Errno::OPNOTSUPP) => Ok(Vec::new()),
        Err(e) => Err(Failure::kernel("list the processes of the group", e.raw_os_error())),
        // A list that is longer than what was read may end within a number.
        Ok(text) => Ok(text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n')?.parse().ok())
            .collect()),
    }
}

//! Freezes and thaws a container: its payload and what entered it, never its keeper. Touches the inherited directories.

use crate::group::{Group, read_all};
use crate::judge::Place;
use crate::wait::Patience;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;
use wire::Failure;
use wire::cgroupd::Controller;

/// How long the kernel may take. A process that is stuck in a system call which cannot be interrupted does not freeze.
const PATIENCE: Duration = Duration::from_secs(2);

/// How one hierarchy freezes.
#[derive(Debug, Clone, Copy)]
enum Freezer {
    /// `freezer.state` (`Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst`)
    One,
    /// `cgroup.freeze` (`Documentation/admin-guide/cgroup-v2.rst`)
    Two,
}

/// Freezes or thaws, and returns once the kernel says that it is done. What cannot be frozen whole is thawed again.
pub fn freeze(place: &Place, frozen: bool, directories: &[BorrowedFd<'_>]) -> Result<(), Failure> {
    let one = |h: &wire::cgroupd::Hierarchy| !h.unified && h.controllers.contains(&Controller::Freezer);
    let all = || place.hierarchies.iter().zip(directories);
    let found = all().find(|(h, _)| one(h)).map(|(_, d)| (Freezer::One, d));
    let found = found.or_else(|| all().find(|(h, _)| h.unified).map(|(_, d)| (Freezer::Two, d)));
    let (freezer, directory) = found.ok_or_else(|| Failure::caller("freeze: no mounted hierarchy can"))?;
    let name = place.name.to_string_lossy();
    let failed = |e: Errno| {
        Failure::kernel(
            &format!("{} {name}", if frozen { "freeze" } else { "thaw" }),
            e.raw_os_error(),
        )
    };
    let group = Group::open(*directory, &place.name).map_err(failed)?;
    let mut parts = vec![Group::open(group.as_fd(), c"payload").map_err(failed)?];
    parts.extend(entered(&group, frozen).map_err(failed)?);
    let done = parts
        .iter()
        .try_for_each(|part| set(part, freezer, frozen))
        .map_err(failed);
    done.inspect_err(|_| {
        if frozen {
            // The reason to report is why it did not freeze.
            let _ = parts.iter().try_for_each(|part| set(part, freezer, false));
        }
    })
}

/// The group of those who entered. It is there once somebody has; to freeze, it is made, so that whoever enters later is frozen too.
fn entered(group: &Group, frozen: bool) -> Result<Option<Group>, Errno> {
    match Group::open(group.as_fd(), c"enter") {
        Err(Errno::NOENT) if frozen => match Group::make(group.as_fd(), c"enter") {
            // Somebody has entered just now.
            Err(Errno::EXIST) => Group::open(group.as_fd(), c"enter").map(Some),
            made => made.map(Some),
        },
        Err(Errno::NOENT) => Ok(None),
        there => there.map(Some),
    }
}

fn set(group: &Group, freezer: Freezer, frozen: bool) -> Result<(), Errno> {
    match freezer {
        Freezer::One => set_1(group, if frozen { "FROZEN" } else { "THAWED" }),
        Freezer::Two => set_2(group, frozen),
    }
}

/// Version 1 tells nobody when it is done: the state is written and read again until it is what was written, at most for
/// [`PATIENCE`], and in between everyone else may run.
fn set_1(group: &Group, state: &str) -> Result<(), Errno> {
    let patience = Patience::of(PATIENCE);
    loop {
        group.write(c"freezer.state", state)?;
        if group.read(c"freezer.state")?.trim_end() == state {
            return Ok(());
        }
        if patience.left().is_zero() {
            return Err(Errno::TIMEDOUT);
        }
        rustix::thread::sched_yield();
    }
}

/// Version 2 wakes who polls `cgroup.events`.
fn set_2(group: &Group, frozen: bool) -> Result<(), Errno> {
    let patience = Patience::of(PATIENCE);
    let wanted = if frozen { "frozen 1" } else { "frozen 0" };
    let events = group.file(c"cgroup.events", OFlags::RDONLY)?;
    group.write(c"cgroup.freeze", if frozen { "1" } else { "0" })?;
    loop {
        if read_all(events.as_fd())?.lines().any(|line| line == wanted) {
            return Ok(());
        }
        let Some(timeout) = patience.timeout() else {
            return Err(Errno::TIMEDOUT);
        };
        match rustix::event::poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
}

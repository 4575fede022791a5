//! Catching a short-lived program for certain: the kernel holds each execution of its file until the test has been told whose it is
//! (fanotify(7), `FAN_OPEN_EXEC_PERM`), however busy the machine is. Sends SIGKILL to what it caught, and to nothing else.

use crate::{process, programs};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::fanotify::{EventFFlags, Fanotify, FanotifyResponse, InitFlags, MarkFlags, MaskFlags, Response};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use wire::Program;

/// When a process is killed that executes the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// While it stands at its execution: it has no instruction of the program behind it.
    AtExec,
    /// So long after it was let go on; it may be over by then.
    After(Duration),
}

/// Kills the first process of which it can be said that it is this program's, from [`Catcher::new`] until [`Catcher::killed`].
pub struct Catcher {
    done: Arc<AtomicBool>,
    thread: JoinHandle<bool>,
}

/// How many milliseconds the thread sleeps at most before it looks whether it is still wanted.
const LOOK: u8 = 50;

impl Catcher {
    /// From when this has returned on, no process executes the program before it was looked at.
    #[track_caller]
    pub fn new(victim: Program, when: When) -> Self {
        let flags = InitFlags::FAN_CLASS_CONTENT | InitFlags::FAN_CLOEXEC | InitFlags::FAN_NONBLOCK;
        let group =
            Fanotify::init(flags, EventFFlags::O_RDONLY | EventFFlags::O_CLOEXEC).expect("listen for executions");
        group
            .mark(
                MarkFlags::FAN_MARK_ADD,
                MaskFlags::FAN_OPEN_EXEC_PERM,
                nix::fcntl::AT_FDCWD,
                Some(&programs::path(victim)),
            )
            .expect("watch the program's file");
        let done = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&done);
        // A thread of its own: who starts a command waits until it is executed.
        let thread = std::thread::spawn(move || watch(&group, victim, when, &over));
        Self { done, thread }
    }

    /// Ends the watch. Whether a process was killed.
    #[track_caller]
    pub fn killed(self) -> bool {
        self.done.store(true, Ordering::Relaxed);
        self.thread.join().expect("the thread that catches ends")
    }
}

fn watch(group: &Fanotify, victim: Program, when: When, over: &AtomicBool) -> bool {
    let mut killed = false;
    // Also once one was killed: whoever else executes the file is held by the kernel until it is answered.
    while !over.load(Ordering::Relaxed) {
        if poll(&mut [PollFd::new(group.as_fd(), PollFlags::POLLIN)], LOOK) != Ok(1) {
            continue;
        }
        for event in group.read_events().expect("read what is executed") {
            let fd = event.fd().expect("an execution's event has a file");
            let pid = Pid::from_raw(event.pid());
            if when == When::AtExec && !killed {
                killed = kill(pid, Signal::SIGKILL).is_ok();
            }
            // The one that was killed does not wait for its answer any more.
            let _ = group.write_response(FanotifyResponse::new(fd, Response::FAN_ALLOW));
            if let When::After(pause) = when
                && !killed
            {
                std::thread::sleep(pause);
                killed = is(pid, victim) && kill(pid, Signal::SIGKILL).is_ok();
            }
        }
    }
    killed
}

fn is(pid: Pid, victim: Program) -> bool {
    process::executable(pid.as_raw()).and_then(|file| programs::of_file(&file)) == Some(victim)
}

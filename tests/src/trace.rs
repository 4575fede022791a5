//! Following a command and everything it starts with ptrace(2), so that each process can be looked at when it executes a program, when
//! it is about to receive for the first time, and at every system call in between.

use crate::process::{self, Holding};
use crate::programs;
use crate::table::Moment;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wire::Program;

/// Whose code a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The test's own shell, before it executes a program of ours.
    Test,
    /// A program of ours; a fork counts as what it was until it executes another.
    Ours(Program),
    /// What a container executes.
    Payload,
}

/// One look at a process that stands still.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The process.
    pub pid: i32,
    /// Whose code it runs.
    pub role: Role,
    /// When.
    pub moment: Moment,
    /// Whether its program has received before, or is about to.
    pub received: bool,
    /// What it holds.
    pub held: Holding,
}

/// `recvfrom`, `recvmsg`, `recvmmsg` (x86-64 numbers, <https://docs.kernel.org/process/syscalls.html>).
const RECEIVES: [u64; 3] = [45, 47, 299];
/// Nothing that is traced takes longer.
const LIMIT: Duration = Duration::from_secs(180);

struct Followed {
    role: Role,
    received: bool,
}

fn look(pid: i32, followed: &Followed, moment: Moment, see: &mut dyn FnMut(Sight)) {
    if let Some(held) = process::holding(pid) {
        see(Sight {
            pid,
            role: followed.role,
            moment,
            received: followed.received,
            held,
        });
    }
}

/// Runs a command under ptrace until it and everything it started has ended, and shows every moment to `see`.
/// Returns the command's exit status.
#[track_caller]
#[expect(clippy::zombie_processes, reason = "the tracer waits for every process itself")]
pub fn follow(command: &Command, see: &mut dyn FnMut(Sight)) -> i32 {
    let mut stopped = Command::new("sh");
    stopped
        .args(["-c", "kill -STOP $$; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => stopped.env(key, value),
            None => stopped.env_remove(key),
        };
    }
    let child = stopped
        .current_dir("/")
        .stdin(Stdio::null())
        .spawn()
        .expect("start the command");
    let first = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    waitpid(first, Some(WaitPidFlag::WUNTRACED)).expect("wait for the command to stand still");
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE;
    ptrace::seize(first, options).expect("trace the command");
    kill(first, Signal::SIGCONT).expect("let the command go on");

    let ended = Arc::new(AtomicBool::new(false));
    let watchdog = {
        let ended = Arc::clone(&ended);
        std::thread::spawn(move || {
            if !crate::capture::until(LIMIT, || ended.load(Ordering::Relaxed)) {
                eprintln!("the traced command hangs:\n{}", process::tree_of(std::process::id()));
                let _ = kill(first, Signal::SIGKILL);
            }
        })
    };
    let status = pursue(first, see);
    ended.store(true, Ordering::Relaxed);
    watchdog.join().expect("the watchdog ends");
    status
}

fn pursue(first: Pid, see: &mut dyn FnMut(Sight)) -> i32 {
    let mut all: BTreeMap<i32, Followed> = BTreeMap::new();
    all.insert(
        first.as_raw(),
        Followed {
            role: Role::Test,
            received: false,
        },
    );
    let mut status = -1;
    // A new process may be seen before its parent's own stop tells whose it is: it stands still until then, or is gone by then.
    let (mut unknown, mut gone) = (BTreeSet::new(), BTreeSet::new());
    // Children of the test that are not traced go on: the end is when no traced process is left.
    while !all.is_empty() {
        let event = match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
            Ok(event) => event,
            Err(Errno::EINTR) => continue,
            Err(Errno::ECHILD) => break,
            Err(error) => panic!("wait: {error}"),
        };
        let Some(pid) = event.pid() else { continue };
        let ended = matches!(event, WaitStatus::Exited(..) | WaitStatus::Signaled(..));
        let Some(followed) = all.get_mut(&pid.as_raw()) else {
            unknown.insert(pid.as_raw());
            if ended {
                gone.insert(pid.as_raw());
            }
            continue;
        };
        let mut signal = None;
        match event {
            WaitStatus::Exited(_, code) => {
                if pid == first {
                    status = code;
                }
                all.remove(&pid.as_raw());
                continue;
            }
            WaitStatus::Signaled(_, by, _) => {
                if pid == first {
                    status = 128 + by as i32;
                }
                all.remove(&pid.as_raw());
                continue;
            }
            WaitStatus::PtraceSyscall(_) => {
                let number = ptrace::getregs(pid).map_or(u64::MAX, |r| r.orig_rax);
                // 1 is PTRACE_SYSCALL_INFO_ENTRY.
                let entering = ptrace::syscall_info(pid).is_ok_and(|i| i.op == 1);
                if entering {
                    if RECEIVES.contains(&number) && !followed.received {
                        followed.received = true;
                        look(pid.as_raw(), followed, Moment::FirstReceive, see);
                    } else {
                        look(pid.as_raw(), followed, Moment::Call(number), see);
                    }
                }
            }
            WaitStatus::PtraceEvent(_, _, event) if event == ptrace::Event::PTRACE_EVENT_EXEC as i32 => {
                let program = process::executable(pid.as_raw()).and_then(|e| programs::of_file(&e));
                followed.role = match (program, followed.role) {
                    (Some(program), _) => Role::Ours(program),
                    (None, Role::Test) => Role::Test,
                    (None, _) => Role::Payload,
                };
                followed.received = false;
                look(pid.as_raw(), followed, Moment::Exec, see);
            }
            WaitStatus::PtraceEvent(_, _, event) if event < ptrace::Event::PTRACE_EVENT_EXEC as i32 => {
                let (role, received) = (followed.role, followed.received);
                let born = ptrace::getevent(pid).ok().and_then(|n| i32::try_from(n).ok());
                if let Some(born) = born.filter(|b| !gone.remove(b)) {
                    all.insert(born, Followed { role, received });
                    if unknown.remove(&born) {
                        let _ = ptrace::syscall(Pid::from_raw(born), None);
                    }
                }
            }
            WaitStatus::Stopped(_, by) if by != Signal::SIGTRAP => signal = Some(by),
            _ => {}
        }
        // A process that was killed while it stood still is gone: its end is reported next.
        let _ = ptrace::syscall(pid, signal);
    }
    status
}

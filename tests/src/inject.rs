//! Following a command and everything it starts with ptrace(2), to count the system calls of each program, or to have one of them fail or be the
//! last: the call is not made, and what its process finds is the error. It comes before any filter, so that no filter sees another call.

use crate::{process, programs};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use wire::Program;

/// close(2) (x86-64 numbers, <https://docs.kernel.org/process/syscalls.html>).
const CLOSE: i64 = 3;
/// Number of bytes of the instruction `syscall`.
const INSTRUCTION: u64 = 2;

/// How long what is let go may take to stand still or to end.
const RELEASE: Duration = Duration::from_secs(10);

/// A program, and the how many-th process that runs it or was forked by one that does, from 0; each thread counts.
pub type Instance = (Program, usize);

/// Where something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// At the call of this number, from 1, since the instance began.
    Call(usize),
    /// So many half milliseconds after it began.
    After(u64),
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injection {
    /// It is killed.
    Kill,
    /// The call is not made, and gives this error.
    Fail(Errno),
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Whom it strikes.
    pub instance: Instance,
    /// When.
    pub when: When,
    /// What it is.
    pub injection: Injection,
}

/// What a command did while it was followed.
#[derive(Debug, Default)]
pub struct Account {
    /// Its exit status; 128 and the signal's number if it was killed.
    pub status: i32,
    /// Whether it, or a program that lives for one command, did not end in time. It was ended then.
    pub hung: Option<String>,
    /// The number of the system call that was struck; -1 for a moment between calls. `None`: the place was not reached.
    pub struck: Option<i64>,
    /// The system calls that each instance made, if there was no fault to inject.
    pub calls: BTreeMap<Instance, Vec<i64>>,
}

/// Whether a program stays when the command that started it has ended.
const fn stays(program: Program) -> bool {
    matches!(program, Program::Supervisor | Program::Init | Program::Fused)
}

struct Tracee {
    /// `None`: the test's own, before it executes a program of ours.
    instance: Option<Instance>,
    calls: usize,
    /// The call is made once more, and gives this error when it has been; whether it is being made.
    afterwards: Option<(Errno, bool)>,
}

struct Tracer {
    fault: Option<Fault>,
    all: BTreeMap<i32, Tracee>,
    /// Those whose birth was not yet reported by their parent; they stand still until then, or are gone by then.
    unknown: BTreeSet<i32>,
    gone: BTreeSet<i32>,
    next: BTreeMap<Program, usize>,
    account: Account,
    releasing: bool,
    watched: Arc<Mutex<BTreeSet<i32>>>,
    timers: Vec<std::thread::JoinHandle<()>>,
}

/// Starts a command that stands still.
#[expect(clippy::zombie_processes, reason = "the tracer waits for every process itself")]
fn standing(command: &Command, output: File) -> Pid {
    let mut stopped = Command::new("sh");
    stopped
        .args(["-c", "kill -STOP $$; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    stopped.envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let streams = [output.try_clone().expect("copy a descriptor"), output];
    let [out, err] = streams.map(Stdio::from);
    stopped.current_dir("/").stdin(Stdio::null()).stdout(out).stderr(err);
    let child = stopped.spawn().expect("start the command");
    let first = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    waitpid(first, Some(WaitPidFlag::WUNTRACED)).expect("wait for the command to stand still");
    first
}

/// Runs a command until it and every program of one command has ended, at most so long; its output goes to a file. `already` run and are followed
/// too. Without a fault, calls are counted.
pub fn follow(command: &Command, output: File, already: &[i32], fault: Option<Fault>, limit: Duration) -> Account {
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE;
    let first = standing(command, output);
    let mut tracer = Tracer {
        fault,
        all: BTreeMap::new(),
        unknown: BTreeSet::new(),
        gone: BTreeSet::new(),
        next: BTreeMap::new(),
        account: Account::default(),
        releasing: false,
        watched: Arc::default(),
        timers: Vec::new(),
    };
    for pid in already {
        let program = process::executable(*pid).and_then(|e| programs::of_file(&e));
        let Some(program) = program else { continue };
        let instance = tracer.number(program);
        if ptrace::seize(Pid::from_raw(*pid), options).is_ok() {
            let _ = ptrace::interrupt(Pid::from_raw(*pid));
            tracer.add(*pid, Some(instance));
        }
    }
    ptrace::seize(first, options).expect("trace the command");
    tracer.add(first.as_raw(), None);
    kill(first, Signal::SIGCONT).expect("let the command go on");

    let late = Arc::new(AtomicBool::new(false));
    let (done, ended) = mpsc::channel::<()>();
    let watchdog = {
        let (late, watched) = (Arc::clone(&late), Arc::clone(&tracer.watched));
        std::thread::spawn(move || {
            if ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                late.store(true, Ordering::Relaxed);
                // The tracer hears of a signal even where it is ignored.
                for pid in watched.lock().expect("a list").iter() {
                    let _ = kill(Pid::from_raw(*pid), Signal::SIGURG);
                }
            }
        })
    };
    tracer.pursue(first, &late);
    drop(done);
    watchdog.join().expect("the watchdog ends");
    for timer in tracer.timers.drain(..) {
        timer.join().expect("a timer ends");
    }
    tracer.account
}

impl Tracer {
    fn number(&mut self, program: Program) -> Instance {
        let next = self.next.entry(program).or_default();
        *next += 1;
        (program, *next - 1)
    }

    fn add(&mut self, pid: i32, instance: Option<Instance>) {
        self.all.insert(
            pid,
            Tracee {
                instance,
                calls: 0,
                afterwards: None,
            },
        );
        self.watched.lock().expect("a list").insert(pid);
    }

    fn remove(&mut self, pid: i32) {
        self.all.remove(&pid);
        self.watched.lock().expect("a list").remove(&pid);
    }

    /// Whether nothing is left that lives for one command.
    fn over(&self) -> bool {
        self.all
            .values()
            .all(|t| t.instance.is_some_and(|(program, _)| stays(program)))
    }

    fn pursue(&mut self, first: Pid, late: &AtomicBool) {
        let mut since = None;
        while !self.all.is_empty() {
            let late = late.load(Ordering::Relaxed);
            if since.is_none() && (self.over() || late) {
                since = Some(Instant::now());
                self.release(late && !self.over());
            }
            // What is killed already does not stand still to be let go: it ends, or it hangs.
            if self.account.hung.is_none() && since.is_some_and(|s: Instant| s.elapsed() > RELEASE) {
                self.release(true);
            }
            let how = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            let how = if since.is_some() {
                how | WaitPidFlag::WNOHANG
            } else {
                how
            };
            match waitpid(None, Some(how)) {
                Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_micros(200)),
                Ok(event) => self.take(event, first),
                Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => break,
                Err(error) => panic!("wait: {error}"),
            }
        }
    }

    /// Begins to let everything go; kills it if it hangs.
    fn release(&mut self, hangs: bool) {
        if hangs {
            self.account.hung = Some(process::tree_of(std::process::id()));
        }
        self.releasing = true;
        for pid in self.all.keys().map(|pid| Pid::from_raw(*pid)) {
            let _ = ptrace::interrupt(pid);
            if hangs {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
    }

    fn take(&mut self, event: WaitStatus, first: Pid) {
        let Some(pid) = event.pid() else { return };
        let ended = match event {
            WaitStatus::Exited(_, code) => Some(code),
            WaitStatus::Signaled(_, by, _) => Some(128 + by as i32),
            _ => None,
        };
        if !self.all.contains_key(&pid.as_raw()) {
            if ended.is_some() {
                self.unknown.remove(&pid.as_raw());
                self.gone.insert(pid.as_raw());
            } else if self.releasing {
                let _ = ptrace::detach(pid, None);
            } else {
                self.unknown.insert(pid.as_raw());
            }
            return;
        }
        if let Some(status) = ended {
            if pid == first {
                self.account.status = status;
            }
            self.remove(pid.as_raw());
            return;
        }
        let mut signal = None;
        match event {
            WaitStatus::PtraceSyscall(_) => self.call(pid),
            WaitStatus::PtraceEvent(_, _, event) if event == ptrace::Event::PTRACE_EVENT_EXEC as i32 => {
                self.executed(pid);
                // What is none of ours was let go.
                if !self.all.contains_key(&pid.as_raw()) {
                    return;
                }
            }
            WaitStatus::PtraceEvent(_, _, event) if event < ptrace::Event::PTRACE_EVENT_EXEC as i32 => self.born(pid),
            // The first process of a pid namespace dies of its own fault, as any other does; but not while it is traced.
            WaitStatus::Stopped(_, Signal::SIGSEGV) => {
                let _ = kill(pid, Signal::SIGKILL);
            }
            WaitStatus::Stopped(_, by) if by != Signal::SIGTRAP => signal = Some(by),
            _ => {}
        }
        // A process that was killed while it stood still is gone: its end is reported next.
        if self.releasing {
            if ptrace::detach(pid, signal).is_ok() {
                self.remove(pid.as_raw());
            }
        } else {
            self.resume(pid, signal);
        }
    }

    /// The fault, if it is still to strike this process at a call.
    fn due(&self, pid: Pid) -> Option<(usize, Injection)> {
        let fault = self.fault.filter(|_| self.account.struck.is_none())?;
        let tracee = self.all.get(&pid.as_raw())?;
        match fault.when {
            When::Call(call) if tracee.instance == Some(fault.instance) => Some((call, fault.injection)),
            _ => None,
        }
    }

    fn resume(&self, pid: Pid, signal: Option<Signal>) {
        let tracee = &self.all[&pid.as_raw()];
        let _ = match self.due(pid) {
            _ if tracee.afterwards.is_some() => ptrace::syscall(pid, signal),
            Some((call, Injection::Fail(_))) if tracee.calls + 1 == call => ptrace::sysemu(pid, signal),
            Some(_) => ptrace::syscall(pid, signal),
            None if self.fault.is_none() && tracee.instance.is_some() => ptrace::syscall(pid, signal),
            None => ptrace::cont(pid, signal),
        };
    }

    fn call(&mut self, pid: Pid) {
        // 1 is PTRACE_SYSCALL_INFO_ENTRY.
        let entering = ptrace::syscall_info(pid).is_ok_and(|i| i.op == 1);
        let Ok(mut registers) = ptrace::getregs(pid) else {
            return;
        };
        if let Some(tracee) = self.all.get_mut(&pid.as_raw())
            && let Some((errno, made)) = tracee.afterwards
        {
            if entering {
                tracee.afterwards = Some((errno, true));
            } else if made {
                tracee.afterwards = None;
                registers.rax = i64::from(-(errno as i32)).cast_unsigned();
                let _ = ptrace::setregs(pid, registers);
            }
            return;
        }
        if !entering {
            return;
        }
        let number = registers.orig_rax.cast_signed();
        let due = self.due(pid);
        let Some(tracee) = self.all.get_mut(&pid.as_raw()) else {
            return;
        };
        tracee.calls += 1;
        if let (None, Some(instance)) = (self.fault, tracee.instance) {
            self.account.calls.entry(instance).or_default().push(number);
        }
        let Some((_, injection)) = due.filter(|(call, _)| *call == tracee.calls) else {
            return;
        };
        self.account.struck = Some(number);
        match injection {
            Injection::Kill => {
                let _ = kill(pid, Signal::SIGKILL);
            }
            // Whatever close(2) gives, the descriptor is closed. The process makes the call again, after this one was not made.
            Injection::Fail(errno) if number == CLOSE => {
                tracee.afterwards = Some((errno, false));
                registers.rip -= INSTRUCTION;
                registers.rax = CLOSE.cast_unsigned();
                ptrace::setregs(pid, registers).expect("have a call made again");
            }
            Injection::Fail(errno) => {
                registers.rax = i64::from(-(errno as i32)).cast_unsigned();
                ptrace::setregs(pid, registers).expect("set the result of a call");
            }
        }
    }

    /// Another program is executed; one that is none of ours, after one of ours, is let go.
    fn executed(&mut self, pid: Pid) {
        let program = process::executable(pid.as_raw()).and_then(|e| programs::of_file(&e));
        let before = self.all[&pid.as_raw()].instance;
        match program {
            Some(program) => {
                let instance = self.number(program);
                self.add(pid.as_raw(), Some(instance));
                if let Some(fault) = self.fault
                    && let When::After(halves) = fault.when
                    && fault.instance == instance
                {
                    self.account.struck = Some(-1);
                    self.timers.push(std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_micros(500 * halves));
                        let _ = kill(pid, Signal::SIGKILL);
                    }));
                }
            }
            None if before.is_some() => {
                let _ = ptrace::detach(pid, None);
                self.remove(pid.as_raw());
            }
            None => {}
        }
    }

    fn born(&mut self, parent: Pid) {
        let born = ptrace::getevent(parent).ok().and_then(|n| i32::try_from(n).ok());
        let Some(born) = born else { return };
        let instance = self.all[&parent.as_raw()]
            .instance
            .map(|(program, _)| self.number(program));
        if self.gone.remove(&born) {
            return;
        }
        self.add(born, instance);
        if self.unknown.remove(&born) {
            if self.releasing {
                if ptrace::detach(Pid::from_raw(born), None).is_ok() {
                    self.remove(born);
                }
            } else {
                self.resume(Pid::from_raw(born), None);
            }
        }
    }
}

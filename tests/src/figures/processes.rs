//! What processes of ours hold and may do, as a tracer sees them: capabilities, ids, and the filters that are in force, by the kernel's own
//! copy (`PTRACE_SECCOMP_GET_FILTER`).

use crate::table::Moment;
use crate::trace::{self, Role, Sight};
use nix::errno::Errno;
use nix::unistd::Pid;
use policies::verdict::{X86_64, may_pass};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use sys::seccomp::{Instruction, filter_of};
use wire::Program;

#[path = "../../../policies/build/calls.rs"]
mod calls;

/// Numbers that are tried: more than any kernel has calls.
const NUMBERS: u32 = 1024;

/// Programs that read what strangers wrote: arguments and configuration, console bytes, FUSE requests, and what is in an image. (Those that
/// hold a power read frames alone.)
pub const READERS: [Program; 5] = [
    Program::Lazaret,
    Program::Supervisor,
    Program::Fused,
    Program::Init,
    Program::Nsenter,
];

/// One process, or thread, of a program of ours, when it was seen last.
#[derive(Debug, Clone)]
pub struct Last {
    /// Its program.
    pub program: Program,
    /// Filters in the order in which they were installed.
    pub filters: Vec<Vec<Instruction>>,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// How often a process stood still and was looked at.
    pub looks: u32,
    /// Most capabilities in any set of a reader in the initial user namespace.
    pub most_of_readers: u32,
    /// Looks at which a reader had host uid or gid 0.
    pub readers_as_root: u32,
    /// By program: everything that one process of it held at once, in any set but the bounding one.
    pub held: BTreeMap<&'static str, BTreeSet<u64>>,
    /// By process.
    pub last: BTreeMap<i32, Last>,
    /// Whether fused had its last filter already when a container's own program began.
    pub fused_ready: Vec<bool>,
    /// Why the kernel does not show filters, if it does not.
    pub hidden: Option<Errno>,
}

/// Runs a command and all that it starts under the tracer. Returns its exit status too.
pub fn watch(command: &Command) -> (i32, Seen) {
    let mut seen = Seen::default();
    let status = trace::follow(command, &mut |sight| seen.take(&sight));
    (status, seen)
}

/// Whether a process is the launcher as the broker of links, which reads what an ordinary user sent.
fn lends(pid: i32) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|b| *b == 0).any(|word| word == b"--broker")
}

impl Seen {
    fn take(&mut self, sight: &Sight) {
        let Role::Ours(program) = sight.role else {
            self.last.remove(&sight.pid);
            if sight.role == Role::Payload && sight.moment == Moment::Exec {
                let server = self.last.values().filter(|l| l.program == Program::Fused);
                self.fused_ready.extend(
                    server
                        .map(|l| l.filters.len())
                        .max()
                        .map(|n| n > policies::of(Program::Fused).filters.len()),
                );
            }
            return;
        };
        self.looks += 1;
        let [inheritable, permitted, effective, bounding, ambient] = sight.held.capabilities;
        let held = inheritable | permitted | effective | ambient;
        // Executed by root, these two have read nothing yet, and hand on or give up what they have before they do.
        let untouched = !sight.received
            && (program == Program::Launcher || (program == Program::Lazaret && sight.held.uid[1] == 0));
        if sight.held.initial_user_namespace && !untouched {
            self.held.entry(program.name()).or_default().insert(held);
        }
        if (READERS.contains(&program) || lends(sight.pid)) && !untouched {
            if sight.held.initial_user_namespace {
                // A bounding set is on its way down until the program receives.
                let counted = if sight.received { held | bounding } else { held };
                self.most_of_readers = self.most_of_readers.max(counted.count_ones());
            }
            let ids = sight.held.uid.iter().chain(&sight.held.gid);
            if ids.into_iter().any(|id| *id == 0) {
                self.readers_as_root += 1;
            }
        }
        let last = self.last.entry(sight.pid).or_insert(Last {
            program,
            filters: Vec::new(),
        });
        if last.program != program {
            last.program = program;
            last.filters.clear();
        }
        loop {
            let index = u32::try_from(last.filters.len()).expect("not so many filters");
            match filter_of(Pid::from_raw(sight.pid), index) {
                Ok(filter) => last.filters.push(filter),
                Err(Errno::ENOENT | Errno::EINVAL | Errno::ESRCH) => break,
                Err(errno) => {
                    self.hidden = Some(errno);
                    break;
                }
            }
        }
    }

    /// By program, the sets of calls that its processes might make at their end, by name. Those without any filter are left out.
    pub fn calls(&self) -> BTreeMap<&'static str, BTreeSet<BTreeSet<&'static str>>> {
        let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for last in self.last.values().filter(|l| !l.filters.is_empty()) {
            all.entry(last.program.name())
                .or_default()
                .insert(allowed(&last.filters));
        }
        all
    }
}

/// The calls that every one of these filters may let pass.
pub fn allowed(filters: &[Vec<Instruction>]) -> BTreeSet<&'static str> {
    let passes = |number: &u32| filters.iter().all(|f| may_pass(f, X86_64, *number));
    let name = |number: u32| {
        let found = calls::CALLS.iter().find(|(_, n)| *n == i64::from(number));
        found.map_or("a call without a name", |(name, _)| *name)
    };
    (0..NUMBERS).filter(passes).map(name).collect()
}

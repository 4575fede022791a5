//! A host with a container, on which faults strike one after the other. After each: at most one more command, and nothing may be left, what
//! `list` tells must be so, no container may be kept in less than it was, and the next start must work the first time.

use crate::faults::{Operation, Point, Scene};
use crate::inject::{self, Account, Fault, Instance};
use crate::kernel;
use crate::sight::{Things, added, inside, things, told};
use crate::{Host, capture, process, programs};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wire::Program;

/// How long a command may take afterwards; what takes longer hangs, which counts as a leak.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a command may take in which a fault strikes: the launcher gives a program that does not answer up after 60 seconds.
const STRUCK: Duration = Duration::from_secs(75);
/// How long what is ending may take to be gone.
const PATIENCE: Duration = Duration::from_secs(2);
/// It stops when it is asked to, by either signal.
const STAY: &str = "trap 'exit 0' TERM PWR; while :; do sleep 1000 & wait $!; done";
const NETWORK: &str = "<interface type='network'><source network='default'/></interface>";

/// What came of one point.
#[derive(Debug)]
pub struct Verdict {
    /// The system call that was struck; `None` if the command did not come there this time.
    pub struck: Option<i64>,
    /// What was not as it should be; nothing if all was well.
    pub wrong: Vec<String>,
    /// The exit status of the command that was at work.
    pub status: i32,
    /// What it said.
    pub said: String,
    /// How long it took.
    pub took: Duration,
}

/// Waits for orphans that have ended. Nobody waits for a child of this thread meanwhile.
fn collect() {
    while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|w| w != WaitStatus::StillAlive) {}
}

/// A host with a container, on which points are run one after the other.
pub struct Yard {
    host: Host,
    /// The container without a network, the one with, and the one of `run`.
    names: [String; 3],
    stopped: Things,
    running: [Things; 2],
    runs: Option<bool>,
    /// What happens once between the look of `list` and this one's, for a test of the harness.
    pub meanwhile: Option<fn(&Host, &str)>,
}

impl Yard {
    /// Makes one, and looks at it with and without the container.
    pub fn new() -> Self {
        // Whose parent is gone becomes this process's child: whatever else collects orphans on this machine may be slow, and what nobody has
        // collected counts as being there.
        nix::sys::prctl::set_child_subreaper(true).expect("collect orphans");
        let host = Host::new();
        let names = ["plain", "linked", "once"].map(|word| host.name(word));
        for (name, devices) in names.iter().zip(["", NETWORK]) {
            host.run(&["define", &host.domain_file(name, STAY, "", devices)]).ok();
        }
        let mut yard = Self {
            host,
            names,
            stopped: Things::new(),
            running: [Things::new(), Things::new()],
            runs: None,
            meanwhile: None,
        };
        // The first start makes what stays: the host's own groups, the switches of forwarding.
        for network in [false, true] {
            yard.start(network).expect("a first start");
            yard.stop().expect("a first stop");
        }
        yard.stopped = yard.look();
        for network in [false, true] {
            yard.start(network).expect("a start");
            yard.settle();
            yard.running[usize::from(network)] = yard.look();
            yard.stop().expect("a stop");
        }
        yard
    }

    /// The host on which it is.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    fn look(&self) -> Things {
        collect();
        let mut seen = things(&self.host.look(), &self.names);
        for name in &self.names {
            let inside = self.host.pid_1(name).map(|pid| inside(name, pid));
            seen.extend(inside.into_iter().flatten());
        }
        // The group of those who enter is there since somebody has, and goes with the one above it.
        let entered = |thing: &String| thing.starts_with("group: ") && thing.ends_with("/enter");
        let mut found = Things::new();
        for thing in seen.into_iter().filter(|thing| !entered(thing)) {
            *found.entry(told(&thing, &self.host.ids())).or_default() += 1;
        }
        found
    }

    fn name(&self, network: bool) -> &str {
        &self.names[usize::from(network)]
    }

    /// Runs a command on the host, at most [`LIMIT`] long: its status and all it said.
    fn ask(&self, arguments: &[&str]) -> Result<(i32, String), String> {
        let said = self.host.directory().join("files/said");
        let output = File::create(&said).expect("make a file of the test");
        let mut command = self.host.lazaret(arguments);
        command
            .stdin(Stdio::null())
            .stderr(output.try_clone().expect("copy a descriptor"))
            .stdout(output);
        let mut child = command.spawn().expect("start a command");
        let status = capture::wait(&mut child, LIMIT);
        let text = || fs::read_to_string(&said).unwrap_or_default();
        match status {
            Some(status) => Ok((status.code().unwrap_or(-1), text())),
            None => {
                let tree = process::tree_of(child.id());
                let _ = child.kill();
                let _ = child.wait();
                Err(format!("{} hangs: {}\n{tree}", arguments.join(" "), text()))
            }
        }
    }

    /// The same, if it succeeds.
    fn succeed(&self, arguments: &[&str]) -> Result<String, String> {
        match self.ask(arguments)? {
            (0, said) => Ok(said),
            (code, said) => Err(format!("{} ended with {code}: {}", arguments.join(" "), said.trim())),
        }
    }

    fn start(&mut self, network: bool) -> Result<(), String> {
        self.succeed(&["start", self.name(network)])?;
        self.runs = Some(network);
        Ok(())
    }

    fn stop(&mut self) -> Result<(), String> {
        if let Some(network) = self.runs.take() {
            self.succeed(&["destroy", self.name(network)])?;
        }
        Ok(())
    }

    /// The pids of a program's processes, the oldest first.
    fn pids(&self, program: Program) -> Vec<i32> {
        let runs = |pid: &i32| process::executable(*pid).and_then(|e| programs::of_file(&e)) == Some(program);
        let mut pids = kernel::processes(self.host.ids(), self.host.holder());
        pids.retain(runs);
        pids.sort_unstable_by_key(|pid| process::began(*pid));
        pids
    }

    /// Waits until nothing is on its way: there is no process, or all that a running container has, except perhaps the server of meminfo.
    fn settle(&self) {
        capture::until(PATIENCE, || {
            collect();
            let pids = kernel::processes(self.host.ids(), self.host.holder());
            let of = |pid: &i32| process::executable(*pid).and_then(|e| programs::of_file(&e));
            let count = |program| pids.iter().filter(|p| of(p) == Some(program)).count();
            let short = Program::ALL
                .into_iter()
                .filter(|p| !matches!(p, Program::Supervisor | Program::Init | Program::Fused) && count(*p) > 0);
            pids.is_empty() || (short.count() == 0 && count(Program::Supervisor) == 1 && count(Program::Init) > 0)
        });
    }

    /// The command that is at work in a scene, what has to be followed besides, and what has to be so before.
    fn prepare(&mut self, scene: Scene) -> Result<(Command, Vec<i32>), String> {
        if self.runs != scene.operation.needs_it().then_some(scene.network) {
            self.stop()?;
        }
        if scene.operation.needs_it() && self.runs.is_none() {
            self.start(scene.network)?;
        }
        let name = self.name(scene.network).to_owned();
        let arguments: Vec<String> = match scene.operation {
            Operation::Start => vec!["start".into(), name],
            Operation::Enter => ["enter", &name, "--", "true"].map(String::from).into(),
            Operation::Destroy => vec!["destroy".into(), name],
            Operation::Shutdown => vec!["shutdown".into(), name],
            Operation::Reconcile => {
                for pid in self.pids(Program::Supervisor) {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                    capture::until(PATIENCE, || process::over(pid));
                }
                self.runs = None;
                vec!["list".into(), "--all".into()]
            }
            Operation::Run => {
                let network = if scene.network { "default" } else { "none" };
                let [_, _, name] = &self.names;
                self.host
                    .once_arguments(&["--name", name, "--network", network], &["true"])
            }
        };
        let already = if scene.operation.needs_it() {
            [Program::Supervisor, Program::Init, Program::Fused]
                .into_iter()
                .flat_map(|p| self.pids(p))
                .collect()
        } else {
            Vec::new()
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Ok((self.host.lazaret(&arguments), already))
    }

    fn follow(&self, command: &Command, already: &[i32], fault: Option<Fault>) -> (Account, String) {
        let said = self.host.directory().join("files/followed");
        let output = File::create(&said).expect("make a file of the test");
        let account = inject::follow(command, output, already, fault, STRUCK);
        (account, fs::read_to_string(&said).unwrap_or_default())
    }

    /// The calls that every program makes in a scene.
    pub fn count(&mut self, scene: Scene) -> BTreeMap<Instance, Vec<i64>> {
        let (command, already) = self.prepare(scene).expect("the host is as it should be");
        let (account, said) = self.follow(&command, &already, None);
        assert_eq!(account.status, 0, "{scene} while it is followed: {said}");
        assert!(account.hung.is_none(), "{scene} hangs while it is followed");
        self.runs = match scene.operation {
            Operation::Start | Operation::Enter => Some(scene.network),
            Operation::Shutdown => {
                self.settle();
                self.succeed(&["list", "--all"]).expect("the host is as it should be");
                None
            }
            _ => None,
        };
        account.calls
    }

    /// Runs one point.
    pub fn run(&mut self, point: Point) -> Verdict {
        let mut verdict = Verdict {
            struck: None,
            wrong: Vec::new(),
            status: -1,
            said: String::new(),
            took: Duration::ZERO,
        };
        let (command, already) = match self.prepare(point.scene) {
            Ok(prepared) => prepared,
            Err(wrong) => {
                verdict.wrong.push(format!("before it: {wrong}"));
                return verdict;
            }
        };
        let began = Instant::now();
        let (account, said) = self.follow(&command, &already, Some(point.fault));
        verdict.took = began.elapsed();
        verdict.status = account.status;
        verdict.struck = account.struck;
        self.runs = None;
        if let Some(tree) = account.hung {
            verdict.wrong.push(format!("it hangs:\n{tree}"));
        }
        let done = self.aftermath(point.scene, &mut verdict.wrong);
        verdict.wrong.extend(done.err());
        verdict.said = said.trim().to_owned();
        if !verdict.wrong.is_empty() {
            let told = format!("the command ended with {}: {}", account.status, verdict.said);
            verdict.wrong.push(told);
        }
        verdict
    }

    /// One more command, and all is as before; the next start works.
    fn aftermath(&mut self, scene: Scene, wrong: &mut Vec<String>) -> Result<(), String> {
        let (mut found, ended) = self.look_after_list(scene)?;
        // What was told to end may do so when `list` has looked already, which then tells what was so. It ends but once: the command that
        // counts is the next one, and that has to find all of it.
        if ended && scene.operation.ends_it() {
            (found, _) = self.look_after_list(scene)?;
        }
        wrong.extend(found);
        if self.runs.is_some() {
            let stopped = self.stop();
            // Nor is it wrong that it was faster than who ends it; nothing may be left nevertheless.
            let too_late = |e: &String| scene.operation.ends_it() && e.contains("is not running");
            if !stopped.as_ref().is_err_and(too_late) {
                stopped?;
            }
            wrong.extend(self.left(&self.stopped));
        }
        self.start(scene.network)
    }

    /// Asks `list`, which clears away, and looks whether that tells what is so: what is wrong, and whether a container ended by itself
    /// after it had told that it runs.
    fn look_after_list(&mut self, scene: Scene) -> Result<(Vec<String>, bool), String> {
        self.settle();
        self.runs = None;
        let lived: Vec<&String> = self.names.iter().filter(|n| self.host.pid_1(n).is_some()).collect();
        let said = self.succeed(&["list", "--all", "--json"])?;
        let start = said.find('[').unwrap_or(0);
        let rows: serde_json::Value =
            serde_json::from_str(&said[start..]).map_err(|e| format!("list says {said:?}: {e}"))?;
        let running: Vec<&str> = rows
            .as_array()
            .into_iter()
            .flatten()
            .filter(|r| r["state"] == "running")
            .filter_map(|r| r["name"].as_str())
            .collect();
        let name = self.name(scene.network).to_owned();
        if let Some(meanwhile) = self.meanwhile.take() {
            meanwhile(&self.host, &name);
        }
        let mut wrong = Vec::new();
        for name in &running {
            if self.host.pid_1(name).is_none() {
                wrong.push(format!("list tells that {name} runs, and it does not"));
            }
        }
        let before = if running == [name.as_str()] {
            &self.running[usize::from(scene.network)]
        } else {
            &self.stopped
        };
        wrong.extend(self.left(before));
        let told = |name: &&String| running.contains(&name.as_str());
        let ended = lived
            .into_iter()
            .filter(told)
            .any(|name| self.host.pid_1(name).is_none());
        if running == [name.as_str()] {
            self.runs = Some(scene.network);
        }
        Ok((wrong, ended))
    }

    /// What is there and was not, once it had time to go.
    fn left(&self, before: &Things) -> Vec<String> {
        let mut left = Vec::new();
        capture::until(PATIENCE, || {
            let now = self.look();
            left = added(&now, before);
            let lost = added(before, &now).into_iter().filter(|l| l.starts_with("inside "));
            left.extend(lost.map(|l| format!("lost: {l}")));
            left.is_empty()
        });
        left
    }

    /// Puts everything right by force after a leak: what is left is another point's no more.
    pub fn mend(&mut self) {
        self.host.give_up();
        *self = Self::new();
    }
}

impl Default for Yard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.host.end_all();
            // The host's own look comes next, and sees what nobody has collected.
            self.settle();
        }
    }
}

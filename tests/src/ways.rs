//! The four ways in which a container's root can attack: as the command of `run` (profile `app`), as a domain's init (`system`), and from
//! an `enter` into either. Each attack runs in all of them. May touch: a test's own host.

use crate::canary::Canary;
use crate::{Host, Outcome, capture};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The command of `lazaret run`.
    App,
    /// A command that entered such a container.
    AppEntered,
    /// The init of a domain.
    System,
    /// A command that entered a domain.
    SystemEntered,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::App, Self::AppEntered, Self::System, Self::SystemEntered];

    /// Whether the profile is `system`.
    pub fn is_system(self) -> bool {
        matches!(self, Self::System | Self::SystemEntered)
    }
}

const STAY: &str = "while :; do sleep 1000; done";

/// A host with canaries, on which attacks are made.
pub struct Ground {
    /// What must live.
    pub canary: Canary,
    /// The host.
    pub host: Host,
}

impl Ground {
    /// Makes one. Its image holds the attacking program, given as the path of the built one.
    pub fn new(attacker: &str) -> Self {
        let host = Host::new();
        fs::copy(attacker, host.image().join("bin/attack")).expect("copy the attacker");
        let canary = Canary::plant();
        Self { canary, host }
    }

    /// A container of the `app` profile that stays.
    #[track_caller]
    pub fn app(&self, options: &[&str]) -> String {
        let name = self.host.name("app");
        let options = [&["-d", "--name", &name][..], options].concat();
        self.host.once(&options, &["sh", "-c", STAY]).ok();
        name
    }

    /// A domain that stays.
    #[track_caller]
    pub fn system(&self) -> String {
        let name = self.host.name("vm");
        let file = self.host.domain_file(&name, STAY, "", "");
        self.host.run(&["create", &file]).ok();
        name
    }

    /// Runs a shell script inside a container.
    #[track_caller]
    pub fn enter(&self, name: &str, script: &str) -> Outcome {
        self.host.run(&["enter", name, "--", "sh", "-c", script])
    }

    /// Ends a container and forgets it.
    #[track_caller]
    pub fn end(&self, name: &str) {
        self.host.run(&["destroy", name]).ok();
        self.host.run(&["undefine", name]);
    }

    /// Runs a shell script as a container's root in each of the four ways. The canaries live after each.
    #[track_caller]
    pub fn everywhere(&self, script: &str) -> Vec<(Way, Outcome)> {
        let app = self.app(&[]);
        let entered = self.enter(&app, script);
        self.end(&app);
        let system = self.system();
        let entered_system = self.enter(&system, script);
        self.end(&system);
        let all = vec![
            (Way::App, self.host.once(&[], &["sh", "-c", script])),
            (Way::AppEntered, entered),
            (Way::System, self.as_init(script)),
            (Way::SystemEntered, entered_system),
        ];
        for (_, said) in &all {
            self.canary.lives(&format!("{}{}", said.stdout, said.stderr));
        }
        all
    }

    /// Runs a shell script as the first process of a domain, which writes what it says into a file of its image.
    #[track_caller]
    pub fn as_init(&self, script: &str) -> Outcome {
        let directory = self.host.image().join("var/tmp");
        let [out, err, status] = ["said.out", "said.err", "said.status"].map(|n| directory.join(n));
        for path in [&out, &err, &status] {
            let _ = fs::remove_file(path);
        }
        let name = self.host.name("init");
        let shell = format!(
            "( {script}\n) </dev/null >/var/tmp/said.out 2>/var/tmp/said.err\necho $? >/var/tmp/said.new; mv /var/tmp/said.new /var/tmp/said.status\n{STAY}"
        );
        let file = self.host.domain_file(&name, &shell, "", "");
        self.host.run(&["create", &file]).ok();
        let ended = capture::until(capture::DEADLINE, || status.exists());
        let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let outcome = Outcome {
            command: format!("the init of {name}: {script}"),
            status: ExitStatus::from_raw(read(&status).trim().parse::<i32>().unwrap_or(255) << 8),
            stdout: read(&out),
            stderr: read(&err),
        };
        self.end(&name);
        assert!(ended, "the init did not come to its end: {outcome}");
        outcome
    }

    /// Fails the test unless the attack was refused in each of the four ways: a line `done` would say that it worked.
    #[track_caller]
    pub fn refused_everywhere(&self, script: &str) {
        for (way, said) in self.everywhere(script) {
            assert!(
                !said.stdout.lines().any(|l| l == "done"),
                "{way:?}: the attack worked: {said}"
            );
            // A refusal says why: an attack that did not run at all would prove nothing.
            assert!(!said.stdout.is_empty(), "{way:?}: nothing was tried: {said}");
        }
    }
}

/// How many rounds a race has: 500, or `LAZARET_TEST_ROUNDS`.
pub fn rounds() -> u32 {
    let asked = std::env::var("LAZARET_TEST_ROUNDS").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(500)
}

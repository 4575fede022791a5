//! Faults: one program of ours is killed, or one of its system calls fails, while a command is at work. Which there are, and how they are named so
//! that each can be run again. Pure.

use crate::inject::{Fault, Injection, Instance, When};
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use wire::Program;

/// The errors that are injected.
pub const ERRORS: [Errno; 6] = [
    Errno::ENOMEM,
    Errno::EMFILE,
    Errno::ENOSPC,
    Errno::EINTR,
    Errno::EIO,
    Errno::EAGAIN,
];

/// What is at work when the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// `start`.
    Start,
    /// `enter`.
    Enter,
    /// `destroy`.
    Destroy,
    /// `shutdown`.
    Shutdown,
    /// `list`, after the supervisor was killed.
    Reconcile,
    /// `run`, in the foreground.
    Run,
}

impl Operation {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Start,
        Self::Run,
        Self::Enter,
        Self::Destroy,
        Self::Shutdown,
        Self::Reconcile,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Enter => "enter",
            Self::Destroy => "destroy",
            Self::Shutdown => "shutdown",
            Self::Reconcile => "reconcile",
            Self::Run => "run",
        }
    }

    /// Whether the container is told to end, or does so at once.
    pub const fn ends_it(self) -> bool {
        matches!(self, Self::Destroy | Self::Shutdown | Self::Run)
    }

    /// Whether the container has to run before.
    pub const fn needs_it(self) -> bool {
        !matches!(self, Self::Start | Self::Run)
    }
}

/// Where: the operation, and whether the container has a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scene {
    /// What is at work.
    pub operation: Operation,
    /// Whether the container is on the network `default`.
    pub network: bool,
}

/// One point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Where.
    pub scene: Scene,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            self.operation.name(),
            if self.network { "-network" } else { "" }
        )
    }
}

/// As `start-network launcher.1 230 ENOMEM`, or `start supervisor.0 12.5ms KILL`.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (program, number) = self.fault.instance;
        write!(f, "{} {}.{number} ", self.scene, program.name())?;
        match self.fault.when {
            When::Call(call) => write!(f, "{call} ")?,
            When::After(halves) => write!(f, "{}.{}ms ", halves / 2, halves % 2 * 5)?,
        }
        match self.fault.injection {
            Injection::Kill => write!(f, "KILL"),
            Injection::Fail(errno) => write!(f, "{errno:?}"),
        }
    }
}

impl FromStr for Scene {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, network) = text.strip_suffix("-network").map_or((text, false), |name| (name, true));
        let operation = Operation::ALL.into_iter().find(|o| o.name() == name);
        let operation = operation.ok_or_else(|| format!("no operation is called {name}"))?;
        Ok(Self { operation, network })
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [scene, instance, when, injection] = words.as_slice() else {
            return Err(format!("{text:?} is not OPERATION PROGRAM.NUMBER CALL INJECTION"));
        };
        let wrong = |what: &str| format!("{what:?} in {text:?}");
        let (program, number) = instance.split_once('.').ok_or_else(|| wrong(instance))?;
        let program = Program::ALL.into_iter().find(|p| p.name() == program);
        let instance = (
            program.ok_or_else(|| wrong(instance))?,
            number.parse().map_err(|_| wrong(instance))?,
        );
        let when = match when.strip_suffix("ms") {
            Some(time) => {
                let (whole, half) = time.split_once('.').ok_or_else(|| wrong(when))?;
                let whole: u64 = whole.parse().map_err(|_| wrong(when))?;
                When::After(whole * 2 + u64::from(half != "0"))
            }
            None => When::Call(when.parse().map_err(|_| wrong(when))?),
        };
        let injection = match *injection {
            "KILL" => Injection::Kill,
            name => {
                let errno = ERRORS.into_iter().find(|e| format!("{e:?}") == name);
                Injection::Fail(errno.ok_or_else(|| wrong(name))?)
            }
        };
        let fault = Fault {
            instance,
            when,
            injection,
        };
        let scene = scene.parse()?;
        Ok(Self { scene, fault })
    }
}

/// Every point of a scene in which each instance made so many calls.
pub fn points(scene: Scene, calls: &BTreeMap<Instance, Vec<i64>>) -> Vec<Point> {
    let mut found = Vec::new();
    let mut add = |instance, when, injection| {
        let fault = Fault {
            instance,
            when,
            injection,
        };
        found.push(Point { scene, fault });
    };
    for (instance, made) in calls {
        for call in 1..=made.len() {
            add(*instance, When::Call(call), Injection::Kill);
            for errno in ERRORS {
                add(*instance, When::Call(call), Injection::Fail(errno));
            }
        }
    }
    found
}

/// The supervisor killed at each half millisecond from 0 to 200 of its life.
pub fn sweep() -> Vec<Point> {
    let scene = Scene {
        operation: Operation::Start,
        network: false,
    };
    let fault = |halves| Fault {
        instance: (Program::Supervisor, 0),
        when: When::After(halves),
        injection: Injection::Kill,
    };
    let each = 0..=400;
    each.map(|halves| Point {
        scene,
        fault: fault(halves),
    })
    .collect()
}

/// Puts points into an order that looks like chance and is always the same, so that the first of them are a sample.
pub fn shuffle(points: &mut [Point]) {
    points.sort_by_cached_key(|p| {
        let mut hash = DefaultHasher::new();
        p.to_string().hash(&mut hash);
        hash.finish()
    });
}

/// Puts points into the order in which they take the least time, by place.
pub fn arrange(points: &mut [Point]) {
    points.sort_by_key(|p| {
        (
            p.scene.network,
            p.scene.operation.needs_it(),
            p.scene,
            p.fault.instance,
            p.fault.when,
        )
    });
}

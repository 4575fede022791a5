//! A group of version 2 that root has given to an ordinary user, as systemd does for a scope with `Delegate=yes`: it and the files of it that delegation
//! gives away are the user's (cgroups(7)). When it is dropped, whatever is in it is ended, and it is removed.

use crate::capture::{self, Outcome};
use crate::kernel;
use crate::ordinary::User;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// What of such a group is given away beside the directory.
const FILES: [&str; 3] = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];

/// The group, below one of the test's own that has its controllers.
pub struct Delegated {
    above: PathBuf,
    group: PathBuf,
    turned_on: Vec<(PathBuf, String)>,
}

/// Where the unified hierarchy is.
pub fn unified() -> Option<PathBuf> {
    let all = kernel::hierarchies();
    all.into_iter().find(|h| h.join("cgroup.controllers").exists())
}

impl Delegated {
    /// One of this user's, with those of these controllers that this host's unified hierarchy has; `None` if it has no such hierarchy.
    pub fn to(user: User<'_>, controllers: &[&str]) -> Option<Self> {
        let root = unified()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let above = root.join(format!("lazaret-users-{}-{number}", std::process::id()));
        let group = above.join("given.scope");
        let mut made = Self {
            above: above.clone(),
            group: group.clone(),
            turned_on: Vec::new(),
        };
        fs::create_dir(&above).expect("make a group");
        let has = fs::read_to_string(root.join("cgroup.controllers")).expect("read which controllers there are");
        for controller in controllers.iter().filter(|c| has.split_whitespace().any(|h| h == **c)) {
            for place in [&root, &above] {
                let control = place.join("cgroup.subtree_control");
                let on = fs::read_to_string(&control).expect("read which controllers are on");
                if !on.split_whitespace().any(|o| o == *controller) {
                    fs::write(&control, format!("+{controller}")).expect("turn a controller on");
                    made.turned_on.push((control, (*controller).to_owned()));
                }
            }
        }
        fs::create_dir(&group).expect("make a group");
        for path in std::iter::once(group.clone()).chain(FILES.iter().map(|f| group.join(f))) {
            chown(path, Some(user.uid()), Some(user.uid())).expect("give it to the user");
        }
        Some(made)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.group
    }

    /// Where it is from the root of the hierarchy, as `/proc/PID/cgroup` says it.
    pub fn within(&self) -> String {
        let root = unified().expect("it was there");
        format!("/{}", self.group.strip_prefix(root).expect("it is below").display())
    }

    /// The group of a container.
    pub fn of(&self, name: &str) -> PathBuf {
        self.group.join("lazaret").join(name)
    }

    /// Whether that controller is delegated.
    pub fn has(&self, controller: &str) -> bool {
        let all = fs::read_to_string(self.group.join("cgroup.controllers")).expect("read the controllers");
        all.split_whitespace().any(|c| c == controller)
    }

    /// A command that is begun in this group.
    pub fn command(&self, command: &Command) -> Command {
        let at = if self.group.join("lazaret/.caller").exists() {
            "lazaret/.caller/cgroup.procs"
        } else {
            "cgroup.procs"
        };
        let mut within = Command::new("sh");
        within
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(self.group.join(at))
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => within.env(name, value),
                None => within.env_remove(name),
            };
        }
        within.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        within
    }

    /// Runs `lazaret` of the user in it.
    #[track_caller]
    pub fn run(&self, user: User<'_>, arguments: &[&str]) -> Outcome {
        capture::run(&mut self.command(&user.lazaret(arguments)), b"")
    }

    /// Runs `lazaret run` of the user in it, on the image that all may read.
    #[track_caller]
    pub fn once(&self, user: User<'_>, options: &[&str], command: &[&str]) -> Outcome {
        capture::run(&mut self.command(&user.lazaret_once(options, command)), b"")
    }
}

fn groups(at: &Path) -> Vec<PathBuf> {
    let mut all = vec![at.to_owned()];
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            all.extend(groups(&entry.path()));
        }
    }
    all
}

impl Drop for Delegated {
    fn drop(&mut self) {
        let _ = fs::write(self.above.join("cgroup.kill"), "1");
        let empty = || fs::read_to_string(self.above.join("cgroup.events")).is_ok_and(|e| e.contains("populated 0"));
        capture::until(capture::DEADLINE, empty);
        for group in groups(&self.above).iter().rev() {
            let _ = fs::remove_dir(group);
        }
        for (control, controller) in self.turned_on.iter().rev() {
            // Another may need it by now.
            let _ = fs::write(control, format!("-{controller}"));
        }
        if !std::thread::panicking() {
            assert!(!self.above.exists(), "{} is left behind", self.above.display());
        }
    }
}

//! Canaries: things of the host's that no attack may read, change or make. Planted before an attack and looked at after it. May touch:
//! one file in /root, one directory in /run, both of names of its own; everything else is only read.

use crate::programs;
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use wire::Program;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Files of the kernel's through which the host could be made to run something, or to stop.
const KERNEL: [&str; 7] = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/poweroff_cmd",
    "/proc/sys/kernel/sysrq",
    "/proc/sys/kernel/randomize_va_space",
    "/proc/sys/vm/overcommit_memory",
    "/sys/kernel/uevent_helper",
];

/// Planted canaries. Dropped, it fails the test if one was changed, and takes them away.
#[derive(Debug)]
pub struct Canary {
    secret: String,
    file: PathBuf,
    directory: PathBuf,
    before: BTreeMap<PathBuf, String>,
}

impl Canary {
    /// Plants them: a secret that root alone may read, and a directory that everybody may write, with the secret in it, so that only being
    /// led there is what an attack needs.
    pub fn plant() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut hash = DefaultHasher::new();
        (std::process::id(), number, std::time::SystemTime::now()).hash(&mut hash);
        let mut canary = Self {
            secret: format!("secret-{:016x}", hash.finish()),
            file: PathBuf::from(format!("/root/lazaret-canary-{}-{number}", std::process::id())),
            directory: PathBuf::from(format!("/run/lazaret-canary-{}-{number}", std::process::id())),
            before: BTreeMap::new(),
        };
        fs::create_dir(&canary.directory).expect("make the canary's directory");
        for (path, mode) in [(canary.file.clone(), 0o600), (canary.directory.join("secret"), 0o666)] {
            fs::write(&path, &canary.secret).expect("plant a canary");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set its mode");
        }
        fs::set_permissions(&canary.directory, fs::Permissions::from_mode(0o777)).expect("set its mode");
        canary.before = canary.look();
        canary
    }

    /// The file that root alone may read.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The directory that everybody may write.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What nobody inside may ever learn.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    fn look(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut see = |path: &Path| {
            let meta = match path.symlink_metadata() {
                Ok(meta) => meta,
                Err(e) => return drop(found.insert(path.to_owned(), e.to_string())),
            };
            let content = if meta.is_file() {
                fs::read(path).unwrap_or_default()
            } else {
                Vec::new()
            };
            let mut hash = DefaultHasher::new();
            content.hash(&mut hash);
            found.insert(
                path.to_owned(),
                format!("{:o} {}:{} {:x}", meta.mode(), meta.uid(), meta.gid(), hash.finish()),
            );
        };
        see(&self.file);
        see(&self.directory);
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            see(&entry.path());
        }
        for path in KERNEL {
            see(Path::new(path));
        }
        for hierarchy in crate::kernel::hierarchies() {
            see(&hierarchy.join("release_agent"));
        }
        for program in Program::ALL {
            see(&programs::path(program));
        }
        found
    }

    /// What is not as it was.
    pub fn changes(&self) -> Vec<String> {
        let now = self.look();
        let mut changes: Vec<String> = now
            .iter()
            .filter(|(path, seen)| self.before.get(*path) != Some(seen))
            .map(|(path, seen)| format!("{}: {seen}", path.display()))
            .collect();
        changes.extend(
            self.before
                .keys()
                .filter(|p| !now.contains_key(*p))
                .map(|p| format!("{} is gone", p.display())),
        );
        changes
    }

    /// Fails the test if a canary was changed, or if what was said inside holds the secret.
    #[track_caller]
    pub fn lives(&self, said: &str) {
        let changes = self.changes();
        assert!(changes.is_empty(), "changed on the host:\n{}", changes.join("\n"));
        assert!(!said.contains(&self.secret), "the secret was read inside:\n{said}");
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        let changes = self.changes();
        let _ = fs::remove_file(&self.file);
        let _ = fs::remove_dir_all(&self.directory);
        if !std::thread::panicking() {
            assert!(changes.is_empty(), "changed on the host:\n{}", changes.join("\n"));
        }
    }
}

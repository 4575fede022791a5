//! The files below /proc and /sys that can be opened for writing. Each is opened and closed.

use rustix::fs::{Mode, OFlags};
use std::fs;
use std::path::{Path, PathBuf};

/// Opens for writing, and closes.
pub fn can_be_written(path: &Path) -> bool {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).is_ok()
}

/// All of them, but those of processes, and those of tracing, where opening alone does something.
pub fn writable() -> Vec<PathBuf> {
    let mut open = vec![PathBuf::from("/proc"), PathBuf::from("/sys")];
    let mut found = Vec::new();
    while let Some(at) = open.pop() {
        for path in fs::read_dir(&at).into_iter().flatten().flatten().map(|e| e.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let skipped = (at == Path::new("/proc") && name.parse::<u32>().is_ok())
                || ["/sys/kernel/debug", "/sys/kernel/tracing"]
                    .iter()
                    .any(|p| path == Path::new(p));
            let Ok(meta) = path.symlink_metadata() else { continue };
            if meta.is_dir() && !skipped {
                open.push(path);
            } else if meta.is_file() && can_be_written(&path) {
                found.push(path);
            }
        }
    }
    found
}

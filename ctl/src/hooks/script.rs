//! Which file the host's hook script is, and whether it is root's alone. May touch: that file and the directories above it, to look at them.

use nix::errno::Errno;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, statat};
use std::os::fd::OwnedFd;

/// The script. Its directory lies beside that of definitions, which is not root's alone, and not in it.
pub const SCRIPT: &str = "/etc/lazaret.hooks/lxc";
/// The way to it, from the root.
const WAY: [&str; 3] = ["etc", "lazaret.hooks", "lxc"];

/// What lies in its place.
fn laid() -> Option<Stat> {
    statat(CWD, SCRIPT, AtFlags::SYMLINK_NOFOLLOW).ok()
}

/// Whether something does.
pub fn is_laid() -> bool {
    laid().is_some()
}

/// Whether there is one that is to be called, or refused: a file that nobody may execute is none.
pub fn is_there() -> bool {
    laid().is_some_and(|s| kind(&s) != FileType::RegularFile || s.st_mode & 0o111 != 0)
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Refuses a script that somebody but root could have written, laid there, or taken for another: each part of the way is looked at by its
/// descriptor, from the root on, and no link is followed. After that only root can make something else of its path.
pub fn judged() -> Result<(), String> {
    let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let said = |path: &str, e| format!("cannot look at {path}: {}", sys::process::errno(e).desc());
    let mut at: OwnedFd = rustix::fs::openat(CWD, "/", how, Mode::empty()).map_err(|e| said("/", e))?;
    let mut path = String::new();
    roots_own("/", &at, FileType::Directory)?;
    for part in WAY {
        path.push('/');
        path.push_str(part);
        at = rustix::fs::openat(&at, part, how, Mode::empty()).map_err(|e| said(&path, e))?;
        let wanted = if path == SCRIPT {
            FileType::RegularFile
        } else {
            FileType::Directory
        };
        roots_own(&path, &at, wanted)?;
    }
    Ok(())
}

fn roots_own(path: &str, opened: &OwnedFd, wanted: FileType) -> Result<(), String> {
    let stat = rustix::fs::fstat(opened)
        .map_err(|e| format!("cannot look at {path}: {}", Errno::from_raw(e.raw_os_error()).desc()))?;
    let what = match kind(&stat) {
        FileType::Symlink => Some("is a link, which is not followed"),
        other if other != wanted => Some("is of another kind"),
        _ if stat.st_uid != 0 => Some("is not root's"),
        _ if stat.st_mode & 0o022 != 0 => Some("can be written by others than root"),
        _ => None,
    };
    what.map_or(Ok(()), |what| Err(format!("it is not executed: {path} {what}")))
}

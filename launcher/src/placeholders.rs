//! The empty files that an image was given because it had nothing at a place of /etc over which a file is laid: `init` takes them away, and this
//! does where `init` was killed. May touch: what bears their mark, at their two names.

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, ResolveFlags, Stat};
use std::os::fd::{AsRawFd, OwnedFd};
use wire::placeholder::{Etc, NAMES, is_placeholder};

/// How often a lock is tried that a process may have which was ended just now.
const TURNS: u32 = 10_000;

/// Whether every process of the container is known to be gone, and so what it held let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holders {
    /// They are: its groups, which a process leaves after it has closed its files, are gone.
    Gone,
    /// One of them may be ending still.
    Ending,
}

/// Removes those that no container holds. What cannot be opened, or is something else, stays and is no error: it may be anything by now.
pub fn clear(etc: &Etc, holders: Holders) {
    if let Ok(directory) = open(etc) {
        for name in NAMES {
            // Held by another container, it goes with that.
            let _ = remove(&directory, name, holders);
        }
    }
}

fn open(etc: &Etc) -> rustix::io::Result<OwnedFd> {
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let from = rustix::fs::openat2(CWD, etc.from.as_str(), how, Mode::empty(), ResolveFlags::NO_MAGICLINKS)?;
    let below = match etc.below.as_str().trim_start_matches('/') {
        "" => ".",
        some => some,
    };
    // Below it the container may have made what it liked.
    let within =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(&from, below, how, Mode::empty(), within)
}

fn ours(stat: &Stat) -> bool {
    is_placeholder(stat.st_mode, stat.st_size, stat.st_nlink)
}

fn remove(directory: &OwnedFd, name: &str, holders: Holders) -> rustix::io::Result<()> {
    let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(directory, name, how, Mode::empty())?;
    if !ours(&rustix::fs::fstat(&found)?) {
        return Ok(());
    }
    // The very file that was looked at: nothing else is ever opened, which for a device could be an act.
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    let file = rustix::fs::open(&*path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    lock(&file, holders)?;
    let now = rustix::fs::fstat(&file)?;
    let there = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if ours(&now) && (now.st_dev, now.st_ino) == (there.st_dev, there.st_ino) {
        rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
    }
    Ok(())
}

fn lock(file: &OwnedFd, holders: Holders) -> rustix::io::Result<()> {
    let turns = if holders == Holders::Gone { 1 } else { TURNS };
    for _ in 0..turns {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => rustix::thread::sched_yield(),
            other => return other,
        }
    }
    Err(rustix::io::Errno::WOULDBLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;
    use wire::init::Path;
    use wire::placeholder::MODE;

    fn image(test: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("lazaret-placeholders-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("etc")).unwrap();
        path
    }

    fn file(image: &std::path::Path, name: &str, content: &str, mode: u32) {
        fs::write(image.join("etc").join(name), content).unwrap();
        fs::set_permissions(image.join("etc").join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn etc(image: &std::path::Path, below: &str) -> Etc {
        Etc {
            from: Path::new(image.to_str().unwrap()).unwrap(),
            below: Path::new(below).unwrap(),
        }
    }

    #[test]
    fn what_bears_the_mark_goes_and_nothing_else() {
        let image = image("mark");
        let there = |name: &str| image.join("etc").join(name).symlink_metadata().is_ok();
        file(&image, "hosts", "", MODE);
        file(&image, "resolv.conf", "", 0o644);
        file(&image, "other", "", MODE);
        clear(&etc(&image, "/etc"), Holders::Gone);
        assert!(!there("hosts") && there("resolv.conf") && there("other"));
        file(&image, "hosts", "written", MODE);
        fs::remove_file(image.join("etc/resolv.conf")).unwrap();
        fs::hard_link(image.join("etc/other"), image.join("etc/resolv.conf")).unwrap();
        clear(&etc(&image, "/etc"), Holders::Gone);
        assert!(there("hosts") && there("resolv.conf"));
        fs::remove_file(image.join("etc/hosts")).unwrap();
        symlink("other", image.join("etc/hosts")).unwrap();
        clear(&etc(&image, "/etc"), Holders::Gone);
        assert!(there("hosts") && there("other"));
        fs::remove_dir_all(image).unwrap();
    }

    #[test]
    fn what_a_container_holds_stays_until_it_lets_go() {
        let image = image("held");
        file(&image, "hosts", "", MODE);
        let held = fs::File::open(image.join("etc/hosts")).unwrap();
        rustix::fs::flock(&held, FlockOperation::LockShared).unwrap();
        clear(&etc(&image.join("etc"), "/"), Holders::Ending);
        assert!(image.join("etc/hosts").exists());
        drop(held);
        clear(&etc(&image.join("etc"), "/"), Holders::Ending);
        assert!(!image.join("etc/hosts").exists());
        fs::remove_dir_all(image).unwrap();
    }

    #[test]
    fn no_link_in_the_image_leads_elsewhere() {
        let image = image("link");
        file(&image, "hosts", "", MODE);
        symlink("etc", image.join("link")).unwrap();
        for below in ["/link", "/../etc", "/missing", "/etc/hosts"] {
            clear(&etc(&image, below), Holders::Gone);
        }
        clear(&etc(&image.join("missing"), "/etc"), Holders::Gone);
        assert!(image.join("etc/hosts").exists());
        fs::remove_dir_all(image).unwrap();
    }
}

//! The empty files that an image was given because it had nothing at a place of /etc over which a file is laid: `init` takes them away, and this
//! does where `init` was killed. May touch: what bears their mark, at their two names; `/proc/locks`, and who the holders of locks are.

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, ResolveFlags, Stat};
use std::os::fd::{AsRawFd, OwnedFd};
use wire::ids::{BLOCK, IdBlock};
use wire::placeholder::{Etc, NAMES, is_placeholder};

/// How often a lock is tried that a process of the container's own has, which was ended just now.
const TURNS: u32 = 10_000;

/// Removes those that no container but the one with this block holds. What cannot be opened, or is something else, stays and is no error: it
/// may be anything by now.
pub fn clear(etc: &Etc, block: IdBlock) {
    if let Ok(directory) = open(etc) {
        for name in NAMES {
            // Held by another container, it goes with that.
            let _ = remove(&directory, name, block);
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

fn remove(directory: &OwnedFd, name: &str, block: IdBlock) -> rustix::io::Result<()> {
    let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(directory, name, how, Mode::empty())?;
    if !ours(&rustix::fs::fstat(&found)?) {
        return Ok(());
    }
    // The very file that was looked at: nothing else is ever opened, which for a device could be an act.
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    let file = rustix::fs::open(&*path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    lock(&file, block)?;
    let now = rustix::fs::fstat(&file)?;
    let there = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if ours(&now) && (now.st_dev, now.st_ino) == (there.st_dev, there.st_ino) {
        rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
    }
    Ok(())
}

/// Locks a file, and waits as long as only processes of the block's have it.
fn lock(file: &OwnedFd, block: IdBlock) -> rustix::io::Result<()> {
    let try_it = || rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive);
    let mut tried = try_it();
    if tried == Err(rustix::io::Errno::WOULDBLOCK) && others_hold(&rustix::fs::fstat(file)?, block) {
        return tried;
    }
    for _ in 0..TURNS {
        if tried != Err(rustix::io::Errno::WOULDBLOCK) {
            break;
        }
        rustix::thread::sched_yield();
        tried = try_it();
    }
    tried
}

/// Whether a process that has no id of the block's has a lock on this file.
fn others_hold(file: &Stat, block: IdBlock) -> bool {
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    holders(&locks, file).any(|pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let uid = status
            .lines()
            .find_map(|l| l.strip_prefix("Uid:")?.split_whitespace().nth(1)?.parse::<u32>().ok());
        // One that has gone since holds nothing.
        uid.is_some_and(|uid| uid.checked_sub(block.first()).is_none_or(|n| n >= BLOCK))
    })
}

/// Who has a lock on a file, by `/proc/locks` (proc_locks(5)): the sixth word of a line is its device and inode.
fn holders<'a>(locks: &'a str, file: &Stat) -> impl Iterator<Item = u32> + 'a {
    let (major, minor) = (rustix::fs::major(file.st_dev), rustix::fs::minor(file.st_dev));
    let this = format!("{major:02x}:{minor:02x}:{}", file.st_ino);
    locks.lines().filter_map(move |line| {
        // One that waits for a lock is marked by an arrow.
        let mut words = line.split_whitespace().skip(1).filter(|w| *w != "->");
        let (kind, pid, at) = (words.next()?, words.nth(2)?, words.next()?);
        (kind == "FLOCK" && at == this).then(|| pid.parse().ok())?
    })
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

    /// One that nobody has.
    fn block() -> IdBlock {
        IdBlock::new(0x6100_0000).unwrap()
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
        clear(&etc(&image, "/etc"), block());
        assert!(!there("hosts") && there("resolv.conf") && there("other"));
        file(&image, "hosts", "written", MODE);
        fs::remove_file(image.join("etc/resolv.conf")).unwrap();
        fs::hard_link(image.join("etc/other"), image.join("etc/resolv.conf")).unwrap();
        clear(&etc(&image, "/etc"), block());
        assert!(there("hosts") && there("resolv.conf"));
        fs::remove_file(image.join("etc/hosts")).unwrap();
        symlink("other", image.join("etc/hosts")).unwrap();
        clear(&etc(&image, "/etc"), block());
        assert!(there("hosts") && there("other"));
        fs::remove_dir_all(image).unwrap();
    }

    #[test]
    fn what_a_container_holds_stays_until_it_lets_go() {
        let image = image("held");
        file(&image, "hosts", "", MODE);
        let held = fs::File::open(image.join("etc/hosts")).unwrap();
        rustix::fs::flock(&held, FlockOperation::LockShared).unwrap();
        clear(&etc(&image.join("etc"), "/"), block());
        assert!(image.join("etc/hosts").exists());
        drop(held);
        clear(&etc(&image.join("etc"), "/"), block());
        assert!(!image.join("etc/hosts").exists());
        fs::remove_dir_all(image).unwrap();
    }

    #[test]
    fn the_kernel_tells_who_holds_a_file() {
        let image = image("holders");
        file(&image, "hosts", "", MODE);
        let open = || fs::File::open(image.join("etc/hosts")).unwrap();
        let (held, other) = (open(), fs::File::open(&image).unwrap());
        let stat = rustix::fs::fstat(&held).unwrap();
        let found = || -> Vec<u32> {
            let locks = fs::read_to_string("/proc/locks").unwrap();
            holders(&locks, &stat).collect()
        };
        rustix::fs::flock(&other, FlockOperation::LockShared).unwrap();
        assert!(found().is_empty() && !others_hold(&stat, block()));
        rustix::fs::flock(&held, FlockOperation::LockShared).unwrap();
        assert_eq!(found(), [std::process::id()]);
        assert!(others_hold(&stat, block()));
        fs::remove_dir_all(image).unwrap();
    }

    #[test]
    fn no_link_in_the_image_leads_elsewhere() {
        let image = image("link");
        file(&image, "hosts", "", MODE);
        symlink("etc", image.join("link")).unwrap();
        for below in ["/link", "/../etc", "/missing", "/etc/hosts"] {
            clear(&etc(&image, below), block());
        }
        clear(&etc(&image.join("missing"), "/etc"), block());
        assert!(image.join("etc/hosts").exists());
        fs::remove_dir_all(image).unwrap();
    }
}

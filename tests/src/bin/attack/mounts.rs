//! The kernel's newer mount calls, which busybox does not make. May touch: the mounts of the namespace it runs in.

use rustix::fs::{CWD, Mode, OFlags};
use std::ffi::CString;
use std::os::fd::AsFd;
use sys::mount::{Change, Superblock, attach, clone_tree, set_attributes, unmount};

type Attr = rustix::mount::MountAttrFlags;

/// Tries one.
pub fn try_it(attack: &str, path: &str, kind: &str) -> Result<(), String> {
    let say = |e: nix::errno::Errno| format!("{e}");
    let opened = || {
        rustix::fs::openat(
            CWD,
            path,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|e| e.to_string())
    };
    let name = CString::new(path).map_err(|e| e.to_string())?;
    match attack {
        // mount_setattr(2) on the attached mount.
        "clear-read-only" => set_attributes(
            opened()?.as_fd(),
            false,
            Change {
                clear: Attr::MOUNT_ATTR_RDONLY,
                ..Change::default()
            },
        )
        .map_err(say),
        "clear-nosuid" => set_attributes(
            opened()?.as_fd(),
            false,
            Change {
                clear: Attr::MOUNT_ATTR_NOSUID,
                ..Change::default()
            },
        )
        .map_err(say),
        // The same on a clone, attached elsewhere afterwards.
        "clone-and-clear" => {
            let clone = clone_tree(opened()?.as_fd(), false).map_err(say)?;
            set_attributes(
                clone.as_fd(),
                false,
                Change {
                    clear: Attr::MOUNT_ATTR_RDONLY,
                    ..Change::default()
                },
            )
            .map_err(say)
        }
        // A clone without what is mounted over parts of it.
        "clone" => clone_tree(opened()?.as_fd(), false).map(drop).map_err(say),
        "unmount" => unmount(&name, false).map_err(say),
        "detach" => unmount(&name, true).map_err(say),
        // A new superblock of that kind, attached at the path.
        "fresh" => {
            let kind = CString::new(kind).map_err(|e| e.to_string())?;
            let superblock = Superblock::open(&kind).map_err(say)?;
            superblock.create().map_err(say)?;
            let mount = superblock.mount(Attr::empty()).map_err(say)?;
            attach(mount.as_fd(), opened()?.as_fd()).map_err(say)
        }
        "join" => nix::sched::setns(opened_for_reading(path)?, nix::sched::CloneFlags::empty()).map_err(say),
        _ => Err("no such attack".into()),
    }
}

fn opened_for_reading(path: &str) -> Result<std::fs::File, String> {
    std::fs::File::open(path).map_err(|e| e.to_string())
}

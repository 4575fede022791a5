//! A container's root, with all that its profile grants, against what was put around it. The attacks are made inside by this very test
//! program, which is copied into the container's root. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod host;

use host::{Mounts, busybox, container, is_root, start, system};
use nix::errno::Errno;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use sys::mount::{Attr, Change, Superblock, attach, clone_tree, name_beneath, set_attributes, unmount};
use wire::init::{Container, Path as Inside};

const INIT: &str = env!("CARGO_BIN_EXE_init");

/// Runs one of the `inside_` tests below as the container's command.
fn attack(mut container: Container, which: &str, mounts: Mounts<'_>) -> String {
    let root = busybox(which);
    std::fs::copy(std::env::current_exe().unwrap(), root.join("probe")).unwrap();
    container.command.program = Inside::new("/probe").unwrap();
    container.command.arguments = [
        "probe",
        "--exact",
        which,
        "--nocapture",
        "--ignored",
        "--test-threads=1",
    ]
    .iter()
    .map(|a| host::text(a))
    .collect();
    let (mut host, started) = start(container, INIT, &root, mounts);
    assert_eq!(started, Ok(()));
    let (text, status) = host.finish();
    drop(host);
    std::fs::remove_dir_all(root).unwrap();
    eprintln!("{text}");
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("1 passed"), "{text}");
    text
}

/// Every mount point, as the payload sees it.
fn mount_points() -> Vec<String> {
    let info = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    info.lines().map(|l| l.split(' ').nth(4).unwrap().to_owned()).collect()
}

#[test]
#[ignore = "runs inside a container, started by another test"]
fn inside_nothing_can_be_taken_off_or_loosened() {
    let points = mount_points();
    assert!(points.len() > 30, "{points:?}");
    let root = File::open("/").unwrap();
    for point in &points {
        let path = CString::new(point.as_str()).unwrap();
        assert!(unmount(&path, true).is_err(), "unmounted {point}");
        let relative = CString::new(point.trim_start_matches('/')).unwrap();
        let relative = if relative.is_empty() { c".".to_owned() } else { relative };
        let at = name_beneath(root.as_fd(), &relative).unwrap();
        let before = rustix::fs::fstatvfs(&at).unwrap().f_flag;
        for clear in [
            Attr::MOUNT_ATTR_RDONLY,
            Attr::MOUNT_ATTR_NOSUID,
            Attr::MOUNT_ATTR_NODEV,
            Attr::MOUNT_ATTR_NOEXEC,
        ] {
            let change = Change {
                clear,
                ..Change::default()
            };
            let _ = set_attributes(at.as_fd(), false, change);
            let _ = rustix::mount::mount_remount(path.as_c_str(), rustix::mount::MountFlags::BIND, c"");
            let _ = rustix::mount::mount_remount(path.as_c_str(), rustix::mount::MountFlags::empty(), c"");
        }
        let after = rustix::fs::fstatvfs(&at).unwrap().f_flag;
        assert!(after.contains(before), "{point}: {before:?} became {after:?}");
        // A clone without its locked flags, or seen without what lies over it.
        if let Ok(clone) = clone_tree(at.as_fd(), false) {
            let change = Change {
                clear: Attr::MOUNT_ATTR_RDONLY | Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV,
                ..Change::default()
            };
            let _ = set_attributes(clone.as_fd(), false, change);
            let cloned = rustix::fs::fstatvfs(&clone).unwrap().f_flag;
            assert!(
                cloned.contains(before),
                "clone of {point}: {before:?} became {cloned:?}"
            );
        }
    }
    assert_eq!(mount_points(), points);
    for kind in [c"proc", c"sysfs"] {
        let fresh = Superblock::open(kind).and_then(|s| s.create().and_then(|()| s.mount(Attr::empty())));
        assert!(fresh.is_err(), "a second {kind:?}");
    }
}

#[test]
#[ignore = "runs inside a container, started by another test"]
fn inside_what_lies_below_a_mask_cannot_be_uncovered_by_a_copy() {
    let root = File::open("/").unwrap();
    for (covered, place) in [(c"proc", c"data"), (c"sys", c"tmp"), (c".", c"etc")] {
        let at = name_beneath(root.as_fd(), covered).unwrap();
        assert!(clone_tree(at.as_fd(), false).is_err(), "{covered:?} without its masks");
        let Ok(clone) = clone_tree(at.as_fd(), true) else {
            continue;
        };
        if covered == c"." {
            continue;
        }
        let target = name_beneath(root.as_fd(), place).unwrap();
        attach(clone.as_fd(), target.as_fd()).unwrap();
        let prefix = format!("/{}/", place.to_str().unwrap());
        let below: Vec<_> = mount_points().into_iter().filter(|p| p.starts_with(&prefix)).collect();
        assert!(below.len() > 3, "{below:?}");
        for path in below.iter().rev() {
            assert!(unmount(&CString::new(path.as_str()).unwrap(), true).is_err(), "{path}");
        }
    }
}

#[test]
#[ignore = "runs inside a container, started by another test"]
fn inside_nothing_of_the_host_can_be_written() {
    let mut open = Vec::new();
    for top in ["/proc", "/sys"] {
        walk(Path::new(top), &mut open);
    }
    // Of a process of one's own, and of one's own network namespace.
    let own = |p: &str| {
        let mut parts = p.trim_start_matches("/proc/").split('/');
        let first = parts.next().unwrap();
        first.parse::<u32>().is_ok() || ["self", "thread-self"].contains(&first)
    };
    open.retain(|p| !own(p) && !p.starts_with("/proc/sys/net/"));
    // Each mask is the null device.
    open.retain(|p| {
        let file = File::open(p).unwrap();
        !payload::streams::is_null(file.as_fd()).unwrap()
    });
    assert_eq!(open, Vec::<String>::new());
}

fn walk(at: &Path, open: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(at) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(t) if t.is_dir() => walk(&path, open),
            Ok(t) if t.is_symlink() => {}
            _ => {
                use std::os::unix::fs::OpenOptionsExt;
                if File::options().write(true).custom_flags(0o4000).open(&path).is_ok() {
                    open.push(path.to_str().unwrap().to_owned());
                }
            }
        }
    }
}

#[test]
#[ignore = "runs inside a container, started by another test"]
fn inside_the_root_leads_nowhere() {
    let (top, up) = (std::fs::metadata("/").unwrap(), std::fs::metadata("/../..").unwrap());
    use std::os::unix::fs::MetadataExt;
    assert_eq!((top.dev(), top.ino()), (up.dev(), up.ino()));
    assert!(Path::new("/..").join("probe").exists());
    let roots = mount_points().iter().filter(|p| *p == "/").count();
    assert_eq!(roots, 1);
    // A joined mount namespace begins at its topmost mount.
    let own = File::open("/proc/self/ns/mnt").unwrap();
    if sys::namespace::join(&own, sys::namespace::Kind::Mount).is_ok() {
        assert!(Path::new("/probe").exists());
        assert!(!Path::new("/etc/debian_version").exists());
    }
}

#[test]
#[ignore = "runs inside a container, started by another test"]
fn inside_no_user_namespace_can_be_made() {
    // By clone(2): unshare(2) takes no process of several threads, as a test is.
    let made = sys::process::clone_into(sys::namespace::Kind::User.flag(), None);
    if let Ok(sys::process::Fork::Child) = made {
        sys::process::exit_now(0)
    }
    assert!(
        matches!(made, Err(Errno::EPERM | Errno::ENOSPC | Errno::ENOSYS)),
        "{made:?}"
    );
}

#[test]
#[ignore = "runs inside a container, started by another test"]
fn inside_only_three_descriptors_came() {
    let open: Vec<_> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    // The directory that is being read is the fourth.
    assert_eq!(open.len(), 4, "{open:?}");
    assert!(
        std::fs::read_dir("/proc/1/fd").is_err(),
        "the first process can be looked into"
    );
    assert!(std::fs::read_link("/proc/1/exe").is_err() && std::fs::File::open("/proc/1/mem").is_err());
}

macro_rules! from_outside {
    ($name:ident, $which:literal, $container:expr) => {
        #[test]
        fn $name() {
            if is_root() {
                attack($container, $which, &mut |_| vec![]);
            }
        }
    };
}

from_outside!(
    a_system_cannot_take_off_or_loosen_a_mount,
    "inside_nothing_can_be_taken_off_or_loosened",
    system(container(""))
);
from_outside!(
    an_app_cannot_take_off_or_loosen_a_mount,
    "inside_nothing_can_be_taken_off_or_loosened",
    container("")
);
from_outside!(
    a_system_cannot_copy_its_way_below_a_mask,
    "inside_what_lies_below_a_mask_cannot_be_uncovered_by_a_copy",
    system(container(""))
);
from_outside!(
    a_system_can_write_nothing_of_the_host,
    "inside_nothing_of_the_host_can_be_written",
    system(container(""))
);
from_outside!(
    an_app_can_write_nothing_of_the_host,
    "inside_nothing_of_the_host_can_be_written",
    container("")
);
from_outside!(
    a_system_has_no_way_out_of_its_root,
    "inside_the_root_leads_nowhere",
    system(container(""))
);
from_outside!(
    an_app_has_no_way_out_of_its_root,
    "inside_the_root_leads_nowhere",
    container("")
);
from_outside!(
    an_app_makes_no_user_namespace,
    "inside_no_user_namespace_can_be_made",
    container("")
);
from_outside!(
    a_system_makes_no_user_namespace,
    "inside_no_user_namespace_can_be_made",
    system(container(""))
);
from_outside!(
    three_descriptors_come,
    "inside_only_three_descriptors_came",
    container("")
);

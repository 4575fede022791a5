//! Ways from inside to the host, each up to the last step: what would be written is opened and closed again. Mounts are made in a mount
//! namespace of a child's own, which ends with it.

use crate::files::can_be_written;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use std::fs;
use std::path::{Path, PathBuf};
use sys::attempt::{Answer, Argument, Door, attempt};
use sys::process::{Fork, exit_now, fork};

/// Where children mount what they try.
const AT: &str = "/tmp";

/// Whether this is so in a child with a mount namespace of its own, or, where it may make none, in this one.
fn in_a_child(found: impl FnOnce() -> bool) -> bool {
    match fork() {
        Ok(Fork::Child) => {
            let own = sys::namespace::unshare(&[sys::namespace::Kind::Mount]);
            let private = own.is_ok()
                && rustix::mount::mount_change(
                    "/",
                    rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC,
                )
                .is_ok();
            // Without one, what is mounted would stay.
            exit_now(i32::from(private && found()))
        }
        Ok(Fork::Parent(pid)) => matches!(
            nix::sys::wait::waitpid(pid, None),
            Ok(nix::sys::wait::WaitStatus::Exited(_, 1))
        ),
        Err(_) => false,
    }
}

fn fresh(kind: &str, options: &str) -> bool {
    let options = std::ffi::CString::new(options).unwrap_or_default();
    mount(kind, AT, kind, MountFlags::empty(), options.as_c_str()).is_ok()
}

fn named(below: &Path, name: &str, depth: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).into_iter().flatten().flatten() {
        if entry.file_name() == name {
            found.push(entry.path());
        } else if depth > 0 && entry.file_type().is_ok_and(|t| t.is_dir()) {
            found.extend(named(&entry.path(), name, depth - 1));
        }
    }
    found
}

/// Whether a device node of the host's can be opened: one that is made here, or one that is there.
fn device(kind: FileType, numbers: &str, there: &str) -> bool {
    let (major, minor) = numbers.split_once(':').unwrap_or_default();
    let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else {
        return false;
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opens = |path: &Path| rustix::fs::open(path, flags, Mode::empty()).is_ok();
    for directory in ["/dev", "/tmp", "/root", "/"] {
        let node = Path::new(directory).join("probe-node");
        let made = rustix::fs::mknodat(
            CWD,
            &node,
            kind,
            Mode::from_raw_mode(0o600),
            rustix::fs::makedev(major, minor),
        );
        let opened = made.is_ok() && opens(&node);
        let _ = fs::remove_file(&node);
        if opened {
            return true;
        }
    }
    let is_it = fs::metadata(there).is_ok_and(|m| {
        use std::os::unix::fs::MetadataExt;
        (rustix::fs::major(m.rdev()), rustix::fs::minor(m.rdev())) == (major, minor)
    });
    is_it && opens(Path::new(there))
}

/// Whether the filter lets this call through to a kernel that then finds fault with its arguments, or takes it.
fn reaches(number: u64, arguments: &[u64]) -> bool {
    let arguments: Vec<Argument<'_>> = arguments.iter().copied().map(Argument::Number).collect();
    attempt(Door::Native, number, &arguments)
        .is_ok_and(|answer| !answer.refused() && answer != Answer::Failed(nix::errno::Errno::EACCES))
}

/// The kernel's surfaces beside those that every process needs, as far as they are reached.
pub fn surfaces() -> Vec<&'static str> {
    let none = u64::MAX;
    let all = [
        ("TIOCSTI", reaches(16, &[none, 0x5412, none])),
        ("packet sockets", reaches(41, &[17, 3, 0])),
        ("bpf", reaches(321, &[none, none, none])),
        ("keyrings", reaches(250, &[0, 0xffff_fffd, 0])),
        (
            "user namespaces",
            attempt(Door::Native, 272, &[Argument::Number(0x1000_0000)]) == Ok(Answer::Done),
        ),
        ("io_uring", reaches(425, &[none, none])),
        ("perf", reaches(298, &[none, 0, none, none, 0])),
    ];
    all.into_iter()
        .filter(|(_, open)| *open)
        .map(|(name, _)| name)
        .collect()
}

/// Whether this capability is held over the host itself: the kernel asks for it only after it has found fault with other arguments.
fn holds(capability: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status
        .lines()
        .find_map(|l| l.strip_prefix("CapEff:"))
        .unwrap_or_default();
    let effective = u64::from_str_radix(set.trim(), 16).unwrap_or(0);
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let every_id = map.split_whitespace().eq(["0", "0", "4294967295"]);
    every_id && effective >> capability & 1 == 1
}

/// Every way out that is open: what it leads to, and how.
pub fn found(disk: &str) -> Vec<(&'static str, &'static str)> {
    let mut ways = Vec::new();
    let mut look = |name: &'static str, way: &'static str, open: bool| {
        if open {
            ways.push((name, way));
        }
    };
    let core = Path::new("/proc/sys/kernel/core_pattern");
    let none = u64::MAX;
    look("core_pattern", "as it is", can_be_written(core));
    look(
        "core_pattern",
        "remount",
        in_a_child(|| mount_remount("/proc/sys", MountFlags::BIND, "").is_ok() && can_be_written(core)),
    );
    look(
        "core_pattern",
        "unmount",
        in_a_child(|| unmount("/proc/sys", UnmountFlags::DETACH).is_ok() && can_be_written(core)),
    );
    look(
        "core_pattern",
        "fresh proc",
        in_a_child(|| fresh("proc", "") && can_be_written(&Path::new(AT).join("sys/kernel/core_pattern"))),
    );
    look(
        "uevent_helper",
        "fresh sysfs",
        in_a_child(|| fresh("sysfs", "") && can_be_written(&Path::new(AT).join("kernel/uevent_helper"))),
    );
    let agents = named(Path::new("/sys/fs/cgroup"), "release_agent", 2);
    look("release_agent", "as it is", agents.iter().any(|a| can_be_written(a)));
    let agents = agents.clone();
    look(
        "release_agent",
        "remount",
        in_a_child(|| {
            agents.iter().any(|agent| {
                let at = agent.parent().unwrap_or(agent);
                mount_remount(at, MountFlags::BIND, "").is_ok() && can_be_written(agent)
            })
        }),
    );
    for controller in ["memory", "blkio", "pids", "devices", "cpu", "freezer"] {
        let open = in_a_child(|| fresh("cgroup", controller) && can_be_written(&Path::new(AT).join("release_agent")));
        if open {
            look("release_agent", "fresh hierarchy", true);
            break;
        }
    }
    look("disk", "device node", device(FileType::BlockDevice, disk, "/dev/vda"));
    look(
        "kernel memory",
        "device node",
        device(FileType::CharacterDevice, "1:1", "/dev/mem"),
    );
    look(
        "kernel log",
        "device node",
        device(FileType::CharacterDevice, "1:11", "/dev/kmsg"),
    );
    look("sysrq", "as it is", can_be_written(Path::new("/proc/sysrq-trigger")));
    look("modules", "init_module", reaches(175, &[none, none, none]));
    look(
        "files by handle",
        "open_by_handle_at",
        holds(2) && reaches(304, &[none, none, none]),
    );
    look("another kernel", "kexec_load", reaches(246, &[none, none, none, none]));
    look("clock", "clock_settime", holds(25) && reaches(227, &[0, none]));
    ways
}

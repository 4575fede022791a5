//! Files: what can be opened for writing, what a virtual file takes, and capabilities on files. May touch: what it is told to, and never
//! writes into a file that it only asks about.

use rustix::fs::{CWD, FileType, Mode, OFlags, XattrFlags};
use std::fs;
use std::path::{Path, PathBuf};

/// Every regular file below these places that can be opened for writing, a line each. Nothing is written. Directories of processes but
/// PID 1's are left out, and symbolic links not followed.
pub fn writable(places: &[&str]) -> Result<(), String> {
    let mut open: Vec<PathBuf> = places.iter().map(PathBuf::from).collect();
    let mut found = 0_u32;
    while let Some(at) = open.pop() {
        let Ok(entries) = fs::read_dir(&at) else { continue };
        for path in entries.flatten().map(|e| e.path()) {
            let process = at == Path::new("/proc")
                && path
                    .file_name()
                    .is_some_and(|n| n != "1" && n.to_string_lossy().parse::<u32>().is_ok());
            let Ok(meta) = path.symlink_metadata() else { continue };
            if meta.is_dir() && !process {
                open.push(path);
            } else if meta.is_file() {
                let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                if rustix::fs::open(&path, flags, Mode::empty()).is_ok() {
                    println!("{}", path.display());
                    found += 1;
                }
            }
        }
    }
    if found == 0 { Err("nothing".into()) } else { Ok(()) }
}

/// Every way there is to change a file or to reach past it, on a file that is to be read only. Prints each that worked.
pub fn every_call(path: &str) -> Result<(), String> {
    let refused = |what: &str, result: Result<(), rustix::io::Errno>| match result {
        Ok(()) => {
            println!("worked: {what}");
            1
        }
        Err(_) => 0,
    };
    let mut worked = 0_u32;
    for (what, flags) in [
        ("open for writing", OFlags::WRONLY),
        ("open for both", OFlags::RDWR),
        ("open truncating", OFlags::WRONLY | OFlags::TRUNC),
        ("open appending", OFlags::WRONLY | OFlags::APPEND),
        ("open as a directory", OFlags::RDONLY | OFlags::DIRECTORY),
        ("make below", OFlags::WRONLY | OFlags::CREATE),
    ] {
        let at = if what == "make below" {
            format!("{path}/x")
        } else {
            path.to_owned()
        };
        worked += refused(what, rustix::fs::open(&at, flags, Mode::from_raw_mode(0o600)).map(drop));
    }
    worked += refused("chmod", rustix::fs::chmod(path, Mode::from_raw_mode(0o666)));
    let user = rustix::process::getuid();
    worked += refused(
        "chown",
        rustix::fs::chownat(CWD, path, Some(user), None, rustix::fs::AtFlags::empty()),
    );
    worked += refused("unlink", rustix::fs::unlink(path));
    worked += refused("rename", rustix::fs::rename(path, format!("{path}.old")));
    worked += refused("rename onto", rustix::fs::rename("/etc/passwd", path));
    worked += refused("link", rustix::fs::link(path, "/tmp/linked"));
    for name in ["user.x", "trusted.x", "security.capability"] {
        worked += refused(name, rustix::fs::setxattr(path, name, b"x", XattrFlags::empty()));
    }
    worked += refused("mknod below", {
        let kind = FileType::RegularFile;
        rustix::fs::mknodat(CWD, format!("{path}/x"), kind, Mode::from_raw_mode(0o600), 0)
    });
    worked += refused(
        "leave by ..",
        rustix::fs::stat(format!("{path}/../../etc/shadow")).map(drop),
    );
    // What is open for reading.
    let file = rustix::fs::open(path, OFlags::RDONLY, Mode::empty()).map_err(|e| e.to_string())?;
    worked += refused("write", rustix::io::write(&file, b"x").map(drop));
    worked += refused("truncate", rustix::fs::ftruncate(&file, 0));
    worked += refused(
        "allocate",
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 1),
    );
    worked += refused("pwrite", rustix::io::pwrite(&file, b"x", 0).map(drop));
    let number = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&file)).unwrap_or(0);
    // ioctl: every type and number that a server could be asked for, FUSE's own among them.
    for request in [0xe500, 0x5401, 0x541b, 0x6601, 0x8004_e500, 0xc0de_c0de] {
        let arguments = [
            sys::attempt::Argument::Number(number),
            sys::attempt::Argument::Number(request),
            sys::attempt::Argument::Bytes(&[0; 256]),
        ];
        let answer = sys::attempt::attempt(sys::attempt::Door::Native, 16, &arguments).map_err(|e| e.to_string())?;
        // FIONREAD is answered by the kernel itself for every regular file.
        if answer == sys::attempt::Answer::Done && request != 0x541b {
            println!("worked: ioctl {request:#x}");
            worked += 1;
        }
    }
    // mmap shared and writable.
    let arguments = [0, 4096, 3, 1, number, 0].map(sys::attempt::Argument::Number);
    let answer = sys::attempt::attempt(sys::attempt::Door::Native, 9, &arguments).map_err(|e| e.to_string())?;
    if answer == sys::attempt::Answer::Done {
        println!("worked: mmap");
        worked += 1;
    }
    if worked == 0 { Err("nothing".into()) } else { Ok(()) }
}

/// Gives a file the capability NET_RAW, permitted and effective, as a file of the user namespace whose root is host id `root` (0: of the
/// one it runs in).
pub fn set_capability(path: &str, root: &str) -> Result<(), String> {
    const NET_RAW: u32 = 1 << 13;
    let root: u32 = root.parse().map_err(|_| "which root?".to_owned())?;
    // struct vfs_ns_cap_data of linux/capability.h: magic and flags, permitted, inheritable, twice; the root's id in version 3.
    let version = if root == 0 { 0x0200_0000 } else { 0x0300_0000_u32 };
    let words = [version | 1, NET_RAW, NET_RAW, 0, 0, root];
    let words = if root == 0 { &words[..5] } else { &words[..] };
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    rustix::fs::setxattr(path, "security.capability", &bytes, XattrFlags::empty()).map_err(|e| e.to_string())
}

/// What this process holds.
pub fn holding() -> Result<(), String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    for line in status.lines().filter(|l| {
        ["Cap", "NoNewPrivs", "Seccomp:", "Uid", "Gid", "Groups"]
            .iter()
            .any(|p| l.starts_with(p))
    }) {
        println!("{line}");
    }
    Ok(())
}

//! The mount factory as it runs: CAP_SYS_ADMIN and nothing else, an unprivileged uid, its real confinement. Asks the kernel what the
//! mounts are. Touches: a directory of its own, a user namespace of its own.

#[cfg(test)]
mod tests {
    use rustix::fs::{AtFlags, Mode, OFlags, StatVfsMountFlags as Flag, StatxFlags};
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::process::{Child, Command, Stdio};
    use sys::birth::start;
    use sys::channel::{Channel, pair};
    use sys::process::{Power, wait};
    use wire::mountd::{Device, Flags, Mount, Reply, Request};
    use wire::{Kind, Program};

    const UID: u32 = 0x7ffe_0001;

    struct Factory {
        channel: Channel<Request, Reply>,
        pid: nix::unistd::Pid,
    }

    impl Factory {
        fn start() -> Self {
            let (channel, theirs) = pair::<Request, Reply>().unwrap();
            let null = File::options().read(true).write(true).open("/dev/null").unwrap();
            let program = File::open(env!("CARGO_BIN_EXE_mountd")).unwrap();
            let table = [null.as_fd(), null.as_fd(), null.as_fd(), theirs.as_fd()];
            let capabilities = policies::power(Program::Mountd, true).to_vec();
            let power = Power {
                id: UID,
                groups: Vec::new(),
                capabilities,
                no_new_privileges: true,
            };
            let pid = start(program.as_fd(), &[c"mountd", c"--socket", c"3"], &table, &power, None).unwrap();
            Self { channel, pid }
        }

        fn ask(&self, mounts: Vec<Mount>, descriptors: &[BorrowedFd<'_>]) -> (Reply, Vec<OwnedFd>) {
            self.channel.send(&Request::Make(mounts), descriptors).unwrap();
            self.channel.receive().unwrap()
        }

        fn make(&self, mount: Mount, descriptors: &[BorrowedFd<'_>]) -> OwnedFd {
            let (reply, mut made) = self.ask(vec![mount], descriptors);
            assert_eq!(reply, Reply::Made(1));
            made.pop().unwrap()
        }

        fn status(&self, key: &str) -> String {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
            let line = status
                .lines()
                .find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))
                .unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        }
    }

    /// A process in a user namespace of its own, with the map 0 -> 300000.
    struct Mapped(Child);

    impl Mapped {
        fn new() -> Self {
            let mut command = Command::new("unshare");
            let mut child = command
                .args(["--user", "cat"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            for map in ["uid_map", "gid_map"] {
                std::fs::write(format!("/proc/{}/{map}", child.id()), "0 300000 1000").unwrap();
            }
            Self(child)
        }

        fn namespace(&self) -> File {
            File::open(format!("/proc/{}/ns/user", self.0.id())).unwrap()
        }
    }

    impl Drop for Mapped {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    struct Directory(std::path::PathBuf);

    impl Drop for Directory {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn flags(mount: &OwnedFd) -> Flag {
        rustix::fs::fstatvfs(mount).unwrap().f_flag
    }

    fn mount_table() -> String {
        std::fs::read_to_string("/proc/self/mountinfo").unwrap()
    }

    fn name(path: &str) -> OwnedFd {
        rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    fn open(mount: &OwnedFd, path: &str) -> rustix::io::Result<OwnedFd> {
        rustix::fs::openat(mount, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    }

    #[test]
    fn makes_every_kind_of_mount_with_one_capability() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: needs root");
            return;
        }
        let before = mount_table();
        let factory = Factory::start();

        // A procfs that nothing covers. The answer also says that the confinement is in force by now.
        let proc = factory.make(Mount::Proc, &[]);
        assert!(open(&proc, "version").is_ok());
        assert!(
            !flags(&proc).contains(Flag::RDONLY) && flags(&proc).contains(Flag::NOSUID | Flag::NODEV | Flag::NOEXEC)
        );

        assert_eq!(factory.status("Uid"), [UID.to_string().as_str(); 4].join(" "));
        assert_eq!(factory.status("Gid"), [UID.to_string().as_str(); 4].join(" "));
        assert_eq!(factory.status("Groups"), "");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(factory.status(set), format!("{:016x}", 1u64 << 21), "{set}");
        }
        assert_eq!(
            (factory.status("NoNewPrivs"), factory.status("Seccomp")),
            ("1".into(), "2".into())
        );

        let sysfs = factory.make(Mount::Sysfs, &[]);
        assert!(open(&sysfs, "class/net/lo").is_ok());
        assert!(flags(&sysfs).contains(Flag::RDONLY | Flag::NOSUID | Flag::NODEV | Flag::NOEXEC));

        // Trees: one mount alone, one that is mapped, and one whose flags are not asked for.
        let directory = Directory(std::env::temp_dir().join(format!("lazaret-test-mountd-{}", std::process::id())));
        std::fs::create_dir(&directory.0).unwrap();
        std::fs::write(directory.0.join("file"), "content").unwrap();
        let at = name(directory.0.to_str().unwrap());
        let all = Flags {
            read_only: true,
            no_suid: true,
            no_dev: true,
            no_exec: true,
        };
        let clone = factory.make(
            Mount::Tree {
                recursive: false,
                flags: all,
                idmapped: false,
            },
            &[at.as_fd()],
        );
        assert!(flags(&clone).contains(Flag::RDONLY | Flag::NOSUID | Flag::NODEV | Flag::NOEXEC));
        let write = rustix::fs::openat(&clone, "file", OFlags::WRONLY, Mode::empty());
        assert_eq!(write.map(drop), Err(rustix::io::Errno::ROFS));

        let mapped = Mapped::new();
        let writable = Flags {
            read_only: false,
            ..all
        };
        let tree = Mount::Tree {
            recursive: true,
            flags: writable,
            idmapped: true,
        };
        let clone = factory.make(tree.clone(), &[at.as_fd(), mapped.namespace().as_fd()]);
        let owner = rustix::fs::statat(&clone, "file", AtFlags::empty()).unwrap();
        assert_eq!((owner.st_uid, owner.st_gid), (300_000, 300_000));
        assert_eq!(rustix::fs::stat(directory.0.join("file")).unwrap().st_uid, 0);

        // What is not a user namespace maps nothing.
        let (reply, made) = factory.ask(vec![tree], &[at.as_fd(), at.as_fd()]);
        assert!(matches!(reply, Reply::Refused(f) if f.kind == Kind::Kernel) && made.is_empty());

        // A device node is a mount of that one file.
        let null = name("/dev/null");
        let node = factory.make(Mount::Node(Device::Null), &[null.as_fd()]);
        let stat = rustix::fs::fstat(&node).unwrap();
        assert_eq!((stat.st_rdev, stat.st_mode & 0o170_000), (0x103, 0o020_000));
        assert!(flags(&node).contains(Flag::NOSUID | Flag::NOEXEC) && !flags(&node).contains(Flag::NODEV));

        // Nodes that somebody else makes there can be opened; they are executed by nobody.
        let nodes = factory.make(Mount::Nodes, &[]);
        rustix::fs::mknodat(&nodes, "n", rustix::fs::FileType::CharacterDevice, Mode::RUSR, 0x103).unwrap();
        assert!(open(&nodes, "n").is_ok());
        assert!(flags(&nodes).contains(Flag::NOSUID | Flag::NOEXEC) && !flags(&nodes).contains(Flag::NODEV));
        drop(nodes);

        // The root of the FUSE superblock is one regular file that all may read. Nobody serves it here, so nothing is asked of it.
        let fuse = File::options().read(true).write(true).open("/dev/fuse").unwrap();
        let meminfo = factory.make(Mount::Meminfo, &[fuse.as_fd()]);
        let quiet = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let stat = rustix::fs::statx(&meminfo, c"", quiet, StatxFlags::BASIC_STATS).unwrap();
        assert_eq!(stat.stx_mode, 0o100_444);

        // All or none.
        let (reply, made) = factory.ask(vec![Mount::Proc, Mount::Node(Device::Zero)], &[null.as_fd()]);
        assert!(matches!(reply, Reply::Refused(f) if f.kind == Kind::Caller) && made.is_empty());
        let (reply, made) = factory.ask(
            vec![Mount::Proc, Mount::Sysfs, Mount::Node(Device::Null)],
            &[null.as_fd()],
        );
        assert_eq!((reply, made.len()), (Reply::Made(3), 3));

        drop((proc, sysfs, clone, node, meminfo, fuse, made));
        assert_eq!(mount_table(), before);
        let Factory { channel, pid } = factory;
        drop(channel);
        assert_eq!(wait(pid).unwrap(), nix::sys::wait::WaitStatus::Exited(pid, 0));
    }
}

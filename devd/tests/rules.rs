//! The writer of device rules as it runs: BPF and NET_ADMIN and nothing else, an unprivileged uid, its real confinement. Touches:
//! groups of its own, made and removed here.

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, BorrowedFd};
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use sys::birth::start;
    use sys::channel::{Channel, pair};
    use sys::process::{Power, wait};
    use wire::devd::{Reply, Request, Rule};
    use wire::{Kind, Program};

    const UID: u32 = 0x7ffe_0020;
    const NULL: Rule = Rule {
        block: false,
        major: Some(1),
        minor: Some(3),
        read: true,
        write: true,
        make: true,
    };
    const ZERO_READ: Rule = Rule {
        minor: Some(5),
        write: false,
        make: false,
        ..NULL
    };

    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

    struct Group(PathBuf);

    impl Group {
        fn new(hierarchy: &str) -> Option<Self> {
            let above = Path::new("/sys/fs/cgroup").join(hierarchy);
            let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let path = above.join(format!("lazaret-test-devd-{}-{number}", std::process::id()));
            above
                .join("cgroup.procs")
                .exists()
                .then(|| std::fs::create_dir(&path).map(|()| Self(path)).unwrap())
        }

        /// Whether a shell in this group, run by root, can do this.
        fn can(&self, what: &str) -> bool {
            let script = format!(
                "echo $$ > '{}/cgroup.procs' || exit 9; ({what}) 2>/dev/null || exit 1",
                self.0.display()
            );
            match Command::new("sh").args(["-c", &script]).status().unwrap().code() {
                Some(9) => panic!("the shell could not enter {}", self.0.display()),
                code => code == Some(0),
            }
        }
    }

    impl Drop for Group {
        fn drop(&mut self) {
            std::fs::remove_dir(&self.0).unwrap();
        }
    }

    struct Writer(Channel<Request, Reply>, nix::unistd::Pid);

    impl Writer {
        fn start() -> Self {
            let (channel, theirs) = pair::<Request, Reply>().unwrap();
            let null = File::options().read(true).write(true).open("/dev/null").unwrap();
            let program = File::open(env!("CARGO_BIN_EXE_devd")).unwrap();
            let table = [null.as_fd(), null.as_fd(), null.as_fd(), theirs.as_fd()];
            let capabilities = policies::power(Program::Devd, true).to_vec();
            let power = Power {
                id: UID,
                groups: Vec::new(),
                capabilities,
                no_new_privileges: true,
            };
            Self(
                channel,
                start(program.as_fd(), &[c"devd", c"--socket", c"3"], &table, &power, None).unwrap(),
            )
        }

        fn ask(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Reply {
            self.0.send(request, descriptors).unwrap();
            self.0.receive().unwrap().0
        }

        fn end(self) {
            drop(self.0);
            assert_eq!(wait(self.1).unwrap(), nix::sys::wait::WaitStatus::Exited(self.1, 0));
        }
    }

    fn obeys_the_rules(group: &Group) {
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let node = std::env::temp_dir().join(format!("lazaret-test-devd-node-{}-{number}", std::process::id()));
        let node = node.display();
        for (what, allowed) in [
            ("true < /dev/null".to_owned(), true),
            ("echo > /dev/null".to_owned(), true),
            ("true < /dev/zero".to_owned(), true),
            ("true > /dev/zero".to_owned(), false),
            ("true < /dev/fuse".to_owned(), false),
            ("true < /dev/full".to_owned(), false),
            (format!("mknod {node} c 1 3 && rm {node}"), true),
            (format!("mknod {node} c 1 5"), false),
            (format!("mknod {node} b 1 3"), false),
            (format!("mknod {node} p && rm {node}"), true),
        ] {
            assert_eq!(group.can(&what), allowed, "{what}");
        }
    }

    #[test]
    fn a_program_lets_a_version_2_group_use_just_its_devices() {
        let group = match Group::new("unified").or_else(|| Group::new("")) {
            Some(group) if nix::unistd::geteuid().is_root() => group,
            _ => return eprintln!("SKIPPED: needs root and a version 2 hierarchy"),
        };
        assert!(group.can("true < /dev/fuse"));
        let writer = Writer::start();
        let directory = File::open(&group.0).unwrap();
        let nothing = Rule {
            read: false,
            write: false,
            make: false,
            ..NULL
        };
        let reply = writer.ask(&Request::Attach(vec![nothing]), &[directory.as_fd()]);
        assert!(matches!(reply, Reply::Refused(f) if f.kind == Kind::Caller));
        let root = File::open("/").unwrap();
        let reply = writer.ask(&Request::Attach(vec![NULL]), &[root.as_fd()]);
        assert!(matches!(reply, Reply::Refused(f) if f.kind == Kind::Kernel));
        assert!(group.can("true < /dev/fuse"));

        let reply = writer.ask(&Request::Attach(vec![NULL, ZERO_READ]), &[directory.as_fd()]);
        assert_eq!(reply, Reply::InForce);
        let status = std::fs::read_to_string(format!("/proc/{}/status", writer.1)).unwrap();
        // BPF is 39, NET_ADMIN 12.
        for line in [
            "CapPrm:\t0000008000001000",
            "CapEff:\t0000008000001000",
            "CapBnd:\t0000008000001000",
            "Seccomp:\t2",
        ] {
            assert!(status.contains(line), "{line}");
        }
        // They hold without the writer.
        writer.end();
        obeys_the_rules(&group);
    }
}

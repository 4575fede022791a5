//! Device rules of version 1, written by the real program: SYS_ADMIN and nothing else, an unprivileged uid, its real confinement. Touches:
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
    use wire::devd::Rule;
    use wire::mountd::{Reply, Request};
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

    const FULL_READ: Rule = Rule {
        minor: Some(7),
        ..ZERO_READ
    };

    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

    struct Group(PathBuf);

    impl Group {
        fn new(hierarchy: &str) -> Option<Self> {
            let above = Path::new("/sys/fs/cgroup").join(hierarchy);
            let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let path = above.join(format!("lazaret-test-mountd-{}-{number}", std::process::id()));
            above
                .join("cgroup.procs")
                .exists()
                .then(|| std::fs::create_dir(&path).map(|()| Self(path)).unwrap())
        }

        fn below(&self, name: &str) -> Self {
            let path = self.0.join(name);
            std::fs::create_dir(&path).unwrap();
            Self(path)
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
        fn start(capabilities: Vec<u8>) -> Self {
            let (channel, theirs) = pair::<Request, Reply>().unwrap();
            let null = File::options().read(true).write(true).open("/dev/null").unwrap();
            let program = File::open(env!("CARGO_BIN_EXE_mountd")).unwrap();
            let table = [null.as_fd(), null.as_fd(), null.as_fd(), theirs.as_fd()];
            let power = Power {
                id: UID,
                groups: Vec::new(),
                capabilities,
                no_new_privileges: true,
            };
            Self(
                channel,
                start(program.as_fd(), &[c"mountd", c"--socket", c"3"], &table, &power, None).unwrap(),
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
        let node = std::env::temp_dir().join(format!("lazaret-test-mountd-node-{}-{number}", std::process::id()));
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

    /// What the launcher's order rests on: rules come before the groups below, which then obey them.
    #[test]
    fn version_1_takes_lines_for_a_group_before_others_are_made_below_it() {
        let (Some(late), Some(group)) = (Group::new("devices"), Group::new("devices")) else {
            return eprintln!("SKIPPED: needs a version 1 devices hierarchy");
        };
        if !nix::unistd::geteuid().is_root() {
            return eprintln!("SKIPPED: needs root");
        }
        let writer = Writer::start(policies::power(Program::Mountd, true).to_vec());
        let write = |group: &Group| {
            let open = |file: &str| File::options().write(true).open(group.0.join(file)).unwrap();
            let (deny, allow) = (open("devices.deny"), open("devices.allow"));
            writer.ask(&Request::Allow(vec![NULL, ZERO_READ]), &[deny.as_fd(), allow.as_fd()])
        };
        let below = late.below("payload");
        let reply = write(&late);
        let einval = nix::errno::Errno::EINVAL as i32;
        assert!(
            matches!(&reply, Reply::Refused(f) if f.kind == Kind::Kernel && f.errno == einval),
            "{reply:?}"
        );
        assert!(below.can("true < /dev/fuse"));
        assert_eq!(write(&group), Reply::Made(0));
        writer.end();
        obeys_the_rules(&group.below("payload"));
    }

    /// What the launcher's change of a container that runs rests on.
    #[test]
    fn version_1_gives_each_group_one_more_line_and_takes_it_from_all_below() {
        let Some(group) = Group::new("devices") else {
            return eprintln!("SKIPPED: needs a version 1 devices hierarchy");
        };
        if !nix::unistd::geteuid().is_root() {
            return eprintln!("SKIPPED: needs root");
        }
        let writer = Writer::start(policies::power(Program::Mountd, true).to_vec());
        let open = |group: &Group, file: &str| File::options().write(true).open(group.0.join(file)).unwrap();
        let (deny, allow) = (open(&group, "devices.deny"), open(&group, "devices.allow"));
        let of_a_start = Request::Allow(vec![NULL, ZERO_READ]);
        assert_eq!(writer.ask(&of_a_start, &[deny.as_fd(), allow.as_fd()]), Reply::Made(0));
        let below = group.below("payload");
        let change = |file: &File| writer.ask(&Request::Change(vec![FULL_READ]), &[file.as_fd()]);
        let full = "true < /dev/full";
        let below_first = change(&open(&below, "devices.allow"));
        assert!(matches!(below_first, Reply::Refused(f) if f.errno == nix::errno::Errno::EPERM as i32));
        assert_eq!(change(&allow), Reply::Made(0));
        assert!(group.can(full) && !below.can(full));
        assert_eq!(change(&open(&below, "devices.allow")), Reply::Made(0));
        assert!(below.can(full));
        assert_eq!(change(&deny), Reply::Made(0));
        assert!(!group.can(full) && !below.can(full));
        writer.end();
        obeys_the_rules(&below);
    }

    #[test]
    fn lines_let_a_version_1_group_use_just_its_devices() {
        let group = match Group::new("devices") {
            Some(group) if nix::unistd::geteuid().is_root() => group,
            _ => return eprintln!("SKIPPED: needs root and a version 1 devices hierarchy"),
        };
        let open = |file: &str| File::options().write(true).open(group.0.join(file)).unwrap();
        let (deny, allow) = (open("devices.deny"), open("devices.allow"));
        // BPF and NET_ADMIN, which a version 2 program needs, are no power here.
        let writer = Writer::start(vec![39, 12]);
        let reply = writer.ask(&Request::Allow(vec![NULL]), &[deny.as_fd(), allow.as_fd()]);
        assert!(matches!(reply, Reply::Refused(f) if f.kind == Kind::Kernel && f.errno == 1));
        writer.end();
        let writer = Writer::start(policies::power(Program::Mountd, true).to_vec());
        let reply = writer.ask(&Request::Allow(vec![NULL, ZERO_READ]), &[deny.as_fd(), allow.as_fd()]);
        assert_eq!(reply, Reply::Made(0));
        writer.end();
        obeys_the_rules(&group);
    }
}

//! The writer of id maps as it runs: SETUID and SETGID and nothing else, the uid of whoever made the user namespace, its real
//! confinement. Touches: user namespaces of its own.

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};
    use sys::birth::start;
    use sys::channel::{Channel, pair};
    use sys::process::{Power, wait};
    use wire::idmapd::{Reply, Request};
    use wire::ids::IdRange;
    use wire::{Kind, Program};

    const KEEPER: u32 = 0x7ffe_0010;

    const fn r(inside: u32, outside: u32, count: u32) -> IdRange {
        IdRange { inside, outside, count }
    }

    /// A process of the keeper's in a new user namespace that has no maps yet.
    struct Unmapped(Child);

    impl Unmapped {
        fn new() -> Self {
            let mut command = Command::new("unshare");
            command.args(["--user", "cat"]).uid(KEEPER).gid(KEEPER);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            Self(child)
        }

        fn directory(&self) -> File {
            File::open(format!("/proc/{}", self.0.id())).unwrap()
        }

        fn map(&self, file: &str) -> Vec<String> {
            let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.0.id())).unwrap();
            text.split_whitespace().map(str::to_owned).collect()
        }
    }

    impl Drop for Unmapped {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    fn ask(channel: &Channel<Request, Reply>, uid: Vec<IdRange>, gid: Vec<IdRange>, directory: &File) -> Reply {
        channel
            .send(&Request::WriteMaps { uid, gid }, &[directory.as_fd()])
            .unwrap();
        channel.receive().unwrap().0
    }

    #[test]
    fn writes_maps_for_the_keeper_and_never_host_id_0() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: needs root");
            return;
        }
        let (channel, theirs) = pair::<Request, Reply>().unwrap();
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let program = File::open(env!("CARGO_BIN_EXE_idmapd")).unwrap();
        let table = [null.as_fd(), null.as_fd(), null.as_fd(), theirs.as_fd()];
        let capabilities = policies::power(Program::Idmapd, true).to_vec();
        let power = Power {
            id: KEEPER,
            groups: Vec::new(),
            capabilities,
            no_new_privileges: true,
        };
        let pid = start(program.as_fd(), &[c"idmapd", c"--socket", c"3"], &table, &power, None).unwrap();
        drop(theirs);

        let good = || vec![r(0, 1_000_000, 65536), r(65536, 500, 1)];
        let process = Unmapped::new();
        // Host id 0 is refused before anything is written.
        for (uid, gid) in [
            (vec![r(0, 0, 1)], good()),
            (good(), vec![r(0, 1_000_000, 10), r(10, 0, 1)]),
        ] {
            let reply = ask(&channel, uid, gid, &process.directory());
            assert!(
                matches!(reply, Reply::Refused(ref f) if f.kind == Kind::Caller),
                "{reply:?}"
            );
        }
        assert!(process.map("uid_map").is_empty() && process.map("gid_map").is_empty());

        assert_eq!(
            ask(&channel, good(), vec![r(0, 7, 1)], &process.directory()),
            Reply::Mapped
        );
        assert_eq!(process.map("uid_map"), ["0", "1000000", "65536", "65536", "500", "1"]);
        assert_eq!(process.map("gid_map"), ["0", "7", "1"]);
        let setgroups = std::fs::read_to_string(format!("/proc/{}/setgroups", process.0.id())).unwrap();
        assert_eq!(setgroups, "allow\n");

        // A map is written once.
        let reply = ask(&channel, good(), good(), &process.directory());
        assert!(
            matches!(reply, Reply::Refused(ref f) if f.kind == Kind::Kernel && f.errno == 1),
            "{reply:?}"
        );
        // A directory that is no process's.
        let reply = ask(&channel, good(), good(), &File::open("/").unwrap());
        assert!(
            matches!(reply, Reply::Refused(ref f) if f.kind == Kind::Caller),
            "{reply:?}"
        );
        // A process in the host's own namespace, which has its maps.
        let reply = ask(&channel, good(), good(), &File::open("/proc/1").unwrap());
        assert!(
            matches!(reply, Reply::Refused(ref f) if f.kind == Kind::Kernel),
            "{reply:?}"
        );

        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        for line in [
            "CapPrm:\t00000000000000c0",
            "CapEff:\t00000000000000c0",
            "CapBnd:\t00000000000000c0",
            "Seccomp:\t2",
        ] {
            assert!(status.contains(line), "{line}");
        }
        drop(channel);
        assert_eq!(wait(pid).unwrap(), nix::sys::wait::WaitStatus::Exited(pid, 0));
    }
}

//! The writer of control groups as it runs: DAC_OVERRIDE and nothing else, an unprivileged uid, its real confinement. Touches: one
//! directory of its own in each mounted hierarchy, made and removed here.

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec};
    use std::ffi::CString;
    use std::fs::File;
    use std::os::fd::{AsFd, BorrowedFd};
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command};
    use std::sync::Mutex;
    use sys::birth::start;
    use sys::channel::{Channel, pair};
    use sys::process::{Power, wait};
    use wire::cgroupd::{Controller, Hierarchy, Limits, Reply, Request};
    use wire::name::{ContainerName, Text};
    use wire::{Kind, Program};

    const UID: u32 = 0x7ffe_0030;

    /// One test at a time: they fork, and count what there is.
    static ALONE: Mutex<()> = Mutex::new(());

    /// A directory that plays `lazaret` in every hierarchy.
    struct Host {
        directories: Vec<PathBuf>,
        hierarchies: Vec<Hierarchy>,
    }

    impl Host {
        fn new(word: &str) -> Option<Self> {
            let mut host = Self {
                directories: vec![],
                hierarchies: vec![],
            };
            if !nix::unistd::geteuid().is_root() {
                return None;
            }
            let one = |c| (false, vec![c]);
            for (mounted, (unified, controllers)) in [
                ("cpu", one(Controller::Cpu)),
                ("cpuacct", one(Controller::Cpuacct)),
                ("cpuset", one(Controller::Cpuset)),
                ("memory", one(Controller::Memory)),
                ("devices", one(Controller::Devices)),
                ("freezer", one(Controller::Freezer)),
                ("blkio", one(Controller::Io)),
                ("pids", one(Controller::Pids)),
                ("systemd", one(Controller::Other)),
                ("unified", (true, vec![])),
            ] {
                let above = Path::new("/sys/fs/cgroup").join(mounted);
                if !above.join("cgroup.procs").exists() {
                    return None;
                }
                let directory = above.join(format!("lazaret-test-cgroupd-{word}-{}", std::process::id()));
                std::fs::create_dir(&directory).unwrap();
                host.directories.push(directory.clone());
                host.hierarchies.push(Hierarchy { unified, controllers });
                if mounted == "cpuset" {
                    for file in ["cpuset.cpus", "cpuset.mems"] {
                        std::fs::write(directory.join(file), std::fs::read(above.join(file)).unwrap()).unwrap();
                    }
                }
            }
            Some(host)
        }

        fn path(&self, controller: Controller, below: &str) -> PathBuf {
            let at = self
                .hierarchies
                .iter()
                .position(|h| h.controllers.contains(&controller));
            at.map_or(self.directories.last(), |at| self.directories.get(at))
                .unwrap()
                .join(below)
        }

        /// Makes a group below the container's, in every hierarchy, as the launcher does.
        fn make(&self, group: &str) {
            for directory in &self.directories {
                std::fs::create_dir(directory.join(NAME).join(group)).unwrap();
            }
        }

        fn read(&self, controller: Controller, file: &str) -> String {
            std::fs::read_to_string(self.path(controller, file))
                .unwrap()
                .trim_end()
                .to_owned()
        }

        fn write(&self, controller: Controller, file: &str, value: &str) {
            std::fs::write(self.path(controller, file), value).unwrap();
        }

        fn groups(&self) -> usize {
            let below = |d: &PathBuf| {
                std::fs::read_dir(d)
                    .unwrap()
                    .filter(|e| e.as_ref().unwrap().path().is_dir())
                    .count()
            };
            self.directories.iter().map(below).sum()
        }
    }

    impl Drop for Host {
        fn drop(&mut self) {
            for directory in &self.directories {
                // Depth first, by find; what a failed test leaves must not stay.
                let find = Command::new("find")
                    .arg(directory)
                    .args(["-depth", "-type", "d", "-delete"])
                    .status();
                assert!(find.unwrap().success(), "{}", directory.display());
            }
        }
    }

    struct Writer<'a> {
        channel: Channel<Request, Reply>,
        pid: nix::unistd::Pid,
        hierarchies: &'a [Hierarchy],
    }

    impl<'a> Writer<'a> {
        fn start(directories: &[PathBuf], hierarchies: &'a [Hierarchy]) -> Self {
            let (channel, theirs) = pair::<Request, Reply>().unwrap();
            let null = File::options().read(true).write(true).open("/dev/null").unwrap();
            let program = File::open(env!("CARGO_BIN_EXE_cgroupd")).unwrap();
            let opened: Vec<File> = directories.iter().map(|d| File::open(d).unwrap()).collect();
            let mut table: Vec<BorrowedFd<'_>> = vec![null.as_fd(), null.as_fd(), null.as_fd(), theirs.as_fd()];
            table.extend(opened.iter().map(AsFd::as_fd));
            let numbers: Vec<String> = (4..table.len()).map(|n| n.to_string()).collect();
            let beneath = CString::new(numbers.join(",")).unwrap();
            let arguments = [c"cgroupd", c"--socket", c"3", c"--beneath", &beneath];
            let capabilities = policies::power(Program::Cgroupd, true).to_vec();
            let power = Power {
                id: UID,
                groups: Vec::new(),
                capabilities,
                no_new_privileges: true,
            };
            let pid = start(program.as_fd(), &arguments, &table, &power, None).unwrap();
            Self {
                channel,
                pid,
                hierarchies,
            }
        }

        fn send(&self, request: impl FnOnce(ContainerName, Vec<Hierarchy>) -> Request) {
            let name = ContainerName::new("a name, with everything: \"é\"").unwrap();
            self.channel
                .send(&request(name, self.hierarchies.to_vec()), &[])
                .unwrap();
        }

        fn answer(&self) -> Reply {
            self.channel.receive().unwrap().0
        }

        fn make(&self, limits: Limits) -> Reply {
            self.send(|name, hierarchies| Request::Make {
                name,
                hierarchies,
                limits,
            });
            self.answer()
        }

        fn limit(&self, limits: Limits) -> Reply {
            self.send(|name, hierarchies| Request::Limit {
                name,
                hierarchies,
                limits,
            });
            self.answer()
        }

        fn remove(&self) -> Reply {
            self.send(|name, hierarchies| Request::Remove { name, hierarchies });
            self.answer()
        }

        fn freeze(&self, frozen: bool) -> Reply {
            self.send(|name, hierarchies| Request::Freeze {
                name,
                hierarchies,
                frozen,
            });
            self.answer()
        }

        fn end(self) {
            drop(self.channel);
            assert_eq!(wait(self.pid).unwrap(), nix::sys::wait::WaitStatus::Exited(self.pid, 0));
        }
    }

    const NAME: &str = "a name, with everything: \"é\"";

    fn below(group: &str) -> String {
        format!("{NAME}/{group}")
    }

    /// A process that does nothing until it is killed.
    struct Idle(Child, Vec<PathBuf>);

    impl Idle {
        fn in_group(host: &Host, group: &str) -> Self {
            let groups = host.directories.iter().map(|d| d.join(group)).collect();
            let idle = Self(Command::new("sleep").arg("1000").spawn().unwrap(), groups);
            for group in &idle.1 {
                std::fs::write(group.join("cgroup.procs"), idle.0.id().to_string()).unwrap();
            }
            idle
        }
    }

    impl Drop for Idle {
        fn drop(&mut self) {
            // A test that failed may have left it frozen, and then it would not end.
            for group in &self.1 {
                for (file, thawed) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
                    if group.join(file).exists() {
                        let _ = std::fs::write(group.join(file), thawed);
                    }
                }
            }
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    macro_rules! host {
        ($word:expr) => {
            match Host::new($word) {
                Some(host) => host,
                None => return eprintln!("SKIPPED: needs root and the mixed hierarchies of version 1 and 2"),
            }
        };
    }

    #[test]
    fn limits_are_what_the_kernel_then_says() {
        let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let host = host!("limits");
        let writer = Writer::start(&host.directories, &host.hierarchies);
        let limits = Limits {
            memory: Some(64 << 20),
            memory_soft: Some(32 << 20),
            memory_and_swap: Some(96 << 20),
            cpu_shares: Some(512),
            cpu_period: Some(50_000),
            cpu_quota: Some(75_000),
            cpus: Some(Text::new("0").unwrap()),
            tasks: Some(100),
            nodes: Some(Text::new("0").unwrap()),
            ..Limits::default()
        };
        assert_eq!(writer.make(limits), Reply::Made);
        for (controller, file, value) in [
            (Controller::Memory, "memory.limit_in_bytes", "67108864"),
            (Controller::Memory, "memory.soft_limit_in_bytes", "33554432"),
            (Controller::Memory, "memory.memsw.limit_in_bytes", "100663296"),
            (Controller::Memory, "memory.use_hierarchy", "1"),
            (Controller::Cpu, "cpu.shares", "512"),
            (Controller::Cpu, "cpu.cfs_period_us", "50000"),
            (Controller::Cpu, "cpu.cfs_quota_us", "75000"),
            (Controller::Cpuset, "cpuset.cpus", "0"),
            (Controller::Cpuset, "cpuset.mems", "0"),
            (Controller::Pids, "pids.max", "100"),
        ] {
            assert_eq!(host.read(controller, &below(file)), value, "{file}");
        }
        for directory in &host.directories {
            let group = directory.join(NAME);
            let stat = rustix::fs::stat(&group).unwrap();
            assert_eq!(
                (stat.st_mode & 0o7777, stat.st_uid),
                (0o755, UID),
                "{}",
                group.display()
            );
            let below = std::fs::read_dir(&group).unwrap().flatten();
            assert_eq!(below.filter(|e| e.path().is_dir()).count(), 0, "{}", group.display());
        }
        // A group that is made later can be joined, in the cpuset too.
        for directory in &host.directories {
            std::fs::create_dir(directory.join(NAME).join("payload")).unwrap();
        }
        drop(Idle::in_group(&host, &below("payload")));

        // Made again: what was left is removed first, limits and all; but in the unified hierarchy whoever made `NAME` does that.
        let unified = host.directories.iter().zip(&host.hierarchies).find(|(_, h)| h.unified);
        if let Some((directory, _)) = unified {
            for below in ["payload", ""] {
                std::fs::remove_dir(directory.join(NAME).join(below)).unwrap();
            }
            std::fs::create_dir(directory.join(NAME)).unwrap();
        }
        assert_eq!(writer.make(Limits::default()), Reply::Made);
        assert_eq!(host.read(Controller::Pids, &below("pids.max")), "max");
        assert!(!host.path(Controller::Pids, &below("payload")).exists());

        let status = std::fs::read_to_string(format!("/proc/{}/status", writer.pid)).unwrap();
        for line in [
            "CapPrm:\t0000000000000002",
            "CapEff:\t0000000000000002",
            "CapBnd:\t0000000000000002",
            "Seccomp:\t2",
        ] {
            assert!(status.contains(line), "{line}");
        }
        assert_eq!(writer.remove(), Reply::Removed);
        assert_eq!(writer.remove(), Reply::Removed);
        assert_eq!(host.groups(), 0);
        writer.end();
    }

    #[test]
    fn limits_are_changed_while_it_runs_all_of_them_or_none() {
        let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let host = host!("changes");
        let writer = Writer::start(&host.directories, &host.hierarchies);
        let memory = |memory: u64, both: u64| Limits {
            memory: Some(memory << 20),
            memory_and_swap: Some(both << 20),
            ..Limits::default()
        };
        let of_memory = || {
            ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
                .map(|f| host.read(Controller::Memory, &below(f)).parse::<u64>().unwrap() >> 20)
        };
        assert_eq!(writer.make(memory(64, 96)), Reply::Made);
        // Neither order of writing would do for both.
        for (limit, both) in [(128, 256), (32, 32), (64, 96)] {
            assert_eq!(writer.limit(memory(limit, both)), Reply::Limited);
            assert_eq!(of_memory(), [limit, both]);
        }
        let processor = Limits {
            cpu_shares: Some(256),
            cpu_period: Some(20_000),
            cpu_quota: Some(5000),
            tasks: Some(7),
            ..Limits::default()
        };
        assert_eq!(writer.limit(processor), Reply::Limited);
        let files = ["cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us"];
        let of_processor = || files.map(|f| host.read(Controller::Cpu, &below(f)));
        assert_eq!(of_processor(), ["256", "20000", "5000"]);
        assert_eq!(host.read(Controller::Pids, &below("pids.max")), "7");
        assert_eq!(of_memory(), [64, 96], "what is not said stays");

        // The last of these is one that this machine cannot have: what came before it is taken back.
        let refused = Limits {
            cpu_shares: Some(512),
            cpus: Some(Text::new("8000").unwrap()),
            ..memory(96, 128)
        };
        assert!(matches!(writer.limit(refused), Reply::Refused(f) if f.kind == Kind::Kernel));
        assert_eq!((of_memory(), of_processor()[0].as_str()), ([64, 96], "256"));
        let quota = Limits {
            cpu_quota: Some(5000),
            ..Limits::default()
        };
        for unclear in [quota, Limits::default()] {
            assert!(matches!(writer.limit(unclear), Reply::Refused(f) if f.kind == Kind::Protocol));
        }
        assert_eq!(writer.remove(), Reply::Removed);
        assert!(matches!(writer.limit(memory(64, 96)), Reply::Refused(f) if f.kind == Kind::Kernel));
        writer.end();
    }

    /// Number of a block device of this machine's.
    fn block_device() -> Option<(u32, u32)> {
        let text = std::fs::read_dir("/sys/block")
            .ok()?
            .flatten()
            .find_map(|e| std::fs::read_to_string(e.path().join("dev")).ok())?;
        let (major, minor) = text.trim_end().split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }

    #[test]
    fn input_and_output_are_limited_by_weight_and_by_device() {
        let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let host = host!("io");
        let Some((major, minor)) = block_device() else {
            return eprintln!("SKIPPED: needs a block device");
        };
        let writer = Writer::start(&host.directories, &host.hierarchies);
        let device = |read_bytes, write_operations| wire::cgroupd::DeviceLimits {
            major,
            minor,
            weight: None,
            read_bytes,
            write_bytes: None,
            read_operations: None,
            write_operations,
        };
        let io = |weight, device| Limits {
            io_weight: weight,
            io: vec![device],
            ..Limits::default()
        };
        assert_eq!(writer.make(io(Some(200), device(Some(1 << 20), None))), Reply::Made);
        let weight = ["blkio.weight", "blkio.bfq.weight"].map(|f| host.path(Controller::Io, &below(f)));
        let weight = || weight.iter().find_map(|f| std::fs::read_to_string(f).ok()).unwrap();
        let throttle = |what: &str| host.read(Controller::Io, &below(&format!("blkio.throttle.{what}_device")));
        assert_eq!(weight().trim_end(), "200");
        assert_eq!(throttle("read_bps"), format!("{major}:{minor} 1048576"));
        assert_eq!(writer.limit(io(None, device(Some(0), Some(9)))), Reply::Limited);
        assert_eq!(
            (throttle("read_bps"), throttle("write_iops")),
            (String::new(), format!("{major}:{minor} 9"))
        );
        // A device that is not there: what was changed before it is taken back, also where there was nothing.
        let mut wrong = io(Some(300), device(Some(4096), None));
        wrong.io.push(wire::cgroupd::DeviceLimits {
            major: 4000,
            ..device(Some(4096), None)
        });
        assert!(matches!(writer.limit(wrong), Reply::Refused(f) if f.kind == Kind::Kernel));
        assert_eq!((weight().trim_end(), throttle("read_bps").as_str()), ("200", ""));
        assert_eq!(writer.remove(), Reply::Removed);
        writer.end();
    }

    #[test]
    fn what_cannot_be_done_is_refused_and_leaves_no_group() {
        let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let host = host!("refusals");
        let writer = Writer::start(&host.directories, &host.hierarchies);
        for (limits, kind) in [
            (
                Limits {
                    cpus: Some(Text::new("8000").unwrap()),
                    ..Limits::default()
                },
                Kind::Kernel,
            ),
            (
                Limits {
                    tasks: Some(0),
                    ..Limits::default()
                },
                Kind::Caller,
            ),
            (
                Limits {
                    cpu_quota: Some(i64::MAX),
                    ..Limits::default()
                },
                Kind::Kernel,
            ),
        ] {
            let reply = writer.make(limits.clone());
            assert!(
                matches!(&reply, Reply::Refused(f) if f.kind == kind),
                "{limits:?}: {reply:?}"
            );
            assert_eq!(host.groups(), 0);
        }
        writer.end();

        // A limit whose controller is in no hierarchy, and directories that do not fit.
        let unified = host.hierarchies.len() - 1;
        let writer = Writer::start(&host.directories[unified..], &host.hierarchies[unified..]);
        let reply = writer.make(Limits {
            memory: Some(1 << 20),
            ..Limits::default()
        });
        assert!(matches!(reply, Reply::Refused(f) if f.kind == Kind::Caller));
        assert_eq!(
            writer.make(Limits {
                memory: None,
                ..Limits::default()
            }),
            Reply::Made
        );
        assert_eq!(writer.remove(), Reply::Removed);
        writer.end();
        let writer = Writer::start(&host.directories[unified..], &host.hierarchies);
        let reply = writer.make(Limits::default());
        assert!(matches!(reply, Reply::Refused(f) if f.kind == Kind::Protocol));
        writer.end();
        assert_eq!(host.groups(), 0);
    }

    #[test]
    fn a_group_is_removed_once_its_processes_have_ended() {
        let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let host = host!("waits");
        let writer = Writer::start(&host.directories, &host.hierarchies);
        assert_eq!(writer.make(Limits::default()), Reply::Made);
        host.make("enter");
        let idle = Idle::in_group(&host, &below("enter"));
        let reply = writer.make(Limits::default());
        assert!(
            matches!(&reply, Reply::Refused(f) if f.what.as_str().contains(&idle.0.id().to_string())),
            "{reply:?}"
        );
        // A second one, in a group that the container froze: it could not end there.
        let stuck = below("enter/stuck");
        for directory in &host.directories {
            std::fs::create_dir(directory.join(&stuck)).unwrap();
        }
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let value = host.read(Controller::Cpuset, &below(file));
            host.write(Controller::Cpuset, &format!("{stuck}/{file}"), &value);
        }
        let frozen = Idle::in_group(&host, &stuck);
        host.write(Controller::Freezer, &format!("{stuck}/freezer.state"), "FROZEN");

        writer.send(|name, hierarchies| Request::Remove { name, hierarchies });
        let moment = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        let answered = rustix::event::poll(&mut [PollFd::new(&writer.channel, PollFlags::IN)], Some(&moment));
        assert_eq!(answered, Ok(0), "it answered while processes were left");
        drop((idle, frozen));
        assert_eq!(writer.answer(), Reply::Removed);
        assert_eq!(host.groups(), 0);
        writer.end();
    }

    #[test]
    fn groups_that_the_container_made_are_removed_however_many_and_deep() {
        let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let host = host!("deep");
        let writer = Writer::start(&host.directories, &host.hierarchies);
        assert_eq!(writer.make(Limits::default()), Reply::Made);
        for (controller, deep, wide) in [
            (Controller::Pids, 3000, 0),
            (Controller::Memory, 3, 300),
            (Controller::Other, 300, 3000),
        ] {
            let payload = host.path(controller, &below("payload"));
            std::fs::create_dir(&payload).unwrap();
            rustix::fs::chown(&payload, Some(rustix::fs::Uid::from_raw(300_000)), None).unwrap();
            // One level at a time, by descriptor: the whole path is longer than a path may be.
            let mut here = std::os::fd::OwnedFd::from(File::open(&payload).unwrap());
            for _ in 0..deep {
                rustix::fs::mkdirat(&here, "d", rustix::fs::Mode::RWXU).unwrap();
                here = rustix::fs::openat(&here, "d", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
            }
            for n in 0..wide {
                rustix::fs::mkdirat(&here, format!("w{n}"), rustix::fs::Mode::empty()).unwrap();
            }
        }
        assert_eq!(writer.remove(), Reply::Removed);
        assert_eq!(host.groups(), 0);
        writer.end();
    }

    #[test]
    fn groups_without_number_are_refused_in_the_unified_hierarchy() {
        let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let host = host!("number");
        let writer = Writer::start(&host.directories, &host.hierarchies);
        assert_eq!(writer.make(Limits::default()), Reply::Made);
        let group = host.directories.last().unwrap().join(NAME);
        let more = || (0..2000).try_for_each(|n| std::fs::create_dir(group.join(format!("w{n}"))));
        // EAGAIN is what the kernel says where there are too many (cgroup-v2.rst, `cgroup.max.descendants`).
        assert_eq!(
            more().unwrap_err().raw_os_error(),
            Some(nix::errno::Errno::EAGAIN as i32)
        );
        let stat = std::fs::read_to_string(group.join("cgroup.stat")).unwrap();
        assert!(stat.starts_with("nr_descendants 1024\n"), "{stat}");
        assert_eq!(writer.remove(), Reply::Removed);
        assert_eq!(host.groups(), 0);
        writer.end();
    }

    #[test]
    fn payload_and_entered_processes_freeze_and_thaw() {
        let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let host = host!("freeze");
        let unified = host.hierarchies.len() - 1;
        let whole = Writer::start(&host.directories, &host.hierarchies);
        assert_eq!(whole.make(Limits::default()), Reply::Made);
        let reply = whole.freeze(true);
        assert!(
            matches!(reply, Reply::Refused(f) if f.errno == 2),
            "there is no payload to freeze"
        );
        for group in ["payload", "enter"] {
            host.make(group);
        }
        let idle = Idle::in_group(&host, &below("payload"));
        let states =
            || ["payload", "enter"].map(|g| host.read(Controller::Freezer, &below(&format!("{g}/freezer.state"))));
        assert_eq!(whole.freeze(true), Reply::Frozen(true));
        assert_eq!(states(), ["FROZEN", "FROZEN"]);
        assert_eq!(whole.freeze(false), Reply::Frozen(false));
        assert_eq!(states(), ["THAWED", "THAWED"]);

        let second = Writer::start(&host.directories[unified..], &host.hierarchies[unified..]);
        let events =
            || std::fs::read_to_string(host.directories[unified].join(below("payload/cgroup.events"))).unwrap();
        assert_eq!(second.freeze(true), Reply::Frozen(true));
        assert!(events().contains("frozen 1"));
        assert_eq!(second.freeze(false), Reply::Frozen(false));
        assert!(events().contains("frozen 0"));
        drop(idle);
        assert_eq!(whole.remove(), Reply::Removed);
        whole.end();
        second.end();
    }
}

//! The writer of the log of deeds as it runs: no capability, an id of its own, its real confinement. Touches: files of its own.

#[cfg(test)]
mod tests {
    use chain::{Head, Item, Verifier, Walk};
    use std::fs::{File, OpenOptions};
    use std::os::fd::AsFd;
    use std::path::PathBuf;
    use sys::birth::start;
    use sys::channel::{Channel, ChannelError, pair};
    use sys::process::{Power, wait};
    use wire::recordd::{MAX_PART, Reply, Request};
    use wire::{Bytes, Kind, Program, Text};

    struct Writer {
        channel: Channel<Request, Reply>,
        pid: nix::unistd::Pid,
        directory: PathBuf,
    }

    impl Writer {
        fn new(test: &str) -> Self {
            let directory = std::env::temp_dir().join(format!("lazaret-recordd-{test}-{}", std::process::id()));
            std::fs::create_dir_all(&directory).unwrap();
            let (channel, theirs) = pair::<Request, Reply>().unwrap();
            let null = File::options().read(true).write(true).open("/dev/null").unwrap();
            let program = File::open(env!("CARGO_BIN_EXE_recordd")).unwrap();
            let table = [null.as_fd(), null.as_fd(), null.as_fd(), theirs.as_fd()];
            let power = Power {
                id: 0x7ffe_0016,
                groups: Vec::new(),
                capabilities: policies::power(Program::Recordd, true).to_vec(),
                no_new_privileges: true,
            };
            let pid = start(program.as_fd(), &[c"recordd", c"--socket", c"3"], &table, &power, None).unwrap();
            Self {
                channel,
                pid,
                directory,
            }
        }

        fn file(&self, name: &str) -> PathBuf {
            self.directory.join(name)
        }

        fn give(&self, name: &str, replaced: bool) {
            let log = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(self.file(name));
            let head = self.file("head");
            let head = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(head);
            let request = Request::Log {
                kernel: false,
                replaced,
            };
            self.channel
                .send(&request, &[log.unwrap().as_fd(), head.unwrap().as_fd()])
                .unwrap();
        }

        fn append(&self, body: &[u8], more: bool) {
            let bytes = Bytes(body.to_vec());
            let request = Request::Append {
                bytes,
                more,
                sync: true,
            };
            self.channel.send(&request, &[]).unwrap();
        }

        fn hear(&self) -> Reply {
            self.channel.receive().unwrap().0
        }

        fn findings(&self, name: &str) -> (Vec<String>, Vec<Vec<u8>>) {
            let mut walk = Walk::new(File::open(self.file(name)).unwrap());
            let (mut verifier, mut found, mut bodies) = (Verifier::default(), Vec::new(), Vec::new());
            while let Some(item) = walk.step().unwrap() {
                found.extend(verifier.see(&item, false));
                if let Item::Record(record) = item {
                    bodies.push(record.body);
                }
            }
            let head = Head::read(&std::fs::read(self.file("head")).unwrap());
            found.extend(verifier.end(head.as_ref()));
            (found.iter().map(ToString::to_string).collect(), bodies)
        }
    }

    impl Drop for Writer {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    fn is_root() -> bool {
        let root = nix::unistd::geteuid().is_root();
        if !root {
            eprintln!("SKIPPED: needs root");
        }
        root
    }

    #[test]
    fn records_are_chained_however_many_parts_they_come_in() {
        if !is_root() {
            return;
        }
        let writer = Writer::new("parts");
        writer.give("log", false);
        let long = vec![7; MAX_PART];
        for part in 0..5 {
            writer.append(&long, part < 4);
        }
        assert_eq!(writer.hear(), Reply::Recorded { number: 1 });
        writer.append(b"two", false);
        assert_eq!(writer.hear(), Reply::Recorded { number: 2 });
        let (findings, bodies) = writer.findings("log");
        assert_eq!(findings, Vec::<String>::new());
        assert_eq!(bodies, [vec![7; MAX_PART * 5], b"two".to_vec()]);
    }

    #[test]
    fn a_log_that_makes_no_sense_is_gone_through_with_the_memory_that_there_is() {
        if !is_root() {
            return;
        }
        let writer = Writer::new("junk");
        std::fs::write(writer.file("log"), b"LZAU\x01\0\0\0".repeat(1024 * 1024)).unwrap();
        writer.give("log", false);
        let longest = vec![7; 1024 * 1024];
        let mut parts = longest.chunks(MAX_PART).peekable();
        while let Some(part) = parts.next() {
            writer.append(part, parts.peek().is_some());
        }
        assert_eq!(writer.hear(), Reply::Recorded { number: 1 });
        let (findings, bodies) = writer.findings("log");
        assert!(
            bodies == [longest] && findings.iter().any(|f| f.contains("head was lost")),
            "{findings:?}"
        );
    }

    #[test]
    fn a_log_that_was_replaced_is_asked_for_again_and_goes_on() {
        if !is_root() {
            return;
        }
        let writer = Writer::new("replaced");
        writer.give("log", false);
        writer.append(b"one", false);
        assert_eq!(writer.hear(), Reply::Recorded { number: 1 });
        writer.give("next", false);
        writer.append(b"two", false);
        assert_eq!(writer.hear(), Reply::Replaced);
        writer.give("next", true);
        writer.append(b"", false);
        assert_eq!(writer.hear(), Reply::Recorded { number: 2 });
        let (findings, bodies) = writer.findings("next");
        assert_eq!(bodies, [b"two".to_vec()]);
        assert!(
            findings.len() == 1 && findings[0].contains("begins with record 2"),
            "{findings:?}"
        );
    }

    #[test]
    fn it_refuses_what_it_has_no_socket_for_and_ends_at_what_is_no_request() {
        if !is_root() {
            return;
        }
        let writer = Writer::new("refuses");
        writer.append(b"without a log", false);
        assert!(matches!(writer.hear(), Reply::Refused(f) if f.kind == Kind::Protocol));
        writer.give("log", false);
        let tell = |kind, text: &str| {
            let text = Text::cut(text);
            writer.channel.send(&Request::Tell { kind, text }, &[]).unwrap();
            writer.hear()
        };
        assert!(matches!(tell(2500, "virt=lxc"), Reply::Refused(f) if f.kind == Kind::Protocol));
        assert!(matches!(tell(1100, "virt=lxc"), Reply::Refused(f) if f.kind == Kind::Caller));
        nix::sys::socket::send(
            std::os::fd::AsRawFd::as_raw_fd(&writer.channel.as_fd()),
            b"nonsense that is no frame",
            nix::sys::socket::MsgFlags::empty(),
        )
        .unwrap();
        assert_eq!(writer.channel.receive().map(|_| ()), Err(ChannelError::Closed));
        assert!(matches!(
            wait(writer.pid),
            Ok(nix::sys::wait::WaitStatus::Exited(_, 100))
        ));
    }
}

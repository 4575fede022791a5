//! The real server behind a real FUSE superblock that is attached nowhere: what readers see, and what they see when it dies.
//! Needs root for /dev/fuse and for a control group of its own, which it removes again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // Tests say so that something is not as it should be.

use nix::errno::Errno;
use nix::sys::uio::pread;
use rustix::fs::{MemfdFlags, memfd_create, sendfile};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use sys::channel::{Channel, pair};
use wire::fused::{Reply, Request, Source};

/// An id that nobody on the machine has, and no container is given: clearing one away kills all that run under its ids.
const ID: u32 = 0x7ffe_0020;
const V1: Source = Source::Version1 { swap: false };
const V2: Source = Source::Version2 { swap: true };
const STAT1: &str = "total_cache 0\ntotal_inactive_anon 0\ntotal_active_anon 0\ntotal_inactive_file 0\n\
    total_active_file 0\ntotal_unevictable 0\n";
const STAT2: &str = "file 0\ninactive_anon 0\nactive_anon 0\ninactive_file 0\nactive_file 0\nunevictable 0\n";

/// Ends a test as skipped on a machine without root or /dev/fuse.
macro_rules! need_fuse {
    () => {
        tests::need_root!();
        if !Path::new("/dev/fuse").exists() {
            tests::skip!("needs /dev/fuse");
        }
    };
}

/// The server with its channel as descriptor 3, as the launcher starts it.
fn start(theirs: Channel<Reply, Request>) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args([
        "-c",
        "exec \"$0\" --socket 3 3<&0 </dev/null",
        env!("CARGO_BIN_EXE_fused"),
    ]);
    command.stdin(Stdio::from(OwnedFd::from(theirs)));
    command
}

struct Served {
    server: Child,
    mount: OwnedFd,
    _channel: Channel<Request, Reply>,
}

impl Served {
    /// What `mountd` does, then what the launcher does.
    fn new(source: Source, files: &[File]) -> Result<Self, Reply> {
        Self::mounted(source, files, &["allow_other", "default_permissions", "ro"])
    }

    fn mounted(source: Source, files: &[File], flags: &[&str]) -> Result<Self, Reply> {
        let fuse = OpenOptions::new().read(true).write(true).open("/dev/fuse").unwrap();
        let context = fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
        fsconfig_set_string(context.as_fd(), "fd", fuse.as_raw_fd().to_string()).unwrap();
        for (key, value) in [
            ("rootmode", "0100444"),
            ("user_id", "0"),
            ("group_id", "0"),
            ("source", "lazaret"),
        ] {
            fsconfig_set_string(context.as_fd(), key, value).unwrap();
        }
        for flag in flags {
            fsconfig_set_flag(context.as_fd(), *flag).unwrap();
        }
        fsconfig_create(context.as_fd()).unwrap();
        let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).unwrap();

        let (channel, theirs) = pair::<Request, Reply>().unwrap();
        let server = start(theirs)
            .uid(ID)
            .gid(ID)
            .current_dir("/")
            .env_clear()
            .spawn()
            .unwrap();
        let mut descriptors: Vec<BorrowedFd<'_>> = vec![fuse.as_fd()];
        descriptors.extend(files.iter().map(AsFd::as_fd));
        channel
            .send(
                &Request::Serve {
                    source,
                    uid: 4242,
                    gid: 4343,
                },
                &descriptors,
            )
            .unwrap();
        match channel.receive().unwrap().0 {
            Reply::Serving => Ok(Self {
                server,
                mount,
                _channel: channel,
            }),
            refused => {
                let mut server = server;
                assert!(server.wait().unwrap().success());
                Err(refused)
            }
        }
    }

    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.mount.as_raw_fd()).into()
    }

    fn open(&self) -> File {
        File::open(self.path()).unwrap()
    }

    fn read(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Files that say what a test wants.
fn said(texts: &[&str]) -> Vec<File> {
    let made = texts.iter().map(|text| {
        let fd = rustix::fs::memfd_create("figures", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let file = File::from(fd);
        say(&file, text);
        file
    });
    made.collect()
}

fn say(mut file: &File, text: &str) {
    file.set_len(0).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn error<T>(result: std::io::Result<T>) -> Errno {
    Errno::from_raw(result.map(drop).unwrap_err().raw_os_error().unwrap())
}

/// A version 1 memory group of this test's own.
struct Group(PathBuf);

impl Group {
    fn new(limit: &str) -> Option<Self> {
        let hierarchy = Path::new("/sys/fs/cgroup/memory");
        if !hierarchy.join("memory.limit_in_bytes").exists() {
            return None;
        }
        let path = hierarchy.join(format!("lazaret-test-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let group = Self(path);
        std::fs::write(group.0.join("memory.limit_in_bytes"), limit).unwrap();
        Some(group)
    }

    fn files(&self) -> Vec<File> {
        let names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"];
        names.map(|name| File::open(self.0.join(name)).unwrap()).into()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn shows_the_figures_of_a_real_group() {
    need_fuse!();
    let Some(group) = Group::new("64M") else {
        tests::skip!("needs a version 1 memory hierarchy")
    };
    let served = Served::new(V1, &group.files()).unwrap();
    let text = served.read();
    assert!(text.starts_with("MemTotal:          65536 kB\nMemFree:  "), "{text}");
    assert!(
        text.contains("\nMemAvailable:  ") && !text.contains("HugePages"),
        "{text}"
    );
    std::fs::write(group.0.join("memory.limit_in_bytes"), "32M").unwrap();
    assert!(served.read().starts_with("MemTotal:          32768 kB\n"));
}

#[test]
fn gives_one_text_in_pieces_and_a_new_one_from_the_start() {
    need_fuse!();
    let files = said(&["67108864\n", "0\n", STAT1]);
    let served = Served::new(V1, &files).unwrap();
    let mut file = served.open();
    let mut first = [0u8; 16];
    file.read_exact(&mut first).unwrap();
    say(&files[0], "33554432\n");
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("   65536 kB\nMemFree:           65536 kB\n"), "{rest}");

    file.seek(SeekFrom::Start(0)).unwrap();
    let mut again = String::new();
    file.read_to_string(&mut again).unwrap();
    assert!(again.starts_with("MemTotal:          32768 kB\n"), "{again}");

    let mut middle = [0u8; 8];
    assert_eq!(pread(served.open(), &mut middle, 16), Ok(8));
    assert_eq!(&middle, b"   32768");
    assert_eq!(pread(&file, &mut middle, 1 << 40), Ok(0));
}

#[test]
fn version_2_swap_is_shown_or_left_out() {
    need_fuse!();
    let files = said(&["67108864\n", "66000000\n", STAT2, "1048576\n", "4096\n"]);
    let served = Served::new(V2, &files).unwrap();
    assert!(
        served
            .read()
            .contains("\nSwapTotal:          1024 kB\nSwapFree:           1020 kB\n")
    );
    say(&files[3], "max\n");
    assert!(!served.read().contains("Swap"));
}

#[test]
fn a_figure_that_cannot_be_had_fails_the_read() {
    need_fuse!();
    let files = said(&["67108864\n", "0\n", STAT1]);
    let served = Served::new(V1, &files).unwrap();
    for bad in ["", "garbage\n", "9223372036854771712\n", "-5\n"] {
        say(&files[0], bad);
        assert_eq!(error(std::fs::read(served.path())), Errno::EIO, "{bad:?}");
    }
    say(&files[0], "67108864\n");
    say(&files[2], &"x".repeat(100_000));
    assert_eq!(error(std::fs::read(served.path())), Errno::EIO);
    say(&files[2], STAT1);
    assert!(served.read().starts_with("MemTotal:          65536 kB\n"));
}

#[test]
fn refuses_to_serve_a_group_without_a_limit() {
    need_fuse!();
    let refused = Served::new(V1, &said(&["9223372036854771712\n", "0\n", STAT1]))
        .map(drop)
        .unwrap_err();
    assert!(matches!(refused, Reply::Refused(f) if f.kind == wire::Kind::Caller));
}

#[test]
fn refuses_to_be_written() {
    need_fuse!();
    let figures = || said(&["67108864\n", "0\n", STAT1]);
    // The kernel refuses it, and where that would not, the server.
    let writable = Served::mounted(V1, &figures(), &["allow_other", "default_permissions"]).unwrap();
    let served = Served::new(V1, &figures()).unwrap();
    for (served, refusal) in [(&served, Errno::EROFS), (&writable, Errno::EACCES)] {
        assert_eq!(error(OpenOptions::new().write(true).open(served.path())), refusal);
        assert_eq!(
            error(OpenOptions::new().read(true).write(true).open(served.path())),
            refusal
        );
        assert_eq!(nix::unistd::truncate(&served.path(), 0), Err(Errno::EROFS));
    }
    let metadata = served.open().metadata().unwrap();
    assert_eq!(
        (metadata.mode(), metadata.len(), metadata.uid(), metadata.gid()),
        (0o100_444, 4096, 4242, 4343)
    );
}

/// An open, a read, the read that finds the end, and the release: a reader that looks at the file's attributes too, as most do, asks for no more.
#[test]
fn a_read_from_open_to_close_is_four_requests_whoever_looks_at_the_attributes() {
    need_fuse!();
    let served = Served::new(V1, &said(&["67108864\n", "0\n", STAT1])).unwrap();
    let answered = || -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/io", served.server.id())).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix("syscw: ")).unwrap();
        line.parse().unwrap()
    };
    served.read();
    assert!(tests::capture::until(tests::capture::DEADLINE, || answered() >= 5));
    // What the kernel asks once in a connection's life is behind it.
    let before = answered();
    for _ in 0..50 {
        let mut file = served.open();
        assert_eq!(file.metadata().unwrap().len(), 4096);
        file.read_to_string(&mut String::new()).unwrap();
    }
    // The last release is answered when nobody waits for it any more.
    assert!(tests::capture::until(tests::capture::DEADLINE, || answered() >= before + 200));
    // That of the read before may be among them.
    assert!(
        answered() <= before + 201,
        "{} answers to 50 reads",
        answered() - before
    );
}

#[test]
fn readers_that_go_by_the_size_get_the_whole_text() {
    need_fuse!();
    let served = Served::new(V1, &said(&["67108864\n", "0\n", STAT1])).unwrap();
    let read = std::fs::read(served.path()).unwrap();
    let sink = memfd_create("copied", MemfdFlags::CLOEXEC).unwrap();
    let sent = sendfile(&sink, served.open(), None, 65536).unwrap();
    assert_eq!(sent, read.len());
    let mut copied = vec![0; sent];
    pread(&sink, &mut copied, 0).unwrap();
    assert_eq!(copied, read);
}

#[test]
fn any_user_may_read() {
    need_fuse!();
    let served = Served::new(V1, &said(&["67108864\n", "0\n", STAT1])).unwrap();
    let path = served.path();
    let reader = std::thread::spawn(move || {
        let id = rustix::process::Uid::from_raw(12345);
        rustix::thread::set_thread_res_uid(id, id, id).unwrap();
        std::fs::read_to_string(path)
    });
    assert!(
        reader
            .join()
            .unwrap()
            .unwrap()
            .starts_with("MemTotal:          65536 kB\n")
    );
}

#[test]
fn readers_learn_at_once_that_the_server_was_killed() {
    need_fuse!();
    let mut served = Served::new(V1, &said(&["67108864\n", "0\n", STAT1])).unwrap();
    let mut file = served.open();
    served.server.kill().unwrap();
    served.server.wait().unwrap();
    assert_eq!(error(file.read(&mut [0; 10])), Errno::ENOTCONN);
    assert_eq!(error(File::open(served.path())), Errno::ENOTCONN);
}

#[test]
fn the_server_ends_with_the_last_mount() {
    need_fuse!();
    let mut served = Served::new(V1, &said(&["67108864\n", "0\n", STAT1])).unwrap();
    let nowhere: OwnedFd = File::open("/dev/null").unwrap().into();
    drop(std::mem::replace(&mut served.mount, nowhere));
    assert!(served.server.wait().unwrap().success());
}

#[test]
fn the_server_ends_when_the_launcher_is_gone_before_it_asked() {
    let (channel, theirs) = pair::<Request, Reply>().unwrap();
    let mut server = start(theirs).spawn().unwrap();
    drop(channel);
    assert!(server.wait().unwrap().success());
}

#[test]
fn many_readers_at_once_are_all_answered() {
    need_fuse!();
    let served = Served::new(V1, &said(&["67108864\n", "0\n", STAT1])).unwrap();
    let readers: Vec<_> = (0..50)
        .map(|_| {
            let path = served.path();
            std::thread::spawn(move || {
                (0..50).all(|_| {
                    std::fs::read_to_string(&path).is_ok_and(|t| t.starts_with("MemTotal:          65536 kB\n"))
                })
            })
        })
        .collect();
    assert!(readers.into_iter().all(|r| r.join().unwrap()));
}

//! The ritual, asked of the kernel: a process goes through `piece::run` as every piece does, and is then looked at from outside
//! and made to try what its policy forbids. This file is both the tests and the piece, which speaks idmapd's messages: the first
//! number of a request says what it is to try.

// The whole file is a test, though the harness is its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use nix::fcntl::{OFlag, OpenHow, openat, openat2};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::Mode;
use policies::{Confined, Ended};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use sys::channel::{Channel, ChannelError};
use sys::seccomp::Instruction;
use wire::idmapd::{Reply, Request};
use wire::{Failure, IdRange, Program};

const NOTHING: u32 = 0;
const OPEN_PASSWD: u32 = 1;
const MAKE_DIRECTORY: u32 = 2;
const PANIC: u32 = 3;
const CONNECT: u32 = 4;
const THREAD: u32 = 5;
const STATUS: u32 = 6;
const WRITE_BENEATH: u32 = 7;
const ABORT: u32 = 8;
const USE_HALF: u32 = 9;
const USE_DOUBLE: u32 = 10;

type Served = Channel<Reply, Request>;
type Asking = Channel<Request, Reply>;

fn main() -> ExitCode {
    let first = std::env::args().nth(1).unwrap_or_default();
    if first == "--socket" {
        // The argument vector's name says which program's policy applies.
        let name = std::env::args().next().unwrap_or_default();
        let program = Program::ALL
            .into_iter()
            .find(|p| name.ends_with(p.name()))
            .unwrap_or(Program::Idmapd);
        return if program == Program::Cgroupd {
            policies::piece::run_beneath(program, serve)
        } else {
            policies::piece::run(program, serve)
        };
    }
    if first == "--bounding-set-unread" {
        return without_the_bounding_set();
    }
    if first == "--lazaret" {
        return lazaret(&std::env::args().nth(2).unwrap_or_default());
    }
    let tests: &[(&str, fn())] = &[
        (
            "holds_nothing_but_its_power_once_confined",
            holds_nothing_but_its_power_once_confined,
        ),
        (
            "a_bounding_set_that_cannot_be_read_is_refused",
            a_bounding_set_that_cannot_be_read_is_refused,
        ),
        ("closes_what_was_not_declared", closes_what_was_not_declared),
        ("sees_no_file", sees_no_file),
        ("sees_only_what_lies_beneath", sees_only_what_lies_beneath),
        ("dies_on_unlisted_syscall", dies_on_unlisted_syscall),
        (
            "a_panic_and_an_abort_end_it_at_once",
            a_panic_and_an_abort_end_it_at_once,
        ),
        (
            "memory_is_what_was_reserved_and_no_more",
            memory_is_what_was_reserved_and_no_more,
        ),
        ("a_thread_starts_without_clone3", a_thread_starts_without_clone3),
        (
            "garbage_ends_the_conversation_with_100",
            garbage_ends_the_conversation_with_100,
        ),
        (
            "lazaret_sees_its_directories_and_facts_and_starts_nothing",
            lazaret_sees_its_directories_and_facts_and_starts_nothing,
        ),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
    std::fs::remove_dir_all(named(Program::Idmapd).parent().unwrap()).unwrap();
    ExitCode::SUCCESS
}

fn serve(confined: &Confined, channel: &Served) -> Result<(), Ended> {
    loop {
        let (request, descriptors) = channel.receive()?;
        let (Request::WriteMaps { uid, .. } | Request::WriteConsentedMaps { uid, .. }) = request;
        let done = attempt(uid.first().map_or(0, |r| r.inside), confined);
        drop(descriptors);
        let reply = match done {
            Ok(()) => Reply::Mapped,
            Err(e) => Reply::Refused(Failure::kernel(&e.to_string(), e.raw_os_error().unwrap_or(0))),
        };
        channel.send(&reply, &[])?;
    }
}

fn attempt(what: u32, confined: &Confined) -> std::io::Result<()> {
    match what {
        NOTHING => Ok(()),
        OPEN_PASSWD => open(confined, nix::fcntl::AT_FDCWD, "/etc/passwd", OFlag::O_RDONLY),
        MAKE_DIRECTORY => std::fs::create_dir("/tmp/lazaret-ritual-must-not-exist"),
        PANIC => panic!("as asked"),
        CONNECT => std::net::TcpStream::connect("127.0.0.1:1").map(drop),
        THREAD => std::thread::Builder::new().spawn(|| ()).map(drop),
        STATUS => open(confined, nix::fcntl::AT_FDCWD, "/proc/self/status", OFlag::O_RDONLY),
        ABORT => std::process::abort(),
        USE_HALF => {
            use_memory(policies::of(confined.program()).memory / 2);
            Ok(())
        }
        USE_DOUBLE => {
            use_memory(policies::of(confined.program()).memory * 2);
            Ok(())
        }
        WRITE_BENEATH => {
            for directory in confined.beneath() {
                open(confined, directory, "inside", OFlag::O_CREAT | OFlag::O_WRONLY)?;
                match open(confined, directory, "../outside", OFlag::O_CREAT | OFlag::O_WRONLY) {
                    Err(e) if e.raw_os_error() == Some(libc::EACCES) => {}
                    other => return Err(std::io::Error::other(format!("outside: {other:?}"))),
                }
            }
            Ok(())
        }
        _ => Err(std::io::Error::other("what?")),
    }
}

/// Has so many bytes at a time, in blocks of all sizes, many times over.
fn use_memory(most: usize) {
    for round in 0..50 {
        let (mut held, mut sum) = (Vec::new(), 0);
        for size in [1, 17, 4000, 65_549].into_iter().cycle().skip(round % 4) {
            sum += size + 64;
            if sum > most {
                break;
            }
            held.push(vec![1u8; size]);
        }
        std::hint::black_box(&held);
    }
}

/// By whichever call the policy allows.
fn open(confined: &Confined, directory: impl AsFd, path: &str, flags: OFlag) -> std::io::Result<()> {
    let mode = if flags.contains(OFlag::O_CREAT) {
        Mode::from_bits_truncate(0o600)
    } else {
        Mode::empty()
    };
    let flags = flags | OFlag::O_CLOEXEC;
    if policies::of(confined.program()).calls.contains(&"openat2") {
        openat2(directory, path, OpenHow::new().flags(flags).mode(mode))?;
    } else {
        openat(directory, path, flags, mode)?;
    }
    Ok(())
}

fn request(what: u32) -> Request {
    Request::WriteMaps {
        uid: vec![IdRange {
            inside: what,
            outside: 1,
            count: 1,
        }],
        gid: Vec::new(),
    }
}

fn leave_open(fd: &OwnedFd) {
    nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
}

/// This file under the name of a program.
fn named(program: Program) -> PathBuf {
    let place = std::env::temp_dir().join(format!("lazaret-ritual-names-{}", std::process::id()));
    let name = place.join(program.name());
    std::fs::create_dir_all(&place).unwrap();
    if !name.exists() {
        std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &name).unwrap();
    }
    name
}

/// A piece is started without an environment; a backtrace, which one asks for there, would open files.
fn quiet(command: &mut Command) -> &mut Command {
    command.stderr(Stdio::null()).env_clear().env("PATH", "/usr/bin:/bin")
}

/// Starts this file as a piece with the policy of `program`, beneath a directory if one is given.
fn start(program: Program, beneath: Option<&Path>) -> (Child, Asking) {
    match beneath {
        None => start_by(program, "exec \"$0\" --socket 3 3<&0 </dev/null", beneath),
        Some(_) => start_by(
            program,
            "exec \"$0\" --socket 3 --beneath 4 3<&0 4<\"$1\" </dev/null",
            beneath,
        ),
    }
}

/// The same by a line of shell, whose standard input the channel is.
fn start_by(program: Program, line: &str, beneath: Option<&Path>) -> (Child, Asking) {
    let (near, far) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", line]).arg(named(program)).args(beneath).stdin(far);
    (quiet(&mut command).spawn().unwrap(), Channel::new(near))
}

/// Becomes a piece to which the kernel does not say what is in its bounding set: prctl(PR_CAPBSET_READ) gives EIO.
fn without_the_bounding_set() -> ExitCode {
    let (allow, fail) = (
        libc::SECCOMP_RET_ALLOW,
        libc::SECCOMP_RET_ERRNO | libc::EIO.cast_unsigned(),
    );
    let (prctl, read) = (u32::try_from(libc::SYS_prctl), u32::try_from(libc::PR_CAPBSET_READ));
    // BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ and BPF_RET; the call's number is the first word, its first argument begins at byte 16.
    let filter = [
        Instruction::new(0x20, 0, 0, 0),
        Instruction::new(0x15, 0, 2, prctl.unwrap()),
        Instruction::new(0x20, 0, 0, 16),
        Instruction::new(0x15, 1, 0, read.unwrap()),
        Instruction::new(0x06, 0, 0, allow),
        Instruction::new(0x06, 0, 0, fail),
    ];
    sys::seccomp::install(&filter).unwrap();
    let own = std::env::args().next().unwrap();
    panic!("{}", Command::new(own).args(["--socket", "3"]).exec());
}

fn a_bounding_set_that_cannot_be_read_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root has a bounding set to cut");
        return;
    }
    let line = "exec \"$0\" --bounding-set-unread 3<&0 </dev/null";
    for program in [Program::Idmapd, Program::Fused] {
        let (mut child, channel) = start_by(program, line, None);
        assert!(ask(&channel, NOTHING).is_err(), "{program:?}");
        assert_eq!(child.wait().unwrap().code(), Some(111), "{program:?}");
    }
}

/// Sends a request with the descriptor that idmapd's messages demand, and takes the answer.
fn ask(channel: &Asking, what: u32) -> Result<Reply, ChannelError> {
    let null = std::fs::File::open("/dev/null").unwrap();
    channel.send(&request(what), &[null.as_fd()])?;
    channel.receive().map(|(reply, _)| reply)
}

fn errno(reply: Result<Reply, ChannelError>) -> i32 {
    match reply.unwrap() {
        Reply::Mapped => 0,
        Reply::Refused(failure) => failure.errno,
    }
}

fn holds_nothing_but_its_power_once_confined() {
    for (program, power) in [
        (Program::Idmapd, "c0"),
        (Program::Mountd, "200000"),
        (Program::Fused, "0"),
    ] {
        let (mut child, channel) = start(program, None);
        assert_eq!(ask(&channel, NOTHING).unwrap(), Reply::Mapped);
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').trim().to_owned()
        };
        assert_eq!(field("NoNewPrivs"), "1");
        assert_eq!(field("Seccomp"), "2");
        assert_eq!(field("Umask"), "0077");
        if nix::unistd::geteuid().is_root() {
            for set in ["CapEff", "CapPrm", "CapInh", "CapBnd"] {
                assert_eq!(
                    field(set).trim_start_matches('0'),
                    power.trim_start_matches('0'),
                    "{program:?} {set}"
                );
            }
            assert_eq!(field("CapAmb").trim_start_matches('0'), "", "{program:?}");
        }
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let core = limits.lines().find(|l| l.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
        drop(channel);
        assert_eq!(child.wait().unwrap().code(), Some(0), "the peer's end is no failure");
    }
}

fn closes_what_was_not_declared() {
    let leaked = std::fs::File::open("/dev/null").unwrap().into();
    leave_open(&leaked);
    let (mut child, channel) = start(Program::Idmapd, None);
    assert_eq!(ask(&channel, NOTHING).unwrap(), Reply::Mapped);
    // An untraceable process of ours shows its descriptors to root alone.
    if nix::unistd::geteuid().is_root() {
        let open = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count();
        assert_eq!(open, 4, "three streams and the channel");
    }
    drop((channel, leaked));
    child.wait().unwrap();
}

fn sees_no_file() {
    if policies::landlock_abi() == Ok(None) {
        println!("skipped: this kernel has no Landlock");
        return;
    }
    let (mut child, channel) = start(Program::Idmapd, None);
    assert_eq!(errno(ask(&channel, OPEN_PASSWD)), libc::EACCES);
    assert_eq!(
        errno(ask(&channel, STATUS)),
        libc::EACCES,
        "it may write below /proc, not read"
    );
    drop(channel);
    child.wait().unwrap();
}

fn sees_only_what_lies_beneath() {
    if policies::landlock_abi() == Ok(None) {
        println!("skipped: this kernel has no Landlock");
        return;
    }
    let place = std::env::temp_dir().join(format!("lazaret-ritual-{}", std::process::id()));
    std::fs::create_dir_all(place.join("below")).unwrap();
    let (mut child, channel) = start(Program::Cgroupd, Some(&place.join("below")));
    let reply = ask(&channel, WRITE_BENEATH).unwrap();
    let passwd = errno(ask(&channel, OPEN_PASSWD));
    let (inside, outside) = (place.join("below/inside").exists(), place.join("outside").exists());
    std::fs::remove_dir_all(&place).unwrap();
    assert_eq!(reply, Reply::Mapped);
    assert_eq!((inside, outside, passwd), (true, false, libc::EACCES));
    drop(channel);
    child.wait().unwrap();
}

fn dies_on_unlisted_syscall() {
    for what in [MAKE_DIRECTORY, CONNECT, THREAD] {
        let (mut child, channel) = start(Program::Idmapd, None);
        assert_eq!(ask(&channel, what), Err(ChannelError::Closed), "{what}");
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGSYS), "{what}");
    }
    assert!(!std::path::Path::new("/tmp/lazaret-ritual-must-not-exist").exists());
}

fn a_panic_and_an_abort_end_it_at_once() {
    for program in Program::ALL
        .into_iter()
        .filter(|p| !policies::of(*p).exempt && *p != Program::Lazaret)
    {
        // A panic is told and ends by our own hand; what abort(3) does first, no filter allows. Neither waits for anything.
        for (what, ends) in [(PANIC, (Some(101), None)), (ABORT, (None, Some(libc::SIGSYS)))] {
            let (mut child, channel) = start(program, None);
            assert_eq!(ask(&channel, what), Err(ChannelError::Closed));
            let status = child.wait().unwrap();
            assert_eq!((status.code(), status.signal()), ends, "{program:?}: {status}");
        }
    }
}

fn memory_is_what_was_reserved_and_no_more() {
    // fused starts a thread under this filter, and may map memory for it.
    for program in Program::ALL
        .into_iter()
        .filter(|p| policies::of(*p).memory > 0 && *p != Program::Fused)
    {
        let (mut child, channel) = start(program, None);
        assert_eq!(ask(&channel, USE_HALF), Ok(Reply::Mapped), "{program:?}");
        assert_eq!(ask(&channel, USE_HALF), Ok(Reply::Mapped), "{program:?}");
        assert_eq!(ask(&channel, USE_DOUBLE), Err(ChannelError::Closed));
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGSYS), "{program:?}");
    }
}

fn a_thread_starts_without_clone3() {
    let (mut child, channel) = start(Program::Fused, None);
    assert_eq!(ask(&channel, THREAD).unwrap(), Reply::Mapped);
    drop(channel);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn garbage_ends_the_conversation_with_100() {
    use nix::sys::socket::{MsgFlags, send};
    let (mut child, channel) = start(Program::Idmapd, None);
    send(channel.as_fd().as_raw_fd(), b"no frame at all", MsgFlags::empty()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(100));
}

/// As `lazaret` confines itself, and then tries what it may and what it may not. Its status says how far it came.
fn lazaret(place: &str) -> ExitCode {
    let directory = match policies::confine_lazaret(3).map(|_| std::fs::File::open(place)) {
        Ok(Ok(directory)) => directory,
        _ => return ExitCode::from(1),
    };
    if policies::restrict_lazaret(&[directory.as_fd()]).is_err() {
        return ExitCode::from(2);
    }
    let denied = |r: std::io::Result<()>| r.is_err_and(|e| e.raw_os_error() == Some(libc::EACCES));
    let reads = std::fs::read("/proc/self/status").is_ok() && std::fs::read("/etc/passwd").is_ok();
    let writes = std::fs::write(format!("{place}/state"), "x").is_ok();
    if !reads || !writes {
        return ExitCode::from(3);
    }
    let strays = [
        std::fs::write("/etc/lazaret-ritual", "x"),
        std::fs::read("/usr/bin/env").map(drop),
        std::fs::write("/proc/self/comm", "x"),
        std::fs::write(format!("{place}/../stray"), "x"),
    ];
    if policies::landlock_abi() != Ok(None) && !strays.into_iter().all(denied) {
        return ExitCode::from(4);
    }
    println!("confined");
    match Command::new("/bin/true").status() {
        Ok(_) => ExitCode::from(5),
        Err(_) => ExitCode::from(6),
    }
}

fn lazaret_sees_its_directories_and_facts_and_starts_nothing() {
    let place = std::env::temp_dir().join(format!("lazaret-ritual-{}/own", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = quiet(command.arg("--lazaret").arg(&place)).output().unwrap();
    std::fs::remove_dir_all(place.parent().unwrap()).unwrap();
    assert_eq!(
        (output.status.signal(), output.stdout.as_slice()),
        (Some(libc::SIGSYS), &b"confined\n"[..]),
        "{output:?}"
    );
}

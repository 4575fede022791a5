//! A frame that is cut, too long, of another version, with trailing bytes, or with the wrong number of descriptors ends the conversation
//! with every piece, with a reason, and no process hangs or aborts.

use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair};
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};
use tests::{capture, need_root, programs, table};
use wire::Program;
use wire::frame::{HEADER, MAGIC, VERSION};

/// The pieces that serve on a socket.
const PIECES: [Program; 11] = [
    Program::Mountd,
    Program::Netd,
    Program::Idmapd,
    Program::Cgroupd,
    Program::Devd,
    Program::Fused,
    Program::Supervisor,
    Program::Init,
    Program::Nsenter,
    Program::Recordd,
    Program::Loopd,
];

fn header(magic: u32, version: u16, descriptors: u16, length: u32) -> Vec<u8> {
    let mut bytes = magic.to_le_bytes().to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend(descriptors.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    assert_eq!(bytes.len(), HEADER);
    bytes
}

/// What is wrong with a frame, its bytes, and how many descriptors come beside it.
fn bad_frames() -> Vec<(&'static str, Vec<u8>, usize)> {
    let with = |magic, version, descriptors, length, payload: &[u8]| {
        [&header(magic, version, descriptors, length)[..], payload].concat()
    };
    vec![
        ("half a header", header(MAGIC, VERSION, 0, 1)[..5].to_vec(), 0),
        ("a header alone", header(MAGIC, VERSION, 0, 10), 0),
        ("cut", with(MAGIC, VERSION, 0, 10, &[0; 9]), 0),
        ("too long", with(MAGIC, VERSION, 0, u32::MAX, &[0; 100]), 0),
        ("longer than it says", with(MAGIC, VERSION, 0, 1, &[0; 2]), 0),
        ("no frame", with(0x4142_4344, VERSION, 0, 1, &[0]), 0),
        ("another version", with(MAGIC, VERSION + 1, 0, 1, &[0]), 0),
        ("trailing bytes inside", with(MAGIC, VERSION, 0, 60, &[0; 60]), 0),
        ("no such variant", with(MAGIC, VERSION, 0, 1, &[200]), 0),
        ("a descriptor that does not come", with(MAGIC, VERSION, 1, 1, &[0]), 0),
        ("a descriptor that it does not say", with(MAGIC, VERSION, 0, 1, &[0]), 1),
        (
            "more descriptors than any frame has",
            with(MAGIC, VERSION, 0xffff, 1, &[0]),
            0,
        ),
        ("forty descriptors", with(MAGIC, VERSION, 40, 1, &[0]), 40),
        ("a packet of the largest kind", vec![0x4c; 70_000], 0),
    ]
}

fn start(program: Program, far: OwnedFd) -> std::process::Child {
    // Each piece runs as the launcher would start it: an id of its own, its row and no more.
    let mut command = Command::new("setpriv");
    command.args(table::setpriv(program, 0x71ff_0000, None));
    command
        .args(["sh", "-c", "exec \"$@\" 3<&0 4</usr </dev/null", "sh"])
        .arg(programs::copied(program))
        .args(["--socket", "3"]);
    if program == Program::Cgroupd {
        command.args(["--beneath", "4"]);
    }
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    command
        .stdin(Stdio::from(far))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the piece")
}

#[test]
fn every_bad_frame_ends_the_conversation_with_every_piece() {
    need_root!();
    let mut wrong = Vec::new();
    for program in PIECES {
        for (what, bytes, descriptors) in bad_frames() {
            let (near, far) =
                socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
            let child = start(program, far);
            let null = std::fs::File::open("/dev/null").unwrap();
            let numbers = vec![null.as_raw_fd(); descriptors];
            let rights = [ControlMessage::ScmRights(&numbers)];
            let beside: &[ControlMessage<'_>] = if descriptors > 0 { &rights } else { &[] };
            // A piece that has ended already says why below.
            let _ = sendmsg::<()>(
                near.as_raw_fd(),
                &[IoSlice::new(&bytes)],
                beside,
                MsgFlags::empty(),
                None,
            );
            // Our end stays open: the piece has to end by itself.
            let said = capture::collect(
                child,
                format!("{} with a frame: {what}", program.name()),
                Vec::new(),
                capture::DEADLINE / 6,
            );
            if said.code() != 100 || said.stderr.lines().count() != 1 || said.stderr.contains("panicked") {
                wrong.push(said.to_string());
            }
            drop(near);
        }
    }
    programs::forget_copies();
    assert!(
        wrong.is_empty(),
        "{} bad frames were not answered with status 100 and one line:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_piece_ends_in_peace_when_its_peer_goes() {
    need_root!();
    for program in PIECES {
        let (near, far) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let child = start(program, far);
        drop(near);
        let said = capture::collect(child, program.name().to_owned(), Vec::new(), capture::DEADLINE / 6);
        assert_eq!((said.code(), said.stderr.as_str()), (0, ""), "{said}");
    }
    programs::forget_copies();
}

#[test]
fn every_program_says_what_it_is_and_refuses_wrong_usage() {
    for program in PIECES {
        let run = |arguments: &[&str]| capture::run(Command::new(programs::path(program)).args(arguments), b"");
        assert!(run(&["--help"]).ok().stdout.contains(program.name()));
        assert!(run(&["--version"]).ok().stdout.contains(env!("CARGO_PKG_VERSION")));
        run(&["--no-such-option"]).refused(100, &[program.name()]);
        run(&["--socket", "99"]).exits(100);
    }
}

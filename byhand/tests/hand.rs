//! Pieces by hand, with the real `byhand` beside a piece that this file is itself: it speaks idmapd's messages. What a person types, and
//! what comes back.

// The whole file is a test, though the harness is its own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use policies::{Confined, Ended};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use sys::channel::Channel;
use wire::frame::{HEADER, encode};
use wire::idmapd::{Reply, Request};
use wire::{Failure, IdRange, Program};

type Test = (&'static str, fn(&Place));

/// What the first number of a request makes the piece do.
const NOTHING: u32 = 0;
const REFUSE: u32 = 1;
const FORBIDDEN: u32 = 2;
const COUNT_DIRECTORIES: u32 = 3;

fn main() -> ExitCode {
    let name = std::env::args().next().unwrap_or_default();
    match Path::new(&name).file_name().and_then(|n| n.to_str()) {
        Some("idmapd") => return policies::piece::run(Program::Idmapd, serve),
        Some("cgroupd") => return policies::piece::run_beneath(Program::Cgroupd, serve),
        _ => {}
    }
    let place = Place::new();
    let tests: &[Test] = &[
        ("wrong_usage_is_100_and_help_is_0", wrong_usage_is_100_and_help_is_0),
        ("without_byhand_a_piece_says_so", without_byhand_a_piece_says_so),
        (
            "frames_go_through_pipes_and_a_program_follows",
            frames_go_through_pipes_and_a_program_follows,
        ),
        ("a_cut_frame_is_refused", a_cut_frame_is_refused),
        (
            "any_numbers_of_descriptors_are_laid_out",
            any_numbers_of_descriptors_are_laid_out,
        ),
        (
            "a_closed_standard_input_is_no_frame",
            a_closed_standard_input_is_no_frame,
        ),
    ];
    for (name, test) in tests {
        test(&place);
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn serve(confined: &Confined, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    loop {
        let (request, _) = channel.receive()?;
        let (Request::WriteMaps { uid, .. } | Request::WriteConsentedMaps { uid, .. }) = request;
        let refused = |what: &str| Reply::Refused(Failure::caller(what));
        let reply = match uid.first().map(|r| r.inside) {
            Some(REFUSE) => refused("as asked"),
            Some(FORBIDDEN) => {
                let _ = std::fs::create_dir("/tmp/lazaret-hand-must-not-exist");
                refused("it was not ended")
            }
            Some(COUNT_DIRECTORIES) => refused(&format!("{} directories", confined.beneath().len())),
            _ => Reply::Mapped,
        };
        channel.send(&reply, &[])?;
    }
}

/// A directory with the installed names in it.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let place = std::env::temp_dir().join(format!("lazaret-hand-{}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        let own = std::env::current_exe().unwrap();
        for (name, file) in [
            ("byhand", Path::new(env!("CARGO_BIN_EXE_byhand"))),
            ("idmapd", &own),
            ("cgroupd", &own),
        ] {
            std::fs::copy(file, place.join(name)).unwrap();
        }
        Self(place)
    }

    fn command(&self, piece: &str) -> Command {
        Command::new(self.0.join(piece))
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command("idmapd").args(arguments).stdin(Stdio::null()).output();
        output.unwrap()
    }

    /// The piece with these bytes at its standard input, and a program to follow.
    fn by_hand(&self, input: &[u8], then: &[&str]) -> Output {
        let mut child = self
            .command("idmapd")
            .args(["--pipe", "--"])
            .args(then)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who refuses what came first does not read the rest.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A request as it stands on a pipe: the number of an inherited descriptor before the payload.
fn on_pipe(what: u32, descriptor: u32) -> Vec<u8> {
    let range = IdRange {
        inside: what,
        outside: 1,
        count: 1,
    };
    let request = Request::WriteMaps {
        uid: vec![range],
        gid: Vec::new(),
    };
    let mut bytes = encode(&request).unwrap();
    let payload = bytes.split_off(HEADER);
    bytes.extend(descriptor.to_le_bytes());
    bytes.extend(payload);
    bytes
}

fn words(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn wrong_usage_is_100_and_help_is_0(place: &Place) {
    for arguments in [
        &["--wrong"][..],
        &[],
        &["--socket"],
        &["--socket", "77"],
        &["--socket", "3", "--pipe"],
        &["--socket", "3", "--beneath", "4"],
        &["--pipe", "--beneath", "4,"],
    ] {
        let (status, text) = words(&place.run(arguments));
        assert_eq!(status, Some(100), "{arguments:?}: {text}");
        assert!(text.starts_with("idmapd: ") && text.lines().count() == 1, "{text}");
    }
    let (status, text) = words(&place.run(&["--help"]));
    assert_eq!(status, Some(0), "{text}");
    assert!(text.starts_with("idmapd: ") && text.contains("--pipe"), "{text}");
    let version = format!("idmapd {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(words(&place.run(&["--version"])), (Some(0), version));
    let own = |arguments: &[&str]| words(&place.command("byhand").args(arguments).output().unwrap());
    assert!(own(&["--help"]).1.contains("usage: byhand PIECE"));
    for wrong in [
        &[][..],
        &["launcher", "--help"],
        &["lazaret", "--help"],
        &["../idmapd", "--help"],
    ] {
        assert_eq!(own(wrong).0, Some(100), "{wrong:?}");
    }
}

fn without_byhand_a_piece_says_so(place: &Place) {
    let (here, away) = (place.0.join("byhand"), place.0.join("elsewhere"));
    std::fs::rename(&here, &away).unwrap();
    let said = words(&place.run(&["--help"]));
    std::fs::rename(&away, &here).unwrap();
    assert_eq!(said.0, Some(111));
    assert!(
        said.1.starts_with("idmapd: execute byhand, which lies beside it: "),
        "{said:?}"
    );
}

fn frames_go_through_pipes_and_a_program_follows(place: &Place) {
    let mut input = on_pipe(NOTHING, 0);
    input.extend(on_pipe(REFUSE, 1));
    let script = "echo after $LAZARET_DESCRIPTORS; grep Seccomp: /proc/self/status; grep NoNewPrivs: /proc/self/status";
    let output = place.by_hand(&input, &["sh", "-c", script]);
    let mapped = encode(&Reply::Mapped).unwrap();
    assert!(output.stdout.starts_with(&mapped), "{output:?}");
    let refused = &output.stdout[mapped.len()..];
    let header = wire::frame::header(refused).unwrap();
    let text = String::from_utf8_lossy(&refused[HEADER.saturating_add(header.length)..]).into_owned();
    // What follows is not confined as the piece was.
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        own.lines()
            .find_map(|l| l.strip_prefix(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    assert_eq!(
        text.split_whitespace().collect::<Vec<_>>(),
        [
            "after",
            "Seccomp:",
            &field("Seccomp:"),
            "NoNewPrivs:",
            &field("NoNewPrivs:")
        ]
    );
    assert_eq!(output.status.code(), Some(0));
    // The piece's filter ends it, and then nothing follows.
    let died = place.by_hand(&on_pipe(FORBIDDEN, 0), &["echo", "after"]);
    assert_eq!((died.status.code(), died.stdout.as_slice()), (Some(101), &b""[..]));
    assert!(!Path::new("/tmp/lazaret-hand-must-not-exist").exists());
}

fn a_cut_frame_is_refused(place: &Place) {
    let whole = on_pipe(NOTHING, 0);
    for length in 1..whole.len() {
        let output = place.by_hand(&whole[..length], &["echo", "after"]);
        assert_eq!(output.status.code(), Some(100), "{length}");
    }
    let output = place.by_hand(&on_pipe(NOTHING, 999), &[]);
    assert_eq!(output.status.code(), Some(100), "a descriptor that is not open");
}

/// The descriptors have other numbers than the launcher gives them, in another order; beside them is one that nobody named.
fn any_numbers_of_descriptors_are_laid_out(place: &Place) {
    let (near, far) = sys::channel::pair::<Request, Reply>().unwrap();
    let far = std::os::fd::OwnedFd::from(far);
    let script = "exec \"$0\" --beneath 9,3,5 --socket 7 7<&0 9</ 3</usr 5</etc 8</dev </dev/null";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .arg(place.0.join("cgroupd"))
        .stdin(Stdio::from(far))
        .spawn()
        .unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let range = IdRange {
        inside: COUNT_DIRECTORIES,
        outside: 1,
        count: 1,
    };
    let request = Request::WriteMaps {
        uid: vec![range],
        gid: Vec::new(),
    };
    near.send(&request, &[std::os::fd::AsFd::as_fd(&null)]).unwrap();
    assert_eq!(
        near.receive().unwrap().0,
        Reply::Refused(Failure::caller("3 directories"))
    );
    // An untraceable process shows its descriptors to root alone.
    if nix::unistd::geteuid().is_root() {
        let open = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count();
        assert_eq!(open, 7, "three streams, the channel and the directories");
    }
    drop(near);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn a_closed_standard_input_is_no_frame(place: &Place) {
    let (status, text) = words(&place.run(&["--pipe"]));
    assert_eq!((status, text.as_str()), (Some(0), ""));
}

//! What a container can send to `fused`, through `fuser`'s own loop, over a socket in the place of `/dev/fuse`: a request is one packet on
//! either. The kernel's first request, which no container makes, comes before; only if the first byte is 1 the input has that too. Every answer is
//! one that FUSE has, to a request that was made, and a read gives nothing but a part of the text. May touch: sockets and files in memory of its own.

use fused::filesystem::Meminfo;
use fused::gather::Files;
use fuser::{Config, Session, SessionACL};
use rustix::fs::MemfdFlags;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, recv, send, shutdown, socketpair,
};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use wire::fused::Source;

/// Bytes of `struct fuse_in_header`, and of `struct fuse_out_header` (linux/fuse.h).
const HEADER: usize = 40;
const ANSWER: usize = 16;
const INIT: u32 = 26;
const READ: u32 = 15;
const WRITE: u32 = 16;
const SETATTR: u32 = 4;
/// `FATTR_ATIME`, `FATTR_MTIME` and `FATTR_CTIME` (linux/fuse.h).
const TIMES: u32 = 1 << 4 | 1 << 5 | 1 << 10;
const SETXATTR: u32 = 21;
const IOCTL: u32 = 39;
/// A socket holds ten packets; the first is the kernel's.
const MOST: usize = 8;

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

/// A request of this length and kind with this number.
fn header(length: usize, kind: u32, number: u64) -> Vec<u8> {
    let mut bytes = u32::try_from(length).unwrap().to_le_bytes().to_vec();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(number.to_le_bytes());
    bytes.extend(1u64.to_le_bytes());
    bytes.resize(HEADER, 0);
    bytes
}

/// The kernel's first request: version 7.31, a read ahead of 128 KiB, no capabilities.
fn first() -> Vec<u8> {
    let mut bytes = header(HEADER + 16, INIT, 1);
    for number in [7u32, 31, 131_072, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

/// The files of a group of version 2.
fn files() -> Files {
    static FILES: OnceLock<Vec<OwnedFd>> = OnceLock::new();
    const TEXTS: [&str; 3] = [
        "67108864\n",
        "16777216\n",
        "anon 1\nfile 8388608\nactive_anon 1048576\ninactive_anon 2097152\nactive_file 3145728\ninactive_file 4194304\nunevictable 0\n",
    ];
    let made = FILES.get_or_init(|| {
        let file = |text: &str| {
            let fd = rustix::fs::memfd_create("group", MemfdFlags::CLOEXEC).unwrap();
            rustix::io::pwrite(&fd, text.as_bytes(), 0).unwrap();
            fd
        };
        TEXTS.into_iter().map(file).collect()
    });
    Files::new(
        Source::Version2 { swap: false },
        made.iter().map(|f| f.try_clone().unwrap()).collect(),
    )
}

/// The text that every file shows: the sample never changes.
fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| fused::meminfo::text(&files().sample().unwrap()))
}

/// Takes the times out of a change of attributes: `fuser` panics at those that `SystemTime` cannot hold. The kernel sends no such change, since
/// the file's mount is read-only (`tests/tests/run.rs` has it tried).
fn timeless(packet: &mut [u8]) {
    if word(packet, 4) == SETATTR
        && let Some(valid) = packet.get_mut(HEADER..HEADER + 4)
    {
        let asked = u32::from_le_bytes(valid.try_into().unwrap());
        valid.copy_from_slice(&(asked & !TIMES).to_le_bytes());
    }
}

/// What is written says how long it is, and the kernel sees to it that it says the truth: `fuser` ends where it does not, and no container
/// can make the kernel lie. So here too.
fn truthful(packet: &mut [u8]) {
    let at = match word(packet, 4) {
        // The fixed part of a write has 40 bytes; the length is its fifth word.
        WRITE => Some((HEADER + 16, HEADER + 40)),
        // The fixed part has 32; the length of what comes is its seventh word.
        IOCTL => Some((HEADER + 24, HEADER + 32)),
        // The fixed part has 8, and a name follows, up to a NUL.
        SETXATTR => packet
            .get(HEADER + 8..)
            .and_then(|rest| rest.iter().position(|b| *b == 0))
            .map(|end| (HEADER, HEADER + 8 + end + 1)),
        _ => None,
    };
    if let Some((field, data)) = at
        && let Some(length) = packet.len().checked_sub(data)
    {
        packet[field..field + 4].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
    }
}

/// Takes the input apart: each request begins with its length, as FUSE has it; one that lies is cut or sent as it is.
fn packets(mut input: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while !input.is_empty() && packets.len() < MOST {
        let length = usize::try_from(word(input, 0)).unwrap().clamp(4, 8192).min(input.len());
        let (packet, rest) = input.split_at(length);
        let mut packet = packet.to_vec();
        truthful(&mut packet);
        timeless(&mut packet);
        packets.push(packet);
        input = rest;
    }
    packets
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((how, input)) = input.split_first() else {
        return;
    };
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let mut asked = BTreeMap::new();
    let all = (*how != 1).then(first).into_iter().chain(packets(input));
    for packet in all {
        // An empty packet would be the end; none is.
        send(&ours, &packet, SendFlags::empty()).unwrap();
        asked.entry(long(&packet, 8)).or_insert_with(Vec::new).push(packet);
    }
    shutdown(&ours, Shutdown::Write).unwrap();
    if let Ok(session) = Session::from_fd(Meminfo::new(files(), 0, 0), theirs, SessionACL::All, Config::default()) {
        let ended = session.run();
        assert!(
            ended.as_ref().is_err_and(|e| !e.to_string().contains("panicked")) || ended.is_ok(),
            "{ended:?}"
        );
    }
    let mut answer = vec![0; 64 * 1024];
    while let Ok((length, _)) = recv(&ours, &mut answer[..], RecvFlags::DONTWAIT)
        && length > 0
    {
        answered(&answer[..length], &asked);
    }
}

fn answered(answer: &[u8], asked: &BTreeMap<u64, Vec<Vec<u8>>>) {
    assert!(
        answer.len() >= ANSWER && usize::try_from(word(answer, 0)).unwrap() == answer.len(),
        "{answer:x?}"
    );
    let error = word(answer, 4).cast_signed();
    assert!((-4095..=0).contains(&error), "{error}");
    let requests = asked.get(&long(answer, 8)).expect("an answer that nobody asked for");
    let data = &answer[ANSWER..];
    assert!(error == 0 || data.is_empty());
    // One number may stand for several requests here; the kernel never does that.
    if let [request] = requests.as_slice()
        && word(request, 4) == READ
        && error == 0
    {
        let from = usize::try_from(long(request, HEADER + 8))
            .unwrap_or(usize::MAX)
            .min(text().len());
        let most = usize::try_from(word(request, HEADER + 16)).unwrap();
        let expected = &text().as_bytes()[from..from.saturating_add(most).min(text().len())];
        assert_eq!(data, expected, "a read gives something else than the text");
    }
}

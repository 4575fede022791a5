//! Frames from a pipe, answers on a pipe, and then another program. The piece, which is started for this, confines itself and serves on a
//! socket; this side only carries packets, never decodes one, and keeps the caller's own state for what follows.
//! May touch: the three standard streams, and the descriptors that frames name.

use crate::refusal::{Refusal, system, usage};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, Shutdown, SockFlag, SockType, sendmsg, shutdown, socketpair,
};
use std::ffi::OsString;
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use sys::channel::{ChannelError, receive_packet};
use wire::Program;
use wire::frame::{self, HEADER, MAX_PAYLOAD};

/// Carries every frame, then executes `then`. Returns the exit status if there is nothing to execute, or if the worker failed.
pub fn relay(program: Program, beneath: &[RawFd], then: &[OsString]) -> Result<u8, Refusal> {
    let (near, far) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|e| system("make a socket pair", e))?;
    let mut worker = start(program, &far, beneath)?;
    drop(far);
    let results = carry(&near);
    drop(near);
    let status = worker.wait().map_err(|e| system("wait for the worker", e))?;
    let results = results?;
    if let Some(signal) = status.signal() {
        return Err(Refusal {
            status: 101,
            what: format!("the worker was ended by signal {signal}"),
        });
    }
    let status = status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(101);
    let (Some(program), 0) = (then.first(), status) else {
        return Ok(status);
    };
    let numbers: Vec<String> = results.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
    for result in &results {
        leave_open(result.as_raw_fd(), result)?;
    }
    let arguments = then.get(1..).unwrap_or_default();
    let error = Command::new(program)
        .args(arguments)
        .env("LAZARET_DESCRIPTORS", numbers.join(","))
        .exec();
    Err(system(&format!("execute {}", program.display()), error))
}

/// The worker is the piece, by way of this executable again, which lays the descriptors out for it: a socket, the directories and
/// standard error, and nothing else.
fn start(program: Program, socket: &OwnedFd, beneath: &[RawFd]) -> Result<std::process::Child, Refusal> {
    let inherited = nix::unistd::dup(socket).map_err(|e| system("prepare the worker's socket", e))?;
    let mut command = Command::new("/proc/self/exe");
    command
        .args([program.name(), "--socket"])
        .arg(inherited.as_raw_fd().to_string());
    if !beneath.is_empty() {
        let list: Vec<String> = beneath.iter().map(ToString::to_string).collect();
        command.arg("--beneath").arg(list.join(","));
    }
    command
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.spawn().map_err(|e| system("start the worker", e))
}

fn leave_open(number: RawFd, fd: impl AsFd) -> Result<(), Refusal> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|e| system(&format!("leave descriptor {number} open"), e))?;
    Ok(())
}

/// Carries frames both ways until the requests have ended and the worker has answered them. Returns the descriptors of the answers.
fn carry(socket: &OwnedFd) -> Result<Vec<OwnedFd>, Refusal> {
    let mut results = Vec::new();
    // Without a buffer of our own, so that what poll says is true.
    let input = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|e| system("read standard input", e))?;
    let mut input = Some(File::from(input));
    loop {
        let mut waiting = vec![PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        if let Some(input) = &input {
            waiting.push(PollFd::new(input.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut waiting, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(e) => return Err(system("wait for frames", e)),
        }
        let mut ready = waiting.iter().map(|w| w.revents().is_some_and(|r| !r.is_empty()));
        let (answer, request) = (ready.next().unwrap_or(false), ready.next().unwrap_or(false));
        if answer && !carry_answer(socket, &mut results)? {
            return Ok(results);
        }
        if request {
            let more = match &mut input {
                Some(input) => carry_request(input, socket)?,
                None => false,
            };
            if !more {
                input = None;
                // The worker sees its peer's end; one that is gone already sees nothing.
                let _ = shutdown(socket.as_raw_fd(), Shutdown::Write);
            }
        }
    }
}

/// One frame from the pipe to the worker; false at the end of input.
fn carry_request(input: &mut impl Read, socket: &OwnedFd) -> Result<bool, Refusal> {
    let mut packet = vec![0u8; HEADER];
    match read_whole(input, &mut packet)? {
        0 => return Ok(false),
        HEADER => {}
        _ => return Err(usage(frame::FrameError::Cut)),
    }
    let header = frame::header(&packet).map_err(usage)?;
    let mut numbers = Vec::new();
    for _ in 0..header.descriptors {
        let mut number = [0u8; 4];
        if read_whole(input, &mut number)? != 4 {
            return Err(usage(frame::FrameError::Cut));
        }
        let number =
            RawFd::try_from(u32::from_le_bytes(number)).map_err(|_| usage("a descriptor's number is too big"))?;
        numbers.push(number);
    }
    let mut payload = vec![0u8; header.length];
    if read_whole(input, &mut payload)? != header.length {
        return Err(usage(frame::FrameError::Cut));
    }
    packet.append(&mut payload);
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control: &[ControlMessage<'_>] = if numbers.is_empty() { &[] } else { &rights };
    match sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(&packet)],
        control,
        MsgFlags::MSG_NOSIGNAL,
        None,
    ) {
        Ok(_) => Ok(true),
        Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(false),
        Err(Errno::EBADF) => Err(usage("a frame names a descriptor that was not inherited")),
        Err(e) => Err(system("hand a frame to the worker", e)),
    }
}

fn read_whole(input: &mut impl Read, bytes: &mut [u8]) -> Result<usize, Refusal> {
    let mut filled = 0usize;
    while let Some(rest) = bytes.get_mut(filled..).filter(|r| !r.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(n) => filled = filled.saturating_add(n),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(system("read standard input", e)),
        }
    }
    Ok(filled)
}

/// One packet from the worker to the pipe; false when the worker has ended.
fn carry_answer(socket: &OwnedFd, results: &mut Vec<OwnedFd>) -> Result<bool, Refusal> {
    let mut bytes = vec![0u8; HEADER.saturating_add(MAX_PAYLOAD)];
    let (length, descriptors) = match receive_packet(socket.as_fd(), &mut bytes) {
        Ok(packet) => packet,
        Err(ChannelError::Closed) => return Ok(false),
        Err(e) => return Err(system("take an answer from the worker", e)),
    };
    let packet = bytes.get(..length).unwrap_or_default();
    let (header, payload) = packet
        .split_at_checked(HEADER)
        .ok_or_else(|| system("take an answer", frame::FrameError::Cut))?;
    let mut out = header.to_vec();
    for descriptor in &descriptors {
        let number = u32::try_from(descriptor.as_raw_fd()).map_err(|e| system("number a descriptor", e))?;
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(payload);
    let mut output = std::io::stdout().lock();
    output
        .write_all(&out)
        .and_then(|()| output.flush())
        .map_err(|e| system("write to standard output", e))?;
    results.extend(descriptors);
    Ok(true)
}

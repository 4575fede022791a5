//! The process that executes the host's hook script, where there is one: root's own, forked before power is handed over, without a capability while it waits.
//! It hears the launcher alone, and reads nothing of a document. May touch: the script, by descriptor until it is executed; its children.

use super::script::{SCRIPT, is_there, judged};
use crate::compose::lower;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Gid, Pid, Uid};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::io::ioctl_fionbio;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use sys::channel::Channel;
use sys::process::Fork;
use wire::launcher::{Reply, Request};
use wire::{ContainerName, Failure, Hook};

/// How long the script may take: as long as somebody may still believe that it does something.
const PATIENCE: Duration = Duration::from_secs(300);
/// How much of what it says on standard error is told where it fails.
const TOLD: usize = 256;

type Heard = Channel<Reply, Request>;

/// Starts the process, where there is a script; gives the launcher's end of its channel.
pub fn start() -> Result<Option<OwnedFd>, String> {
    if !is_there() {
        return Ok(None);
    }
    let failed = |e: Errno| format!("cannot start what executes the hook script: {}", e.desc());
    let (theirs, ours) = sys::channel::pair::<Request, Reply>().map_err(failed)?;
    match sys::process::fork().map_err(failed)? {
        Fork::Parent(_) => Ok(Some(theirs.into())),
        Fork::Child => {
            drop(theirs);
            if let Ok(channel) = alone(ours) {
                serve(&channel);
            }
            sys::process::exit_now(0)
        }
    }
}

/// Keeps the channel, and nothing of the caller's: no stream, terminal, session, directory, signal that is ignored, group.
fn alone(channel: Heard) -> nix::Result<Heard> {
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|_| Errno::ENODEV)?;
    let owners = std::mem::ManuallyDrop::new((null, channel));
    let (null, channel) = (owners.0.as_fd(), owners.1.as_fd());
    sys::process::lay_out(&[null, null, null, channel])?;
    let channel = sys::process::inherited(3)?;
    nix::unistd::setsid()?;
    nix::unistd::chdir("/")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    sys::signals::reset()?;
    Ok(Channel::new(channel))
}

/// Becomes root and nobody else, without a capability: an execution by root gives all of them back.
fn bare() -> Result<(), String> {
    let failed = |e: Errno| format!("cannot become root alone: {}", e.desc());
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    nix::unistd::setgroups(&[]).map_err(failed)?;
    nix::unistd::setresgid(gid, gid, gid).map_err(failed)?;
    nix::unistd::setresuid(uid, uid, uid).map_err(failed)?;
    lower()
}

/// Serves until nobody asks any more.
fn serve(channel: &Heard) {
    let ready = bare();
    while let Ok((request, descriptors)) = channel.receive() {
        let Request::Hook { name, hook, .. } = request else {
            return;
        };
        let mut descriptors = descriptors.into_iter();
        let (Some(document), claim) = (descriptors.next(), descriptors.next()) else {
            return;
        };
        let called = ready
            .clone()
            .and_then(|()| call(channel, &name, hook, File::from(document)));
        // Nobody waits for the container any more, once this is answered.
        drop(claim);
        let reply = called.map_or_else(|why| Reply::Refused(Failure::caller(&why)), |()| Reply::Done);
        if channel.send(&reply, &[]).is_err() {
            return;
        }
    }
}

/// Executes the script, with nothing but its arguments, the document as its input, a path and the language of its messages. The error is a phrase
/// that follows "cannot".
fn call(channel: &Heard, name: &ContainerName, hook: Hook, document: File) -> Result<(), String> {
    let [operation, part] = hook.words();
    let told = |how: &str| format!("pass the hook {SCRIPT} {name} {operation} {part}: {how}");
    judged().map_err(|why| told(&why))?;
    let file = rustix::fs::fstat(&document).is_ok_and(|s| FileType::from_raw_mode(s.st_mode).is_file());
    if !file {
        return Err(told("the document is no file"));
    }
    let mut command = Command::new(SCRIPT);
    command
        .args([name.as_str(), operation, part, "-"])
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .stdin(document);
    let abandoned = if hook.is_of_the_end() { None } else { Some(channel) };
    executed(command, abandoned, PATIENCE).map_err(|how| told(&how))
}

/// Executes a command in a group of its own, for so long, or until nobody waits for it; the error is how it failed, with what it said.
fn executed(mut command: Command, waits: Option<&Heard>, patience: Duration) -> Result<(), String> {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let failed = |e: std::io::Error| format!("it cannot be executed: {e}");
    let mut child = command.spawn().map_err(failed)?;
    // Its input is the script's alone.
    drop(command);
    let pid = i32::try_from(child.id()).map(Pid::from_raw);
    let pid = pid.map_err(|_| "its number is no process's".to_owned())?;
    let mut said = Said::new(child.stderr.take());
    let ended = ends(waits, pid, &mut said, patience).unwrap_or(Some("it cannot be waited for"));
    if ended.is_some() {
        // It may be ending just now.
        let _ = killpg(pid, Signal::SIGKILL);
    }
    let status = child.wait().map_err(failed)?;
    said.read();
    match ended {
        Some(why) => Err(said.after(why)),
        None if status.success() => Ok(()),
        None => Err(said.after(&how(status))),
    }
}

/// How it ended, in words.
fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with status {code}"),
        (None, signal) => format!("it was ended by signal {}", signal.unwrap_or(0)),
    }
}

/// Waits for its end; else why it has to be ended.
fn ends(waits: Option<&Heard>, pid: Pid, said: &mut Said, patience: Duration) -> Result<Option<&'static str>, Errno> {
    let process = sys::process::pidfd(pid)?;
    let since = Instant::now();
    loop {
        let left = patience.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Ok(Some("it did not end in time, and was ended"));
        }
        let left = Timespec::try_from(left).map_err(|_| Errno::ERANGE)?;
        let mut fds = vec![PollFd::new(&process, PollFlags::IN)];
        // What it hangs up is told whether that is asked for or not.
        fds.extend(waits.map(|channel| PollFd::new(channel, PollFlags::empty())));
        let watched = fds.len();
        fds.extend(said.from.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match poll(&mut fds, Some(&left)) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(e) => return Err(sys::process::errno(e)),
            Ok(_) => {}
        }
        let mut told = fds.iter().map(|fd| !fd.revents().is_empty());
        let ended = told.next().unwrap_or(false);
        let abandoned = watched > 1 && told.next().unwrap_or(false);
        let speaks = told.next().unwrap_or(false);
        drop(fds);
        if speaks {
            said.read();
        }
        if ended {
            return Ok(None);
        }
        if abandoned {
            return Ok(Some("it was ended: nobody waits for it any more"));
        }
    }
}

/// What it says on standard error: the beginning is kept, and the rest is let go.
struct Said {
    from: Option<ChildStderr>,
    text: Vec<u8>,
}

impl Said {
    /// Whatever comes of this pipe, without waiting for it.
    fn new(from: Option<ChildStderr>) -> Self {
        let from = from.filter(|pipe| ioctl_fionbio(pipe, true).is_ok());
        Self { from, text: Vec::new() }
    }

    /// Reads what is there.
    fn read(&mut self) {
        let mut bytes = [0u8; 4096];
        // However fast it speaks: whether it has ended is looked at in between.
        for _ in 0..64 {
            let Some(pipe) = &mut self.from else { return };
            match pipe.read(&mut bytes) {
                Ok(length) if length > 0 => {
                    let room = TOLD.saturating_sub(self.text.len());
                    self.text.extend(bytes.iter().take(length.min(room)));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                _ => self.from = None,
            }
        }
    }

    /// The same, after how it ended, in one line.
    fn after(&self, how: &str) -> String {
        let text = String::from_utf8_lossy(&self.text);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        if lines.is_empty() {
            return how.to_owned();
        }
        format!("{how}: {}", lines.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", text]).stdin(Stdio::null());
        command
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn how_it_ended_is_told_with_what_it_said() {
        assert_eq!(executed(shell("echo out; echo err >&2"), None, LONG), Ok(()));
        let said = executed(shell("echo one >&2; echo; echo ' two' >&2; exit 7"), None, LONG);
        assert_eq!(said, Err("it ended with status 7: one; two".to_owned()));
        let said = executed(shell("kill -TERM $$"), None, LONG);
        assert_eq!(said, Err("it was ended by signal 15".to_owned()));
        let said = executed(shell("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1"), None, LONG);
        assert_eq!(said, Err(format!("it ended with status 1: {}", "x".repeat(TOLD))));
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let said = executed(shell("echo waits >&2; sleep 100000"), None, Duration::from_millis(200));
        let why = "it did not end in time, and was ended";
        assert!(said.is_err_and(|said| said.starts_with(why)));
    }

    #[test]
    fn one_that_nobody_waits_for_is_ended_and_what_it_left_behind_is_not_waited_for() {
        let (theirs, ours) = sys::channel::pair::<Request, Reply>().unwrap();
        drop(theirs);
        let said = executed(shell("sleep 100000"), Some(&ours), LONG);
        assert_eq!(said, Err("it was ended: nobody waits for it any more".to_owned()));
        // A process that is left behind keeps the pipe.
        let began = executed(shell("sleep 20 & exit 0"), None, LONG);
        assert_eq!(began, Ok(()));
    }
}

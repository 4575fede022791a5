//! The first act of `lazaret`: whoever holds power leaves it to the launcher, before an argument means anything. This process starts
//! it, and then becomes one without any power, under a uid of its own.
//! May touch: `/proc/self/exe`, the launcher's file, clone(2), execve(2), and what it is itself.

use nix::errno::Errno;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::process::Power;
use wire::Failure;
use wire::launcher::{Reply, Request};

/// Where `make install` puts the pieces.
pub const LIBEXEC: &str = match option_env!("LAZARET_LIBEXEC") {
    Some(directory) => directory,
    None => "/usr/local/libexec/lazaret",
};
/// The variable by which the launcher is told where its end of the channel is.
pub const VARIABLE: &str = "LAZARET_CHANNEL";
/// The variable by which it is told where the channel is to who executes the host's hook script.
pub const HOOKS: &str = "LAZARET_HOOKS";
/// The number of the launcher's channel.
pub const CHANNEL: i32 = 3;

/// Who this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The launcher has its power: its channel is descriptor [`CHANNEL`].
    Launched,
    /// It holds power, which it is to hand over.
    Powerful,
    /// An ordinary user, without power and without a launcher.
    Ordinary,
}

/// Reads who this process is: whoever is uid 0 in any way, or holds any capability, has power. What cannot be told counts as power.
pub fn standing() -> Standing {
    let ids = nix::unistd::getresuid();
    let nobody = ids.is_ok_and(|ids| [ids.real, ids.effective, ids.saved].iter().all(|id| !id.is_root()));
    let sets = rustix::thread::capabilities(None);
    // What is ambient is permitted.
    let bare = sets.is_ok_and(|sets| (sets.effective | sets.permitted | sets.inheritable).is_empty());
    if nobody && bare {
        Standing::Ordinary
    } else {
        Standing::Powerful
    }
}

/// The directory of the pieces: where this binary was built, if it lies in a directory that cargo builds in, or else [`LIBEXEC`].
pub fn libexec(executable: Option<&Path>) -> PathBuf {
    let built = executable.and_then(Path::parent).filter(|d| {
        matches!(d.file_name().and_then(|n| n.to_str()), Some("debug" | "release")) && d.join(".cargo-lock").exists()
    });
    built.map_or_else(|| PathBuf::from(LIBEXEC), Path::to_path_buf)
}

/// Starts the launcher, with these words as its arguments, and gives up all power: what comes back is a process under `lazaret`'s own uid, with
/// the channel as descriptor [`CHANNEL`], the standard streams, what is `passed` behind them, and nothing else. The launcher has the channel to who
/// executes the host's hook script, `hooks`. The error is why it could not, and then nothing goes on.
pub fn hand_over(words: &[OsString], passed: Vec<OwnedFd>, hooks: Option<OwnedFd>) -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err(
            "cannot hand out power without having all of it: run lazaret as root, or as a user without any".to_owned(),
        );
    }
    let executable = std::fs::read_link("/proc/self/exe").ok();
    let launcher = libexec(executable.as_deref()).join("launcher");
    let said = |what: &'static str| move |e: nix::errno::Errno| format!("cannot {what}: {}", e.desc());
    let (ours, theirs) = sys::channel::pair::<Request, Reply>().map_err(said("make a channel to the launcher"))?;
    let started = execute(&launcher, theirs.as_fd(), hooks.as_ref().map(AsFd::as_fd), words);
    if let Err(failed) = started {
        let failure = Failure::kernel(&format!("start {}", launcher.display()), failed as i32);
        // As the launcher would answer: it is told by whoever asks.
        let _ = theirs.send(&Reply::Refused(failure), &[]);
    }
    drop((theirs, hooks));
    become_bare(ours.into(), passed).map_err(said("give up power"))
}

/// Has a child execute the launcher, with its channels under numbers that it is told.
fn execute(
    launcher: &Path,
    channel: BorrowedFd<'_>,
    hooks: Option<BorrowedFd<'_>>,
    words: &[OsString],
) -> nix::Result<()> {
    let c = |text: Vec<u8>| CString::new(text).map_err(|_| Errno::EINVAL);
    let path = c(launcher.as_os_str().as_bytes().to_vec())?;
    let arguments = std::iter::once(OsStr::new("lazaret")).chain(words.iter().map(OsString::as_os_str));
    let arguments = arguments.map(|word| c(word.as_bytes().to_vec()));
    let arguments: Vec<CString> = arguments.collect::<nix::Result<_>>()?;
    // Variables of these names that are the caller's tell it nothing.
    let others = std::env::vars_os().filter(|(name, _)| name != VARIABLE && name != HOOKS);
    let others = others.map(|(name, value)| c([name.as_bytes(), b"=", value.as_bytes()].concat()));
    let mut environment: Vec<CString> = others.collect::<nix::Result<_>>()?;
    // They go with this process's copies, once the child has executed.
    let mut lasting = Vec::new();
    for (variable, fd) in [(VARIABLE, Some(channel)), (HOOKS, hooks)] {
        let Some(fd) = fd else { continue };
        let fd = self::lasting(fd).map_err(|e| Errno::from_raw(e.raw_os_error()))?;
        environment.push(c(format!("{variable}={}", fd.as_raw_fd()).into_bytes())?);
        lasting.push(fd);
    }
    let arguments: Vec<&CStr> = arguments.iter().map(CString::as_c_str).collect();
    let environment: Vec<&CStr> = environment.iter().map(CString::as_c_str).collect();
    sys::birth::follow(&path, &arguments, &environment).map(drop)
}

/// Another number of the same descriptor, which is kept when a child executes: that is the point. Should it have become one of the standard
/// streams, the next number is taken.
fn lasting(fd: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
    let fd = rustix::io::fcntl_dupfd_cloexec(fd, CHANNEL)?;
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty())?;
    Ok(fd)
}

/// Keeps the standard streams and the channel, and no power. (The runtime has opened `/dev/null` for a stream that was closed.)
pub fn become_bare(channel: OwnedFd, passed: Vec<OwnedFd>) -> nix::Result<()> {
    keep_streams(channel, passed)?;
    sys::process::become_power(&Power {
        id: wire::ids::LAZARET,
        groups: Vec::new(),
        capabilities: Vec::new(),
        no_new_privileges: true,
    })
}

/// Keeps the standard streams, the channel, as descriptor [`CHANNEL`], and what is passed, after it.
pub fn keep_streams(channel: OwnedFd, passed: Vec<OwnedFd>) -> nix::Result<()> {
    let streams = [
        std::io::stdin().as_fd(),
        std::io::stdout().as_fd(),
        std::io::stderr().as_fd(),
    ]
    .map(|stream| stream.try_clone_to_owned().map_err(|_| nix::errno::Errno::EMFILE));
    let streams: Vec<OwnedFd> = streams.into_iter().collect::<nix::Result<_>>()?;
    // What they own is closed from here on, or the channel under its own number.
    let (streams, channel, passed) = (
        ManuallyDrop::new(streams),
        ManuallyDrop::new(channel),
        ManuallyDrop::new(passed),
    );
    let mut table: Vec<_> = streams.iter().map(AsFd::as_fd).collect();
    table.push(channel.as_fd());
    table.extend(passed.iter().map(AsFd::as_fd));
    sys::process::lay_out(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_power_hands_it_over() {
        let powerful = nix::unistd::geteuid().is_root();
        assert_eq!(standing() == Standing::Powerful, powerful);
    }

    #[test]
    fn pieces_are_found_where_they_were_installed() {
        assert_eq!(libexec(Some(Path::new("/usr/bin/lazaret"))), PathBuf::from(LIBEXEC));
        assert_eq!(libexec(None), PathBuf::from(LIBEXEC));
    }
}

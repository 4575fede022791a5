//! The three standard streams of a command: passed in, the container's own null device, or a terminal of its own devpts. Nodes are taken
//! only for what they are, whatever their names say. May touch: the nodes below the root it is given.

use crate::Step;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use wire::failure::Failure;
use wire::init::{Stream, Window};
use wire::mountd::Device;

/// `DEVPTS_SUPER_MAGIC` of `linux/magic.h`.
const DEVPTS: i64 = 0x1cd1;

/// The descriptor for each stream; `passed` come in the order of the streams that ask for them.
pub fn choose<'a>(
    wanted: &[Stream; 3],
    passed: &'a [OwnedFd],
    console: Option<&'a OwnedFd>,
    null: &'a OwnedFd,
) -> Result<[BorrowedFd<'a>; 3], Failure> {
    let mut passed = passed.iter();
    let mut next = |stream: Stream| match stream {
        Stream::Passed => passed.next(),
        Stream::Console => console,
        Stream::Null => Some(null),
    };
    let [input, output, error] = wanted.map(|s| next(s).map(AsFd::as_fd));
    match (input, output, error) {
        (Some(input), Some(output), Some(error)) => Ok([input, output, error]),
        _ => Err(Failure::protocol("connect a stream that did not come")),
    }
}

fn open(root: BorrowedFd<'_>, path: &CStr) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
    sys::mount::open_beneath(root, path, flags, Mode::empty(), resolve)
}

/// Takes back what kept the opening from waiting.
fn blocking(file: &OwnedFd) -> nix::Result<()> {
    rustix::fs::fcntl_setfl(file, OFlags::empty()).map_err(sys::process::errno)
}

/// The container's own `/dev/null`, and nothing that looks like it.
pub fn null(root: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let what = "use the container's /dev/null";
    let null = open(root, c"dev/null").to(what)?;
    blocking(&null).to(what)?;
    if is_null(null.as_fd()).to(what)? {
        return Ok(null);
    }
    Err(Failure::caller(&format!("{what}: it is another file")))
}

/// Whether this is the null device: a character device of number 1:3, wherever its node lies.
pub fn is_null(at: BorrowedFd<'_>) -> nix::Result<bool> {
    let stat = rustix::fs::fstat(at).map_err(sys::process::errno)?;
    let number = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let character = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    Ok(character && number == Device::Null.number())
}

/// The first console, on the container's own devpts.
pub fn first_console(root: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let what = "use the first console";
    let console = open(root, c"dev/pts/0").to(what)?;
    blocking(&console).to(what)?;
    on_devpts(console, what)
}

/// Gives a terminal the size that it is to have, so that the command finds it from its first instruction on.
pub fn size(terminal: impl AsFd, window: Option<Window>) -> Result<(), Failure> {
    let Some(Window { rows, columns }) = window else {
        return Ok(());
    };
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(terminal, size).to("set the size of the terminal")
}

/// A new terminal of the container's own devpts: both its ends, master first.
pub fn new_terminal(root: BorrowedFd<'_>) -> Result<(OwnedFd, OwnedFd), Failure> {
    let what = "make a terminal in the container";
    let master = on_devpts(open(root, c"dev/pts/ptmx").to(what)?, what)?;
    blocking(&master).to(what)?;
    rustix::pty::unlockpt(&master).to(what)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).to(what)?;
    Ok((master, slave))
}

fn on_devpts(terminal: OwnedFd, what: &str) -> Result<OwnedFd, Failure> {
    if rustix::fs::fstatfs(&terminal).to(what)?.f_type == DEVPTS {
        return Ok(terminal);
    }
    Err(Failure::caller(&format!("{what}: it does not lie on a devpts")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn knows_the_null_device_from_others() {
        assert_eq!(is_null(File::open("/dev/null").unwrap().as_fd()), Ok(true));
        assert_eq!(is_null(File::open("/dev/zero").unwrap().as_fd()), Ok(false));
        assert_eq!(is_null(File::open("/proc/version").unwrap().as_fd()), Ok(false));
    }

    #[test]
    fn refuses_a_null_device_that_is_a_file_or_a_link() {
        let directory = std::env::temp_dir().join(format!("streams-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("dev/pts")).unwrap();
        std::fs::write(directory.join("dev/null"), "").unwrap();
        std::fs::write(directory.join("dev/pts/ptmx"), "").unwrap();
        let root = File::open(&directory).unwrap();
        assert!(null(root.as_fd()).is_err());
        assert!(new_terminal(root.as_fd()).is_err());
        std::fs::remove_file(directory.join("dev/null")).unwrap();
        std::os::unix::fs::symlink("/dev/null", directory.join("dev/null")).unwrap();
        assert!(null(root.as_fd()).is_err());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn refuses_a_stream_that_did_not_come() {
        let null: OwnedFd = File::open("/dev/null").unwrap().into();
        assert!(choose(&[Stream::Null, Stream::Passed, Stream::Null], &[], None, &null).is_err());
        assert!(choose(&[Stream::Null, Stream::Console, Stream::Null], &[], None, &null).is_err());
        assert!(choose(&[Stream::Null; 3], &[], None, &null).is_ok());
    }
}

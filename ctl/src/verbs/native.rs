//! `domxml-from-native`: the domain that a configuration of LXC's describes; `domxml-to-native`: the other way. May touch: files that the command line names, standard input,
//! and what is included from below `/usr/share/lxc` and `/etc`, as far as it may read that by itself.

use super::policy::Opened;
use super::run::random;
use crate::domain::{self, Uuid};
use crate::error::{Error, Outcome, reason};
use crate::launcher::Launcher;
use crate::lookup::find;
use crate::native::{File, IdmapOrder, MAX_BYTES, convert, export};
use crate::options::{FromNative, ToNative};
use crate::output::{gap, print, say};
use crate::plan::run::{absolute, working_directory};
use crate::session::Session;
use crate::state::files::read_open;
use nix::errno::Errno;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::process::errno;

/// Where LXC's own files are that configurations include.
pub const SHARED: &str = "/usr/share/lxc";
/// The word for standard input.
const STANDARD_INPUT: &str = "-";

/// Opens the files that are named: by the launcher, if there is one, else as the caller.
pub fn open(options: &FromNative, launcher: Option<&Launcher>) -> Outcome<Opened> {
    let here = working_directory();
    let named = [&options.file].into_iter().chain(&options.included);
    let one = |name: &String| {
        let path = absolute(name, here.as_deref())?;
        let opened = match launcher {
            Some(launcher) => launcher.open(&path)?,
            None => std::fs::File::open(&path)
                .map(OwnedFd::from)
                .map_err(|e| kernel("open", name, &e))?,
        };
        Ok((name.clone(), opened))
    };
    named.filter(|name| *name != STANDARD_INPUT).map(one).collect()
}

fn kernel(what: &str, name: &str, e: &std::io::Error) -> Error {
    Error::kernel(format!("{what} {name}"), Errno::from_raw(e.raw_os_error().unwrap_or(0)))
}

fn bounded(file: impl AsFd, name: &str) -> Outcome<Vec<u8>> {
    // One byte more than the reader takes: it says where that is.
    match read_open(file, name, MAX_BYTES.saturating_add(1))? {
        Some(bytes) => Ok(bytes),
        None => Err(Error::caller(format!("{name} has more than {MAX_BYTES} bytes"))),
    }
}

/// Converts.
pub fn from_native(options: &FromNative, opened: Opened) -> Outcome<()> {
    let here = working_directory();
    let mut contents = BTreeMap::new();
    for (name, file) in opened {
        contents.insert(absolute(&name, here.as_deref())?, bounded(file, &name)?);
    }
    let main = if options.file == STANDARD_INPUT {
        bounded(rustix::stdio::stdin(), "standard input")?
    } else {
        let path = absolute(&options.file, here.as_deref())?;
        let content = contents.get(&path).cloned();
        content.ok_or_else(|| Error::Bug("the file was not opened".into()))?
    };
    let mut include = |name: &str| {
        let path = absolute(name, here.as_deref()).map_err(|e| e.to_string())?;
        match contents.get(&path) {
            Some(content) => Ok(vec![(name.to_owned(), content.clone())]),
            None => included(Path::new(&path)),
        }
    };
    let order = if options.libvirt_idmap {
        IdmapOrder::Libvirt
    } else {
        IdmapOrder::Lxc
    };
    let mut bytes = [0; 16];
    random(&mut bytes)?;
    let converted = convert(&options.file, &main, &mut include, order, Uuid::from_random(bytes))
        .map_err(|e| Error::caller(e.to_string()))?;
    converted.warnings.iter().for_each(|w| say(&format!("warning: {w}")));
    print(&format!("{}{}", converted.text, gap()))
}

/// Reads an included file, or the files of an included directory whose names end in `.conf`, in the order of their names. The place is looked
/// for once: what it is, is asked of what was opened.
fn included(path: &Path) -> Result<Vec<File>, String> {
    let opened = match open_one(CWD, path) {
        // A place for drop-ins that nobody has made: LXC's own files name such.
        Err(rustix::io::Errno::NOENT) if path.as_os_str().as_bytes().ends_with(b"/") => return Ok(Vec::new()),
        opened => opened.map_err(unreadable)?,
    };
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&opened).map_err(unreadable)?.st_mode);
    if kind != FileType::Directory {
        return one(opened, path).map(|file| vec![file]);
    }
    let mut names = Vec::new();
    for entry in Dir::read_from(&opened).map_err(unreadable)? {
        let name = OsStr::from_bytes(entry.map_err(unreadable)?.file_name().to_bytes()).to_owned();
        if Path::new(&name).extension().is_some_and(|e| e == "conf") {
            names.push(name);
        }
    }
    names.sort();
    let each = names.iter().map(|name| {
        one(
            open_one(&opened, Path::new(name)).map_err(unreadable)?,
            &path.join(name),
        )
    });
    each.collect()
}

/// For reading; not to wait for whoever writes into a fifo.
fn open_one(directory: impl AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(directory, path, flags, Mode::empty())
}

fn one(file: OwnedFd, path: &Path) -> Result<File, String> {
    let name = path.to_string_lossy().into_owned();
    let content = bounded(file, &name).map_err(|e| e.to_string())?;
    Ok((name, content))
}

fn unreadable(e: rustix::io::Errno) -> String {
    format!("{}; name the file on the command line too", reason(errno(e)))
}

/// Prints a configuration of LXC's for a defined container, or for the domain in a file.
pub fn to_native(session: &Session, options: &ToNative) -> Outcome<()> {
    let domain = match (&options.container, &options.xml) {
        (_, Some(file)) => {
            let fd = session.launcher.open(&absolute(file, session.directory.as_deref())?)?;
            let bytes = read_open(fd, file, domain::MAX_BYTES)?;
            let bytes = bytes.ok_or_else(|| Error::caller(format!("{file} has more than 1 MiB")))?;
            domain::parse(&bytes, file).map_err(|e| Error::caller(e.to_string()))?
        }
        (Some(container), None) => {
            let found = find(&session.store, container)?;
            found.definition.clone().ok_or_else(|| found.undefined())?
        }
        (None, None) => return Err(Error::Usage("neither a container nor --xml is given".into())),
    };
    let made = export(&domain);
    made.warnings.iter().for_each(|w| say(&format!("warning: {w}")));
    print(&made.text)
}

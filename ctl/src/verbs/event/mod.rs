//! `event`: what happens to containers, as it happens. May touch: the store, to read and to watch.

mod view;

use crate::error::{Error, Outcome};
use crate::instant::Instant;
use crate::lookup::find;
use crate::manner::manner;
use crate::options::{Event, Kind};
use crate::output::{gap, print, print_json_line};
use crate::session::Session;
use crate::signals::{LEAVING, Signals};
use clap::ValueEnum;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use view::{Happened, View};
use wire::ContainerName;

/// What told of the end of a wait.
enum Woken {
    /// Something has changed.
    Changed,
    /// The time is up.
    Timeout,
    /// A signal came that makes viewers leave.
    Interrupted,
}

/// The kernel's word on changes in the directories of state and definitions.
struct Watch {
    inotify: OwnedFd,
    signals: Signals,
    until: Option<std::time::Instant>,
}

fn kernel(what: &str) -> impl FnOnce(rustix::io::Errno) -> Error {
    let what = what.to_owned();
    move |e| Error::kernel(what, Errno::from_raw(e.raw_os_error()))
}

impl Watch {
    fn new(timeout: Option<u32>) -> Outcome<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let seconds = timeout.map(|s| Duration::from_secs(s.into()));
        Ok(Self {
            inotify: inotify.map_err(kernel("watch directories"))?,
            signals: Signals::take(&LEAVING)?,
            until: seconds.and_then(|s| std::time::Instant::now().checked_add(s)),
        })
    }

    /// Watches a directory; one that is watched already is watched as before.
    fn add(&self, directory: BorrowedFd<'_>) -> Outcome<()> {
        let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
        let what =
            WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_TO | WatchFlags::MODIFY | WatchFlags::ONLYDIR;
        match inotify::add_watch(&self.inotify, path, what) {
            // It is gone already, which those above it tell.
            Ok(_) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(e) => Err(kernel("watch a directory")(e)),
        }
    }

    fn wait(&self) -> Outcome<Woken> {
        loop {
            let left = self
                .until
                .map(|u| u.saturating_duration_since(std::time::Instant::now()));
            let timeout = left.map_or(PollTimeout::NONE, |l| {
                // Rounded up, so that the time is up when it has passed.
                PollTimeout::try_from(l.saturating_add(Duration::from_micros(999))).unwrap_or(PollTimeout::MAX)
            });
            let mut both = [
                PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut both, timeout) {
                Err(Errno::EINTR) => continue,
                Err(e) => return Err(Error::kernel("wait for an event", e)),
                Ok(0) if left.is_some_and(|l| l.is_zero()) => return Ok(Woken::Timeout),
                Ok(_) => {}
            }
            if self
                .signals
                .next()?
                .is_some_and(|s| LEAVING.iter().any(|l| *l as i32 == s))
            {
                return Ok(Woken::Interrupted);
            }
            if self.drain()? {
                return Ok(Woken::Changed);
            }
        }
    }

    /// Takes all that the kernel has to tell; whether it had anything. What it was is looked up: the queue may have overflowed.
    fn drain(&self) -> Outcome<bool> {
        let mut room = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut room);
        let mut any = false;
        loop {
            match reader.next() {
                Ok(event) => any = any || !event.events().contains(ReadFlags::IGNORED),
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(any),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(kernel("read what has changed")(e)),
            }
        }
    }
}

/// A moment as virsh writes it, to the thousandth of a second.
fn stamp(since: Duration) -> String {
    let moment = Instant(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)).to_string();
    if !manner().virsh {
        return moment;
    }
    let moment = moment.trim_end_matches('Z').replace('T', " ");
    format!("{moment}.{:03}+0000", since.subsec_millis())
}

fn told(options: &Event, name: &ContainerName, happened: &Happened) -> Outcome<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (kind, words) = (happened.kind().name(), happened.words());
    if options.json {
        let (what, detail) = words.map_or((None, None), |(w, d)| (Some(w), Some(d)));
        return print_json_line(&serde_json::json!({
            "time": stamp(since), "event": kind, "container": name, "what": what, "detail": detail,
        }));
    }
    let stamp = if options.timestamp {
        format!("{}: ", stamp(since))
    } else {
        String::new()
    };
    let words = match (happened, words) {
        (Happened::Changed { .. }, Some((what, detail))) => format!(": type {what}, uri {detail}"),
        (_, Some((what, detail))) => format!(": {what} {detail}"),
        (_, None) => String::new(),
    };
    print(&format!("{stamp}event '{kind}' for domain '{name}'{words}\n"))
}

/// Tells what happens, until enough has.
pub fn event(session: &Session, options: &Event) -> Outcome<u8> {
    if options.list {
        let names: String = Kind::value_variants()
            .iter()
            .map(|k| format!("{}\n", k.name()))
            .collect();
        print(&names)?;
        return Ok(0);
    }
    let only = match &options.container {
        Some(address) => Some(find(&session.store, address)?.name),
        None => None,
    };
    session.launcher.leave();
    let watch = Watch::new(options.timeout)?;
    let [run, definitions, _] = session.store.directories();
    watch.add(run)?;
    watch.add(definitions)?;
    let look = || View::of(&session.store, |place| watch.add(place));
    let mut view = look()?;
    let mut count = 0usize;
    let why = loop {
        let next = look()?;
        let mut happened = next.since(&view);
        view = next;
        happened.retain(|(name, one)| {
            only.as_ref().is_none_or(|o| o == name) && options.kind.is_none_or(|k| k == one.kind())
        });
        if !options.again {
            happened.truncate(1);
        }
        for (name, one) in &happened {
            told(options, name, one)?;
        }
        count = count.saturating_add(happened.len());
        if count > 0 && !options.again {
            break None;
        }
        match watch.wait()? {
            Woken::Changed => {}
            Woken::Timeout => break Some("event loop timed out\n"),
            Woken::Interrupted => break Some("event loop interrupted\n"),
        }
    };
    if !options.json {
        print(&format!(
            "{}events received: {count}\n{}",
            why.unwrap_or_default(),
            gap()
        ))?;
    }
    Ok(u8::from(count == 0))
}

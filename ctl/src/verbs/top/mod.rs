//! `top`: what containers take of the host, again and again. May touch: the store; what `figures/read.rs` reads; the terminal.

mod rates;

use super::statistics::counters;
use crate::error::{Error, Outcome};
use crate::figures::groups::sum;
use crate::figures::read::Groups;
use crate::lookup::{Found, all};
use crate::options::Top;
use crate::output::{print, print_bytes, print_json_line};
use crate::session::Session;
use crate::signals::{LEAVING, Signals};
use crate::terminal::{Raw, size, terminals};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rates::{Rates, Sample, sorted, table};
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Control sequences of terminals (ECMA-48, xterm): to a screen of its own and back, and to the upper left corner of an empty one.
const OWN_SCREEN: &[u8] = b"\x1b[?1049h\x1b[?25l";
const BACK: &[u8] = b"\x1b[?25h\x1b[?1049l";
const ANEW: &str = "\x1b[H\x1b[J";
/// What ends it in a terminal: q, ^C, ^D, escape.
const QUITTING: [u8; 5] = [b'q', b'Q', 3, 4, 27];

/// The terminal while it is drawn on; as it was once this is dropped.
struct Screen {
    _raw: Raw,
}

impl Screen {
    /// `None` where there is nobody to look, or to end it.
    fn take(options: &Top) -> Outcome<Option<Self>> {
        let [input, output, _] = terminals();
        if options.batch || options.json || !input || !output {
            return Ok(None);
        }
        let Some(raw) = Raw::begin()? else { return Ok(None) };
        print_bytes(OWN_SCREEN)?;
        Ok(Some(Self { _raw: raw }))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs no screen.
        let _ = print_bytes(BACK);
    }
}

/// What one container has used until now.
fn sample(found: &Found) -> Outcome<Sample> {
    let (place, record) = found.running()?;
    let groups = Groups::if_any(found)?;
    let groups = groups.as_ref();
    let plan = place.plan()?;
    let (mut received, mut sent) = (0u64, 0u64);
    for link in super::interfaces::links(&plan) {
        if let Ok(c) = counters(found, &link) {
            received = received.saturating_add(c.rx.bytes);
            sent = sent.saturating_add(c.tx.bytes);
        }
    }
    let counts = |what| groups.filter(|g| g.counts(what));
    let disk = counts("io").map(|g| g.devices().map(|d| sum(&d)).unwrap_or_default());
    Ok(Sample {
        id: record.id,
        state: found.state(),
        processor: groups.map(Groups::cpu).transpose()?.map(|c| c.total),
        memory: counts("memory").map(Groups::memory).transpose()?.map(|m| m.usage),
        tasks: groups.and_then(|g| g.tasks().ok()),
        read: disk.map(|d| d.read_bytes),
        written: disk.map(|d| d.written_bytes),
        received,
        sent,
        pressure: groups.and_then(Groups::pressure),
    })
}

type Samples = BTreeMap<String, Sample>;

/// Samples of all that run. One that has ended meanwhile is left out; one that lives and has no figures is an error.
fn samples(session: &Session) -> Outcome<(Instant, Samples)> {
    let mut samples = Samples::new();
    for found in all(&session.store)?.iter().filter(|f| f.running().is_ok()) {
        match sample(found) {
            Ok(sample) => drop(samples.insert(found.name.to_string(), sample)),
            Err(e) => {
                // To look is to hold its lock for a moment, which nobody else may do meanwhile.
                let _lock = session.store.lock()?;
                if session.store.lives(&found.name)? {
                    return Err(e);
                }
            }
        }
    }
    Ok((Instant::now(), samples))
}

/// Waits; whether it is to go on.
fn wait(signals: &Signals, typed: bool, delay: Duration) -> Outcome<bool> {
    let until = Instant::now().checked_add(delay);
    loop {
        let left = until.map_or(Duration::ZERO, |u| u.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Ok(true);
        }
        let timeout =
            PollTimeout::try_from(left.saturating_add(Duration::from_micros(999))).unwrap_or(PollTimeout::MAX);
        let input = rustix::stdio::stdin();
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if typed {
            fds.push(PollFd::new(input, PollFlags::POLLIN));
        }
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) => continue,
            Err(e) => return Err(Error::kernel("wait for the next table", e)),
            Ok(_) => {}
        }
        let came = fds.get(1).and_then(PollFd::any).unwrap_or(false);
        if signals.next()?.is_some_and(|s| LEAVING.iter().any(|l| *l as i32 == s)) || (came && quits()) {
            return Ok(false);
        }
    }
}

/// Whether what was typed ends it, or nobody types any more.
fn quits() -> bool {
    let mut typed = [0u8; 64];
    match rustix::io::read(rustix::stdio::stdin(), typed.as_mut_slice()) {
        Ok(0) => true,
        Ok(length) => typed.iter().take(length).any(|b| QUITTING.contains(b)),
        Err(e) => e != rustix::io::Errno::INTR && e != rustix::io::Errno::AGAIN,
    }
}

/// Shows them.
pub fn top(session: &Session, options: &Top) -> Outcome<()> {
    // However long it goes on, nobody holds power for it.
    session.launcher.leave();
    let signals = Signals::take(&LEAVING)?;
    let screen = Screen::take(options)?;
    let delay = Duration::from_secs(options.delay.into());
    let mut left = options.iterations;
    let (mut then, mut before) = samples(session)?;
    while left != Some(0) && wait(&signals, screen.is_some(), delay)? {
        let (now, after) = samples(session)?;
        let passed = now.saturating_duration_since(then);
        let mut rates: Vec<Rates> = after
            .iter()
            .map(|(name, sample)| Rates::between(name, before.get(name), sample, passed))
            .collect();
        sorted(&mut rates, options.sort);
        if options.json {
            print_json_line(&serde_json::json!({"seconds": passed.as_secs_f64(), "containers": rates}))?;
        } else if screen.is_some() {
            let rows = size().map_or(24, |(rows, _)| usize::from(rows));
            let text = table(&rates, Some(rows.saturating_sub(1)));
            print_bytes(format!("{ANEW}{}", text.replace('\n', "\r\n")).as_bytes())?;
        } else {
            print(&format!("{}\n", table(&rates, None)))?;
        }
        (then, before) = (now, after);
        left = left.map(|n| n.saturating_sub(1));
    }
    Ok(())
}

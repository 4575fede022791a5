//! `console`: attaches the caller's terminal to one of the container's; ^] leaves. May touch: the control socket, the terminal.

use crate::console::{Ended, LEAVE, Peer, Proxy};
use crate::error::{Error, Outcome};
use crate::lookup::{Found, find};
use crate::manner::manner;
use crate::options::Console;
use crate::output::{done, print, say};
use crate::session::Session;
use crate::signals::{LEAVING, Signals};
use crate::supervisor::Supervisor;
use std::os::fd::{AsFd, BorrowedFd};
use wire::recordd::Deed;
use wire::supervisor::Control;

struct Viewer {
    supervisor: Supervisor,
    console: u8,
}

impl Peer for Viewer {
    fn news(&self) -> BorrowedFd<'_> {
        self.supervisor.as_fd()
    }

    fn read_news(&mut self) -> Outcome<Option<Ended>> {
        match self.supervisor.hear() {
            // The supervisor has nothing to say here but that it is gone, or that a window has no size.
            Ok(Some(_)) | Err(_) => Ok(None),
            Ok(None) => Ok(Some(None)),
        }
    }

    fn signalled(&mut self, _: i32) -> Outcome<bool> {
        Ok(true)
    }

    fn resize(&mut self, rows: u16, columns: u16) -> Outcome<()> {
        // A supervisor that is gone is noticed by its news.
        let _ = self.supervisor.say(&Control::Resize {
            console: self.console,
            rows,
            columns,
        });
        Ok(())
    }
}

/// The key that leaves a console, by its byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u8);

impl Default for Key {
    fn default() -> Self {
        Self(LEAVE)
    }
}

impl Key {
    /// Reads `^]`, `^A`, or one letter.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [b'^', letter] => match letter.to_ascii_uppercase() {
                upper @ b'@'..=b'_' => Some(Self(upper & 0x1f)),
                _ => None,
            },
            [letter] if letter.is_ascii() => Some(Self(*letter)),
            _ => None,
        }
    }
}

impl Key {
    /// How it is typed, where that is not plain from its name.
    fn typed(self) -> String {
        match self.0 {
            control @ 0..=0x1f => format!(" (Ctrl + {})", char::from(control | 0x40)),
            _ => String::new(),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            control @ 0..=0x1f => write!(f, "^{}", char::from(control | 0x40)),
            letter => write!(f, "{}", char::from(letter)),
        }
    }
}

/// Attaches until the key that leaves, a signal, or the container's end. With `alone`, the launcher is let go of: nothing is asked of it
/// afterwards.
pub fn attach(session: &Session, found: &Found, console: u8, key: Key, alone: bool) -> Outcome<()> {
    let (place, _) = found.running()?;
    let supervisor = Supervisor::reach(place)?;
    session.launcher.announce(&found.name, Deed::Console)?;
    let stream = supervisor.attach(console, true, false)?;
    if alone {
        session.launcher.leave();
    }
    let signals = Signals::take(&LEAVING)?;
    if manner().virsh {
        let typed = key.typed();
        done(&format!(
            "Connected to domain '{}'\nEscape character is {key}{typed}",
            found.name
        ))?;
    } else if rustix::termios::isatty(rustix::stdio::stdin()) {
        say(&format!("connected to {}; {key} leaves", found.name));
    }
    let mut viewer = Viewer { supervisor, console };
    let proxy = Proxy {
        stream: Some(stream),
        input: true,
        escape: Some(key.0),
        signals: &signals,
    };
    proxy.run(&mut viewer)?;
    if manner().virsh { Ok(()) } else { print("\n") }
}

/// Attaches to the console that is asked for.
pub fn console(session: &Session, options: &Console) -> Outcome<()> {
    let name = options
        .devname
        .as_ref()
        .or(options.device.as_ref())
        .map_or("0", String::as_str);
    let number = name.strip_prefix("console").unwrap_or(name);
    let console = number
        .parse::<u8>()
        .map_err(|_| Error::Usage(format!("{name} is no console")))?;
    let key = match options.escape.as_deref() {
        None => Key::default(),
        Some(text) => Key::parse(text)
            .ok_or_else(|| Error::Usage(format!("{text} is no key: say a letter, or ^ and a letter")))?,
    };
    attach(session, &find(&session.store, &options.container)?, console, key, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_letter_or_a_control_character() {
        for (text, byte) in [("^]", 0x1d), ("^a", 1), ("^A", 1), ("^@", 0), ("q", b'q'), ("^", b'^')] {
            assert_eq!(Key::parse(text), Some(Key(byte)), "{text}");
        }
        for bad in ["", "^1", "ab", "^AB", "é"] {
            assert_eq!(Key::parse(bad), None, "{bad}");
        }
        assert_eq!(
            (Key::default().to_string(), Key(b'q').to_string()),
            ("^]".into(), "q".into())
        );
    }
}

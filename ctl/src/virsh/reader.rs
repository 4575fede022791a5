//! The half of a session that reads what is typed: it holds no power, and sees no file. May touch: the standard streams, and the other half.

use super::builtin::{Answer, answer};
use super::operands::Wrong;
use super::starter::{GO, MOST, RUN, WHERE};
use super::{Session, line, operands};
use crate::error::{Error, UNREAD};
use crate::handover::{Standing, become_bare, keep_streams, standing};
use crate::options::Options;
use crate::output::{after, fail, print_bytes};
use clap::Parser;
use nix::sys::signal::{SigSet, Signal};
use rustix::termios::{QueueSelector, isatty, tcflush};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;
use sys::channel::{receive_packet, send_packet};

/// The prompt.
const PROMPT: &str = "virsh # ";
/// What is printed before the first one.
const WELCOME: &str = "Welcome to virsh, the virtualization interactive terminal.\n\n\
    Type:  'help' for help with commands\n       'quit' to quit\n\n";
/// The number of its end of the channel.
const CHANNEL: i32 = 3;

struct Reader {
    starter: OwnedFd,
    quiet: bool,
    prompting: bool,
}

/// Reads until there is no more, or somebody quits; gives the exit status.
pub fn read(channel: OwnedFd, session: &Session) -> Result<u8, String> {
    let said = |e: nix::errno::Errno| format!("cannot give up power: {}", e.desc());
    match standing() {
        Standing::Powerful => become_bare(channel, Vec::new()).map_err(said)?,
        _ => keep_streams(channel, Vec::new()).map_err(said)?,
    }
    let starter = sys::process::inherited(CHANNEL).map_err(said)?;
    let confined = policies::confine_lazaret(CHANNEL.unsigned_abs().saturating_add(1));
    confined.map_err(|e| format!("cannot confine itself: {e}"))?;
    policies::restrict_lazaret(&[])?;
    let reader = Reader {
        starter,
        quiet: crate::manner::manner().quiet,
        prompting: session.commands.is_none(),
    };
    match &session.commands {
        Some(commands) => Ok(reader.all(commands).unwrap_or_else(|status| status)),
        None => reader.prompt(),
    }
}

impl Reader {
    /// Does commands one after the other; the status is the last one's. The error is that of a session that is over.
    fn all(&self, commands: &[Vec<String>]) -> Result<u8, u8> {
        // What is no command at all keeps the others from being done.
        for words in commands {
            if let Err(reasons) = understood(words) {
                fail(&reasons.iter().map(String::as_str).collect::<Vec<_>>());
                return Ok(1);
            }
        }
        let mut status = 0;
        for words in commands {
            status = self.one(words)?;
        }
        Ok(status)
    }

    fn one(&self, words: &[String]) -> Result<u8, u8> {
        let began = Instant::now();
        let status = match answer(words) {
            Answer::Verb => {
                let mut packet = vec![RUN];
                words.iter().for_each(|w| packet.extend(w.bytes().chain([0])));
                let status = self.ask(&packet).0;
                if shows_a_container(words) {
                    // What it printed may have made the terminal answer, and an answer is not typed by anybody.
                    let _ = tcflush(rustix::stdio::stdin(), QueueSelector::IFlush);
                }
                return Ok(status);
            }
            Answer::Quit => return Err(0),
            Answer::Print(text) => {
                // As whoever writes to a reader that is gone, the session is over.
                print_bytes(text.as_bytes()).map_err(|e| e.status(false))?;
                0
            }
            Answer::Say(text) => {
                fail(&[&text]);
                0
            }
            Answer::Refused(reason) if reason.starts_with("unexpected data") || reason.starts_with("command '") => {
                fail(&[&reason]);
                return Ok(1);
            }
            Answer::Refused(reason) => {
                fail(&[&reason]);
                1
            }
            Answer::GoTo(_) if !self.prompting => {
                fail(&["cd: command valid only in interactive mode"]);
                1
            }
            Answer::GoTo(directory) => {
                let mut packet = vec![GO];
                packet.extend(directory.unwrap_or_default().bytes());
                self.ask(&packet).0
            }
            Answer::Where => {
                let (status, text) = self.ask(&[WHERE]);
                if status == 0 {
                    print_bytes(format!("{text}\n").as_bytes()).map_err(|e| e.status(false))?;
                }
                status
            }
        };
        after(began.elapsed());
        Ok(status)
    }

    /// Asks the other half, and waits. Whatever is typed meanwhile is the command's.
    fn ask(&self, packet: &[u8]) -> (u8, String) {
        let keyboard: SigSet = [Signal::SIGINT, Signal::SIGQUIT].into_iter().collect();
        let mut answer = vec![0u8; MOST];
        if packet.len() > MOST {
            fail(&[&format!("a command has more than {MOST} bytes")]);
            return (1, String::new());
        }
        // Blocked signals of a command that is over are thrown away: they were not meant for the prompt.
        let _ = keyboard.thread_block();
        let heard = send_packet(self.starter.as_fd(), packet, &[])
            .and_then(|()| receive_packet(self.starter.as_fd(), &mut answer));
        self.forget(&keyboard);
        let Ok((length, _)) = heard else {
            fail(&["the process that starts commands is gone"]);
            return (1, String::new());
        };
        let (status, text) = answer.get(..length).and_then(<[u8]>::split_first).unwrap_or((&1, &[]));
        let text = String::from_utf8_lossy(text).into_owned();
        if *status != 0 && !text.is_empty() {
            fail(&[&text]);
        }
        (*status, text)
    }

    fn forget(&self, keyboard: &SigSet) {
        let flags = nix::sys::signalfd::SfdFlags::SFD_NONBLOCK | nix::sys::signalfd::SfdFlags::SFD_CLOEXEC;
        if let Ok(came) = nix::sys::signalfd::SignalFd::with_flags(keyboard, flags) {
            while let Ok(Some(_)) = came.read_signal() {}
        }
        let _ = keyboard.thread_unblock();
    }

    fn prompt(&self) -> Result<u8, String> {
        let seen = isatty(rustix::stdio::stdin());
        let show = |text: &str| match print_bytes(text.as_bytes()) {
            Ok(()) => Ok(None),
            Err(Error::Unread) => Ok(Some(UNREAD)),
            Err(e) => Err(e.to_string()),
        };
        if !self.quiet
            && let Some(status) = show(WELCOME)?
        {
            return Ok(status);
        }
        loop {
            if let Some(status) = show(PROMPT)? {
                return Ok(status);
            }
            let Some(typed) = typed()? else {
                return Ok(show("\n")?.unwrap_or(0));
            };
            if !seen {
                show(&format!("{}\n", crate::escape::escape(&typed)))?;
            }
            let commands = match line::split(&typed) {
                Ok(commands) => commands,
                Err(reason) => {
                    fail(&[&reason]);
                    continue;
                }
            };
            if let Err(status) = self.all(&commands) {
                // The last line is an empty one, however the session is left.
                return Ok(show("\n")?.unwrap_or(status));
            }
        }
    }
}

/// One line of standard input, read byte by byte: what follows it is the next command's input, if that reads any. `None` at the end.
fn typed() -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    let mut part = [0u8];
    loop {
        match rustix::io::read(rustix::stdio::stdin(), &mut part) {
            Ok(0) if bytes.is_empty() => return Ok(None),
            Ok(0) => break,
            Ok(_) if part == *b"\n" => break,
            Ok(_) => bytes.extend_from_slice(&part),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Ok(None),
        }
        if bytes.len() > MOST {
            return Err(format!("a line has more than {MOST} bytes"));
        }
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Whether the words are a command at all: its verb, options and operands. What `--help` asks for is.
fn understood(words: &[String]) -> Result<(), Vec<String>> {
    if answer(words) != Answer::Verb {
        return Ok(());
    }
    let placed = match operands::placed(words) {
        Ok(placed) => placed,
        Err(Wrong::Early(reasons)) => return Err(reasons),
        Err(Wrong::Late(_)) => return Ok(()),
    };
    let name = "lazaret".to_owned();
    match Options::try_parse_from(std::iter::once(&name).chain(&placed)) {
        Ok(_) => Ok(()),
        Err(e) if crate::unparsed::is_found_late(&e, words) => Ok(()),
        Err(e) => crate::unparsed::in_virsh(&e, words),
    }
}

/// Whether what a container prints goes to the terminal as it is.
fn shows_a_container(words: &[String]) -> bool {
    let verb = words.first().map_or("", String::as_str);
    ["console", "enter", "lxc-enter-namespace", "run", "logs"].contains(&verb) || words.iter().any(|w| w == "--console")
}

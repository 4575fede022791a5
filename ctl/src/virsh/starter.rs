//! The half of a session that starts commands: root's process, without a capability of its own while it waits. It reads nothing but what the
//! other half says, and gives root's power to no program but `lazaret`, which hands it over first. May touch: its directory, and children.

use super::Session;
use crate::compose::{execute, keyboard, lazaret, lower};
use nix::errno::Errno;
use std::os::fd::{AsFd, OwnedFd};
use sys::channel::{ChannelError, receive_packet, send_packet};

/// The most bytes of one command.
pub const MOST: usize = 60 * 1024;
/// Asks for a command: its words follow, each with a zero byte behind it.
pub const RUN: u8 = b'r';
/// Asks to go to a directory, which follows; home or `/` where nothing does.
pub const GO: u8 = b'd';
/// Asks where it is.
pub const WHERE: u8 = b'w';

/// Starts what is asked for until nobody asks any more.
pub fn serve(channel: OwnedFd, session: &Session) -> Result<(), String> {
    // What is typed to end a command is not meant for this process. Children have it unblocked again.
    keyboard()
        .thread_block()
        .map_err(|e| format!("cannot block signals: {}", e.desc()))?;
    lower()?;
    let mut packet = vec![0u8; MOST];
    loop {
        let length = match receive_packet(channel.as_fd(), &mut packet) {
            Ok((length, _)) => length,
            Err(ChannelError::Closed) => return Ok(()),
            Err(e) => return Err(format!("cannot hear what is typed: {e:?}")),
        };
        let asked = packet.get(..length).unwrap_or_default();
        let (status, text) = done(asked, session);
        let mut answer = vec![status];
        answer.extend_from_slice(text.as_bytes());
        if send_packet(channel.as_fd(), &answer, &[]).is_err() {
            return Ok(());
        }
    }
}

/// Does one thing; gives its status, and what is to be said.
fn done(asked: &[u8], session: &Session) -> (u8, String) {
    let Some((kind, rest)) = asked.split_first() else {
        return (1, "nothing was asked for".to_owned());
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return (1, "this is not UTF-8".to_owned());
    };
    match *kind {
        RUN => {
            let words: Vec<&str> = text.split_terminator('\0').collect();
            execute(lazaret().args(&session.before).args(words))
                .map_or_else(|reason| (1, reason), |status| (status, String::new()))
        }
        GO => match std::env::set_current_dir(directory(text)) {
            Ok(()) => (0, String::new()),
            Err(e) => {
                let errno = Errno::from_raw(e.raw_os_error().unwrap_or(0));
                (1, format!("cd: {}: {}", errno.desc(), directory(text)))
            }
        },
        WHERE => match std::env::current_dir() {
            Ok(here) => (0, here.to_string_lossy().into_owned()),
            Err(_) => (1, "pwd: cannot tell the current directory".to_owned()),
        },
        _ => (1, "this cannot be asked for".to_owned()),
    }
}

fn directory(text: &str) -> String {
    match text {
        "" => std::env::var("HOME")
            .ok()
            .filter(|h| !h.is_empty())
            .unwrap_or_else(|| "/".to_owned()),
        named => named.to_owned(),
    }
}

//! Who may connect, and what a client may ask. Pure; what it admits comes back as values that only it makes.

use wire::{Failure, LinkName};

/// Most clients at a time.
pub const CLIENTS: usize = 32;
/// Most viewers at a time, of all consoles together.
pub const VIEWERS: usize = 32;
/// The highest signal (signal(7)).
const LAST_SIGNAL: i32 = 64;

/// A signal that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(i32);

impl Signal {
    /// SIGKILL.
    pub const KILL: Self = Self(9);

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }
}

/// Whether a process of `uid` may use the control socket, where `clients` do already.
pub fn connection(uid: u32, client: u32, clients: usize) -> Result<(), Failure> {
    if uid != client && uid != 0 {
        return Err(Failure::caller("use the control socket of another user's container"));
    }
    if clients >= CLIENTS {
        return Err(Failure::caller("use the control socket: too many clients do"));
    }
    Ok(())
}

/// Whether what only root may ask is asked by root.
pub fn by_root(root: bool) -> Result<(), Failure> {
    match root {
        true => Ok(()),
        false => Err(Failure::caller(
            "keep or let go of a network's rules: that is root's alone to ask",
        )),
    }
}

/// Whether the rules of `link` may go, where those of `kept` are kept: with the link that is gone no other one's rules go.
pub fn let_go(kept: Option<&LinkName>, link: &LinkName) -> Result<(), Failure> {
    match kept {
        Some(kept) if kept != link => Err(Failure::caller(&format!(
            "let go of the rules of {link}: those of {kept} are kept"
        ))),
        _ => Ok(()),
    }
}

/// Whether there is such a signal. 0 is none: it would only ask whether the process is there.
pub fn signal(number: i32) -> Result<Signal, Failure> {
    if (1..=LAST_SIGNAL).contains(&number) {
        Ok(Signal(number))
    } else {
        Err(Failure::caller(&format!(
            "send signal {number}: there is no such signal"
        )))
    }
}

/// Whether there is such a console, of `consoles`.
pub fn console(number: u8, consoles: usize) -> Result<usize, Failure> {
    Some(usize::from(number))
        .filter(|n| *n < consoles)
        .ok_or_else(|| Failure::caller(&format!("attach to console {number}: the container has {consoles}")))
}

/// Whether one more may view a console, where `viewers` do already.
pub fn viewer(viewers: usize) -> Result<(), Failure> {
    if viewers < VIEWERS {
        Ok(())
    } else {
        Err(Failure::caller("attach to a console: too many viewers are"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_other_users_and_crowds() {
        assert!(connection(7, 7, 0).is_ok());
        assert!(connection(0, 7, 0).is_ok());
        assert!(connection(8, 7, 0).is_err());
        assert!(connection(u32::MAX, 7, 0).is_err());
        assert!(connection(7, 7, CLIENTS).is_err());
        assert!(viewer(VIEWERS).is_err() && viewer(0).is_ok());
    }

    #[test]
    fn lets_the_rules_of_the_link_go_that_they_are_kept_for_and_of_no_other() {
        let [one, other] = ["lzv1", "lzv2"].map(|name| LinkName::new(name).unwrap());
        assert!(let_go(Some(&one), &one).is_ok() && let_go(None, &one).is_ok());
        assert!(let_go(Some(&one), &other).is_err());
    }

    #[test]
    fn refuses_signals_that_do_not_exist() {
        for bad in [0, -1, 65, i32::MIN, i32::MAX] {
            assert!(signal(bad).is_err(), "{bad}");
        }
        assert_eq!(signal(37).map(Signal::number), Ok(37));
    }

    #[test]
    fn refuses_consoles_that_the_container_lacks() {
        assert_eq!(console(1, 2), Ok(1));
        assert!(console(2, 2).is_err() && console(0, 0).is_err());
    }
}

//! What follows the end of a container's first process. Pure.

use wire::init::{Afterwards, Then};

/// SIGHUP and SIGINT: what the kernel makes of reboot(2) in a pid namespace, which ends its first process "by" one of them
/// (pid_namespaces(7)).
const RESTARTED: i32 = 1;
const HALTED: i32 = 2;

/// What follows this wait(2) status.
pub fn after(afterwards: Afterwards, status: i32) -> Then {
    match (status & 0x7f, status) {
        (RESTARTED, _) => afterwards.reboot,
        (HALTED, _) | (0, 0) => afterwards.poweroff,
        _ => afterwards.crash,
    }
}

/// The wait(2) status as others are told it: a first process that called reboot(2) has ended as it wanted to, which is status 0. No signal of these
/// two ends one otherwise: the kernel keeps from it what it has no handler for (pid_namespaces(7)).
pub fn told(status: i32) -> i32 {
    match status & 0x7f {
        RESTARTED | HALTED => 0,
        _ => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_what_follows_it() {
        let (end, restart) = (Then::End, Then::Restart);
        let only = |poweroff, reboot, crash| Afterwards {
            poweroff,
            reboot,
            crash,
        };
        for status in [0, 2] {
            assert_eq!(after(only(restart, end, end), status), restart, "{status}");
        }
        // SIGHUP with and without a core file.
        for status in [1, 0x81] {
            assert_eq!(after(only(end, restart, end), status), restart, "{status}");
        }
        for status in [1 << 8, 255 << 8, 9, 15, 0x8b] {
            assert_eq!(after(only(end, end, restart), status), restart, "{status}");
        }
    }

    #[test]
    fn a_reboot_is_told_as_a_good_end_and_every_other_as_it_is() {
        for (status, expected) in [
            (0, 0),
            (1, 0),
            (2, 0),
            (0x81, 0),
            (1 << 8, 1 << 8),
            (2 << 8, 2 << 8),
            (9, 9),
            (0x8b, 0x8b),
        ] {
            assert_eq!(told(status), expected, "{status}");
        }
    }
}

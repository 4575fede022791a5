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
}

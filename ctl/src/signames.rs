//! Signals by the names that virsh has for them. Pure.

/// From 0 upwards, as `kill(2)` numbers them on x86_64 (signal(7)).
const NAMES: [&str; 32] = [
    "nop", "hup", "int", "quit", "ill", "trap", "abrt", "bus", "fpe", "kill", "usr1", "segv", "usr2", "pipe", "alrm",
    "term", "stkflt", "chld", "cont", "stop", "tstp", "ttin", "ttou", "urg", "xcpu", "xfsz", "vtalrm", "prof", "winch",
    "poll", "pwr", "sys",
];
/// The first real-time signal of the kernel's, which virsh calls `rt0`; the C library keeps two to itself, and counts on from there.
const FIRST_RT: i32 = 32;
const LAST: i32 = 64;

/// The number of a signal.
pub fn number(text: &str) -> Option<i32> {
    let in_range = |n: &i32| (0..=LAST).contains(n);
    if let Ok(number) = text.parse::<i32>() {
        return Some(number).filter(in_range);
    }
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix("sig").unwrap_or(&lower);
    let name = name.strip_prefix('_').unwrap_or(name);
    if let Some(position) = NAMES.iter().position(|n| *n == name) {
        return i32::try_from(position).ok();
    }
    let count = |text: &str| text.parse::<i32>().ok().filter(in_range);
    let from = |first: i32, text: &str| first.checked_add(count(text)?).filter(in_range);
    match name.strip_prefix("rt") {
        Some("min") => Some(34),
        Some("max") => Some(LAST),
        Some(rest) => match rest.strip_prefix("min+") {
            Some(more) => from(34, more),
            None => from(FIRST_RT, rest).filter(|n| *n < LAST),
        },
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_many_spellings() {
        for (text, expected) in [
            ("15", 15),
            ("term", 15),
            ("SIGTERM", 15),
            ("sig_term", 15),
            ("nop", 0),
            ("sys", 31),
            ("rt0", 32),
            ("SIGRT31", 63),
            ("SIGRTMIN+3", 37),
            ("SIGRTMAX", 64),
        ] {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for bad in ["", "65", "-1", "foo", "rt32", "rt", "rt-1", "SIG", "sigrtmin+31"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}

//! The clock that all processes of a host share. May touch: nothing.

/// Nanoseconds of `CLOCK_MONOTONIC` (clock_gettime(2)); 0 before there is such a clock.
pub fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (seconds, rest) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds
        .unwrap_or(0)
        .saturating_mul(1_000_000_000)
        .saturating_add(rest.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_goes_on() {
        let before = super::now();
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(before > 0 && super::now() - before >= 1_000_000);
    }
}

//! Moments as people write them, in UTC (RFC 3339). Pure.

use std::str::FromStr;

/// A moment, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

impl std::fmt::Display for Instant {
    /// `2026-11-25T22:36:13Z`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.checked_div(SECOND).unwrap_or(0);
        let mut days = seconds.checked_div(DAY).unwrap_or(0);
        let rest = seconds.checked_rem(DAY).unwrap_or(0);
        let (mut year, mut month) = (1970, 1);
        while let Some(left) = days.checked_sub(days_of_year(year)) {
            days = left;
            year = year.saturating_add(1);
        }
        while let Some(left) = days.checked_sub(days_of_month(year, month)) {
            days = left;
            month = u64::saturating_add(month, 1);
        }
        let part = |of: u64, most: u64| rest.checked_div(of).and_then(|n| n.checked_rem(most)).unwrap_or(0);
        let (hour, minute, second) = (part(3600, 24), part(60, 60), part(1, 60));
        let day = days.saturating_add(1);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

fn number(text: &str, digits: usize) -> Option<u64> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn parse(text: &str) -> Option<Instant> {
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse::<u64>().ok()?.checked_mul(SECOND).map(Instant);
    }
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00"));
    let date: Vec<&str> = date.split('-').collect();
    let [year, month, day] = date.as_slice() else {
        return None;
    };
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let time: Vec<&str> = time.strip_suffix('Z').unwrap_or(time).split(':').collect();
    let (hour, minute, second) = match time.as_slice() {
        [hour, minute] => (number(hour, 2)?, number(minute, 2)?, 0),
        [hour, minute, second] => (number(hour, 2)?, number(minute, 2)?, number(second, 2)?),
        _ => return None,
    };
    let exists =
        (1970..=2500).contains(&year) && (1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day);
    if !exists || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = (1970..year)
        .map(days_of_year)
        .chain((1..month).map(|m| days_of_month(year, m)));
    let days = days.fold(day.checked_sub(1)?, u64::saturating_add);
    let of_day = hour
        .checked_mul(3600)?
        .checked_add(minute.checked_mul(60)?)?
        .checked_add(second)?;
    days.checked_mul(DAY)?
        .checked_add(of_day)?
        .checked_mul(SECOND)
        .map(Instant)
}

impl FromStr for Instant {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| "it is none of YYYY-MM-DD, YYYY-MM-DDTHH:MM[:SS][Z] and @SECONDS".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        // What date(1) says of these numbers.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_646_173, "2026-11-25T22:36:13Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let instant = Instant(seconds * SECOND);
            assert_eq!(instant.to_string(), text);
            assert_eq!(text.parse(), Ok(instant));
            assert_eq!(format!("@{seconds}").parse(), Ok(instant));
        }
        assert_eq!(
            "2026-11-25".parse::<Instant>().unwrap().to_string(),
            "2026-11-25T00:00:00Z"
        );
        assert_eq!(
            "2026-11-25T07:05".parse::<Instant>().unwrap().to_string(),
            "2026-11-25T07:05:00Z"
        );
        for bad in [
            "",
            "yesterday",
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "2026-11-25T24:00",
            "2026-11-25T1:2",
            "@",
            "@x",
            "1969-01-01",
        ] {
            assert!(bad.parse::<Instant>().is_err(), "{bad}");
        }
    }
}

//! Sizes and whole numbers as documents write them. Pure.

/// The largest size, in KiB: libvirt's `VIR_DOMAIN_MEMORY_PARAM_UNLIMITED`, one below 2^53, whose bytes fit in 63 bits.
pub const MOST_KIB: u64 = (1 << 53) - 1;

/// A size in KiB, rounded up, from a number and a unit, in libvirt's units: `b` or `bytes`; then `k`, `M`, `G`, `T`, `P`, `E`, alone or
/// with `iB` for powers of 1024, with `B` for powers of 1000; whatever their case. Without a unit it is KiB.
pub fn kib(number: &str, unit: Option<&str>) -> Result<u64, &'static str> {
    let number = whole(number).ok_or("that is not a whole number")?;
    let scale = unit.map_or(Some(1024), scale).ok_or("its unit is not known")?;
    let kib = number.checked_mul(scale).map(|bytes| bytes.div_ceil(1024));
    kib.and_then(|k| u64::try_from(k).ok())
        .filter(|k| *k <= MOST_KIB)
        .ok_or("that is more than 9007199254740991 KiB")
}

/// A size in bytes, from a number and a unit as those of [`kib`]. Without a unit it is bytes.
pub fn bytes(number: &str, unit: Option<&str>) -> Result<u64, &'static str> {
    let number = whole(number).ok_or("that is not a whole number")?;
    let scale = unit.map_or(Some(1), scale).ok_or("its unit is not known")?;
    let bytes = number.checked_mul(scale).and_then(|b| u64::try_from(b).ok());
    bytes.ok_or("that is more than 18446744073709551615 bytes")
}

/// A whole number of digits alone, with blanks around it, and perhaps a plus sign; one that does not fit is as large as can be.
fn whole(text: &str) -> Option<u128> {
    let digits = text.trim_ascii();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u128::MAX))
}

/// A whole number from `least` to `most`, of digits alone, with blanks around it.
pub fn number<T: TryFrom<u128> + PartialOrd>(text: &str, least: T, most: T) -> Option<T> {
    let number = T::try_from(whole(text)?).ok()?;
    (least <= number && number <= most).then_some(number)
}

fn scale(unit: &str) -> Option<u128> {
    let unit = unit.to_ascii_lowercase();
    if matches!(unit.as_str(), "b" | "byte" | "bytes") {
        return Some(1);
    }
    let power = ["k", "m", "g", "t", "p", "e"]
        .iter()
        .zip(1u32..)
        .find_map(|(letter, power)| {
            let suffix = unit.strip_prefix(letter)?;
            Some((power, suffix))
        });
    match power {
        Some((power, "" | "ib")) => 1024u128.checked_pow(power),
        Some((power, "b")) => 1000u128.checked_pow(power),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_every_unit_and_rounds_up() {
        for (number, unit, result) in [
            ("7", None, 7),
            (" 7\n", Some("KiB"), 7),
            ("7", Some("k"), 7),
            ("1025", Some("b"), 2),
            ("1", Some("bytes"), 1),
            ("0", Some("GiB"), 0),
            ("1", Some("KB"), 1),
            ("1024", Some("KB"), 1000),
            ("3", Some("MiB"), 3072),
            ("3", Some("M"), 3072),
            ("1", Some("MB"), 977),
            ("2", Some("GB"), 1_953_125),
            ("2", Some("g"), 2 << 20),
            ("1", Some("TB"), 976_562_500),
            ("1", Some("TiB"), 1 << 30),
            ("1", Some("PiB"), 1 << 40),
            ("1", Some("PB"), 976_562_500_000),
            ("1", Some("EiB"), 1 << 50),
            ("1", Some("eb"), 976_562_500_000_000),
            ("9007199254740991", None, MOST_KIB),
        ] {
            assert_eq!(kib(number, unit), Ok(result), "{number} {unit:?}");
        }
    }

    #[test]
    fn refuses_what_is_no_size() {
        for (number, unit) in [
            ("", None),
            ("-1", None),
            ("+", None),
            ("+-1", None),
            ("1.5", Some("GiB")),
            ("0x10", None),
            ("1", Some("")),
            ("1", Some("KiBs")),
            ("1", Some("bit")),
            ("1000000000000000000000000000000", None),
            ("999999999999999999999999999999999999999999", Some("b")),
            ("9007199254740992", None),
            ("8", Some("EiB")),
        ] {
            assert!(kib(number, unit).is_err(), "{number} {unit:?}");
        }
    }

    #[test]
    fn a_number_keeps_its_bounds() {
        assert_eq!(number::<u8>(" 32 ", 1, 32), Some(32));
        assert_eq!(number::<u8>("33", 1, 32), None);
        assert_eq!(number::<u8>("256", 0, 255), None);
        assert_eq!(number::<u64>("18446744073709551615", 0, u64::MAX), Some(u64::MAX));
    }
}

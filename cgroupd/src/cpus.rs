//! Lists of processors (`List format` of cpuset(7)). Pure.

use std::collections::BTreeSet;

/// The most processors a kernel can be built for (`NR_CPUS`, `arch/x86/Kconfig`).
const MOST: u32 = 8192;

/// Reads `0-3,7`. `None`: it is no such list, it is empty, or it names a processor that no kernel has.
pub fn parse(list: &str) -> Option<BTreeSet<u32>> {
    let mut all = BTreeSet::new();
    for part in list.trim_end().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

fn number(digits: &str) -> Option<u32> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|n| plain && *n < MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_ranges() {
        assert_eq!(
            parse("0-2,7,1\n").unwrap().into_iter().collect::<Vec<_>>(),
            [0, 1, 2, 7]
        );
        assert_eq!(parse("3").unwrap().len(), 1);
    }

    #[test]
    fn refuses_what_is_no_list() {
        for bad in [
            "",
            ",",
            "1-",
            "-1",
            "2-1",
            "a",
            "+1",
            "0-8192",
            "1 2",
            "0:1",
            "1,",
            "4294967296",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}

//! A set of processors in libvirt's spelling, `0-3,^2,7`, printed in the list format of cpuset(7). Pure.

use core::fmt;

/// Processors are numbered from 0 to one below this, as in libvirt.
pub const PROCESSORS: u16 = 1024;

/// A set of at least one processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuSet(Vec<bool>);

impl CpuSet {
    /// Reads numbers, ranges, and `^` before those that are taken out again; `None` if it is not such a list, or names no processor.
    pub fn parse(text: &str) -> Option<Self> {
        let mut members = vec![false; usize::from(PROCESSORS)];
        for part in text.split(',') {
            let part = part.trim_ascii();
            let (part, wanted) = part.strip_prefix('^').map_or((part, true), |rest| (rest, false));
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = number(first)?..=number(last)?;
            if range.is_empty() {
                return None;
            }
            members.get_mut(range)?.fill(wanted);
        }
        members.contains(&true).then_some(Self(members))
    }

    /// The numbers of its members, ascending.
    pub fn members(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter_map(|(n, member)| member.then_some(n))
    }
}

fn number(text: &str) -> Option<usize> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.members().peekable();
        let mut comma = "";
        while let Some(first) = rest.next() {
            let mut last = first;
            while let Some(next) = rest.next_if(|n| n.checked_sub(1) == Some(last)) {
                last = next;
            }
            write!(f, "{comma}{first}")?;
            if last != first {
                write!(f, "-{last}")?;
            }
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_shortest_list() {
        for (text, shortest) in [
            ("3", "3"),
            ("0-3,^2,7", "0-1,3,7"),
            ("5, 4,1-2", "1-2,4-5"),
            ("0-1023", "0-1023"),
            ("1,1,2", "1-2"),
        ] {
            assert_eq!(CpuSet::parse(text).unwrap().to_string(), shortest);
        }
    }

    #[test]
    fn refuses_what_is_no_list_or_names_no_processor() {
        for bad in [
            "",
            ",",
            "a",
            "1-",
            "-1",
            "3-1",
            "1024",
            "0-99999999999999999999",
            "^1",
            "1,^1",
            "+1",
            "1--2",
        ] {
            assert_eq!(CpuSet::parse(bad), None, "{bad}");
        }
    }
}

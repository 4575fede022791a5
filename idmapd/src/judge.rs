//! May these maps be written? Pure. A map that reaches host id 0 is refused unless the host's administrator consented: the kernel refuses
//! uid 0 to a process without CAP_SETFCAP, but it would allow gid 0.

use wire::Failure;
use wire::ids::{IdRange, check_map};

/// Maps that have been judged, as the kernel reads them; only [`judge`] makes them.
#[derive(Debug)]
pub struct Judged {
    /// Text of `uid_map`.
    pub uid: String,
    /// Text of `gid_map`.
    pub gid: String,
}

/// Judges both maps and writes them down.
pub fn judge(uid: &[IdRange], gid: &[IdRange], consent: bool) -> Result<Judged, Failure> {
    check_map(uid, consent).map_err(|e| Failure::caller(&format!("write the uid map: {e}")))?;
    check_map(gid, consent).map_err(|e| Failure::caller(&format!("write the gid map: {e}")))?;
    Ok(Judged {
        uid: text(uid)?,
        gid: text(gid)?,
    })
}

/// One line for each range (user_namespaces(7)). The kernel takes a map in one write of less than a page.
fn text(map: &[IdRange]) -> Result<String, Failure> {
    let lines: Vec<String> = map
        .iter()
        .map(|r| format!("{} {} {}\n", r.inside, r.outside, r.count))
        .collect();
    let text = lines.concat();
    if text.len() >= 4096 {
        return Err(Failure::caller(&format!(
            "write a map of {} ranges: it is longer than a page",
            map.len()
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn r(inside: u32, outside: u32, count: u32) -> IdRange {
        IdRange { inside, outside, count }
    }

    #[test]
    fn maps_are_written_as_the_kernel_reads_them() {
        let judged = judge(&[r(0, 100_000, 1000), r(1000, 500, 1)], &[r(0, 7, 1)], false).unwrap();
        assert_eq!(judged.uid, "0 100000 1000\n1000 500 1\n");
        assert_eq!(judged.gid, "0 7 1\n");
    }

    #[test]
    fn refuses_host_id_0_in_either_map() {
        let (good, bad) = ([r(0, 100_000, 10)], [r(0, 100_000, 10), r(10, 0, 1)]);
        assert!(judge(&bad, &good, true).is_ok() && judge(&good, &bad, true).is_ok());
        assert!(judge(&bad, &good, false).is_err());
        assert!(judge(&good, &bad, false).is_err());
    }

    #[test]
    fn refuses_maps_that_overlap_are_empty_or_do_not_fit_a_page() {
        let good = [r(0, 100_000, 10)];
        assert!(judge(&[], &good, false).is_err());
        assert!(judge(&good, &[r(0, 100_000, 10), r(5, 200_000, 1)], false).is_err());
        let many: Vec<IdRange> = (0..300).map(|n| r(n * 10, 100_000_000 + n * 10, 1)).collect();
        assert!(judge(&many, &good, false).is_err());
    }
}

//! Capabilities by name, and the set that `run` leaves. Pure.

use crate::domain::Capability;
use crate::error::{Error, Outcome};

/// Every capability that this build knows.
pub fn all() -> u64 {
    Capability::all().fold(0, |set, c| set | c.mask())
}

/// The set that is named: one capability, with or without `CAP_` and in whatever case, or all of them.
fn named(name: &str) -> Outcome<u64> {
    let lower = name.to_ascii_lowercase();
    if lower == "all" {
        return Ok(all());
    }
    let bare = lower.strip_prefix("cap_").unwrap_or(&lower);
    Capability::named(bare)
        .map(Capability::mask)
        .ok_or_else(|| Error::caller(format!("there is no capability called {name}")))
}

/// The profile's own set with these added and taken away. What is named in both is kept where the other says ALL, and else refused.
pub fn chosen(profile: u64, add: &[String], drop: &[String]) -> Outcome<u64> {
    let union = |names: &[String]| names.iter().try_fold(0, |set, n| named(n).map(|m| set | m));
    let (added, dropped) = (union(add)?, union(drop)?);
    let everything = all();
    if added == everything {
        return Ok(everything & !dropped);
    }
    if dropped == everything {
        return Ok(added);
    }
    if added & dropped != 0 {
        return Err(Error::caller("a capability cannot be added and dropped at once"));
    }
    Ok((profile | added) & !dropped)
}

/// The names of a set, in order of their bits.
pub fn names(set: u64) -> Vec<&'static str> {
    let mut found: Vec<Capability> = Capability::all().filter(|c| set & c.mask() != 0).collect();
    found.sort_by_key(|c| c.bit());
    found.into_iter().map(Capability::name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn capabilities_are_added_to_the_profile_and_taken_from_it() {
        assert_eq!(
            chosen(0b11, &list(&["CAP_KILL"]), &list(&["chown"])).unwrap(),
            0b10_0010
        );
        assert_eq!(chosen(0b11, &list(&["kill"]), &list(&["ALL"])).unwrap(), 0b10_0000);
        assert_eq!(chosen(0, &list(&["all"]), &list(&["chown"])).unwrap(), all() & !1);
        assert!(chosen(0, &list(&["nope"]), &[]).is_err());
        assert!(chosen(0, &list(&["kill"]), &list(&["kill"])).is_err());
        assert_eq!(names(0b10_0001), ["chown", "kill"]);
    }
}

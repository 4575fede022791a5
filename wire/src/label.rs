//! The name of an AppArmor profile, which can be nothing but that: no other kind of label, no list of profiles, no namespace of theirs. Pure.

use crate::name::NameError;
use serde::{Deserialize, Serialize};

/// The most bytes of a name.
pub const MOST: usize = 255;

/// The name of one profile (apparmor.d(5)): letters, digits, and `._/@+-`, not beginning with `.` or `-`; and not `unconfined`, which is
/// to have none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileName(String);

impl ProfileName {
    /// Accepts a valid name.
    pub fn new(name: &str) -> Result<Self, NameError> {
        Self::try_from(name.to_owned())
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ProfileName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > MOST {
            return Err(NameError::TooLong(MOST));
        }
        let known = |c: char| c.is_ascii_alphanumeric() || "._/@+-".contains(c);
        if let Some(c) = name.chars().find(|c| !known(*c)) {
            return Err(NameError::Character(c));
        }
        if name.starts_with(['.', '-']) {
            return Err(NameError::Reserved);
        }
        if name == "unconfined" {
            return Err(NameError::Nothing);
        }
        Ok(Self(name))
    }
}

impl From<ProfileName> for String {
    fn from(name: ProfileName) -> Self {
        name.0
    }
}

impl core::str::FromStr for ProfileName {
    type Err = NameError;
    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl core::fmt::Display for ProfileName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_profile_and_nothing_that_the_kernel_reads_otherwise() {
        for good in [
            "lazaret-container",
            "/usr/bin/httpd",
            "web//hat",
            "a.b_c@d+e",
            &"x".repeat(MOST),
        ] {
            assert!(ProfileName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "unconfined",
            "a b",
            "a\n",
            "a\0b",
            ":ns:a",
            "&a",
            "a//&b",
            "a,b",
            "-a",
            "\u{e9}",
            &"x".repeat(MOST + 1),
        ] {
            assert!(ProfileName::new(bad).is_err(), "{bad:?}");
        }
    }
}

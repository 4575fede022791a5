//! The name of an AppArmor profile, and an SELinux context; each can be nothing but that: no other kind of label, no list of profiles, no
//! namespace of theirs. Pure.

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

/// The most bytes of a context.
pub const MOST_OF_CONTEXT: usize = 1024;

/// An SELinux context, `USER:ROLE:TYPE` or `USER:ROLE:TYPE:RANGE`, of the characters that a policy's names and ranges are made of. Whether a
/// policy knows it is for the kernel to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Context(String);

impl Context {
    /// Accepts a valid context.
    pub fn new(context: &str) -> Result<Self, NameError> {
        Self::try_from(context.to_owned())
    }

    /// The context itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a context, as the kernel writes it, is this one: user, role and type are the same. The kernel has its own way of writing a range.
    pub fn is(&self, written: &str) -> bool {
        let named = |context: &'_ str| context.splitn(4, ':').take(3).map(str::to_owned).collect::<Vec<_>>();
        named(&self.0) == named(written)
    }
}

impl TryFrom<String> for Context {
    type Error = NameError;
    fn try_from(context: String) -> Result<Self, NameError> {
        if context.is_empty() {
            return Err(NameError::Empty);
        }
        if context.len() > MOST_OF_CONTEXT {
            return Err(NameError::TooLong(MOST_OF_CONTEXT));
        }
        let known = |c: char| c.is_ascii_alphanumeric() || "._-:,".contains(c);
        if let Some(c) = context.chars().find(|c| !known(*c)) {
            return Err(NameError::Character(c));
        }
        let parts: Vec<&str> = context.splitn(4, ':').collect();
        let begins = |part: &&str| part.starts_with(|c: char| c.is_ascii_alphabetic());
        let named = |part: &&str| begins(part) && !part.contains(',');
        match parts.as_slice() {
            [names @ .., range] if names.len() == 3 && names.iter().all(named) && begins(range) => Ok(Self(context)),
            names if names.len() == 3 && names.iter().all(named) => Ok(Self(context)),
            _ => Err(NameError::Context),
        }
    }
}

impl From<Context> for String {
    fn from(context: Context) -> Self {
        context.0
    }
}

impl core::str::FromStr for Context {
    type Err = NameError;
    fn from_str(context: &str) -> Result<Self, NameError> {
        Self::new(context)
    }
}

impl core::fmt::Display for Context {
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

    #[test]
    fn a_context_is_a_user_a_role_a_type_and_perhaps_a_range() {
        let usual = "system_u:system_r:container_t:s0:c87,c520";
        for good in [
            "u:r:t",
            usual,
            "staff_u:staff_r:staff_t:s0-s15:c0.c1023",
            &format!("u:r:t:{}", "s".repeat(MOST_OF_CONTEXT - 6)),
        ] {
            assert!(Context::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "container_t",
            "u:r",
            "u:r:",
            ":r:t",
            "u::t",
            "u:r:t:",
            "u:r:t::c1",
            "u:r:t,x",
            "u:r:t s0",
            "u:r:t\n",
            "u:r:t\0",
            "<u>:r:t",
            "1:r:t",
            "\u{e9}:r:t",
            &format!("u:r:t:{}", "s".repeat(MOST_OF_CONTEXT)),
        ] {
            assert!(Context::new(bad).is_err(), "{bad:?}");
        }
        let context = Context::new(usual).unwrap();
        assert!(context.is(usual) && context.is("system_u:system_r:container_t:s0"));
        assert!(!context.is("system_u:system_r:spc_t:s0:c87,c520") && !context.is("kernel") && !context.is(""));
    }
}

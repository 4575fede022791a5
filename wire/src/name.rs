//! Validated strings: a value of these types cannot be decoded into one that breaks its rule. Pure.

use serde::{Deserialize, Serialize};

/// Why a string is not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// Nothing in it.
    Empty,
    /// More bytes than the type allows.
    TooLong(usize),
    /// A character that the type does not allow.
    Character(char),
    /// `.` or `..`, or a leading `-` or `.`.
    Reserved,
    /// A word that stands for having none.
    Nothing,
    /// The name of something that every container has.
    Taken,
    /// Not of the parts that an SELinux context has.
    Context,
    /// Does not begin with `/`.
    Relative,
    /// One of the names in it is `.` or `..`.
    Dots,
}

impl core::fmt::Display for NameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Empty => write!(f, "it is empty"),
            Self::TooLong(most) => write!(f, "it has more than {most} bytes"),
            Self::Character(c) => write!(f, "it contains {c:?}"),
            Self::Reserved => write!(f, "it begins with '-' or '.'"),
            Self::Nothing => write!(f, "it means to have none"),
            Self::Taken => write!(f, "every container has one of its own"),
            Self::Relative => write!(f, "it does not begin with '/'"),
            Self::Dots => write!(f, "'.' and '..' are no names in it"),
            Self::Context => write!(f, "it is neither USER:ROLE:TYPE nor USER:ROLE:TYPE:RANGE"),
        }
    }
}

impl core::error::Error for NameError {}

/// Text of at most `MAX` bytes without NUL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Accepts text within the bound.
    pub fn new(text: &str) -> Result<Self, NameError> {
        Self::try_from(text.to_owned())
    }

    /// Cuts text at the bound, at a character's border, and leaves NUL out: for messages, never for data.
    pub fn cut(text: &str) -> Self {
        let mut kept = String::new();
        for c in text.chars().filter(|c| *c != '\0') {
            if kept.len().saturating_add(c.len_utf8()) > MAX {
                break;
            }
            kept.push(c);
        }
        Self(kept)
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        if text.len() > MAX {
            return Err(NameError::TooLong(MAX));
        }
        if text.contains('\0') {
            return Err(NameError::Character('\0'));
        }
        Ok(Self(text))
    }
}

impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> core::fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container's name: 1 to 64 bytes, no control character, no `/`, not beginning with `.` or `-`.
/// It names a cgroup directory, a state directory and a definition file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerName(String);

impl ContainerName {
    /// Accepts a valid name.
    pub fn new(name: &str) -> Result<Self, NameError> {
        Self::try_from(name.to_owned())
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ContainerName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > 64 {
            return Err(NameError::TooLong(64));
        }
        if let Some(c) = name.chars().find(|c| *c == '/' || c.is_control()) {
            return Err(NameError::Character(c));
        }
        if name.starts_with(['.', '-']) {
            return Err(NameError::Reserved);
        }
        Ok(Self(name))
    }
}

impl From<ContainerName> for String {
    fn from(name: ContainerName) -> Self {
        name.0
    }
}

impl core::fmt::Display for ContainerName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A network link's name: 1 to 15 bytes of `[A-Za-z0-9_.-]`, not beginning with `.` or `-` (the kernel's own rule,
/// `dev_valid_name`, is wider; `%` would make it a pattern).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkName(String);

impl LinkName {
    /// Accepts a valid link name.
    pub fn new(name: &str) -> Result<Self, NameError> {
        Self::try_from(name.to_owned())
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LinkName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > 15 {
            return Err(NameError::TooLong(15));
        }
        if let Some(c) = name
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || "_.-".contains(*c)))
        {
            return Err(NameError::Character(c));
        }
        if name.starts_with(['.', '-']) {
            return Err(NameError::Reserved);
        }
        Ok(Self(name))
    }
}

impl From<LinkName> for String {
    fn from(name: LinkName) -> Self {
        name.0
    }
}

impl core::fmt::Display for LinkName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_that_would_leave_their_directory() {
        for bad in ["", ".", "..", "a/b", "a\nb", "-x", "a\0", &"x".repeat(65)] {
            assert!(ContainerName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["vm1", "my guest", "8675309", &"x".repeat(64), "häfen"] {
            assert!(ContainerName::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn refuses_link_names_that_are_patterns_or_too_long() {
        for bad in ["", "veth%d", "sixteen-bytes-xx", "a/b", "-a", "..", "a b"] {
            assert!(LinkName::new(bad).is_err(), "{bad:?}");
        }
        assert!(LinkName::new("lzv0").is_ok());
    }

    #[test]
    fn a_decoded_name_obeys_the_same_rule() {
        let bytes = postcard::to_allocvec("a/b").unwrap();
        assert!(postcard::from_bytes::<ContainerName>(&bytes).is_err());
    }
}

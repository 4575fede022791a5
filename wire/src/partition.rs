//! A partition: groups below which a container's own lie, one in the other, so that limits of theirs hold for all in them. Pure.

use crate::name::NameError;
use serde::{Deserialize, Serialize};

/// The directory of partitions, beside the groups of containers: none has such a name.
pub const PARTITIONS: &str = ".partition";
/// The most groups that a partition may be deep, and the most bytes of each name.
const DEEP: usize = 16;
const NAME: usize = 200;

/// A partition's path: `/` and 1 to 16 names, each of 1 to 200 bytes, without control characters, neither `.` nor `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Partition(String);

impl Partition {
    /// Accepts a path of names; slashes that say nothing are left out.
    pub fn new(path: &str) -> Result<Self, NameError> {
        let Some(below) = path.strip_prefix('/') else {
            return Err(NameError::Relative);
        };
        let names: Vec<&str> = below.split('/').filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return Err(NameError::Empty);
        }
        if names.len() > DEEP {
            return Err(NameError::TooLong(DEEP.saturating_mul(NAME)));
        }
        for name in &names {
            if name.len() > NAME {
                return Err(NameError::TooLong(NAME));
            }
            if matches!(*name, "." | "..") {
                return Err(NameError::Dots);
            }
            if let Some(c) = name.chars().find(|c| c.is_control()) {
                return Err(NameError::Character(c));
            }
        }
        Ok(Self(format!("/{}", names.join("/"))))
    }

    /// The path as it is said.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directories that it is, each in the one before it, from [`PARTITIONS`] on: a name behind a dot, which a container's never has.
    pub fn directories(&self) -> impl Iterator<Item = String> {
        let names = self.0.split('/').filter(|name| !name.is_empty());
        std::iter::once(PARTITIONS.to_owned()).chain(names.map(|name| format!(".{name}")))
    }

    /// Where it is below `lazaret`.
    pub fn below(&self) -> String {
        self.directories().collect::<Vec<_>>().join("/")
    }
}

impl TryFrom<String> for Partition {
    type Error = NameError;
    fn try_from(path: String) -> Result<Self, NameError> {
        Self::new(&path)
    }
}

impl From<Partition> for String {
    fn from(partition: Partition) -> Self {
        partition.0
    }
}

impl core::fmt::Display for Partition {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_stays_below_its_directory_and_apart_from_containers() {
        let below = |path: &str| Partition::new(path).map(|p| p.below());
        assert_eq!(below("/machine/a b"), Ok(".partition/.machine/.a b".into()));
        assert_eq!(below("//a///b/"), Ok(".partition/.a/.b".into()));
        assert_eq!(below("/..a/keep"), Ok(".partition/...a/.keep".into()));
    }

    #[test]
    fn refuses_what_is_no_path_of_names() {
        for bad in ["", "a", "a/b", "/", "//", "/.", "/a/..", "/a\n", "/a\0b"] {
            assert!(Partition::new(bad).is_err(), "{bad:?}");
        }
        assert!(Partition::new(&format!("/{}", "a".repeat(201))).is_err());
        assert!(Partition::new(&"/a".repeat(17)).is_err());
        assert!(Partition::new(&"/a".repeat(16)).is_ok());
        let bytes = postcard::to_allocvec("/a/../b").unwrap_or_default();
        assert!(postcard::from_bytes::<Partition>(&bytes).is_err());
    }
}

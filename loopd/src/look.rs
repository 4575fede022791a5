//! Reads as much of a disk as tells its file system. Touches the descriptor of the order, for reading.

use crate::marks::{REACH, found};
use rustix::io::pread;
use std::os::fd::OwnedFd;
use wire::Failure;
use wire::mountd::FileSystem;

/// The file system that is on it, if it is one, and no more than one.
pub fn look(disk: &OwnedFd) -> Result<FileSystem, Failure> {
    let mut bytes = vec![0; REACH];
    let mut read = 0;
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        let at = u64::try_from(read).unwrap_or(u64::MAX);
        let more = pread(disk, rest, at).map_err(|e| Failure::kernel("read a disk", e.raw_os_error()))?;
        if more == 0 {
            break;
        }
        read = read.saturating_add(more);
    }
    bytes.truncate(read);
    match found(&bytes).as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::caller(&format!(
            "find a file system: there is none of {}",
            names(&FileSystem::ALL.map(|(kind, _)| kind))
        ))),
        several => Err(Failure::caller(&format!(
            "tell the file system: there are the marks of {}",
            names(several)
        ))),
    }
}

fn names(kinds: &[FileSystem]) -> String {
    let names: Vec<_> = kinds.iter().map(|kind| kind.name().to_string_lossy()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn disk(bytes: &[u8]) -> OwnedFd {
        let mut file = tempfile();
        file.write_all(bytes).unwrap();
        file.into()
    }

    fn tempfile() -> std::fs::File {
        let fd = rustix::fs::memfd_create("disk", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        fd.into()
    }

    #[test]
    fn one_file_system_is_found_and_none_or_two_are_told() {
        let mut bytes = vec![0; 200];
        bytes[..4].copy_from_slice(b"XFSB");
        assert_eq!(look(&disk(&bytes)), Ok(FileSystem::Xfs));
        for none in [&b""[..], &[0; 100_000]] {
            let said = look(&disk(none)).unwrap_err();
            assert!(said.what.as_str().contains("none of ext4, xfs"), "{said:?}");
        }
        bytes.resize(40_000, 0);
        bytes[32_769..32_774].copy_from_slice(b"CD001");
        let said = look(&disk(&bytes)).unwrap_err();
        assert!(said.what.as_str().contains("the marks of xfs, iso9660"), "{said:?}");
    }
}

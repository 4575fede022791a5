//! Reads as much of a disk as tells its file system. Touches the descriptor of the order, for reading.

use crate::marks::{Known, REACH, found};
use rustix::io::pread;
use std::os::fd::OwnedFd;
use wire::Failure;
use wire::mountd::FileSystem;

/// The file system that is on it, if it is one, no more than one, and one that is mounted.
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
        [one] => one
            .kind
            .map_err(|why| Failure::caller(&format!("mount the {} file system on it: {why}", one.name))),
        [] => Err(Failure::caller(&format!(
            "find a file system: there is none of {}",
            FileSystem::ALL.map(|(_, name)| name.to_string_lossy()).join(", ")
        ))),
        several => Err(Failure::caller(&format!(
            "tell the file system: there are the marks of {}",
            names(several)
        ))),
    }
}

fn names(known: &[Known]) -> String {
    let names: Vec<_> = known.iter().map(|known| known.name).collect();
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
        let mut boot = vec![0; 512];
        boot[54..62].copy_from_slice(b"FAT16   ");
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        let said = look(&disk(&boot)).unwrap_err();
        assert_eq!(
            said.what.as_str(),
            "mount the vfat file system on it: its driver keeps no owners"
        );
        bytes.resize(40_000, 0);
        bytes[32_769..32_774].copy_from_slice(b"CD001");
        let said = look(&disk(&bytes)).unwrap_err();
        assert!(said.what.as_str().contains("the marks of xfs, iso9660"), "{said:?}");
    }
}

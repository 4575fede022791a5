//! The marks by which file systems are known, each at its place (the kernel's `include/uapi/linux/magic.h` and the formats' own documents). Pure.

use wire::mountd::FileSystem;

/// So many bytes from the start hold every mark: btrfs has its one farthest off.
pub const REACH: usize = 0x1_0000 + 4096;

/// Where the superblock of ext2 to ext4 begins (`Documentation/filesystems/ext4/super.rst`).
const EXT: usize = 1024;

/// Marks that are bytes at a place.
const MARKS: [(FileSystem, usize, &[u8]); 8] = [
    (FileSystem::Xfs, 0, b"XFSB"),
    (FileSystem::Btrfs, 0x1_0040, b"_BHRfS_M"),
    (FileSystem::F2fs, 1024, &[0x10, 0x20, 0xf5, 0xf2]),
    (FileSystem::Squashfs, 0, b"hsqs"),
    (FileSystem::Erofs, 1024, &[0xe2, 0xe1, 0xf5, 0xe0]),
    (FileSystem::Vfat, 54, b"FAT1"),
    (FileSystem::Vfat, 82, b"FAT32   "),
    (FileSystem::Iso9660, 0x8001, b"CD001"),
];

/// Every file system that has its mark in these first bytes of a disk.
pub fn found(bytes: &[u8]) -> Vec<FileSystem> {
    let has = |at: usize, mark: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(mark));
    // A partition table ends in the same two bytes as a boot sector does, but has no name of a FAT before.
    let boots = has(510, &[0x55, 0xaa]);
    let marks = MARKS
        .iter()
        .filter(|(kind, at, mark)| has(*at, mark) && (*kind != FileSystem::Vfat || boots));
    let mut all: Vec<FileSystem> = ext(bytes).into_iter().chain(marks.map(|(kind, ..)| *kind)).collect();
    all.dedup();
    all
}

/// `EXT4_FEATURE_INCOMPAT_JOURNAL_DEV`: the journal of a file system that lies elsewhere.
const IS_JOURNAL: u8 = 0x8;

/// ext2, ext3 or ext4, unless it is but a journal.
fn ext(bytes: &[u8]) -> Option<FileSystem> {
    let superblock = bytes.get(EXT..)?;
    let marked = superblock.get(0x38..)?.starts_with(&[0x53, 0xef]);
    let incompatible = superblock.get(0x60)?;
    (marked && incompatible & IS_JOURNAL == 0).then_some(FileSystem::Ext4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(marks: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; REACH];
        for (at, mark) in marks {
            bytes[*at..][..mark.len()].copy_from_slice(mark);
        }
        bytes
    }

    #[test]
    fn each_is_known_by_its_mark_at_its_place_alone() {
        for (kind, at, mark) in MARKS {
            let boot: (usize, &[u8]) = (510, &[0x55, 0xaa]);
            assert_eq!(found(&with(&[(at, mark), boot])), [kind]);
            assert!(found(&with(&[(at + 3, mark), boot])).is_empty(), "{kind:?}");
            // Cut off within the mark.
            assert!(found(&with(&[(at, mark)])[..=at]).is_empty(), "{kind:?}");
        }
        assert!(found(&with(&[(54, b"FAT16   ")])).is_empty());
        assert!(found(&[]).is_empty());
    }

    #[test]
    fn a_journal_that_another_file_system_keeps_is_none() {
        let ext = |incompatible: u8| with(&[(1024 + 0x38, &[0x53, 0xef]), (1024 + 0x60, &[incompatible])]);
        for known in [0x2, 0x6, 0x42] {
            assert_eq!(found(&ext(known)), [FileSystem::Ext4]);
        }
        assert!(found(&ext(0xa)).is_empty());
        // Cut off behind the mark.
        assert!(found(&ext(2)[..1024 + 0x60]).is_empty());
    }
}

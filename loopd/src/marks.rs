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

/// Features that ext2 knows, and those that ext3 knows beside them: of `s_feature_incompat`, and of `s_feature_ro_compat`.
const EXT2: (u32, u32) = (0x2 | 0x10, 0x7);
const EXT3: (u32, u32) = (EXT2.0 | 0x4, EXT2.1);
/// `EXT4_FEATURE_COMPAT_HAS_JOURNAL`
const JOURNAL: u32 = 0x4;
/// `EXT4_FEATURE_INCOMPAT_JOURNAL_DEV`: the journal of a file system that lies elsewhere.
const IS_JOURNAL: u32 = 0x8;

/// Which of ext2, ext3 and ext4 it is: the oldest that knows its features.
fn ext(bytes: &[u8]) -> Option<FileSystem> {
    let word = |at: usize| {
        let at = EXT.checked_add(at)?;
        let four = bytes.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*four))
    };
    if word(0x38)? & 0xffff != 0xef53 {
        return None;
    }
    let (compatible, incompatible, to_be_read) = (word(0x5c)?, word(0x60)?, word(0x64)?);
    let within = |(one, other): (u32, u32)| incompatible & !one == 0 && to_be_read & !other == 0;
    if incompatible & IS_JOURNAL != 0 {
        return None;
    }
    Some(match compatible & JOURNAL != 0 {
        false if within(EXT2) => FileSystem::Ext2,
        true if within(EXT3) => FileSystem::Ext3,
        _ => FileSystem::Ext4,
    })
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

    fn ext_of(compatible: u8, incompatible: u16, to_be_read: u8) -> Vec<FileSystem> {
        let incompatible = incompatible.to_le_bytes();
        found(&with(&[
            (1024 + 0x38, &[0x53, 0xef]),
            (1024 + 0x5c, &[compatible]),
            (1024 + 0x60, &incompatible),
            (1024 + 0x64, &[to_be_read]),
        ]))
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
    fn ext_is_the_oldest_that_knows_its_features() {
        assert_eq!(ext_of(0x38, 0x2, 0x3), [FileSystem::Ext2]);
        assert_eq!(ext_of(0x3c, 0x2, 0x3), [FileSystem::Ext3]);
        assert_eq!(ext_of(0x3c, 0x6, 0x3), [FileSystem::Ext3]);
        assert_eq!(ext_of(0x3c, 0x242, 0x7b), [FileSystem::Ext4]);
        assert_eq!(ext_of(0x38, 0x42, 0x3), [FileSystem::Ext4]);
        // A journal that another file system keeps is none.
        assert!(ext_of(0x3c, 0xa, 0x3).is_empty());
        // Cut off behind the mark.
        assert!(found(&with(&[(1024 + 0x38, &[0x53, 0xef])])[..1024 + 0x5c]).is_empty());
    }
}

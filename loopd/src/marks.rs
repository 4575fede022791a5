//! The marks by which file systems are known, each at its place (the kernel's `include/uapi/linux/magic.h` and the formats' own documents), and why one
//! that is known is not mounted: it could have the kernel open another device than its own, or all its files would be the host's root's. Pure.

use wire::mountd::FileSystem;

/// So many bytes from the start hold every mark: btrfs has its one farthest off.
pub const REACH: usize = 0x1_0000 + 4096;

/// Where the superblocks of ext2 to ext4 (`Documentation/filesystems/ext4/super.rst`) and of erofs (`fs/erofs/erofs_fs.h`) begin.
const SUPERBLOCK: usize = 1024;

/// What a mark tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// What the kernel calls it.
    pub name: &'static str,
    /// What it is mounted as, or why it is not.
    pub kind: Result<FileSystem, &'static str>,
}

const fn mounted(name: &'static str, kind: FileSystem) -> Known {
    Known { name, kind: Ok(kind) }
}

const fn refused(name: &'static str, why: &'static str) -> Known {
    Known { name, kind: Err(why) }
}

const MANY: &str = "its file system may name other devices of the host's";
const OWNERLESS: &str = "its driver keeps no owners";

/// Marks that are bytes at a place, and all that there is to look at.
const MARKS: [(Known, usize, &[u8]); 7] = [
    (mounted("xfs", FileSystem::Xfs), 0, b"XFSB"),
    (refused("btrfs", MANY), 0x1_0040, b"_BHRfS_M"),
    (refused("f2fs", MANY), 1024, &[0x10, 0x20, 0xf5, 0xf2]),
    (mounted("squashfs", FileSystem::Squashfs), 0, b"hsqs"),
    (refused("vfat", OWNERLESS), 54, b"FAT1"),
    (refused("vfat", OWNERLESS), 82, b"FAT32   "),
    (refused("iso9660", "its driver maps no ids"), 0x8001, b"CD001"),
];

/// Every file system that has its mark in these first bytes of a disk.
pub fn found(bytes: &[u8]) -> Vec<Known> {
    let has = |at: usize, mark: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(mark));
    // A partition table ends in the same two bytes as a boot sector does, but has no name of a FAT before.
    let boots = has(510, &[0x55, 0xaa]);
    let marks = MARKS
        .iter()
        .filter(|(known, at, mark)| has(*at, mark) && (known.name != "vfat" || boots));
    let superblock = bytes.get(SUPERBLOCK..).unwrap_or_default();
    let looked_at = ext(superblock).into_iter().chain(erofs(superblock));
    let mut all: Vec<Known> = looked_at.chain(marks.map(|(known, ..)| *known)).collect();
    all.dedup();
    all
}

/// So many bytes of a superblock, from that one on.
fn field<const N: usize>(superblock: &[u8], at: usize) -> Option<[u8; N]> {
    superblock.get(at..)?.first_chunk().copied()
}

/// `EXT4_FEATURE_INCOMPAT_JOURNAL_DEV`: the journal of a file system that lies elsewhere.
const IS_JOURNAL: u8 = 0x8;
/// `EXT4_FEATURE_COMPAT_HAS_JOURNAL`
const HAS_JOURNAL: u8 = 0x4;

/// ext2, ext3 or ext4, unless it is but a journal. The kernel opens a journal that is not an inode by the number of its device, and
/// believes what options stand in the superblock, of which `journal_dev` and `journal_path` are two.
fn ext(superblock: &[u8]) -> Option<Known> {
    let [compatible, ..] = field::<4>(superblock, 0x5c)?;
    let [incompatible, ..] = field::<4>(superblock, 0x60)?;
    let journal_inode = u32::from_le_bytes(field(superblock, 0xe0)?);
    let journal_device = u32::from_le_bytes(field(superblock, 0xe4)?);
    let options: [u8; 64] = field(superblock, 0x200)?;
    if field(superblock, 0x38)? != [0x53, 0xef] || incompatible & IS_JOURNAL != 0 {
        return None;
    }
    let elsewhere = compatible & HAS_JOURNAL != 0 && journal_inode == 0;
    Some(if elsewhere || journal_device != 0 {
        refused("ext4", "its journal is on another device of the host's")
    } else if options != [0; 64] {
        refused("ext4", "it has mount options of its own in it (tune2fs -E mount_opts)")
    } else {
        mounted("ext4", FileSystem::Ext4)
    })
}

/// erofs. The kernel opens each device of its table by the path that stands there. (The feature bit of that table means something else too.)
fn erofs(superblock: &[u8]) -> Option<Known> {
    let devices = u16::from_le_bytes(field(superblock, 86)?);
    if field(superblock, 0)? != [0xe2, 0xe1, 0xf5, 0xe0] {
        return None;
    }
    Some(if devices != 0 {
        refused("erofs", "it names other devices of the host's")
    } else {
        mounted("erofs", FileSystem::Erofs)
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

    #[test]
    fn each_is_known_by_its_mark_at_its_place_alone() {
        for (known, at, mark) in MARKS {
            let boot: (usize, &[u8]) = (510, &[0x55, 0xaa]);
            assert_eq!(found(&with(&[(at, mark), boot])), [known]);
            assert!(found(&with(&[(at + 3, mark), boot])).is_empty(), "{known:?}");
            // Cut off within the mark.
            assert!(found(&with(&[(at, mark)])[..=at]).is_empty(), "{known:?}");
        }
        assert!(found(&with(&[(54, b"FAT16   ")])).is_empty());
        assert!(found(&[]).is_empty());
    }

    #[test]
    fn each_that_is_mounted_has_the_name_that_the_factory_knows_it_by() {
        let marked = [
            (SUPERBLOCK + 0x38, &[0x53, 0xef][..]),
            (SUPERBLOCK, &[0xe2, 0xe1, 0xf5, 0xe0]),
        ];
        let marks = MARKS.map(|(_, at, mark)| (at, mark));
        let all = marks.iter().chain(&marked).flat_map(|one| found(&with(&[*one])));
        let of_wire = FileSystem::ALL.map(|(kind, name)| (name.to_str().unwrap(), kind));
        let mut found: Vec<_> = all.filter_map(|known| Some((known.name, known.kind.ok()?))).collect();
        found.sort_by_key(|(name, _)| of_wire.iter().position(|(n, _)| n == name));
        assert_eq!(found, of_wire);
    }

    #[test]
    fn a_journal_that_another_file_system_keeps_is_none() {
        let ext = |incompatible: u8| with(&[(1024 + 0x38, &[0x53, 0xef]), (1024 + 0x60, &[incompatible])]);
        for known in [0x2, 0x6, 0x42] {
            assert_eq!(found(&ext(known)), [mounted("ext4", FileSystem::Ext4)]);
        }
        assert!(found(&ext(0xa)).is_empty());
        // Cut off behind the mark, and before the superblock's end.
        for length in [0x60, 0xe8, 0x23f] {
            assert!(found(&ext(2)[..1024 + length]).is_empty(), "{length:#x}");
        }
    }

    /// What each has in its superblock that leads to another device; and beside it what does not.
    #[test]
    fn what_names_another_device_is_refused() {
        let why = |at: usize, mark: &[u8], more: &[(usize, &[u8])]| {
            let moved = more.iter().map(|(at, bytes)| (SUPERBLOCK + at, *bytes));
            let marks: Vec<_> = std::iter::once((at, mark)).chain(moved).collect();
            match found(&with(&marks)).as_slice() {
                [one] => one.kind.err().unwrap_or_default(),
                other => panic!("{other:?}"),
            }
        };
        let ext = |more: &[(usize, &[u8])]| why(SUPERBLOCK + 0x38, &[0x53, 0xef], more);
        assert_eq!(ext(&[]), "");
        assert_eq!(ext(&[(0x5c, &[0x3c]), (0xe0, &[8])]), "");
        assert!(ext(&[(0x5c, &[0x3c])]).contains("journal"));
        for byte in 0..4 {
            assert!(ext(&[(0x5c, &[0x3c]), (0xe0, &[8]), (0xe4 + byte, &[1])]).contains("journal"));
        }
        for byte in [0, 1, 63] {
            assert!(ext(&[(0x200 + byte, b"j")]).contains("mount options"));
        }
        assert_eq!(ext(&[(0x1ff, b"j")]), "");
        assert_eq!(ext(&[(0x240, b"j")]), "");
        let erofs = |more: &[(usize, &[u8])]| why(SUPERBLOCK, &[0xe2, 0xe1, 0xf5, 0xe0], more);
        assert_eq!(erofs(&[(84, &[1, 1]), (88, &[1, 1])]), "");
        for byte in [86, 87] {
            let more = (byte, &[1][..]);
            assert!(erofs(&[more]).contains("other devices"), "{more:?}");
        }
        // Cut off before that.
        assert!(found(&with(&[(SUPERBLOCK, &[0xe2, 0xe1, 0xf5, 0xe0])])[..SUPERBLOCK + 87]).is_empty());
    }
}

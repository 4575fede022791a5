//! Whether what came with a request is what the request says. Pure.

use rustix::fs::{FileType, Stat, major, minor};
use wire::Failure;

/// The device behind a FUSE connection (Linux allocated devices: 10, 229).
const FUSE: (u32, u32) = (10, 229);

/// That a descriptor is a FUSE connection; only [`judge`] makes one.
#[derive(Debug)]
pub struct Connection(());

/// Judges the first descriptor by its fstat(2).
pub fn judge(stat: &Stat) -> Result<Connection, Failure> {
    let device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    if device && (major(stat.st_rdev), minor(stat.st_rdev)) == FUSE {
        Ok(Connection(()))
    } else {
        Err(Failure::protocol("serve a connection that is not /dev/fuse"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_other_devices_and_files() {
        let stat = |path: &str| rustix::fs::stat(path).unwrap();
        assert!(judge(&stat("/dev/null")).is_err());
        assert!(judge(&stat("/")).is_err());
        let mut fuse = stat("/dev/null");
        fuse.st_rdev = rustix::fs::makedev(10, 229);
        assert!(judge(&fuse).is_ok());
        fuse.st_mode = FileType::RegularFile.as_raw_mode();
        assert!(judge(&fuse).is_err());
    }
}

//! The FUSE superblock behind `/proc/meminfo` (`Documentation/filesystems/fuse/fuse.rst`). Touches the descriptor of the order.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use sys::mount::{Attr, INERT, Superblock};
use wire::Failure;

/// Number of `/dev/fuse` (`Documentation/admin-guide/devices.txt`).
const FUSE: (u32, u32) = (10, 229);

/// A read-only mount whose root is one regular file that all may read. The server answers later: this does not wait for it.
pub fn make(connection: OwnedFd) -> Result<OwnedFd, Failure> {
    let connection = crate::node::check(connection, FUSE, "fuse")?;
    let number = CString::new(connection.as_raw_fd().to_string()).unwrap_or_default();
    configure(&number).map_err(|e| Failure::kernel("make the file system behind /proc/meminfo", e as i32))
}

fn configure(number: &CString) -> nix::Result<OwnedFd> {
    let superblock = Superblock::open(c"fuse")?;
    superblock.string(c"source", c"meminfo")?;
    superblock.string(c"subtype", c"meminfo")?;
    superblock.string(c"fd", number)?;
    superblock.string(c"rootmode", c"0100444")?;
    superblock.string(c"user_id", c"0")?;
    superblock.string(c"group_id", c"0")?;
    // Without it only the connection's own user could read, and the container's users are others.
    superblock.flag(c"allow_other")?;
    superblock.flag(c"default_permissions")?;
    // Else the kernel keeps no attributes beyond a read, which might have changed a time, and asks the server for them at the next fstat(2).
    superblock.flag(c"ro")?;
    superblock.create()?;
    superblock.mount(Attr::MOUNT_ATTR_RDONLY | INERT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_the_fuse_device() {
        assert!(make(std::fs::File::open("/dev/null").unwrap().into()).is_err());
    }
}

//! The FUSE superblock behind `/proc/meminfo` (`Documentation/filesystems/fuse/fuse.rst`). Touches the descriptor of the order.

use crate::pseudo::superblock;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use sys::mount::{Attr, INERT};
use wire::Failure;

/// Number of `/dev/fuse` (`Documentation/admin-guide/devices.txt`).
const FUSE: (u32, u32) = (10, 229);

/// All but the connection.
const STRINGS: [(&CStr, &CStr); 5] = [
    (c"source", c"meminfo"),
    (c"subtype", c"meminfo"),
    (c"rootmode", c"0100444"),
    (c"user_id", c"0"),
    (c"group_id", c"0"),
];

const WORDS: [&CStr; 3] = [
    // Without it only the connection's own user could read, and the container's users are others.
    c"allow_other",
    c"default_permissions",
    // Else the kernel keeps no attributes beyond a read, which might have changed a time, and asks the server for them at the next fstat(2).
    c"ro",
];

/// A read-only mount whose root is one regular file that all may read. The server answers later: this does not wait for it.
pub fn make(connection: OwnedFd) -> Result<OwnedFd, Failure> {
    let connection = crate::node::check(connection, FUSE, "fuse")?;
    let number = CString::new(connection.as_raw_fd().to_string()).unwrap_or_default();
    let strings = [STRINGS.as_slice(), &[(c"fd", &*number)]].concat();
    superblock(c"fuse", &strings, &WORDS, Attr::MOUNT_ATTR_RDONLY | INERT)
        .map_err(|e| Failure::kernel("make the file system behind /proc/meminfo", e as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_the_fuse_device() {
        assert!(make(std::fs::File::open("/dev/null").unwrap().into()).is_err());
    }
}

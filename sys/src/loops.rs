//! Loop devices (loop(4), `linux/loop.h`): which is free, putting a file behind one, and asking what is behind one. May touch: the devices that it is given.

use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

const GET_STATUS64: libc::Ioctl = 0x4c05;
const CONFIGURE: libc::Ioctl = 0x4c0a;
const GET_FREE: libc::Ioctl = 0x4c82;
const READ_ONLY: u32 = 1;
const AUTOCLEAR: u32 = 4;
/// The kernel sets this one itself.
const DIRECT_IO: u32 = 16;

/// `struct loop_info64`.
#[repr(C)]
struct Info {
    /// `lo_device`, `lo_inode`, `lo_rdevice`, `lo_offset`, `lo_sizelimit`.
    numbers: [u64; 5],
    /// `lo_number`, `lo_encrypt_type`, `lo_encrypt_key_size`.
    more: [u32; 3],
    flags: u32,
    /// `lo_file_name`, `lo_crypt_name`, `lo_encrypt_key`.
    names: [u8; 160],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct Config {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

/// What is behind a loop device, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// Device and inode number of the file (stat(2)).
    pub file: (u64, u64),
    /// The part of it: where that begins, and how many bytes it has, 0 if all.
    part: (u64, u64),
    flags: u32,
}

impl Behind {
    /// This file, as [`configure`] puts it there.
    pub const fn whole(file: (u64, u64), read_only: bool) -> Self {
        Self {
            file,
            part: (0, 0),
            flags: flags(read_only),
        }
    }
}

const fn flags(read_only: bool) -> u32 {
    if read_only { AUTOCLEAR | READ_ONLY } else { AUTOCLEAR }
}

/// The number of a loop device that nobody has, made if there is none. `control` is `/dev/loop-control`; it takes no capability.
pub fn free(control: BorrowedFd<'_>) -> nix::Result<u32> {
    // SAFETY: the request takes no argument and touches no memory of ours; on another device than loop-control it would be another request,
    // which the caller has ruled out.
    let number = unsafe { libc::ioctl(control.as_raw_fd(), GET_FREE) };
    u32::try_from(Errno::result(number)?).map_err(|_| Errno::EOVERFLOW)
}

/// Puts `file` behind the loop device `device`. The kernel takes it away when nobody has the device open any more, whoever ended how
/// (`LO_FLAGS_AUTOCLEAR`). EBUSY: somebody else has the device. It takes no capability where the device is open for writing.
pub fn configure(device: BorrowedFd<'_>, file: BorrowedFd<'_>, read_only: bool) -> nix::Result<()> {
    let config = Config {
        fd: u32::try_from(file.as_raw_fd()).map_err(|_| Errno::EBADF)?,
        block_size: 0,
        info: Info {
            numbers: [0; 5],
            more: [0; 3],
            flags: flags(read_only),
            names: [0; 160],
            init: [0; 2],
        },
        reserved: [0; 8],
    };
    // SAFETY: `config` is alive and laid out as the kernel reads it, whose size the test below holds; on another device than a loop device it
    // would be another request, which the caller has ruled out. The kernel writes nothing there.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), CONFIGURE, &raw const config) };
    Errno::result(result).map(drop)
}

/// What the kernel has behind the loop device `device`. ENXIO: nothing.
pub fn status(device: BorrowedFd<'_>) -> nix::Result<Behind> {
    let mut info = Info {
        numbers: [0; 5],
        more: [0; 3],
        flags: 0,
        names: [0; 160],
        init: [0; 2],
    };
    // SAFETY: `info` is alive and as large as what the kernel writes there, which the test below holds, and any bytes are a value of it; on
    // another device than a loop device it would be another request, which the caller has ruled out.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), GET_STATUS64, &raw mut info) };
    Errno::result(result)?;
    let [device, inode, _, offset, limit] = info.numbers;
    Ok(Behind {
        file: (device, inode),
        part: (offset, limit),
        flags: info.flags & !DIRECT_IO,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn the_structures_have_the_kernels_size() {
        assert_eq!((size_of::<Info>(), size_of::<Config>()), (232, 304));
        assert_eq!(std::mem::offset_of!(Info, flags), 52);
    }

    #[test]
    fn what_is_no_loop_device_is_refused() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(free(null.as_fd()), Err(Errno::ENOTTY));
        assert_eq!(configure(null.as_fd(), null.as_fd(), true), Err(Errno::ENOTTY));
        assert_eq!(status(null.as_fd()), Err(Errno::ENOTTY));
    }
}

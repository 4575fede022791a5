//! Clones of single device nodes. Touches the descriptor of the order, after it has asked what that is.

use rustix::fs::{AtFlags, FileType, StatxFlags, statx};
use std::os::fd::OwnedFd;
use sys::mount::Attr;
use wire::Failure;
use wire::mountd::Device;

/// Clones the node, if it is the character device that was asked for.
pub fn make(device: Device, at: OwnedFd) -> Result<OwnedFd, Failure> {
    let at = check(at, device.number(), device.name())?;
    crate::tree::make(&at, false, Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NOEXEC, None)
}

/// Gives the descriptor back if it is the character device of that number.
pub fn check(at: OwnedFd, number: (u32, u32), name: &str) -> Result<OwnedFd, Failure> {
    let found = statx(&at, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
        .map_err(|e| Failure::kernel(&format!("look at the device node {name}"), e.raw_os_error()))?;
    let device = (found.stx_rdev_major, found.stx_rdev_minor);
    if FileType::from_raw_mode(found.stx_mode.into()) == FileType::CharacterDevice && device == number {
        return Ok(at);
    }
    let what = format!("take what was opened for the device {name}: it is something else");
    Err(Failure::caller(&what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn open(path: &str) -> OwnedFd {
        File::open(path).unwrap().into()
    }

    #[test]
    fn takes_each_device_for_itself_alone() {
        for device in Device::ALL {
            let path = format!("/dev/{}", device.name());
            if device == Device::Tty || !std::path::Path::new(&path).exists() {
                continue;
            }
            assert!(check(open(&path), device.number(), device.name()).is_ok(), "{path}");
            assert!(check(open(&path), (1, 1), device.name()).is_err(), "{path}");
        }
    }

    #[test]
    fn refuses_what_is_no_device() {
        assert!(check(open("/proc/version"), Device::Null.number(), "null").is_err());
        assert!(check(open("/"), Device::Null.number(), "null").is_err());
    }
}

//! Clones of single device nodes. Touches the descriptor of the order, after it has asked what that is.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
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
    let file = File::from(at);
    let failed = |e: &std::io::Error| {
        Failure::kernel(
            &format!("look at the device node {name}"),
            e.raw_os_error().unwrap_or(0),
        )
    };
    let found = file.metadata().map_err(|e| failed(&e))?;
    if found.file_type().is_char_device() && found.rdev() == encoded(number) {
        Ok(file.into())
    } else {
        Err(Failure::caller(&format!(
            "take what was opened for the device {name}: it is something else"
        )))
    }
}

/// A device number as stat(2) shows it (`new_encode_dev`); exact for a major below 4096 and a minor below 256.
fn encoded((major, minor): (u32, u32)) -> u64 {
    (u64::from(major) << 8) | u64::from(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

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

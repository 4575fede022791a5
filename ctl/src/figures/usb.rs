//! Finds a USB device of this host by what it is. May touch: `/sys/bus/usb/devices` and what its links lead to, to read.

use crate::error::{Error, Outcome};
use std::path::Path;

/// Where the kernel lists them (`Documentation/ABI/stable/sysfs-bus-usb`).
const DEVICES: &str = "/sys/bus/usb/devices";

/// Bus and device number of the one device of this vendor and product.
pub fn find(vendor: u16, product: u16) -> Outcome<(u16, u16)> {
    find_below(Path::new(DEVICES), vendor, product)
}

fn find_below(devices: &Path, vendor: u16, product: u16) -> Outcome<(u16, u16)> {
    let entries = std::fs::read_dir(devices).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for entry in entries {
        let text = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let hex = |name: &str| u16::from_str_radix(text(name).trim(), 16).ok();
        let number = |name: &str| text(name).trim().parse::<u16>().ok();
        // Interfaces of devices are listed too, and have none of these.
        if (hex("idVendor"), hex("idProduct")) == (Some(vendor), Some(product)) {
            found.extend(number("busnum").zip(number("devnum")));
        }
    }
    let what = format!("{vendor:04x}:{product:04x}");
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::caller(format!("this host has no USB device {what}"))),
        _ => Err(Error::caller(format!(
            "this host has {} USB devices {what}: the bus and device of an <address> tell them apart",
            found.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_device_of_a_kind_is_found_and_of_two_none() {
        let top = std::env::temp_dir().join(format!("lazaret-usb-{}", std::process::id()));
        for (name, vendor, product, device) in [
            ("1-1", "1d6b", "0002", "3"),
            ("1-2", "0781", "5567", "12"),
            ("2-1", "1d6b", "0002", "1"),
        ] {
            let place = top.join(name);
            std::fs::create_dir_all(&place).unwrap();
            for (file, text) in [
                ("idVendor", vendor),
                ("idProduct", product),
                ("busnum", "1"),
                ("devnum", device),
            ] {
                std::fs::write(place.join(file), format!("{text}\n")).unwrap();
            }
        }
        std::fs::create_dir_all(top.join("1-1:1.0")).unwrap();
        assert_eq!(find_below(&top, 0x0781, 0x5567).ok(), Some((1, 12)));
        let said = |vendor, product| find_below(&top, vendor, product).unwrap_err().to_string();
        assert!(said(0x1d6b, 2).contains("2 USB devices 1d6b:0002"));
        assert!(said(1, 1).contains("no USB device 0001:0001"));
        std::fs::remove_dir_all(&top).unwrap();
        assert!(find_below(&top, 1, 1).is_err());
    }
}

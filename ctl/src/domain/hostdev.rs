//! The canonical form of host devices, and what each of a kind must say. Pure.

use super::canonical::{child, replace};
use super::error::shown;
use super::interface::family;
use super::schema::lists;
use super::units::number;
use super::xml::Tree;
use core::net::IpAddr;

/// A device of the host's, by what kind of it names it.
pub fn element(hostdev: &mut Tree) -> Result<(), String> {
    hostdev.add_missing("mode", "subsystem");
    let kind = hostdev.attribute("type").unwrap_or_default().to_owned();
    match (hostdev.attribute("mode").unwrap_or_default(), kind.as_str()) {
        ("subsystem", other) if !lists("usb pci scsi scsi_host mdev", other) => Err(format!(
            "attribute type of <hostdev> is {:?}, not usb, pci, scsi, scsi_host or mdev",
            shown(other, 40)
        )),
        ("subsystem", _) => {
            hostdev.add_missing("managed", "no");
            if let Some(source) = child(hostdev, "source").filter(|_| kind == "usb") {
                source.children.iter_mut().try_for_each(usb_number)?;
                usb_names(source)?;
            }
            Ok(())
        }
        ("capabilities", "storage" | "misc" | "net") => {
            hostdev.attributes.retain(|(name, _)| name != "managed");
            let named = match kind.as_str() {
                "storage" => "block",
                "misc" => "char",
                _ => "interface",
            };
            let source = child(hostdev, "source");
            let name = source.and_then(|s| s.children.iter().find(|c| c.name == named));
            if name.is_none_or(|name| name.text.trim_ascii().is_empty()) {
                return Err(format!("<hostdev> has no <{named}> in its <source>"));
            }
            let mut inside = hostdev.children.iter_mut().filter(|c| c.name == "ip");
            inside.try_for_each(guest_address)
        }
        ("capabilities", "") => Err("<hostdev> has no attribute type".to_owned()),
        ("capabilities", other) => Err(format!(
            "attribute type of <hostdev> is {:?}, not storage, misc or net",
            shown(other, 40)
        )),
        (other, _) => Err(format!(
            "attribute mode of <hostdev> is {:?}, not subsystem or capabilities",
            shown(other, 40)
        )),
    }
}

/// An address that a link of the host's has inside, with its family.
fn guest_address(ip: &mut Tree) -> Result<(), String> {
    let given = ip.attribute("address").unwrap_or_default();
    let address: IpAddr = given
        .parse()
        .map_err(|_| format!("attribute address of <ip> is {:?}, not an IP address", shown(given, 40)))?;
    replace(ip, "address", address.to_string());
    ip.add_missing("family", family(address));
    Ok(())
}

/// A USB device has both of what names it.
fn usb_names(source: &Tree) -> Result<(), String> {
    let has = |name: &str| source.children.iter().find(|c| c.name == name);
    match (has("vendor"), has("product"), has("address")) {
        (Some(_), None, _) => return Err("<hostdev> has no <product> in its <source>".to_owned()),
        (None, Some(_), _) => return Err("<hostdev> has no <vendor> in its <source>".to_owned()),
        (_, _, Some(address)) if address.attribute("bus").is_none() || address.attribute("device").is_none() => {
            return Err("the <address> of a USB device has not both, bus and device".to_owned());
        }
        _ => {}
    }
    let zero = |name: &str| has(name).is_some_and(|c| c.attribute("id") == Some("0x0000"));
    match ["vendor", "product"].into_iter().find(|name| zero(name)) {
        Some(name) => Err(format!("attribute id of <{name}> is 0")),
        None => Ok(()),
    }
}

/// What names a USB device: numbers that may be hexadecimal, or octal behind a 0, as in C.
fn usb_number(tree: &mut Tree) -> Result<(), String> {
    let names = match tree.name.as_str() {
        "address" => "bus device",
        "vendor" | "product" => "id",
        _ => return Ok(()),
    };
    let hexadecimal = names == "id";
    for (name, value) in tree.attributes.iter_mut().filter(|(n, _)| lists(names, n)) {
        let wrong = || {
            format!(
                "attribute {name} of <{}> is {:?}, not a number",
                tree.name,
                shown(value, 40)
            )
        };
        let read = of_c(value).ok_or_else(wrong)?;
        *value = if hexadecimal {
            format!("0x{read:04x}")
        } else {
            read.to_string()
        };
    }
    if names == "bus device" {
        tree.attributes.sort_by_key(|(name, _)| name != "bus");
    }
    Ok(())
}

fn of_c(text: &str) -> Option<u32> {
    let text = text.trim_ascii();
    let radix = |digits: &str, radix| {
        let plain = digits.bytes().all(|b| b.is_ascii_alphanumeric());
        u32::from_str_radix(digits, radix).ok().filter(|_| plain)
    };
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => radix(digits, 16),
        None if text.len() > 1 && text.starts_with('0') => radix(text, 8),
        None => number(text, 0, u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::device_element;

    #[test]
    fn each_says_what_a_device_of_its_kind_is_known_by() {
        let usb = |inside: &str| format!("mode='subsystem' type='usb'><source>{inside}</source>");
        for (inside, why) in [
            (usb("<vendor id='1'/>"), "has no <product>"),
            (usb("<product id='1'/>"), "has no <vendor>"),
            (
                usb("<vendor id='0'/><product id='1'/>"),
                "attribute id of <vendor> is 0",
            ),
            (usb("<address bus='1'/>"), "not both, bus and device"),
            (
                "mode='capabilities' type='net'><source/>".to_owned(),
                "has no <interface>",
            ),
            (
                "mode='capabilities' type='misc'><source><char/></source>".to_owned(),
                "has no <char>",
            ),
            (
                "mode='capabilities' type='x'><source/>".to_owned(),
                "attribute type of <hostdev>",
            ),
            (
                "mode='x' type='usb'><source/>".to_owned(),
                "attribute mode of <hostdev>",
            ),
            (
                "mode='capabilities' type='net'><source><interface>a</interface></source><ip address='x'/>".to_owned(),
                "not an IP address",
            ),
        ] {
            let said = device_element(format!("<hostdev {inside}</hostdev>").as_bytes()).unwrap_err();
            assert!(said.what.contains(why), "{inside}: {}", said.what);
        }
        let long = usb(&format!("<vendor id='{}'/>", "x".repeat(1000)));
        let said = device_element(format!("<hostdev {long}</hostdev>").as_bytes()).unwrap_err();
        assert!(
            said.what.contains("not a number") && said.what.len() < 200,
            "{}",
            said.what
        );
    }
}

//! Devices that come into a definition, go from it, or take another's place there. Pure.

use super::model::Domain;
use super::put;
use super::xml::Tree;
use super::{device_element, format, parse};
use crate::error::{Error, Outcome};
use crate::escape::escape;

/// One device of a document that stands alone.
pub fn read(bytes: &[u8], file: &str) -> Outcome<Tree> {
    device_element(bytes).map_err(|fault| Error::caller(fault.of(file).to_string()))
}

/// What a change makes of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The device comes in.
    Attach,
    /// The one that is meant goes.
    Detach,
    /// It takes the place of the one that is meant.
    Update,
}

/// The definition with one device more, less, or in another's place; it is read as any definition is, and refused as one.
pub fn changed(domain: &Domain, change: Change, device: &Tree) -> Outcome<Domain> {
    let mut document = super::sift::said(format(domain).as_bytes())
        .map_err(|fault| Error::Bug(format!("a definition that was printed cannot be read: {}", fault.what)))?;
    let devices = put::only_child(&mut document, "devices");
    let devices = devices.ok_or_else(|| Error::Bug("a definition has no devices".into()))?;
    match change {
        Change::Attach => {
            if let Some(key) = key(device)
                && devices.children.iter().any(|d| is_of(d, device, &key))
            {
                return Err(Error::caller(format!("there is a {} already", shown(device, &key))));
            }
            put::add(device.clone(), devices);
        }
        Change::Detach => {
            let at = meant(&devices.children, device)?;
            devices.children.remove(at);
        }
        Change::Update => {
            let at = meant(&devices.children, device)?;
            if let Some(place) = devices.children.get_mut(at) {
                *place = device.clone();
            }
        }
    }
    let text = document.document();
    let domain = parse(text.as_bytes(), "the definition").map_err(|e| Error::caller(e.what))?;
    Ok(domain)
}

/// What tells a device from others of its kind: an attribute of one of its children.
type Key = (&'static str, &'static str, String);

fn key(device: &Tree) -> Option<Key> {
    let of = |child: &'static str, attribute: &'static str| {
        let found = device.children.iter().find(|c| c.name == child)?;
        Some((child, attribute, found.attribute(attribute)?.to_ascii_lowercase()))
    };
    match device.name.as_str() {
        "disk" => of("target", "dev"),
        "filesystem" => of("target", "dir"),
        "interface" => of("mac", "address"),
        _ => None,
    }
}

fn is_of(candidate: &Tree, device: &Tree, wanted: &Key) -> bool {
    candidate.name == device.name && key(candidate).as_ref() == Some(wanted)
}

fn shown(device: &Tree, (child, attribute, value): &Key) -> String {
    format!("{} whose {child} {attribute} is {}", device.name, escape(value))
}

/// Where the device is that is meant: the one with its key, or, where it has none, the one in which all is that it says.
fn meant(devices: &[Tree], device: &Tree) -> Outcome<usize> {
    let key = key(device);
    let fits = |candidate: &Tree| match &key {
        Some(key) => is_of(candidate, device, key),
        None => holds(candidate, device),
    };
    let all: Vec<usize> = devices
        .iter()
        .enumerate()
        .filter(|(_, d)| fits(d))
        .map(|(at, _)| at)
        .collect();
    let what = key
        .as_ref()
        .map_or_else(|| format!("{} like this", device.name), |k| shown(device, k));
    match all.as_slice() {
        [at] => Ok(*at),
        [] => Err(Error::caller(format!("there is no {what}"))),
        _ => Err(Error::caller(format!(
            "there are {} of {what}: it must say more",
            all.len()
        ))),
    }
}

/// Whether all that one element says is said by another of its name, too.
fn holds(candidate: &Tree, wanted: &Tree) -> bool {
    candidate.name == wanted.name
        && wanted.attributes.iter().all(|a| candidate.attributes.contains(a))
        && (wanted.text.trim().is_empty() || wanted.text.trim() == candidate.text.trim())
        && wanted
            .children
            .iter()
            .all(|child| candidate.children.iter().any(|c| holds(c, child)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = "<domain type='lxc'><name>a</name><memory>1</memory><os><type>exe</type><init>/i</init></os><devices>\
        <disk type='block'><source dev='/dev/a'/><target dev='vda'/></disk>\
        <interface type='ethernet'><mac address='52:54:00:00:00:01'/></interface>\
        <interface type='ethernet'><mac address='52:54:00:00:00:02'/></interface>\
        <hostdev mode='capabilities' type='misc'><source><char>/dev/c</char></source></hostdev></devices></domain>";

    fn change(change: Change, device: &str) -> Result<String, String> {
        let domain = parse(DOMAIN.as_bytes(), "a.xml").unwrap();
        let device = read(device.as_bytes(), "device.xml").map_err(|e| e.to_string())?;
        let text = changed(&domain, change, &device)
            .map(|d| format(&d))
            .map_err(|e| e.to_string())?;
        Ok(text.lines().map(str::trim).collect())
    }

    #[test]
    fn a_device_comes_to_its_place_goes_and_is_replaced() {
        use Change::{Attach, Detach, Update};
        let disk = |target: &str| format!("<disk type='block'><target dev='{target}'/><source dev='/dev/b'/></disk>");
        let text = change(Attach, &disk("vdb")).unwrap();
        let new =
            "<disk type='block' device='disk'><source dev='/dev/b'/><target dev='vdb' bus='virtio'/></disk><interface";
        assert!(text.contains(new), "{text}");
        let text = change(Update, &disk("vda")).unwrap();
        assert!(
            text.contains("<source dev='/dev/b'/><target dev='vda' bus='virtio'/>") && !text.contains("/dev/a"),
            "{text}"
        );
        let text = change(Detach, "<disk><target dev='vda'/></disk>").unwrap();
        assert!(!text.contains("<disk"), "{text}");
        let text = change(
            Detach,
            "<interface type='ethernet'><mac address='52:54:00:00:00:01'/></interface>",
        )
        .unwrap();
        assert!(text.contains("00:02") && !text.contains("00:01"), "{text}");
        let misc = "<hostdev mode='capabilities' type='misc'><source><char> /dev/c</char></source></hostdev>";
        assert!(!change(Detach, misc).unwrap().contains("<hostdev"));
        let text = change(
            Attach,
            "<filesystem><source dir='/srv/x'/><target dir='/x'/></filesystem>",
        )
        .unwrap();
        assert!(
            text.contains("</disk><filesystem type='mount' accessmode='passthrough'>"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_clear_or_no_device_is_refused() {
        use Change::{Attach, Detach};
        for (how, device, why) in [
            (
                Attach,
                "<disk type='block'><source dev='/dev/b'/><target dev='vda'/></disk>",
                "a disk whose target dev is vda already",
            ),
            (
                Detach,
                "<disk><target dev='vdz'/></disk>",
                "no disk whose target dev is vdz",
            ),
            (Detach, "<interface type='ethernet'/>", "2 of interface like this"),
            (
                Detach,
                "<hostdev mode='capabilities' type='misc'><source><char>/dev/d</char></source></hostdev>",
                "no hostdev like this",
            ),
            (Attach, "<os/>", "<os> is no device"),
            (
                Attach,
                "<disk><target dev='x'/><nonsense/></disk>",
                "<nonsense> in <disk> is not known",
            ),
            (Attach, "<disk", "device.xml:1"),
            (
                Attach,
                "<filesystem type='mount'><source dir=''/><target dir='/x'/></filesystem>",
                "is empty",
            ),
        ] {
            let said = change(how, device).unwrap_err();
            assert!(said.contains(why), "{device}: {said}");
        }
    }
}

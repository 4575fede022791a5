//! What libvirt makes of labels, processors, nodes and devices of a document by the company that they are in: the order of disks and controllers, where on a controller a
//! disk is, the controllers that are needed for it, and the numbers of terminals. Pure.

use super::error::{Fault, shown_name};
use super::units::number;
use super::xml::{Attribute, Element};
use core::mem::take;
use std::collections::{BTreeMap, BTreeSet};

/// The buses with controllers whose disks have places on them: how many disks one controller has, and how many of them a bus of it.
const PLACES: [(&str, u32, u32); 4] = [("scsi", 7, 7), ("fdc", 2, 2), ("ide", 4, 2), ("sata", 6, 6)];
/// How disks are called, and the bus that the name stands for.
const NAMES: [(&str, &str); 6] = [
    ("fd", "fdc"),
    ("hd", "ide"),
    ("vd", "virtio"),
    ("sd", "scsi"),
    ("xvd", "xen"),
    ("ubd", "uml"),
];
/// The line of what nobody has written.
pub const NOWHERE: usize = 0;

/// Settles the devices of a whole document.
pub fn settle(domain: &mut Element) -> Result<(), Fault> {
    labels(domain)?;
    if let Some(vcpu) = domain.children.iter_mut().find(|c| c.name == "vcpu") {
        processors(vcpu)?;
    }
    let by_program = domain
        .children
        .iter()
        .any(|c| c.name == "vcpu" && value(c, "placement") == Some("auto"));
    if let Some(numa) = domain.children.iter_mut().find(|c| c.name == "numatune") {
        let mut memory = numa.children.iter_mut().filter(|c| c.name == "memory");
        memory.try_for_each(|memory| nodes(memory, by_program))?;
    }
    if let Some(tuning) = domain.children.iter_mut().find(|c| c.name == "cputune") {
        let mut pins = taken(tuning, "vcpupin");
        pins.sort_by_key(|pin| value(pin, "vcpu").and_then(|v| number(v, 0, u32::MAX)));
        tuning.children.extend(pins);
    }
    let Some(devices) = domain.children.iter_mut().find(|c| c.name == "devices") else {
        return Ok(());
    };
    for name in ["serial", "parallel", "console"] {
        terminals(devices, name);
    }
    let mut disks = taken(devices, "disk");
    disks = sorted(disks, said_bus, |disk| disk_number(target(disk)))?;
    disks.iter().try_for_each(from)?;
    disks.iter_mut().for_each(address);
    let mut controllers = taken(devices, "controller");
    numbered(&mut controllers);
    for (kind, ..) in PLACES {
        let here = disks.iter().filter(|d| bus(d) == kind);
        let most = here.filter_map(|d| d.children.iter().find(|c| c.name == "address"));
        let most = most.filter_map(|a| number(value(a, "controller").unwrap_or("0"), 0, 255u32));
        if let Some(most) = most.max() {
            needed(&mut controllers, kind, most);
        }
    }
    let virtio = |d: &Element| {
        let mut targets = d.children.iter().filter(|c| c.name == "target");
        matches!(d.name.as_str(), "channel" | "console") && targets.any(|t| value(t, "type") == Some("virtio"))
    };
    if devices.children.iter().any(virtio) {
        needed(&mut controllers, "virtio-serial", 0);
    }
    controllers = sorted(controllers, |c| value(c, "type").unwrap_or_default(), index)?;
    devices.children.extend(disks);
    devices.children.extend(controllers);
    Ok(())
}

/// Of several labels each is another model's.
fn labels(domain: &Element) -> Result<(), Fault> {
    let labels: Vec<&Element> = domain.children.iter().filter(|c| c.name == "seclabel").collect();
    let mut models = BTreeSet::new();
    for label in labels.iter().filter(|_| labels.len() > 1) {
        let Some(model) = value(label, "model") else {
            return Err(Fault::new(
                label.line,
                "a <seclabel> has a model where there are several",
            ));
        };
        if !models.insert(model) {
            let what = format!("a second <seclabel> of the model {}", shown_name(model));
            return Err(Fault::new(label.line, what));
        }
    }
    Ok(())
}

/// Which nodes are meant is said, or is for another program to say, as which processors are.
fn nodes(memory: &mut Element, by_program: bool) -> Result<(), Fault> {
    match (value(memory, "placement"), value(memory, "nodeset")) {
        (Some("auto"), _) | (None | Some("static"), Some(_)) => Ok(()),
        (None, None) if by_program => {
            set(memory, "placement", "auto");
            Ok(())
        }
        (None | Some("static"), None) => Err(Fault::new(
            memory.line,
            "<memory> in <numatune> has no attribute nodeset",
        )),
        (Some(other), _) => {
            let what = format!(
                "attribute placement of <memory> is {:?}, not \"static\" or \"auto\"",
                shown_name(other)
            );
            Err(Fault::new(memory.line, what))
        }
    }
}

/// How many processors there are now is said where it is not how many there are at most.
fn processors(vcpu: &mut Element) -> Result<(), Fault> {
    let of = |text: &str| number(text, 0, u32::MAX);
    let Some(said) = value(vcpu, "current") else {
        return Ok(());
    };
    let Some(now) = of(said) else {
        let what = format!("attribute current of <vcpu> is {:?}, not a number", shown_name(said));
        return Err(Fault::new(vcpu.line, what));
    };
    let Some(most) = of(&vcpu.text) else { return Ok(()) };
    if now > most {
        return Err(Fault::new(vcpu.line, "attribute current of <vcpu> is more than <vcpu>"));
    }
    if now == most {
        vcpu.attributes.retain(|a| a.name != "current");
    }
    Ok(())
}

fn value<'a>(element: &'a Element, name: &str) -> Option<&'a str> {
    let found = element.attributes.iter().find(|a| a.name == name);
    found.map(|a| a.value.as_str())
}

fn set(element: &mut Element, name: &str, value: impl ToString) {
    element.attributes.retain(|a| a.name != name);
    element.attributes.push(Attribute {
        name: name.to_owned(),
        value: value.to_string(),
        line: element.line,
    });
}

fn made(name: &str, line: usize) -> Element {
    Element {
        name: name.to_owned(),
        line,
        attributes: Vec::new(),
        children: Vec::new(),
        text: String::new(),
        text_line: None,
    }
}

fn taken(devices: &mut Element, name: &str) -> Vec<Element> {
    let (taken, left) = take(&mut devices.children).into_iter().partition(|c| c.name == name);
    devices.children = left;
    taken
}

/// By their groups, which stand as their first ones stood, and in a group by rank: those of one rank as they stood.
fn sorted(
    mut all: Vec<Element>,
    group: fn(&Element) -> &str,
    rank: fn(&Element) -> Option<u32>,
) -> Result<Vec<Element>, Fault> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (place, one) in all.iter().enumerate() {
        if !places.contains_key(group(one)) {
            places.insert(group(one).to_owned(), place);
        }
    }
    all.sort_by_cached_key(|one| (places.get(group(one)).copied(), rank(one)));
    for (one, next) in all.iter().zip(all.iter().skip(1)) {
        if next.name == "controller" && group(one) == group(next) && rank(one) == rank(next) {
            let what = format!("two controllers of type {} have one index", shown_name(group(next)));
            return Err(Fault::new(next.line, what));
        }
    }
    Ok(all)
}

fn target(disk: &Element) -> &str {
    let target = disk.children.iter().find(|c| c.name == "target");
    target.and_then(|t| value(t, "dev")).unwrap_or_default()
}

/// A disk that cannot be taken out is somewhere.
fn from(disk: &Element) -> Result<(), Fault> {
    let removable = matches!(value(disk, "device"), Some("cdrom" | "floppy"));
    let named = |source: &Element| match value(disk, "type") {
        Some("block") => value(source, "dev").is_some(),
        None | Some("file") => value(source, "file").is_some(),
        _ => true,
    };
    let mut sources = disk.children.iter().filter(|c| c.name == "source");
    if removable || target(disk).is_empty() || sources.any(named) {
        return Ok(());
    }
    let what = format!("the disk {} has no <source> of its type", shown_name(target(disk)));
    Err(Fault::new(disk.line, what))
}

/// The bus of a disk, as it is said.
fn said_bus(disk: &Element) -> &str {
    let target = disk.children.iter().find(|c| c.name == "target");
    target.and_then(|t| value(t, "bus")).unwrap_or_default()
}

/// The same, or as its name has it.
fn bus(disk: &Element) -> &str {
    let said = Some(said_bus(disk)).filter(|bus| !bus.is_empty());
    let named = || NAMES.iter().find(|(begin, _)| target(disk).starts_with(begin));
    said.unwrap_or_else(|| match value(disk, "device") {
        Some("floppy") => "fdc",
        _ => named().map_or("", |(_, bus)| bus),
    })
}

/// The number of a disk by its name: `sda` is 0, `sdaa` 26; digits behind it name a part of it.
fn disk_number(name: &str) -> Option<u32> {
    let rest = NAMES.iter().find_map(|(begin, _)| name.strip_prefix(begin))?;
    let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    if letters.is_empty() || !letters.bytes().all(|b| b.is_ascii_lowercase()) {
        return None;
    }
    let one_more = letters.bytes().try_fold(0u32, |sum, letter| {
        let letter = u32::from(letter.checked_sub(b'a')?).checked_add(1)?;
        sum.checked_mul(26)?.checked_add(letter)
    });
    one_more?.checked_sub(1)
}

/// Where a disk is on its controller, where that is not said.
fn address(disk: &mut Element) {
    let Some((_, of_controller, of_bus)) = PLACES.iter().find(|(kind, ..)| bus(disk) == *kind) else {
        return;
    };
    let said = disk.children.iter_mut().find(|c| c.name == "address");
    if let Some(said) = said {
        if value(said, "type") == Some("drive") {
            for name in ["controller", "bus", "target", "unit"] {
                let number = value(said, name).unwrap_or("0").to_owned();
                set(said, name, number);
            }
        }
        return;
    }
    let Some(index) = disk_number(target(disk)) else { return };
    let rest = index.checked_rem(*of_controller).unwrap_or(0);
    let mut place = made("address", disk.line);
    set(&mut place, "type", "drive");
    set(&mut place, "controller", index.checked_div(*of_controller).unwrap_or(0));
    set(&mut place, "bus", rest.checked_div(*of_bus).unwrap_or(0));
    set(&mut place, "target", 0);
    set(&mut place, "unit", rest.checked_rem(*of_bus).unwrap_or(0));
    disk.children.push(place);
}

fn index(controller: &Element) -> Option<u32> {
    number(value(controller, "index")?, 0, u32::MAX)
}

/// Gives each controller without an index the first that none of its type has.
fn numbered(controllers: &mut [Element]) {
    // Of each type: the indexes that are said, and the one from which on it is looked for the next.
    let mut types: BTreeMap<String, (BTreeSet<u32>, u32)> = BTreeMap::new();
    for one in controllers.iter() {
        let kind = value(one, "type").unwrap_or_default().to_owned();
        types.entry(kind).or_default().0.extend(index(one));
    }
    for one in controllers.iter_mut().filter(|c| value(c, "index").is_none()) {
        let Some((said, from)) = types.get_mut(value(one, "type").unwrap_or_default()) else {
            continue;
        };
        if let Some(free) = (*from..=u32::MAX).find(|n| !said.contains(n)) {
            *from = free.saturating_add(1);
            set(one, "index", free);
        }
    }
}

/// Adds the controllers of this type up to this index that are missing.
fn needed(controllers: &mut Vec<Element>, kind: &str, most: u32) {
    let there = controllers.iter().filter(|c| value(c, "type") == Some(kind));
    let there: BTreeSet<u32> = there.filter_map(index).collect();
    for wanted in (0..=most).filter(|n| !there.contains(n)) {
        let mut one = made("controller", NOWHERE);
        set(&mut one, "type", kind);
        set(&mut one, "index", wanted);
        controllers.push(one);
    }
}

/// Numbers what is no terminal of a container's: what is one has its number from the reader.
fn terminals(devices: &mut Element, name: &str) {
    for (at, terminal) in devices.children.iter_mut().filter(|c| c.name == name).enumerate() {
        let kind = value(terminal, "type").unwrap_or("pty").to_owned();
        let line = terminal.line;
        if name == "console" && kind == "pty" {
            // Where the other end of a terminal is on the host is told of what runs, and is no part of the definition.
            terminal.children.retain(|c| c.name != "source");
        }
        if kind == "tcp" && terminal.children.iter().all(|c| c.name != "protocol") {
            let mut protocol = made("protocol", line);
            set(&mut protocol, "type", "raw");
            terminal.children.push(protocol);
        }
        let target = match terminal.children.iter_mut().position(|c| c.name == "target") {
            Some(place) => place,
            None if name == "console" && kind == "pty" => continue,
            None => {
                terminal.children.push(made("target", line));
                terminal.children.len().saturating_sub(1)
            }
        };
        if let Some(target) = terminal.children.get_mut(target) {
            if name == "console" {
                if value(target, "type").is_none() {
                    set(target, "type", "lxc");
                }
                if number(value(target, "port").unwrap_or("0"), 0, u32::MAX).is_some() {
                    set(target, "port", at);
                }
            } else if value(target, "port").is_none() {
                set(target, "port", at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{format, parse_telling};

    fn printed(devices: &str) -> Result<String, String> {
        let text = format!(
            "<domain type='lxc'><name>a</name><memory>1</memory><os><type>exe</type><init>/i</init></os><devices>{devices}</devices></domain>"
        );
        let (domain, told) = parse_telling(text.as_bytes(), "a.xml").map_err(|e| e.to_string())?;
        assert!(told.iter().all(|t| t.line > 0), "{told:?}");
        let once = format(&domain);
        assert_eq!(format(&parse_telling(once.as_bytes(), "a.xml").unwrap().0), once);
        Ok(once.lines().map(str::trim).collect())
    }

    fn disk(target: &str) -> String {
        format!("<disk type='block'><source dev='/dev/{target}'/><target dev='{target}'/></disk>")
    }

    fn shown(text: &str, begin: &str) -> Vec<String> {
        let lines = text.split('<').filter(|l| l.starts_with(begin));
        lines.map(|l| l.trim_end_matches(['/', '>']).to_owned()).collect()
    }

    #[test]
    fn a_disk_has_its_place_on_a_controller() {
        for (name, place, controllers) in [
            ("sda", "controller='0' bus='0' target='0' unit='0'", 1),
            ("sdq", "controller='2' bus='0' target='0' unit='2'", 3),
            ("sdaa", "controller='3' bus='0' target='0' unit='5'", 4),
            ("hdc", "controller='0' bus='1' target='0' unit='0'", 1),
        ] {
            let text = printed(&disk(name)).unwrap();
            assert_eq!(
                shown(&text, "address "),
                [format!("address type='drive' {place}")],
                "{text}"
            );
            assert_eq!(shown(&text, "controller ").len(), controllers, "{text}");
        }
        assert!(!printed(&disk("vda")).unwrap().contains("controller"));
        let said = "<disk type='block'><source dev='/a'/><target dev='sda'/><address unit='2' type='drive' controller='1'/></disk>";
        let text = printed(said).unwrap();
        let place = "address type='drive' controller='1' bus='0' target='0' unit='2'";
        assert_eq!(shown(&text, "address "), [place]);
        assert_eq!(shown(&text, "controller ").len(), 2);
    }

    #[test]
    fn disks_and_controllers_stand_in_order_by_their_kinds() {
        let names = ["sdb", "vda", "sda"].map(disk).concat();
        let text = printed(&names).unwrap();
        let order = ["vda", "sda", "sdb"].map(|n| format!("source dev='/dev/{n}'"));
        assert_eq!(shown(&text, "source "), order);
        let all = "<controller type='usb' index='1'/><controller type='ide'/><controller type='usb' index='0'/><controller type='ide'/>";
        let order =
            [("usb", 0), ("usb", 1), ("ide", 0), ("ide", 1)].map(|(t, i)| format!("controller type='{t}' index='{i}'"));
        assert_eq!(shown(&printed(all).unwrap(), "controller "), order);
        let twice = printed("<controller type='usb' index='0'/><controller type='usb' index='0'/>");
        assert!(twice.unwrap_err().contains("have one index"));
    }

    #[test]
    fn many_controllers_are_numbered_and_stand_as_few_do() {
        let many = 3000;
        let said = |n: u32| format!("<controller type='usb' index='{n}'/>");
        // Every third index is said, from the last to the first; the other type stands between, and none of its is.
        let thirds = (0..many).rev().filter(|n| n % 3 == 0);
        let mut all: String = thirds
            .map(|n| said(n) + "<controller type='ide'/><controller type='usb'/><controller type='usb'/>")
            .collect();
        let order = (0..many).map(|n| format!("controller type='usb' index='{n}'"));
        let behind = (0..many / 3).map(|n| format!("controller type='ide' index='{n}'"));
        let order: Vec<String> = order.chain(behind).collect();
        assert_eq!(shown(&printed(&all).unwrap(), "controller "), order);
        // The line is that of the second.
        all.push('\n');
        all.push_str(&said(many - 3));
        let twice = printed(&all).unwrap_err();
        assert!(twice.contains(":2: two controllers of type usb"), "{twice}");
    }

    #[test]
    fn many_disks_of_one_place_stand_as_they_stood() {
        let numbered = |n: u32, target: &str| {
            format!("<disk type='block'><source dev='/dev/{target}{n}'/><target dev='{target}' bus='virtio'/></disk>")
        };
        let all: String = (0..1000).map(|n| numbered(n, "vdb") + &numbered(n, "vda")).collect();
        let of =
            |target: &str| -> Vec<String> { (0..1000).map(|n| format!("source dev='/dev/{target}{n}'")).collect() };
        let order = [of("vda"), of("vdb")].concat();
        assert_eq!(shown(&printed(&all).unwrap(), "source "), order);
    }

    #[test]
    fn terminals_are_numbered() {
        let text = printed("<serial type='pty'/><serial type='file'><source path='/x'/></serial><console type='tcp'><source host='h'/></console>").unwrap();
        let targets = ["target port='0'", "target port='1'", "target type='lxc' port='0'"];
        assert_eq!(shown(&text, "target "), targets, "{text}");
        assert_eq!(shown(&text, "protocol "), ["protocol type='raw'"]);
    }
}

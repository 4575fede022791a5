//! From the tree of a document to a [`Domain`]: every element and attribute is known, or the document is refused. Pure.

mod devices;
pub mod interface;
mod os;
mod resources;
mod security;

#[cfg(test)]
mod tests;

pub use interface::{bandwidth, vlan};

use super::error::{Fault, ParseError};
use super::identity::Uuid;
use super::kept::Why;
use super::model::Domain;
use super::settle::{NOWHERE, settle};
use super::sift::Sifted;
use super::units::number;
use super::xml::{Element, Given, Parts, read};
use wire::init::{Afterwards, Path, Then};
use wire::{ContainerName, Text};

/// Reads a domain document; `file` is the name under which errors speak of it. A document of more than [`super::MAX_BYTES`] is refused.
pub fn parse(bytes: &[u8], file: &str) -> Result<Domain, ParseError> {
    parse_telling(bytes, file).map(|(domain, _)| domain)
}

/// The same, with a line for each thing that is kept and that no LXC driver reads.
pub fn parse_telling(bytes: &[u8], file: &str) -> Result<(Domain, Vec<ParseError>), ParseError> {
    let (domain, lines) = read(bytes).and_then(root).map_err(|fault| fault.of(file))?;
    let told = domain
        .kept
        .iter()
        .zip(lines)
        .filter(|(kept, line)| kept.why == Why::Unread && *line != NOWHERE);
    let told = told.map(|(kept, line)| {
        let what = format!("{} is kept, but no LXC driver reads it: it has no effect", kept.name());
        Fault::new(line, what).of(file)
    });
    let told = told.collect();
    Ok((domain, told))
}

/// The domain, and the line of each thing that is kept.
fn root(mut element: Element) -> Result<(Domain, Vec<usize>), Fault> {
    if element.name != "domain" {
        let what = format!(
            "the root element is <{}>, not <domain>",
            super::error::shown_name(&element.name)
        );
        return Err(Fault::new(element.line, what));
    }
    // Another kind of domain is not looked at.
    if element.attributes.iter().any(|a| a.name == "type" && a.value != "lxc") {
        element.children.clear();
    }
    settle(&mut element)?;
    let Sifted { kept, lines, shares } = Sifted::of(&mut element)?;
    let domain = element.read(domain)?;
    Ok((Domain { kept, shares, ..domain }, lines))
}

fn domain(parts: &mut Parts) -> Result<Domain, Fault> {
    parts.required("type")?.only("lxc")?;
    // What `dumpxml` prints of a container that runs may be defined again: its number then is no part of the definition.
    if let Some(id) = parts.attribute("id") {
        id.read("a number", |v| number(v, 0, u32::MAX))?;
    }
    let name = parts.leaf("name")?.ok_or_else(|| parts.lacks("name"))?;
    let (memory, current_memory) = resources::memory(parts)?;
    let devices = parts
        .child("devices")?
        .map(|e| e.read(devices::devices))
        .transpose()?
        .unwrap_or_default();
    let (nodes, memory_mode) = resources::nodes(parts)?;
    let (privnet, capabilities) = parts
        .child("features")?
        .map(|e| e.read(security::features))
        .transpose()?
        .unwrap_or_default();
    Ok(Domain {
        name: name.try_read(ContainerName::new)?,
        uuid: parts.leaf("uuid")?.map(|v| v.read("a uuid", Uuid::parse)).transpose()?,
        title: parts.leaf("title")?.map(title).transpose()?.filter(|t| !t.is_empty()),
        description: parts.leaf("description")?.map(|v| v.value).filter(|t| !t.is_empty()),
        memory,
        current_memory,
        memtune: resources::memtune(parts, memory)?,
        blkiotune: resources::blkiotune(parts)?,
        nodes,
        memory_mode,
        vcpu: resources::vcpu(parts)?,
        cputune: resources::cputune(parts)?,
        partition: partition(parts)?,
        os: parts.child("os")?.ok_or_else(|| parts.lacks("os"))?.read(os::os)?,
        idmap: parts.child("idmap")?.map(security::idmap).transpose()?.flatten(),
        privnet,
        capabilities,
        afterwards: afterwards(parts)?,
        emulator: devices.emulator,
        filesystems: devices.filesystems,
        interfaces: devices.interfaces,
        consoles: devices.consoles,
        seclabel: security::seclabel(parts)?,
        shares: Default::default(),
        kept: Vec::new(),
    })
}

fn title(given: Given) -> Result<String, Fault> {
    if given.value.contains(['\n', '\r']) {
        return Err(given.fault("has more than one line"));
    }
    Ok(given.value)
}

/// Whether it can be one is found out at a start, as libvirt has it.
fn partition(parts: &mut Parts) -> Result<Option<Path>, Fault> {
    let Some(resource) = parts.child("resource")? else {
        return Ok(None);
    };
    resource.read(|parts| {
        let given = parts.leaf("partition")?;
        given.map(|given| given.try_read(Path::new)).transpose()
    })
}

/// Also takes `clock`: what says more than `utc` is kept as it stands.
fn afterwards(parts: &mut Parts) -> Result<Afterwards, Fault> {
    if let Some(clock) = parts.child("clock")? {
        clock.read(|parts| parts.attribute("offset").map_or(Ok(()), |o| o.only("utc")))?;
    }
    let mut action = |name, missing| {
        let given = parts.leaf(name)?.filter(|given| !given.value.is_empty());
        given.map_or(Ok(missing), |v| {
            v.read("\"destroy\" or \"restart\", which alone are supported", then)
        })
    };
    Ok(Afterwards {
        poweroff: action("on_poweroff", Then::End)?,
        reboot: action("on_reboot", Then::Restart)?,
        crash: action("on_crash", Then::End)?,
    })
}

fn then(word: &str) -> Option<Then> {
    match word {
        "destroy" => Some(Then::End),
        "restart" => Some(Then::Restart),
        _ => None,
    }
}

/// Text that is not empty and not too long.
fn text<const MAX: usize>(given: &Given) -> Result<Text<MAX>, Fault> {
    if given.value.is_empty() {
        return Err(given.fault("is empty"));
    }
    Text::new(&given.value).map_err(|e| given.fault(&format!("is not acceptable: {e}")))
}

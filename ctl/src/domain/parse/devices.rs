//! `devices`: file systems and consoles; interfaces have a file of their own. Pure.

use super::{interface, text};
use crate::domain::error::Fault;
use crate::domain::interface::Interface;
use crate::domain::model::{Filesystem, Source, guest_names};
use crate::domain::units::bytes;
use crate::domain::xml::{Element, Parts};
use std::collections::BTreeSet;
use std::path::PathBuf;
use wire::init::Path;

/// The most consoles: each is a descriptor in the frames that a start sends.
const MAX_CONSOLES: usize = 64;

/// The devices of a domain.
#[derive(Default)]
pub struct Devices {
    pub emulator: Option<Path>,
    pub filesystems: Vec<Filesystem>,
    pub interfaces: Vec<Interface>,
    pub consoles: u8,
}

/// `devices`
pub fn devices(parts: &mut Parts) -> Result<Devices, Fault> {
    Ok(Devices {
        emulator: parts
            .leaf("emulator")?
            .filter(|given| !given.value.is_empty())
            .as_ref()
            .map(text)
            .transpose()?,
        filesystems: filesystems(parts.children("filesystem"))?,
        interfaces: interfaces(parts.children("interface"))?,
        consoles: consoles(parts.children("console"))?,
    })
}

fn filesystems(elements: Vec<Element>) -> Result<Vec<Filesystem>, Fault> {
    let mut targets = BTreeSet::new();
    let read = |element: Element| {
        let line = element.line;
        let filesystem = element.read(filesystem)?;
        // As paths they compare by their parts, however many slashes and dots they are written with.
        if !targets.insert(PathBuf::from(filesystem.target.as_str())) {
            return Err(Fault::new(line, "a second <filesystem> with this target"));
        }
        Ok(filesystem)
    };
    elements.into_iter().map(read).collect()
}

fn filesystem(parts: &mut Parts) -> Result<Filesystem, Fault> {
    if let Some(mode) = parts.attribute("accessmode") {
        mode.only("passthrough")?;
    }
    let kind = parts.attribute("type");
    let wanted = "\"mount\", \"bind\", \"ram\", \"block\" or \"file\", which alone are supported";
    let reader = kind.map_or(Ok(mount as SourceReader), |k| k.read(wanted, source_reader))?;
    let source = parts
        .child("source")?
        .ok_or_else(|| parts.lacks("source"))?
        .read(reader)?;
    let driver = parts.child("driver")?.map(|d| d.read(driver)).transpose()?;
    let source = match source {
        Source::File(path, _) => Source::File(path, driver.unwrap_or_default()),
        other => other,
    };
    let target = parts.child("target")?.ok_or_else(|| parts.lacks("target"))?;
    Ok(Filesystem {
        source,
        target: target.read(directory)?,
        read_only: parts.flag("readonly")?,
    })
}

/// The `driver` of a file: whether it says that it is a loop device, and that the file is as a disk is.
fn driver(parts: &mut Parts) -> Result<[bool; 2], Fault> {
    let (kind, format) = (parts.attribute("type"), parts.attribute("format"));
    if let Some(kind) = &kind {
        kind.only("loop")?;
    }
    let raw = format.map(|f| f.read("\"raw\"", |f| (f == "raw").then_some(())));
    Ok([kind.is_some(), raw.transpose()?.is_some()])
}

/// What reads the `source` of one type.
type SourceReader = fn(&mut Parts) -> Result<Source, Fault>;

fn source_reader(kind: &str) -> Option<SourceReader> {
    match kind {
        "mount" => Some(mount),
        "bind" => Some(|parts| directory(parts).map(Source::Bind)),
        "ram" => Some(|parts| usage(parts).map(Source::Ram)),
        "block" => Some(|parts| text(&parts.required("dev")?).map(Source::Block)),
        "file" => Some(|parts| text(&parts.required("file")?).map(|path| Source::File(path, [false; 2]))),
        _ => None,
    }
}

fn mount(parts: &mut Parts) -> Result<Source, Fault> {
    directory(parts).map(Source::Mount)
}

fn directory(parts: &mut Parts) -> Result<Path, Fault> {
    text(&parts.required("dir")?)
}

fn usage(parts: &mut Parts) -> Result<u64, Fault> {
    let units = parts.attribute("units");
    let usage = parts.required("usage")?;
    let units = units.as_ref().map_or("KiB", |u| u.value.as_str());
    // As libvirt prints it, whole KiB of it.
    let size = usage.try_read(|v| bytes(v, Some(units)))? >> 10;
    if size == 0 {
        Err(usage.fault("is less than 1 KiB"))
    } else {
        Ok(size)
    }
}

fn interfaces(elements: Vec<Element>) -> Result<Vec<Interface>, Fault> {
    let lines: Vec<usize> = elements.iter().map(|e| e.line).collect();
    let all = elements
        .into_iter()
        .map(|e| e.read(interface::interface))
        .collect::<Result<Vec<_>, _>>()?;
    let (mut guests, mut targets) = (BTreeSet::new(), BTreeSet::new());
    for ((line, interface), guest) in lines.into_iter().zip(&all).zip(guest_names(&all)) {
        if !guests.insert(guest) {
            return Err(Fault::new(line, "two interfaces have the same name inside"));
        }
        if interface.target.as_ref().is_some_and(|t| !targets.insert(t)) {
            return Err(Fault::new(line, "two interfaces have the same target"));
        }
    }
    Ok(all)
}

fn consoles(elements: Vec<Element>) -> Result<u8, Fault> {
    if let Some(element) = elements.get(MAX_CONSOLES) {
        return Err(Fault::new(
            element.line,
            format!("there are more than {MAX_CONSOLES} consoles"),
        ));
    }
    let mut count = 0u8;
    for element in elements {
        element.read(console)?;
        count = count.saturating_add(1);
    }
    Ok(count)
}

/// One console. `tty` is what `dumpxml` of a running container may print, and no part of the definition; nor is its number, which is its place.
fn console(parts: &mut Parts) -> Result<(), Fault> {
    parts.attribute("tty");
    if let Some(kind) = parts.attribute("type") {
        kind.only("pty")?;
    }
    let Some(target) = parts.child("target")? else {
        return Ok(());
    };
    target.read(|parts| {
        if let Some(kind) = parts.attribute("type") {
            kind.only("lxc")?;
        }
        let given = parts.attribute("port");
        given.map_or(Ok(0), |v| {
            v.read("a number", |text| text.trim_ascii().parse::<i32>().ok())
        })
    })?;
    Ok(())
}

//! `attach-device`, `detach-device`, `update-device`, and what virsh has for disks and interfaces: devices of a definition. May touch: the file
//! that is named, the store.

use super::amend::meant;
use super::run::random;
use crate::domain::change::{Change, changed, read};
use crate::domain::xml::Tree;
use crate::domain::{MAX_BYTES, complete, format};
use crate::error::{Error, Outcome};
use crate::lookup::{Found, definition, find};
use crate::options::{
    Affect, AttachDisk, AttachInterface, DetachDisk, DetachInterface, DeviceFile, DiskMode, DiskType, SourceType, Where,
};
use crate::output::{done, print};
use crate::plan::run::absolute;
use crate::session::Session;
use crate::state::files::read_open;

/// `attach-device`
pub fn attach_device(session: &Session, options: &DeviceFile) -> Outcome<()> {
    from_file(session, options, Change::Attach, "Device attached successfully")
}

/// `detach-device`
pub fn detach_device(session: &Session, options: &DeviceFile) -> Outcome<()> {
    from_file(session, options, Change::Detach, "Device detached successfully")
}

/// `update-device`
pub fn update_device(session: &Session, options: &DeviceFile) -> Outcome<()> {
    from_file(session, options, Change::Update, "Device updated successfully")
}

fn from_file(session: &Session, options: &DeviceFile, change: Change, said: &str) -> Outcome<()> {
    let file = &options.file;
    let fd = session.launcher.open(&absolute(file, session.directory.as_deref())?)?;
    let bytes = read_open(fd, file, MAX_BYTES)?;
    let bytes = bytes.ok_or_else(|| Error::caller(format!("{file} has more than 1 MiB")))?;
    apply(
        session,
        &options.container,
        options.to,
        change,
        &read(&bytes, file)?,
        said,
    )
}

/// `attach-disk`
pub fn attach_disk(session: &Session, options: &AttachDisk) -> Outcome<()> {
    let block = rustix::fs::stat(options.source.as_str()).is_ok_and(|stat| {
        use rustix::fs::FileType;
        let kind = FileType::from_raw_mode(stat.st_mode);
        kind == FileType::BlockDevice || kind == FileType::CharacterDevice
    });
    let is_file = options.sourcetype.map_or(!block, |t| t == SourceType::File);
    let (kind, source) = if is_file { ("file", "file") } else { ("block", "dev") };
    let device = match options.kind {
        None | Some(DiskType::Disk) => "disk",
        Some(DiskType::Cdrom) => "cdrom",
        Some(DiskType::Floppy) => "floppy",
        Some(DiskType::Lun) => "lun",
    };
    let mut disk = Tree::new("disk").with("type", kind).with("device", device).holding([
        Tree::new("source").with(source, &options.source),
        Tree::new("target").with("dev", &options.target),
    ]);
    disk = disk.holding(options.mode.map(|mode| match mode {
        DiskMode::Readonly => Tree::new("readonly"),
        DiskMode::Shareable => Tree::new("shareable"),
    }));
    if options.print_xml {
        return print(&format!("{}\n", disk.document()));
    }
    made(
        session,
        &options.container,
        options.to,
        Change::Attach,
        &disk,
        "Disk attached successfully",
    )
}

/// `detach-disk`
pub fn detach_disk(session: &Session, options: &DetachDisk) -> Outcome<()> {
    let disk = Tree::new("disk").holding([Tree::new("target").with("dev", &options.target)]);
    if options.print_xml {
        return print(&format!("{}\n", disk.document()));
    }
    made(
        session,
        &options.container,
        options.to,
        Change::Detach,
        &disk,
        "Disk detached successfully",
    )
}

/// `attach-interface`
pub fn attach_interface(session: &Session, options: &AttachInterface) -> Outcome<()> {
    let kind = options.kind.name();
    let named = if kind == "direct" { "dev" } else { kind };
    let source = (kind != "ethernet").then(|| Tree::new("source").with(named, &options.source));
    let interface = Tree::new("interface")
        .with("type", kind)
        .holding(options.mac.iter().map(|mac| Tree::new("mac").with("address", mac)))
        .holding(source)
        .holding(options.target.iter().map(|dev| Tree::new("target").with("dev", dev)));
    if options.print_xml {
        return print(&format!("{}\n", interface.document()));
    }
    let said = "Interface attached successfully";
    made(
        session,
        &options.container,
        options.to,
        Change::Attach,
        &interface,
        said,
    )
}

/// `detach-interface`
pub fn detach_interface(session: &Session, options: &DetachInterface) -> Outcome<()> {
    let interface = Tree::new("interface")
        .with("type", options.kind.name())
        .holding(options.mac.iter().map(|mac| Tree::new("mac").with("address", mac)));
    let said = "Interface detached successfully";
    made(
        session,
        &options.container,
        options.to,
        Change::Detach,
        &interface,
        said,
    )
}

/// One that was made of options is read as one of a file is.
fn made(session: &Session, container: &str, to: Where, change: Change, device: &Tree, said: &str) -> Outcome<()> {
    let device = match change {
        // A detached one says no more than tells it from others.
        Change::Detach => device.clone(),
        _ => read(device.document().as_bytes(), "the device")?,
    };
    apply(session, container, to, change, &device, said)
}

/// Which of the two definitions is meant.
fn which(found: &Found, to: Where) -> Outcome<(bool, bool)> {
    let runs = found.running().is_ok();
    let affect = Affect {
        live: to.affect.live || (to.persistent && runs),
        config: to.affect.config || to.persistent,
        ..to.affect
    };
    meant(found, affect)
}

fn apply(session: &Session, container: &str, to: Where, change: Change, device: &Tree, said: &str) -> Outcome<()> {
    let found = find(&session.store, container)?;
    let (live, config) = which(&found, to)?;
    if live {
        return Err(Error::caller(format!(
            "<{}> is not attached, changed or detached while a container runs; --config does so for its next start",
            device.name
        )));
    }
    if config {
        let lock = session.store.lock()?;
        let kept = definition(&session.store, &found.name)?;
        let kept = kept.ok_or_else(|| Error::caller(format!("{} has no definition", found.name)))?;
        let domain = complete(changed(&kept, change, device)?, random)?;
        session.store.define(&lock, &found.name, &format(&domain))?;
    }
    done(said)
}

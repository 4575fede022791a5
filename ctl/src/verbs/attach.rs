//! `attach-device`, `detach-device`, `update-device`, and what virsh has for disks and interfaces: devices of a definition, and device
//! nodes of what runs. May touch: the file that is named, the store; through the launcher, the container's `/dev`.

use super::amend::meant;
use super::attach_link;
use super::run::random;
use super::tune::live_domain;
use crate::domain::change::{Change, changed, read};
use crate::domain::device::{of_live, pin};
use crate::domain::xml::Tree;
use crate::domain::{MAX_BYTES, Mac, complete, format};
use crate::error::{Error, Needed, Outcome};
use crate::figures::usb;
use crate::launcher::Changed;
use crate::lookup::{Found, definition, find};
use crate::options::{
    Affect, AttachDisk, AttachInterface, DetachDisk, DetachInterface, DeviceFile, DiskMode, DiskType, SourceType, Where,
};
use crate::output::{done, gap, print, say};
use crate::plan::run::absolute;
use crate::session::Session;
use crate::state::files::read_open;
use crate::supervisor::Supervisor;
use std::os::fd::{AsFd, OwnedFd};
use wire::Text;
use wire::devd::Rule;
use wire::ids::outside;
use wire::launcher::Nodes;

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
        return print(&format!("{}{}", disk.document(), gap()));
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
        return print(&format!("{}{}", disk.document(), gap()));
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
    let interface = Tree::new("interface")
        .with("type", kind)
        .holding(options.mac.iter().map(|mac| Tree::new("mac").with("address", mac)))
        .holding([Tree::new("source").with(named, &options.source)])
        .holding(options.target.iter().map(|dev| Tree::new("target").with("dev", dev)));
    if options.print_xml {
        return print(&format!("{}{}", interface.document(), gap()));
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

/// An interface that comes has one hardware address, in what runs and in what is kept.
fn addressed(change: Change, device: &Tree) -> Outcome<Tree> {
    let mut device = device.clone();
    let of_source = |name: &str| {
        let source = device.children.iter().find(|c| c.name == "source");
        source.and_then(|s| s.attribute(name)).unwrap_or_default()
    };
    let has = device.children.iter().any(|c| c.name == "mac") || of_source("mode").starts_with("ipvlan");
    if device.name == "interface" && change == Change::Attach && !has {
        let mut bytes = [0; 3];
        random(&mut bytes)?;
        let mac = Tree::new("mac").with("address", Mac::from_random(bytes));
        device.children.insert(0, mac);
    }
    Ok(device)
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
    let device = &addressed(change, device)?;
    if let Some(kept) = found.definition.as_ref().filter(|_| config) {
        // Both are looked at before either is changed.
        changed(kept, change, device)?;
    }
    if live {
        apply_live(session, &found, change, device)?;
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

/// What runs is given a device node or an interface, or loses one; nothing else comes or goes while it runs.
fn apply_live(session: &Session, found: &Found, change: Change, device: &Tree) -> Outcome<()> {
    if device.name == "interface" {
        return attach_link::apply(session, found, change, device);
    }
    possible(change, device)?;
    let (place, _) = found.running()?;
    let _lock = alone(found)?;
    let attach = change == Change::Attach;
    let mut device = device.clone();
    if attach {
        pin(&mut device, usb::find)?;
    }
    let asked = asked(found, change, &device)?;
    let what = asked.node.name.clone();
    let namespaces = Supervisor::reach(place)?.namespaces()?;
    let [user, mount, ..] = namespaces.as_slice() else {
        return Err(Error::Peer(
            "the supervisor gave fewer namespaces than a container has".into(),
        ));
    };
    // It stands there before it is, so that whatever comes between it can be detached.
    if attach && !note(session, found, Change::Attach, &device)? {
        return Err(Error::Container(Needed::Running, found.name.to_string()));
    }
    let gone = match session.launcher.change_node(asked, &[user.as_fd(), mount.as_fd()]) {
        Ok(Changed::Whole | Changed::Linked(..)) => !attach,
        Ok(Changed::Half(e)) if !attach => {
            say(&format!(
                "nobody opens /dev/{what} of {} any more, though it is there: {e}",
                found.name
            ));
            true
        }
        Ok(Changed::Refused(e)) if attach => {
            // Should that fail, it can be detached.
            let _ = note(session, found, Change::Detach, &device);
            return Err(e);
        }
        Ok(Changed::Refused(e)) => return Err(e),
        Ok(Changed::Half(e)) | Err(e) => {
            return Err(Error::caller(format!(
                "{e}; something may be left of it, which detach-device takes away"
            )));
        }
    };
    if gone {
        note(session, found, Change::Detach, &device)?;
    }
    Ok(())
}

/// One change at a time: what the launcher is told of the other devices stays true until the change is noted. The lock.
pub fn alone(found: &Found) -> Outcome<OwnedFd> {
    let gone = || Error::Container(Needed::Running, found.name.to_string());
    let (place, record) = found.running()?;
    let lock = place.lock_devices()?.ok_or_else(gone)?;
    let now = place.record()?.filter(|now| now.id == record.id).ok_or_else(gone)?;
    if now.paused {
        return Err(Error::caller(format!("{} is suspended: resume it first", found.name)));
    }
    Ok(lock)
}

/// Refuses what is not done while a container runs.
fn possible(change: Change, device: &Tree) -> Outcome<()> {
    let why = match (change, device.name.as_str()) {
        (Change::Update, _) => "is not changed while a container runs: it can be detached, and another attached",
        (_, "disk" | "hostdev") => return Ok(()),
        _ => "is not attached or detached while a container runs: only device nodes and interfaces are",
    };
    Err(unable(device, why))
}

pub fn unable(device: &Tree, why: &str) -> Error {
    Error::caller(format!("<{}> {why}; --config changes the next start", device.name))
}

/// What the launcher is to do.
fn asked(found: &Found, change: Change, device: &Tree) -> Outcome<Nodes> {
    let (place, record) = found.running()?;
    let now = live_domain(place)?.ok_or_else(|| Error::caller(format!("{} has no definition", found.name)))?;
    let [before, after] = [of_live(&now)?, of_live(&changed(&now, change, device)?)?];
    let attach = change == Change::Attach;
    let (more, fewer) = if attach { (after, before) } else { (before, after) };
    let node = more.into_iter().find(|n| !fewer.contains(n)).ok_or_else(|| {
        let why = "is not attached or detached while a container runs, being of a type that is no device node";
        unable(device, why)
    })?;
    let plan = place.plan()?;
    let container = plan
        .container()
        .ok_or_else(|| Error::Bug("the record has no container".into()))?;
    Ok(Nodes {
        name: found.name.clone(),
        block: record.block,
        uuid: Text::cut(&record.uuid),
        owner: [&container.uid_map, &container.gid_map].map(|map| outside(map, 0).unwrap_or(0)),
        rules: Rule::usual(),
        others: fewer,
        node,
        attach,
    })
}

/// Writes down that a device of what runs comes or goes; false if that has ended meanwhile.
fn note(session: &Session, found: &Found, change: Change, device: &Tree) -> Outcome<bool> {
    let (place, record) = found.running()?;
    let _lock = session.store.lock()?;
    // Another command may have ended it since, and started it again.
    let same = place.record()?.is_some_and(|r| r.id == record.id);
    if let Some(now) = live_domain(place)?.filter(|_| same) {
        place.write_live_definition(&format(&changed(&now, change, device)?))?;
    }
    Ok(same)
}

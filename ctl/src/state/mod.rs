//! The state store: what is defined, what runs, what has ended. May touch: the three directories that the launcher opened.
//!
//! ```text
//! RUN                   itself locked while any record is read to be changed
//! RUN/NAME              itself locked while the devices of what runs are changed
//! RUN/NAME/lock         locked as long as the container is alive: by lazaret, the launcher, then the supervisor, none of which can write it; it
//!                       says which host ids are the container's, and whether it is noted that it runs
//! RUN/NAME/state.json   the record
//! RUN/NAME/plan.json    what was done to start it: written before the record, and once
//! RUN/NAME/domain.xml   the definition that it was started from
//! RUN/NAME/control      the supervisor's listening socket
//! RUN/NAME/exit         the exit record
//! RUN/NAME/log          the log ring
//! DEFINITIONS/NAME.xml  a kept definition, in canonical form
//! DEFINITIONS/autostart/NAME.xml   a link to it: the container is started with the host
//! DEFINITIONS/networks/NAME.xml    a kept network; its mark lies in autostart below that
//! RUN/.networks/NAME.xml           a network that is started, and from what
//! ```

pub mod files;
mod networks;
pub mod record;

use crate::error::{Error, Outcome};
use files::{Lasting, MOST};
use nix::errno::Errno;
use record::{End, Record, remains};
use rustix::fs::OFlags;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use wire::ContainerName;
use wire::frame;
use wire::ids::IdRange;
use wire::launcher::{Plan, Remains};
use wire::supervisor::{ExitRecord, LoopRecord, RING, RING_HEADER};

const RECORD: &str = "state.json";
const PLAN: &str = "plan.json";
const DOMAIN: &str = "domain.xml";
const LOCK: &str = "lock";

/// What the lock of a container that lives says: what every start must know of every container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Life {
    /// Whether its start was asked for and is not known to have been seen through.
    pub starting: bool,
    /// Every host id that it uses, as in its record; none if that is to be asked.
    pub ids: Vec<IdRange>,
}

/// What a file of a container's says; `None` if it is empty, since then the machine has crashed since, and the container with it.
fn parsed<T: DeserializeOwned>(name: &ContainerName, file: &str, bytes: &[u8]) -> Outcome<Option<T>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let read = serde_json::from_slice(bytes);
    read.map(Some)
        .map_err(|e| Error::caller(format!("{file} of {name} is damaged: {e}")))
}

/// The directory of marks, in that of definitions.
const MARKS: &str = "autostart";

/// The three directories.
#[derive(Debug)]
pub struct Store {
    run: OwnedFd,
    definitions: OwnedFd,
    data: OwnedFd,
}

/// The lock over all records; given up when it is dropped.
#[derive(Debug)]
pub struct Global {
    _lock: OwnedFd,
}

/// The state directory of one container.
#[derive(Debug)]
pub struct Place {
    name: ContainerName,
    directory: OwnedFd,
}

impl Store {
    /// A store in these three open directories.
    pub const fn new(run: OwnedFd, definitions: OwnedFd, data: OwnedFd) -> Self {
        Self { run, definitions, data }
    }

    /// The three directories, in the order of the launcher's answer.
    pub fn directories(&self) -> [BorrowedFd<'_>; 3] {
        [self.run.as_fd(), self.definitions.as_fd(), self.data.as_fd()]
    }

    /// Waits for the lock over all records. It is never held while another program is waited for.
    pub fn lock(&self) -> Outcome<Global> {
        // Opened anew: a lock belongs to an open file description, and ours must be a stranger to that of every other command.
        let lock = files::open_directory(&self.run, ".")?;
        let lock = lock.ok_or_else(|| Error::caller("the state directory is gone"))?;
        files::lock(&lock, "the state directory")?;
        Ok(Global { _lock: lock })
    }

    /// The names of all containers that have a state directory, sorted.
    pub fn names(&self) -> Outcome<Vec<ContainerName>> {
        let entries = files::entries(&self.run, "the state directory")?;
        let directories = entries.into_iter().filter(|(_, is_directory)| *is_directory);
        Ok(directories
            .filter_map(|(entry, _)| ContainerName::new(&entry).ok())
            .collect())
    }

    /// Whether somebody holds a container's life lock.
    pub fn lives(&self, name: &ContainerName) -> Outcome<bool> {
        self.life(name).map(|life| life.is_some())
    }

    /// What the lock of a container says that somebody holds; `None` if nobody does. Every command asks that of every container, and so with as
    /// few calls as can be.
    pub fn life(&self, name: &ContainerName) -> Outcome<Option<Life>> {
        let Some(lock) = files::open_below(&self.run, name.as_str(), LOCK, OFlags::RDONLY)? else {
            return Ok(None);
        };
        if files::try_lock(&lock, LOCK)? {
            return Ok(None);
        }
        // What is not there yet, or half written, tells nothing.
        let said = files::read_short(&lock, LOCK)?;
        Ok(Some(serde_json::from_slice(&said).unwrap_or_default()))
    }

    /// The record of a container; `None` if it has none.
    pub fn record(&self, name: &ContainerName) -> Outcome<Option<Record>> {
        match files::open_below(&self.run, name.as_str(), RECORD, OFlags::RDONLY)? {
            Some(file) => parsed(name, RECORD, &files::read_short(file, RECORD)?),
            None => Ok(None),
        }
    }

    /// The state directory of a container; `None` if it has none.
    pub fn place(&self, name: &ContainerName) -> Outcome<Option<Place>> {
        let directory = files::open_directory(&self.run, name.as_str())?;
        Ok(directory.map(|directory| Place {
            name: name.clone(),
            directory,
        }))
    }

    /// Makes the state directory of a container, or empties the one that is there.
    pub fn make_place(&self, _: &Global, name: &ContainerName) -> Outcome<Place> {
        files::make_directory(&self.run, name.as_str())?;
        let place = self
            .place(name)?
            .ok_or_else(|| Error::Bug("the state directory vanished".into()))?;
        for file in [RECORD, DOMAIN] {
            files::remove(&place.directory, file)?;
        }
        place.renew()?;
        Ok(place)
    }

    /// Removes the state directory of a container.
    pub fn remove_place(&self, _: &Global, name: &ContainerName) -> Outcome<()> {
        files::remove_directory(&self.run, name.as_str())
    }

    /// The names of all kept definitions, sorted.
    pub fn definitions(&self) -> Outcome<Vec<ContainerName>> {
        let entries = files::entries(&self.definitions, "the directory of definitions")?;
        let name = |(entry, is_directory): (String, bool)| {
            let name = entry.strip_suffix(".xml").filter(|_| !is_directory)?;
            ContainerName::new(name).ok()
        };
        Ok(entries.into_iter().filter_map(name).collect())
    }

    /// A kept definition as text; `None` if there is none.
    pub fn definition(&self, name: &ContainerName) -> Outcome<Option<Vec<u8>>> {
        files::read(&self.definitions, &format!("{name}.xml"))
    }

    /// Keeps a definition.
    pub fn define(&self, _: &Global, name: &ContainerName, text: &str) -> Outcome<()> {
        files::write(
            &self.definitions,
            &format!("{name}.xml"),
            text.as_bytes(),
            Lasting::Always,
        )
    }

    /// The names that are marked to be started with the host, sorted; a definition may be gone.
    pub fn marked(&self) -> Outcome<Vec<ContainerName>> {
        let Some(marks) = files::open_directory(&self.definitions, MARKS)? else {
            return Ok(Vec::new());
        };
        let entries = files::entries(&marks, MARKS)?.into_iter();
        let name = |(entry, _): (String, bool)| ContainerName::new(entry.strip_suffix(".xml")?).ok();
        Ok(entries.filter_map(name).collect())
    }

    /// Marks a container to be started with the host, or takes its mark away.
    pub fn mark(&self, _: &Global, name: &ContainerName, marked: bool) -> Outcome<()> {
        let link = format!("{name}.xml");
        if marked {
            files::make_directory(&self.definitions, MARKS)?;
        }
        match files::open_directory(&self.definitions, MARKS)? {
            Some(marks) if marked => files::link(&marks, &format!("../{link}"), &link),
            Some(marks) => {
                files::remove(&marks, &link)?;
                files::remove_if_empty(&self.definitions, MARKS)
            }
            None => Ok(()),
        }
    }

    /// Forgets a definition, and its mark; `false` if there was none.
    pub fn undefine(&self, lock: &Global, name: &ContainerName) -> Outcome<bool> {
        self.mark(lock, name, false)?;
        files::remove(&self.definitions, &format!("{name}.xml"))
    }
}

impl Place {
    /// The container's name.
    pub const fn name(&self) -> &ContainerName {
        &self.name
    }

    /// The directory itself.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Empties the directory of everything but the record, the definition that it is of, and the lock.
    pub fn renew(&self) -> Outcome<()> {
        for file in [PLAN, "control", "exit", "log"] {
            files::remove(&self.directory, file)?;
        }
        Ok(())
    }

    /// The record; `None` if there is none, which means that its writer was killed before it wrote the first.
    pub fn record(&self) -> Outcome<Option<Record>> {
        let bytes = files::read(&self.directory, RECORD)?;
        bytes.map_or(Ok(None), |bytes| parsed(&self.name, RECORD, &bytes))
    }

    /// Writes the record.
    pub fn write_record(&self, record: &Record) -> Outcome<()> {
        self.write_json(RECORD, record)
    }

    /// What was done to start it. It is there whenever the record is.
    pub fn plan(&self) -> Outcome<Plan> {
        let bytes = files::read(&self.directory, PLAN)?;
        let plan = bytes.map_or(Ok(None), |bytes| parsed(&self.name, PLAN, &bytes))?;
        plan.ok_or_else(|| Error::caller(format!("the plan of {} is gone", self.name)))
    }

    /// Writes that.
    pub fn write_plan(&self, plan: &Plan) -> Outcome<()> {
        self.write_json(PLAN, plan)
    }

    /// Notes in its lock, which the caller holds, that its start is asked for, and its ids; [`Place::started`] takes the first back.
    pub fn starting(&self, ids: &[IdRange]) -> Outcome<()> {
        self.note_life(true, ids)
    }

    /// Notes that its record says what came of its start.
    pub fn started(&self, ids: &[IdRange]) -> Outcome<()> {
        self.note_life(false, ids)
    }

    /// In place: another file would be another lock.
    fn note_life(&self, starting: bool, ids: &[IdRange]) -> Outcome<()> {
        let life = Life {
            starting,
            ids: ids.to_vec(),
        };
        let text = serde_json::to_vec(&life).map_err(|e| Error::Bug(format!("{LOCK} cannot be written: {e}")))?;
        files::overwrite(&self.directory, LOCK, &text)
    }

    /// What the launcher is to clear away of it.
    pub fn remains(&self) -> Outcome<Remains> {
        Ok(remains(&self.plan()?))
    }

    fn write_json(&self, file: &str, content: &impl Serialize) -> Outcome<()> {
        let text = serde_json::to_vec(content).map_err(|e| Error::Bug(format!("{file} cannot be written: {e}")))?;
        if text.len() > MOST {
            return Err(Error::caller(
                "what is to be recorded of the container has more than 1 MiB",
            ));
        }
        files::write(&self.directory, file, &text, Lasting::UntilReboot)
    }

    /// The definition that the container was started from.
    pub fn live_definition(&self) -> Outcome<Option<Vec<u8>>> {
        files::read(&self.directory, DOMAIN)
    }

    /// The same, open for reading.
    pub fn open_live_definition(&self) -> Outcome<Option<OwnedFd>> {
        files::open(&self.directory, DOMAIN, OFlags::RDONLY)
    }

    /// Writes the definition that the container was started from.
    pub fn write_live_definition(&self, text: &str) -> Outcome<()> {
        files::write(&self.directory, DOMAIN, text.as_bytes(), Lasting::UntilReboot)
    }

    /// Its supervisor's socket, opened without reading or writing.
    pub fn open_control(&self) -> Outcome<OwnedFd> {
        let gone = || Error::caller(format!("{} is not running", self.name));
        files::open(&self.directory, "control", OFlags::PATH)?.ok_or_else(gone)
    }

    /// Waits for the lock over the container's devices, which whoever changes them while it runs holds from what they are to what they have
    /// become, the launcher's part included; `None` if the container's directory is gone. It is of the directory itself, and closing it ends it.
    pub fn lock_devices(&self) -> Outcome<Option<OwnedFd>> {
        let lock = files::open_directory(&self.directory, ".")?;
        if let Some(lock) = &lock {
            files::lock(lock, "the container's state directory")?;
        }
        Ok(lock)
    }

    /// Takes the container's life lock; `None` if somebody holds it, which is what being alive means.
    pub fn claim(&self) -> Outcome<Option<OwnedFd>> {
        let lock = files::open_or_make_to_read(&self.directory, LOCK)?;
        Ok(files::try_lock(&lock, LOCK)?.then_some(lock))
    }

    /// Waits until nobody holds the container's life lock, and takes it.
    pub fn claim_when_ended(&self) -> Outcome<OwnedFd> {
        let lock = files::open_or_make_to_read(&self.directory, LOCK)?;
        files::lock(&lock, LOCK)?;
        Ok(lock)
    }

    /// The file for the exit record, and the log ring, empty and of its full size.
    pub fn make_records(&self) -> Outcome<(OwnedFd, OwnedFd)> {
        let exit = files::open_or_make(&self.directory, "exit")?;
        let log = files::open_or_make(&self.directory, "log")?;
        rustix::fs::ftruncate(&log, RING.saturating_add(RING_HEADER))
            .map_err(|e| Error::kernel("make the log", Errno::from_raw(e.raw_os_error())))?;
        Ok((exit, log))
    }

    /// The log ring, open for reading; `None` if there is none.
    pub fn log(&self) -> Outcome<Option<OwnedFd>> {
        files::open(&self.directory, "log", OFlags::RDONLY)
    }

    /// How the container ended, by the supervisor's exit record.
    pub fn end(&self) -> Outcome<End> {
        let bytes = files::read(&self.directory, "exit")?.unwrap_or_default();
        Ok(told_end(&bytes).unwrap_or(End::Crashed))
    }

    /// The exit record, open for reading: it can be read when its place is gone. `None` if there is none.
    pub fn exit(&self) -> Outcome<Option<OwnedFd>> {
        files::open(&self.directory, "exit", OFlags::RDONLY)
    }

    /// What an open exit record says; `None` if it says nothing yet.
    pub fn ended(exit: &OwnedFd) -> Option<End> {
        let mut bytes = [0u8; 256];
        let length = rustix::io::pread(exit, bytes.as_mut_slice(), 0).ok()?;
        told_end(bytes.get(..length)?)
    }
}

fn told_end(bytes: &[u8]) -> Option<End> {
    let looped = || frame::decode::<LoopRecord>(bytes, 0).map(|r| End::Looped(r.status));
    let ended = frame::decode::<ExitRecord>(bytes, 0).map(|r| End::Status(r.status));
    ended.or_else(|_| looped()).ok()
}

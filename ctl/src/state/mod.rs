//! The state store: what is defined, what runs, what has ended. May touch: the three directories that the launcher opened.
//!
//! ```text
//! RUN                   itself locked while any record is read to be changed
//! RUN/NAME/lock         locked as long as the container is alive: by lazaret, the launcher, then the supervisor
//! RUN/NAME/state.json   the record
//! RUN/NAME/domain.xml   the definition that it was started from
//! RUN/NAME/control      the supervisor's listening socket
//! RUN/NAME/exit         the exit record
//! RUN/NAME/log          the log ring
//! DEFINITIONS/NAME.xml  a kept definition, in canonical form
//! ```

pub mod files;
pub mod record;

use crate::error::{Error, Outcome};
use files::{Lasting, MOST};
use nix::errno::Errno;
use record::{End, Outline, Record};
use rustix::fs::OFlags;
use serde::de::DeserializeOwned;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use wire::ContainerName;
use wire::frame;
use wire::supervisor::{ExitRecord, LoopRecord, RING, RING_HEADER};

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

    /// Every container that has a state directory, sorted by name.
    pub fn places(&self) -> Outcome<Vec<Place>> {
        let mut places = Vec::new();
        for (entry, is_directory) in files::entries(&self.run, "the state directory")? {
            if let (true, Ok(name)) = (is_directory, ContainerName::new(&entry)) {
                places.extend(self.place(&name)?);
            }
        }
        Ok(places)
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
        for file in ["state.json", "domain.xml", "control", "exit", "log"] {
            files::remove(&place.directory, file)?;
        }
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

    /// Forgets a definition; `false` if there was none.
    pub fn undefine(&self, _: &Global, name: &ContainerName) -> Outcome<bool> {
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

    /// The record; `None` if there is none, which means that its writer was killed before it wrote the first.
    pub fn record(&self) -> Outcome<Option<Record>> {
        self.read_record()
    }

    /// The same, but for most of it.
    pub fn outline(&self) -> Outcome<Option<Outline>> {
        self.read_record()
    }

    fn read_record<T: DeserializeOwned>(&self) -> Outcome<Option<T>> {
        let Some(bytes) = files::read(&self.directory, "state.json")? else {
            return Ok(None);
        };
        if bytes.is_empty() {
            // The machine has crashed since, and the container with it.
            return Ok(None);
        }
        let record = serde_json::from_slice(&bytes);
        record
            .map(Some)
            .map_err(|e| Error::caller(format!("the record of {} is damaged: {e}", self.name)))
    }

    /// Writes the record.
    pub fn write_record(&self, record: &Record) -> Outcome<()> {
        let text = serde_json::to_vec(record).map_err(|e| Error::Bug(format!("the record cannot be written: {e}")))?;
        if text.len() > MOST {
            return Err(Error::caller(
                "what is to be recorded of the container has more than 1 MiB",
            ));
        }
        files::write(&self.directory, "state.json", &text, Lasting::UntilReboot)
    }

    /// The definition that the container was started from.
    pub fn live_definition(&self) -> Outcome<Option<Vec<u8>>> {
        files::read(&self.directory, "domain.xml")
    }

    /// Writes the definition that the container was started from.
    pub fn write_live_definition(&self, text: &str) -> Outcome<()> {
        files::write(&self.directory, "domain.xml", text.as_bytes(), Lasting::UntilReboot)
    }

    /// Takes the container's life lock; `None` if somebody holds it, which is what being alive means.
    pub fn claim(&self) -> Outcome<Option<OwnedFd>> {
        let lock = files::open_or_make(&self.directory, "lock")?;
        Ok(files::try_lock(&lock, "lock")?.then_some(lock))
    }

    /// Waits until nobody holds the container's life lock, and takes it.
    pub fn claim_when_ended(&self) -> Outcome<OwnedFd> {
        let lock = files::open_or_make(&self.directory, "lock")?;
        files::lock(&lock, "lock")?;
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
        let looped = || frame::decode::<LoopRecord>(&bytes, 0).map(|r| End::Looped(r.status));
        let ended = frame::decode::<ExitRecord>(&bytes, 0).map(|r| End::Status(r.status));
        Ok(ended.or_else(|_| looped()).unwrap_or(End::Crashed))
    }
}

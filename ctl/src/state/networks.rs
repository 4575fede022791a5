//! Networks in the state store: those that are kept, those that are started. May touch: the directories of runtime state and of definitions.

use super::{Global, MARKS, Store, files};
use crate::error::{Error, Outcome};
use files::Lasting;
use std::os::fd::OwnedFd;
use wire::ContainerName;

/// The directory of networks, in that of definitions.
const NETWORKS: &str = "networks";
/// The directory of networks that are started, in that of runtime state: no container's name begins with a dot.
const STARTED: &str = ".networks";

fn names(entries: Vec<(String, bool)>) -> Vec<ContainerName> {
    let name = |(entry, is_directory): (String, bool)| {
        let name = entry.strip_suffix(".xml").filter(|_| !is_directory)?;
        ContainerName::new(name).ok()
    };
    entries.into_iter().filter_map(name).collect()
}

impl Store {
    fn kept_networks(&self) -> Outcome<Option<OwnedFd>> {
        files::open_directory(&self.definitions, NETWORKS)
    }

    /// The names of all kept networks, sorted.
    pub fn networks(&self) -> Outcome<Vec<ContainerName>> {
        match self.kept_networks()? {
            Some(directory) => Ok(names(files::entries(&directory, NETWORKS)?)),
            None => Ok(Vec::new()),
        }
    }

    /// A kept network as text; `None` if there is none.
    pub fn network(&self, name: &ContainerName) -> Outcome<Option<Vec<u8>>> {
        match self.kept_networks()? {
            Some(directory) => files::read(&directory, &format!("{name}.xml")),
            None => Ok(None),
        }
    }

    /// Keeps a network.
    pub fn define_network(&self, _: &Global, name: &ContainerName, text: &str) -> Outcome<()> {
        files::make_directory(&self.definitions, NETWORKS)?;
        let gone = || Error::Bug("the directory of networks vanished".into());
        let directory = self.kept_networks()?.ok_or_else(gone)?;
        files::write(&directory, &format!("{name}.xml"), text.as_bytes(), Lasting::Always)
    }

    /// The names of networks that are marked to be started with the host, sorted.
    pub fn marked_networks(&self) -> Outcome<Vec<ContainerName>> {
        let Some(directory) = self.kept_networks()? else {
            return Ok(Vec::new());
        };
        match files::open_directory(&directory, MARKS)? {
            Some(marks) => Ok(names(files::entries(&marks, MARKS)?)),
            None => Ok(Vec::new()),
        }
    }

    /// Marks a network to be started with the host, or takes its mark away.
    pub fn mark_network(&self, _: &Global, name: &ContainerName, marked: bool) -> Outcome<()> {
        let Some(directory) = self.kept_networks()? else {
            return Ok(());
        };
        let link = format!("{name}.xml");
        if marked {
            files::make_directory(&directory, MARKS)?;
        }
        match files::open_directory(&directory, MARKS)? {
            Some(marks) if marked => files::link(&marks, &format!("../{link}"), &link),
            Some(marks) => {
                files::remove(&marks, &link)?;
                files::remove_if_empty(&directory, MARKS)
            }
            None => Ok(()),
        }
    }

    /// Forgets a network, and its mark; `false` if there was none.
    pub fn undefine_network(&self, lock: &Global, name: &ContainerName) -> Outcome<bool> {
        self.mark_network(lock, name, false)?;
        let Some(directory) = self.kept_networks()? else {
            return Ok(false);
        };
        let there = files::remove(&directory, &format!("{name}.xml"))?;
        files::remove_if_empty(&self.definitions, NETWORKS)?;
        Ok(there)
    }

    fn begun_networks(&self) -> Outcome<Option<OwnedFd>> {
        files::open_directory(&self.run, STARTED)
    }

    /// The names of networks that are started, sorted.
    pub fn started_networks(&self) -> Outcome<Vec<ContainerName>> {
        match self.begun_networks()? {
            Some(directory) => Ok(names(files::entries(&directory, STARTED)?)),
            None => Ok(Vec::new()),
        }
    }

    /// What a network was started from; `None` if it is not. One that is empty is none: the machine has crashed since.
    pub fn started_network(&self, name: &ContainerName) -> Outcome<Option<Vec<u8>>> {
        let Some(directory) = self.begun_networks()? else {
            return Ok(None);
        };
        Ok(files::read(&directory, &format!("{name}.xml"))?.filter(|bytes| !bytes.is_empty()))
    }

    /// Notes that a network is started, and from what.
    pub fn start_network(&self, _: &Global, name: &ContainerName, text: &str) -> Outcome<()> {
        files::make_directory(&self.run, STARTED)?;
        let gone = || Error::Bug("the directory of started networks vanished".into());
        let directory = self.begun_networks()?.ok_or_else(gone)?;
        files::write(
            &directory,
            &format!("{name}.xml"),
            text.as_bytes(),
            Lasting::UntilReboot,
        )
    }

    /// Notes that it is no longer.
    pub fn end_network(&self, _: &Global, name: &ContainerName) -> Outcome<()> {
        if let Some(directory) = self.begun_networks()? {
            files::remove(&directory, &format!("{name}.xml"))?;
        }
        files::remove_if_empty(&self.run, STARTED)
    }
}

//! Networks in the state store: those that are kept, those that are started. May touch: the directories of runtime state and of definitions.

use super::{Global, MARKS, Store, files};
use crate::error::{Error, Outcome};
use files::Lasting;
use std::os::fd::OwnedFd;
use wire::ContainerName;

/// The directory of networks, in that of definitions.
const NETWORKS: &str = "networks";
/// How the file of a network that is started ends.
const STARTED: &str = ".network";

fn names(entries: Vec<(String, bool)>, end: &str) -> Vec<ContainerName> {
    let name = |(entry, is_directory): (String, bool)| {
        let name = entry.strip_suffix(end).filter(|_| !is_directory)?;
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
            Some(directory) => Ok(names(files::entries(&directory, NETWORKS)?, ".xml")),
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
            Some(marks) => Ok(names(files::entries(&marks, MARKS)?, ".xml")),
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

    /// The names of networks that are started, sorted.
    pub fn started_networks(&self) -> Outcome<Vec<ContainerName>> {
        Ok(names(files::entries(&self.run, "the state directory")?, STARTED))
    }

    /// What a network was started from; `None` if it is not.
    pub fn started_network(&self, name: &ContainerName) -> Outcome<Option<Vec<u8>>> {
        files::read(&self.run, &format!("{name}{STARTED}"))
    }

    /// Notes that a network is started, and from what.
    pub fn start_network(&self, _: &Global, name: &ContainerName, text: &str) -> Outcome<()> {
        files::write(
            &self.run,
            &format!("{name}{STARTED}"),
            text.as_bytes(),
            Lasting::UntilReboot,
        )
    }

    /// Notes that it is no longer.
    pub fn end_network(&self, _: &Global, name: &ContainerName) -> Outcome<()> {
        files::remove(&self.run, &format!("{name}{STARTED}")).map(drop)
    }
}

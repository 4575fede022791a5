//! `domblklist`: the disks of a container. May touch: the store.

use super::interfaces::{attribute, kept, of_child, running};
use crate::domain::Domain;
use crate::domain::xml::Tree;
use crate::error::Outcome;
use crate::lookup::find;
use crate::options::Domblklist;
use crate::output::{print, print_json, table};
use crate::session::Session;
use serde::Serialize;

/// One disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disk {
    #[serde(rename = "type")]
    kind: String,
    device: String,
    /// What it is called inside.
    pub target: String,
    /// What it is of the host's.
    pub source: Option<String>,
}

/// All of a domain's.
pub fn disks(domain: &Domain) -> Vec<Disk> {
    kept(domain, "disk").map(disk).collect()
}

fn disk(tree: &Tree) -> Disk {
    Disk {
        kind: attribute(tree, &["type"]).unwrap_or_else(|| "file".to_owned()),
        device: attribute(tree, &["device"]).unwrap_or_else(|| "disk".to_owned()),
        target: of_child(tree, "target", &["dev"]).unwrap_or_default(),
        source: of_child(tree, "source", &["file", "dev", "dir", "volume", "name"]),
    }
}

/// Lists those of what runs, or of the definition.
pub fn domblklist(session: &Session, options: &Domblklist) -> Outcome<()> {
    let found = find(&session.store, &options.container)?;
    let domain = match running(&found, options.inactive)? {
        Some(_) => found.domain(),
        None => found.definition.clone(),
    };
    let disks: Vec<Disk> = domain.iter().flat_map(disks).collect();
    if options.json {
        return print_json(&disks);
    }
    let row = |d: &Disk| {
        let source = d.source.clone().unwrap_or_else(|| "-".to_owned());
        let detail = options.details.then(|| [d.kind.clone(), d.device.clone()]);
        let detail = detail.into_iter().flatten();
        detail.chain([d.target.clone(), source]).collect::<Vec<_>>()
    };
    let head: &[&str] = if options.details {
        &["Type", "Device", "Target", "Source"]
    } else {
        &["Target", "Source"]
    };
    print(&table(head, &disks.iter().map(row).collect::<Vec<_>>()))
}

//! The plan of a libvirt domain: what each element asks of which program. Pure.

use super::network::{self, Wiring};
use super::tree::{self, Tree};
use super::{Draft, Host, Lot, assemble, capabilities, command, devices, hostname, limits};
use crate::domain::{Arch, Domain, Source, Uuid};
use crate::error::{Error, Outcome};
use wire::init::{Container, Stream};
use wire::launcher::{Opened, Plan, PlannedMount};
use wire::mountd::Device;

/// Plans the start of a domain.
pub fn plan(domain: &Domain, lot: &Lot, host: &Host) -> Outcome<Plan> {
    if domain.os.arch == Some(Arch::I686) {
        return Err(Error::caller("the architecture i686 is not offered yet; x86_64 is"));
    }
    let (root, read_only_root) = root(domain)?;
    let tree = attachments(domain)?;
    let shares_network = domain.interfaces.is_empty() && !domain.privnet;
    let wiring: Wiring = network::wire(&domain.name, lot, &domain.interfaces, Vec::new())?;
    let uuid = domain.uuid.unwrap_or(Uuid(lot.uuid)).to_string();
    let [_, system] = host.capabilities;
    let kept = domain.capabilities.kept(system, capabilities::all());
    let consoles = domain.consoles.max(1);
    let own = || vec![lot.block.range()];
    let (uid_map, gid_map) = domain
        .idmap
        .as_ref()
        .map_or_else(|| (own(), own()), |m| (m.uid.clone(), m.gid.clone()));
    let container = Container {
        name: domain.name.clone(),
        hostname: hostname(&domain.name),
        uid_map,
        gid_map,
        host_network: shares_network,
        read_only_root,
        attachments: tree.attachments,
        devices: Device::ALL.to_vec(),
        meminfo: true,
        lent_proc: false,
        unified: false,
        cgroup_writable: true,
        consoles,
        streams: [Stream::Console; 3],
        reaper: false,
        command: command::of_domain(domain, &uuid, consoles, kept)?,
        afterwards: domain.afterwards,
        resolv_conf: None,
        hosts: None,
    };
    let draft = Draft {
        container,
        root,
        trees: tree.mounts,
        limits: limits::of_domain(domain)?,
        devices: devices(),
        links: wiring.links,
        firewall: wiring.firewall,
    };
    assemble(draft, lot, host)
}

/// The root, which is of type `mount`; without one it is the host's own, which is always read-only.
fn root(domain: &Domain) -> Outcome<(PlannedMount, bool)> {
    let (path, read_only) = match domain.root() {
        None => ("/", true),
        Some(f) => match &f.source {
            Source::Mount(path) => (path.as_str(), f.read_only),
            Source::Bind(_) | Source::Ram(_) => {
                return Err(Error::caller("the root file system must be of type 'mount'"));
            }
        },
    };
    let planned = tree::root(path, read_only, true)?;
    let read_only = read_only || planned.from == Opened::HostRoot;
    Ok((planned, read_only))
}

fn attachments(domain: &Domain) -> Outcome<Tree> {
    let mut tree = Tree::default();
    for filesystem in domain.filesystems.iter().filter(|f| f.target.as_str() != "/") {
        let (target, read_only) = (filesystem.target.as_str(), filesystem.read_only);
        let target = crate::values::inside(target).map_err(|e| Error::caller(format!("filesystem target: {e}")))?;
        match &filesystem.source {
            Source::Mount(path) => tree.host(path.as_str(), &target, read_only)?,
            Source::Bind(path) => {
                let place = crate::values::inside(path.as_str())
                    .map_err(|e| Error::caller(format!("filesystem source: {e}")))?;
                tree.inside(&place, &target, read_only)?;
            }
            Source::Ram(kib) => {
                let size = kib.checked_mul(1024).filter(|s| *s <= crate::values::MOST_MEMORY);
                let size = size.ok_or_else(|| Error::caller(format!("a filesystem of {kib} KiB is too large")))?;
                tree.memory(&target, size, 0o1777, read_only)?;
            }
        }
    }
    Ok(tree)
}

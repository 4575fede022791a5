//! Clearing away what is left of a container, alive or not: thaw, end every process of its ids, remove its groups, links and bridges, and the
//! empty files that its image was given.
//! Every step is tried, and every error kept. May touch: processes under the ids of the judged block, and its groups where they are empty;
//! the rest through the programs.

use crate::claim::Clearing;
use crate::delegated;
use crate::expect;
use crate::groups::{self, Group};
use crate::host::Host;
use crate::judge::Judged;
use crate::lend;
use crate::partition;
use crate::piece::{LASTING, Piece};
use crate::placeholders::{self, Holders};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use sys::process::{Fork, Power};
use wire::cgroupd::Hierarchy;
use wire::ids::IdBlock;
use wire::launcher::Remains;
use wire::user::SCOPE;
use wire::{ContainerName, Failure, LinkName, Program, cgroupd, netd};

/// Clears everything away; gives the links of the host's that are not there again. The first error is returned, after everything was tried.
/// Groups that another container has by now, of the same name, were cleared away when it started.
pub fn clear(host: &Host, remains: &Judged<Remains>, clearing: &Clearing) -> Result<Vec<LinkName>, Failure> {
    let remains = remains.get();
    // Whether it had any in the unified hierarchy is not known once they are gone.
    let unified = host
        .groups_of(&remains.name)
        .is_ok_and(|groups| groups.iter().any(|g| g.hierarchy.unified));
    let groups = if clearing.groups {
        let base = host.base_of(&remains.name);
        let gone = groups_gone(host, remains);
        base.iter().for_each(|base| partition::prune(base));
        gone.and_then(|()| host.user.map_or(Ok(()), |_| delegated::forget(&remains.name)))
    } else {
        end_processes(remains.block)
    };
    let links = links_gone(host, remains);
    // Last: whoever holds one of the files has to be gone. Where there is no unified hierarchy, `init`'s outer half is in no group.
    let gone = clearing.groups && unified && groups.is_ok();
    let holders = if gone { Holders::Gone } else { Holders::Ending };
    remains.etc.iter().for_each(|etc| placeholders::clear(etc, holders));
    let missing = links?;
    groups.map(|()| missing)
}

fn groups_gone(host: &Host, remains: &Remains) -> Result<(), Failure> {
    // Most containers have ended, and what this process made for them it can take away: then nobody has to be started.
    let child = ender(remains.block);
    // Where they lie may not be told: that is in the way of nothing else.
    let groups = host.groups_of(&remains.name);
    if host.user.is_some() {
        // Whatever its ids are. That there is none is no error.
        for group in groups.iter().flat_map(|groups| groups.iter()) {
            let _ = groups::write(&group.directory, &format!("{}/cgroup.kill", remains.name), "1");
        }
    }
    host.programs.collect_lasting(remains.block, &LASTING);
    let empty = |group: &Group| {
        if group.hierarchy.unified {
            groups::left(group, &remains.name);
        }
        groups::remove(group, &remains.name)
    };
    let empty = groups.as_ref().is_ok_and(|groups| groups.iter().all(empty));
    if child.and_then(ended).is_ok() && empty {
        return Ok(());
    }
    if groups.is_ok_and(|groups| groups.is_empty()) {
        return end_processes(remains.block);
    }
    let writer = writer(host, remains.block, &remains.name);
    // A frozen process dies when it is thawed. Where thawing fails, the rest is tried nevertheless, and may do without.
    let asked = writer
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|w| ask_to_thaw(w, &remains.name));
    let ended = end_processes(remains.block);
    let thawed = asked.and_then(|()| writer.as_ref().map_err(Clone::clone).and_then(thawed));
    let removed = writer.and_then(|w| remove(&w, &remains.name));
    ended.and(removed.map_err(|later| thawed.err().unwrap_or(later)))
}

/// `cgroupd`, and the hierarchies that it was started for.
pub type Writer = (Piece<cgroupd::Request, cgroupd::Reply>, Vec<Hierarchy>);

/// The same, for these groups.
pub fn of(host: &Host, block: IdBlock, groups: &[Group]) -> Result<Writer, Failure> {
    let cgroupd = host.cgroupd(block, groups)?;
    Ok((cgroupd, groups.iter().map(|g| g.hierarchy.clone()).collect()))
}

/// The same, for this container's.
pub fn writer(host: &Host, block: IdBlock, name: &ContainerName) -> Result<Writer, Failure> {
    let groups = host.groups_of(name)?;
    if groups.is_empty() {
        return Err(Failure::caller(&format!(
            "do this without a control group: an ordinary user's container has one only if it was started in one ({SCOPE} lazaret start {name})"
        )));
    }
    of(host, block, &groups)
}

/// `cgroupd` begins to thaw, while this process goes on.
fn ask_to_thaw((cgroupd, hierarchies): &Writer, name: &ContainerName) -> Result<(), Failure> {
    let thaw = cgroupd::Request::Freeze {
        name: name.clone(),
        hierarchies: hierarchies.clone(),
        frozen: false,
    };
    cgroupd.send(&thaw, &[])
}

fn thawed((cgroupd, _): &Writer) -> Result<(), Failure> {
    match cgroupd.receive()? {
        (cgroupd::Reply::Frozen(false), _) => Ok(()),
        // That a group is not there any more is no error.
        (cgroupd::Reply::Refused(failure), _) if failure.errno == nix::errno::Errno::ENOENT as i32 => Ok(()),
        (cgroupd::Reply::Refused(failure), _) => Err(failure),
        _ => Err(cgroupd.confused()),
    }
}

fn remove((cgroupd, hierarchies): &Writer, name: &ContainerName) -> Result<(), Failure> {
    let remove = cgroupd::Request::Remove {
        name: name.clone(),
        hierarchies: hierarchies.clone(),
    };
    cgroupd.send(&remove, &[])?;
    expect!(cgroupd, cgroupd, (cgroupd::Reply::Removed, _) => ());
    Ok(())
}

fn links_gone(host: &Host, remains: &Remains) -> Result<Vec<LinkName>, Failure> {
    // A user's links are the broker's to name, and go with their namespace.
    if host.user.is_some() {
        return Ok(Vec::new());
    }
    if remains.links.is_empty() && remains.bridges.is_empty() && remains.lent.is_empty() {
        return Ok(Vec::new());
    }
    let netd = host.piece::<netd::Request, netd::Reply>(Program::Netd, remains.block)?;
    let links = remains
        .links
        .iter()
        .filter(|l| l.as_str().starts_with("lz"))
        .cloned()
        .map(netd::Request::RemoveLink);
    let bridges = remains.bridges.iter().cloned().map(netd::Request::RemoveBridge);
    let lent = match remains.lent.is_empty() {
        true => Ok(Vec::new()),
        false => lend::restore(&netd, &remains.lent),
    };
    let mut first = Ok(());
    for request in links.chain(bridges) {
        netd.send(&request, &[])?;
        match netd.receive()? {
            (netd::Reply::Removed(_), _) => {}
            (netd::Reply::Refused(failure), _) => first = first.and(Err(failure)),
            _ => return Err(netd.confused()),
        }
    }
    first.and(lent)
}

/// Programs whose ids have processes of their own; the keeper's, which is the supervisor's too, also has the container's namespaces.
const IDS: [Program; 5] = [
    Program::Mountd,
    Program::Netd,
    Program::Devd,
    Program::Fused,
    Program::Supervisor,
];
/// CAP_SETUID (capabilities(7)).
const SETUID: u8 = 7;

/// Ends every process that runs under an id of the block, and everything in the namespaces that its keeper owns. A child gives up all power
/// but to become those ids, and kills under each all that it then may: which is just those.
fn end_processes(block: IdBlock) -> Result<(), Failure> {
    // A launcher that was killed in the midst of this leaves a child that ends ours too, once.
    let mut tries = (0..4).map(|_| ender(block).and_then(ended));
    let first = tries.next().unwrap_or(Ok(()));
    if first.is_err() && tries.any(|ended| ended.is_ok()) {
        return Ok(());
    }
    first
}

fn unended(e: nix::errno::Errno) -> Failure {
    Failure::kernel("end the container's processes", e as i32)
}

/// Whether the child could do it.
fn ended(child: Pid) -> Result<(), Failure> {
    match sys::process::wait(child) {
        Ok(WaitStatus::Exited(_, 0)) => Ok(()),
        Ok(_) => Err(Failure::bug("end the container's processes")),
        Err(e) => Err(unended(e)),
    }
}

/// The child that ends them.
fn ender(block: IdBlock) -> Result<Pid, Failure> {
    match sys::process::fork().map_err(unended)? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            let power = Power {
                id: block.of(Program::Mountd),
                groups: Vec::new(),
                capabilities: vec![SETUID],
                no_new_privileges: true,
            };
            let done = sys::process::become_power(&power).and_then(|()| {
                let all = IDS.map(|program| sys::process::kill_everything_of(block.of(program)));
                all.into_iter().collect::<Result<(), _>>()
            });
            sys::process::exit_now(i32::from(done.is_err()))
        }
    }
}

//! Clearing away what is left of a container, alive or not: thaw, end every process of its ids, remove its groups, links and bridges.
//! Every step is tried, and every error kept. May touch: processes under the ids of the judged block; the rest through the programs.

use crate::expect;
use crate::host::Host;
use crate::judge::Judged;
use crate::piece::Piece;
use nix::sys::wait::WaitStatus;
use sys::process::{Fork, Power};
use wire::cgroupd::Hierarchy;
use wire::ids::IdBlock;
use wire::launcher::Remains;
use wire::{ContainerName, Failure, Program, cgroupd, netd};

/// Clears everything away; the first error is returned, after everything was tried.
pub fn clear(host: &Host, remains: &Judged<Remains>) -> Result<(), Failure> {
    let remains = remains.get();
    let groups = groups_gone(host, remains);
    let links = links_gone(host, remains);
    groups.and(links)
}

fn groups_gone(host: &Host, remains: &Remains) -> Result<(), Failure> {
    let writer = writer(host, remains.block);
    // A frozen process does not die. Where thawing fails, the rest is tried nevertheless, and may do without.
    let thawed = writer
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|w| thaw(w, &remains.name));
    let ended = end_processes(remains.block);
    let removed = writer.and_then(|w| remove(&w, &remains.name));
    ended.and(removed.map_err(|later| thawed.err().unwrap_or(later)))
}

/// `cgroupd`, and the hierarchies that it was started for.
type Writer = (Piece<cgroupd::Request, cgroupd::Reply>, Vec<Hierarchy>);

fn writer(host: &Host, block: IdBlock) -> Result<Writer, Failure> {
    let groups = host.groups()?;
    let cgroupd = host.cgroupd(block, &groups)?;
    Ok((cgroupd, groups.into_iter().map(|g| g.hierarchy).collect()))
}

fn thaw((cgroupd, hierarchies): &Writer, name: &ContainerName) -> Result<(), Failure> {
    let thaw = cgroupd::Request::Freeze {
        name: name.clone(),
        hierarchies: hierarchies.clone(),
        frozen: false,
    };
    cgroupd.send(&thaw, &[])?;
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

fn links_gone(host: &Host, remains: &Remains) -> Result<(), Failure> {
    if remains.links.is_empty() && remains.bridges.is_empty() {
        return Ok(());
    }
    let netd = host.piece::<netd::Request, netd::Reply>(Program::Netd, remains.block)?;
    let links = remains
        .links
        .iter()
        .filter(|l| l.as_str().starts_with("lz"))
        .cloned()
        .map(netd::Request::RemoveLink);
    let bridges = remains.bridges.iter().cloned().map(netd::Request::RemoveBridge);
    let mut first = Ok(());
    for request in links.chain(bridges) {
        netd.send(&request, &[])?;
        match netd.receive()? {
            (netd::Reply::Removed(_), _) => {}
            (netd::Reply::Refused(failure), _) => first = first.and(Err(failure)),
            _ => return Err(netd.confused()),
        }
    }
    first
}

/// Ends every process that runs under an id of the block, and everything in the namespaces that its keeper owns. One child for each id
/// gives up all power, becomes that id, and kills all that it then may: which is just those.
fn end_processes(block: IdBlock) -> Result<(), Failure> {
    // The keeper comes last: what it ends may still be served by the others.
    let programs = [
        Program::Mountd,
        Program::Netd,
        Program::Devd,
        Program::Fused,
        Program::Supervisor,
    ];
    let mut result = Ok(());
    for program in programs {
        // A launcher that was killed in the midst of this leaves a child that ends ours too, once.
        let mut ended = end_processes_of(block, program);
        for _ in 0..3 {
            if ended.is_ok() {
                break;
            }
            ended = end_processes_of(block, program);
        }
        result = result.and(ended);
    }
    result
}

fn end_processes_of(block: IdBlock, program: Program) -> Result<(), Failure> {
    let fail = |e: nix::errno::Errno| Failure::kernel("end the container's processes", e as i32);
    match sys::process::fork().map_err(fail)? {
        Fork::Parent(pid) => match sys::process::wait(pid) {
            Ok(WaitStatus::Exited(_, 0)) => Ok(()),
            Ok(_) => Err(Failure::bug("end the container's processes")),
            Err(e) => Err(fail(e)),
        },
        Fork::Child => {
            let power = Power {
                id: block.of(program),
                groups: Vec::new(),
                capabilities: Vec::new(),
                no_new_privileges: true,
            };
            let done = sys::process::become_power(&power).and_then(|()| sys::process::kill_everything_of_this_id());
            sys::process::exit_now(i32::from(done.is_err()))
        }
    }
}

/// Freezes or thaws a container.
pub fn freeze(host: &Host, name: ContainerName, frozen: bool) -> Result<(), Failure> {
    let block = IdBlock::new(host.policy.first).ok_or_else(|| Failure::bug("choose an id"))?;
    let (cgroupd, hierarchies) = writer(host, block)?;
    let freeze = cgroupd::Request::Freeze {
        name,
        hierarchies,
        frozen,
    };
    cgroupd.send(&freeze, &[])?;
    let state = expect!(cgroupd, cgroupd, (cgroupd::Reply::Frozen(state), _) => state);
    if state == frozen {
        Ok(())
    } else {
        Err(cgroupd.confused())
    }
}

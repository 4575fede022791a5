//! Entering a container: `nsenter` gets its namespaces, its groups and its orders, and answers `lazaret` itself from then on.
//! May touch: the membership of the container's `enter` groups.

use crate::groups;
use crate::host::Host;
use crate::judge::Judged;
use crate::open;
use crate::piece::Piece;
use crate::share;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::birth::Birth;
use wire::ids::IdBlock;
use wire::init::{Command, Stream};
use wire::share::Space;
use wire::user::SCOPE;
use wire::{ContainerName, Failure, Program, nsenter};

/// Starts `nsenter` and returns its socket. `given` are the namespaces, then the passed streams.
pub fn enter(
    host: &Host,
    name: &ContainerName,
    block: &Judged<IdBlock>,
    command: Box<Command>,
    streams: [Stream; 3],
    given: &[OwnedFd],
) -> Result<OwnedFd, Failure> {
    let groups = host.groups_of(name)?;
    let (members, born) = groups::enter(&groups, name)?;
    let (namespaces, passed) = given
        .split_at_checked(wire::init::NAMESPACES)
        .ok_or_else(|| Failure::protocol("enter: the namespaces are missing"))?;
    open::no_directories(passed)?;
    let [user, _, _, net, ipc, uts, _] = namespaces else {
        return Err(Failure::protocol("enter: the namespaces are missing"));
    };
    let spaces = [(Space::Net, net), (Space::Ipc, ipc), (Space::Uts, uts)];
    let shared = share::enter(&host.policy, name, user, spaces)?;
    let birth = Birth {
        group: born.as_ref().map(AsFd::as_fd),
        spaces: &shared.all(),
        // The container may be frozen, or have used up its share of the processor.
        apart: true,
    };
    let nsenter = host.born_in(Program::Nsenter, *block.get(), birth);
    let nsenter: Piece<nsenter::Request, nsenter::Reply> = nsenter.map_err(|e| from_outside(host, name, e))?;
    let hierarchies = u16::try_from(members.len()).map_err(|_| Failure::bug("count the hierarchies"))?;
    let descriptors: Vec<BorrowedFd<'_>> = namespaces
        .iter()
        .chain(&members)
        .chain(passed)
        .map(AsFd::as_fd)
        .collect();
    // Nothing goes in before it is on record that it will.
    host.ledger.written()?;
    nsenter.send(
        &nsenter::Request::Enter {
            command,
            streams,
            hierarchies,
        },
        &descriptors,
    )?;
    let socket: OwnedFd = nsenter.channel.into();
    let no_limit = nix::sys::time::TimeVal::new(0, 0);
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::ReceiveTimeout, &no_limit)
        .map_err(|e| Failure::kernel("enter", e as i32))?;
    Ok(socket)
}

/// Why a process of an ordinary user's is not born in a container's group: the kernel asks for power over every group on the way there.
fn from_outside(host: &Host, name: &ContainerName, failure: Failure) -> Failure {
    if host.user.is_none() || failure.errno != nix::errno::Errno::EACCES as i32 {
        return failure;
    }
    Failure::caller(&format!(
        "enter {name} from here: between its control group and that of this session is one that is not yours ({SCOPE} lazaret enter {name})"
    ))
}

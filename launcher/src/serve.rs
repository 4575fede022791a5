//! Receives a request of `lazaret`, has it judged, acts, replies. The only match on the request enum.

use crate::attach;
use crate::claim::{self, Clearing};
use crate::clear;
use crate::enter;
use crate::fit;
use crate::hook;
use crate::host::Host;
use crate::initctl;
use crate::judge::{self, Judged};
use crate::ledger::Asked;
use crate::lend;
use crate::link;
use crate::network;
use crate::open;
use crate::running;
use crate::start::{self, Given};
use crate::sweep;
use crate::virt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::{Channel, ChannelError};
use wire::ids::IdBlock;
use wire::init::Path;
use wire::launcher::{Directory, HostPolicy, LinkChange, Nodes, Remains, Reply, Request};
use wire::nsenter::Runlevel;
use wire::recordd::{Deed, Outcome, Record};
use wire::{ContainerName, Failure, LinkName, Program};

/// Serves until `lazaret` is gone; then clears away what was tied to it.
pub fn serve(host: &Host, channel: &Channel<Reply, Request>) {
    let mut tied: Vec<Remains> = Vec::new();
    loop {
        let (reply, descriptors) = match channel.receive_frame() {
            Ok((request, given, frame)) => {
                host.ledger.asked(&host.programs, asked(&request, frame));
                match act(host, channel.as_fd(), request, given, &mut tied) {
                    Ok(done) => done,
                    Err(failure) => {
                        host.ledger.refused(&host.programs, first(host), &failure);
                        (Reply::Refused(failure), Vec::new())
                    }
                }
            }
            Err(ChannelError::Frame(e)) => {
                // A peer that cannot speak is not listened to any longer. It may still be told why.
                let failure = Failure::protocol(&e.to_string());
                host.ledger.asked(&host.programs, asked_of(Deed::Unreadable, None));
                host.ledger.refused(&host.programs, first(host), &failure);
                let _ = channel.send(&Reply::Refused(failure), &[]);
                break;
            }
            Err(ChannelError::Closed | ChannelError::Kernel(_)) => break,
        };
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        if channel.send(&reply, &borrowed).is_err() {
            break;
        }
        if matches!(reply, Reply::Directories) && host.named.acts() {
            make_ready(host);
        }
    }
    for remains in tied {
        // It may have been cleared away by another command, and its ids be another container's.
        if let Ok((judged, _)) = judge::clear(&host.policy, remains)
            && let Ok(clearing) = claim::may_clear(judged.get().block, &judged.get().name)
        {
            // What is tied to a `lazaret` that is gone ends with it, on record if that is possible.
            let Remains { name, block, .. } = judged.get();
            host.ledger.asked(&host.programs, asked_of(Deed::Stop, Some(name)));
            let _ = host.begin(*block);
            let outcome = clear::clear(host, &judged, &clearing).map_or_else(Outcome::Refused, |_| Outcome::Done);
            let _ = host.ledger.ended(&host.programs, *block, outcome);
        }
    }
    host.ledger.close();
    host.programs.collect();
}

/// Makes ready, while `lazaret` reads its state, what nearly every deed takes: who writes its records, and where the control groups are. What cannot
/// be had is missed when it is wanted, and that is told then.
fn make_ready(host: &Host) {
    let _ = first(host).and_then(|block| host.ledger.ready(&host.programs, block));
    if host.user.is_none() {
        let _ = host.groups();
    }
}

/// A block that the host's policy gives out, whose ids the programs have that work for no container.
fn first(host: &Host) -> Result<IdBlock, Failure> {
    IdBlock::new(host.policy.first).ok_or_else(|| Failure::bug("choose an id"))
}

fn asked_of(deed: Deed, container: Option<&ContainerName>) -> Asked {
    Asked {
        deed,
        container: container.cloned(),
        request: Vec::new(),
    }
}

/// What a request is, on record.
fn asked(request: &Request, frame: Vec<u8>) -> Asked {
    let (deed, container) = match request {
        Request::Start { plan, .. } => (Deed::Start, Some(&plan.name)),
        Request::Enter { name, .. } => (Deed::Enter, Some(name)),
        Request::Freeze { name, frozen: true } => (Deed::Suspend, Some(name)),
        Request::Freeze { name, frozen: false } => (Deed::Resume, Some(name)),
        Request::Limit { name, .. } => (Deed::Limit, Some(name)),
        Request::Hook { name, .. } => (Deed::Hook, Some(name)),
        Request::Clear(remains) => (Deed::Stop, Some(&remains.name)),
        Request::Announce { name, deed } => (*deed, Some(name)),
        Request::Rotate => (Deed::Rotate, None),
        Request::Nodes(n) if n.attach => (Deed::Attach, Some(&n.name)),
        Request::Nodes(n) => (Deed::Detach, Some(&n.name)),
        Request::ChangeLink(change) if change.attach => (Deed::Attach, Some(&change.name)),
        Request::ChangeLink(change) => (Deed::Detach, Some(&change.name)),
        Request::TakeBack(lending) => (Deed::Detach, Some(&lending.name)),
        Request::Find { name, .. } => (Deed::Open, Some(name)),
        Request::StartNetwork(_) | Request::EndNetwork(_) => (Deed::Network, None),
        Request::Initctl { name, runlevel, .. } => match runlevel {
            Runlevel::Halt => (Deed::Shutdown, Some(name)),
            Runlevel::Reboot => (Deed::Reboot, Some(name)),
        },
        Request::Directories { .. }
        | Request::Open(_)
        | Request::Hierarchies
        | Request::Policy
        | Request::Log
        | Request::Sweep
        | Request::Timing => (Deed::Open, None),
    };
    Asked {
        request: frame,
        ..asked_of(deed, container)
    }
}

/// What clearing away takes, by bit (capabilities(7)): DAC_OVERRIDE, SETGID, SETUID, SETPCAP, NET_ADMIN, AUDIT_WRITE.
const CLEARING: [u8; 6] = [1, 6, 7, 8, 12, 29];

/// Gives up what only a start takes.
fn rest() -> Result<(), Failure> {
    sys::process::limit_power(&CLEARING).map_err(|e| Failure::kernel("give up power", e as i32))
}

type Done = (Reply, Vec<OwnedFd>);

/// What is said of a container that is cleared away, where these links of the host's are not there again.
fn cleared(missing: Vec<LinkName>) -> Reply {
    match missing.is_empty() {
        true => Reply::Done,
        false => Reply::Cleared(missing),
    }
}

fn outcome(reply: &Reply) -> Outcome {
    match reply {
        Reply::Started { pid1, supervisor, .. } => Outcome::Started {
            pid1: *pid1,
            supervisor: *supervisor,
        },
        _ => Outcome::Done,
    }
}

/// Changes something of a container that runs: on record before it is done, and after.
fn on_record(host: &Host, change: impl FnOnce(IdBlock) -> Result<(), Failure>) -> Result<Done, Failure> {
    let block = first(host)?;
    host.begin(block)?;
    host.ledger.written()?;
    change(block)?;
    host.ledger.ended(&host.programs, block, Outcome::Done)?;
    Ok((Reply::Done, Vec::new()))
}

/// Gives a device node or takes one: what is refused, or cannot be put on record, is undone.
fn change_nodes(host: &Host, asked: &Judged<Nodes>, namespaces: &[OwnedFd]) -> Result<Done, Failure> {
    let mut change = attach::Change::new(host, asked, namespaces);
    let half = |left| (Reply::Half(left), Vec::new());
    match on_record(host, |_| change.make()) {
        Ok(done) => Ok(change.left.map_or(done, half)),
        Err(why) => match change.undo(&why) {
            Ok(()) => Err(why),
            Err(both) => {
                host.ledger.refused(&host.programs, first(host), &both);
                Ok(half(both))
            }
        },
    }
}

/// Gives a link or takes one: what is refused, or cannot be put on record, is undone.
fn change_link(host: &Host, asked: &Judged<LinkChange>, namespaces: &[OwnedFd]) -> Result<Done, Failure> {
    let mut change = link::Change::new(host, asked, namespaces);
    match on_record(host, |_| change.make()) {
        Err(why) if change.made => match change.undo(&why) {
            Ok(()) => Err(why),
            Err(both) => {
                host.ledger.refused(&host.programs, first(host), &both);
                Ok((Reply::Half(both), Vec::new()))
            }
        },
        Ok(_) if asked.get().attach && asked.get().protect.is_some() => {
            let linked = Reply::Linked {
                forwarding_changed: change.forwarding,
                dropping: change.dropping,
            };
            Ok((linked, Vec::new()))
        }
        done => done,
    }
}

fn act(
    host: &Host,
    lazaret: BorrowedFd<'_>,
    request: Request,
    given: Vec<OwnedFd>,
    tied: &mut Vec<Remains>,
) -> Result<Done, Failure> {
    let policy = &host.policy;
    match request {
        Request::Directories { run, definitions, data } => {
            let open = |which, path: &Path| {
                let named = judge::directory(&host.named, which, path.as_str())?;
                open::own_directory(which, named.get())
            };
            let run = open(Directory::Run, &run)?;
            host.home.set(claim::home(&open::path(&run)?));
            let definitions = open(Directory::Definitions, &definitions)?;
            let data = open(Directory::Data, &data)?;
            Ok((Reply::Directories, vec![run, definitions, data]))
        }
        Request::Open(path) => {
            let named = judge::named_file(&host.named, path.as_str())?;
            Ok((Reply::File, vec![open::named(named.get())?]))
        }
        Request::Start {
            plan,
            passed,
            tied: tie,
        } => {
            host.programs.forget_moments();
            let judged = judge::start(policy, &host.named, *plan)?;
            let mut state = given;
            let mut shared = state.split_off(4.min(state.len()));
            let from_others = judged.get().container.shares.passed().min(shared.len());
            let streams = shared.split_off(from_others);
            let streams = passed.then_some(streams);
            let remains = judged.get().remains();
            if fit::other(host, &judged)? {
                return Ok((Reply::Busy, Vec::new()));
            }
            let Some(claim) = claim::claim(&judged.get().claims(), host.home.get())? else {
                return Ok((Reply::Busy, Vec::new()));
            };
            // Nobody else has these ids and this name before what failed is cleared away.
            let ours = Clearing::with(&claim)?;
            let started = start::start(
                host,
                &judged,
                Given {
                    claim,
                    state,
                    shared,
                    streams,
                },
            );
            let started = started.and_then(|(reply, namespace)| {
                let outcome = outcome(&reply);
                let running = match outcome {
                    Outcome::Started { supervisor, pid1 } => Some(virt::Running {
                        keeper: supervisor,
                        first: pid1,
                        namespace,
                    }),
                    _ => None,
                };
                let messages = virt::started(judged.get(), running);
                host.ledger.tell(&host.programs, remains.block, &messages, true)?;
                host.ledger
                    .ended(&host.programs, remains.block, outcome)
                    .map(|()| reply)
            });
            match started {
                Ok(reply) => {
                    if tie {
                        tied.push(remains);
                        // From here on it only waits, perhaps for weeks, to clear away.
                        host.forget_groups();
                        rest()?;
                    }
                    Ok((reply, Vec::new()))
                }
                Err(failure) => {
                    // The start is refused anyway, and for its own reason.
                    let _ = host.begin(remains.block);
                    let messages = virt::started(judged.get(), None);
                    let _ = host.ledger.tell(&host.programs, remains.block, &messages, false);
                    // What was started for it may still be making groups, links and bridges.
                    host.programs.settle(&[Program::Cgroupd, Program::Netd]);
                    // And `init` takes away the places that it made in the image.
                    host.programs.collect_lasting(remains.block, &[Program::Init]);
                    // What could not be cleared away now is cleared away by the next command; the reason of the start is what counts.
                    let _ = clear::clear(host, &judge::clear(policy, remains)?.0, &ours);
                    Err(failure)
                }
            }
        }
        Request::Enter {
            name,
            block,
            command,
            streams,
        } => {
            let block = judge::enter(policy, &name, block, &command)?;
            claim::belongs(*block.get(), &name)?;
            host.begin(*block.get())?;
            let socket = enter::enter(host, &name, &block, command, streams, &given)?;
            host.ledger.ended(&host.programs, *block.get(), Outcome::Done)?;
            Ok((Reply::Entering, vec![socket]))
        }
        Request::Freeze { name, frozen } => on_record(host, |block| running::freeze(host, block, name, frozen)),
        Request::Limit { name, limits } => on_record(host, |block| running::limit(host, block, name, *limits)),
        Request::Nodes(nodes) => {
            let judged = judge::nodes(policy, *nodes)?;
            claim::belongs(judged.get().block, &judged.get().name)?;
            change_nodes(host, &judged, &given)
        }
        Request::ChangeLink(change) => {
            let judged = judge::link_change(policy, *change)?;
            claim::belongs(judged.get().block, &judged.get().name)?;
            change_link(host, &judged, &given)
        }
        Request::StartNetwork(bridge) => {
            policy.networks.network(&bridge)?;
            on_record(host, |block| network::start(host, block, bridge))
        }
        Request::EndNetwork(bridge) => on_record(host, |block| network::end(host, block, bridge)),
        Request::Initctl { name, block, runlevel } => {
            let block = judge::block(policy, block)?;
            claim::belongs(*block.get(), &name)?;
            host.begin(*block.get())?;
            host.ledger.written()?;
            let there = initctl::ask(host, *block.get(), runlevel, &given)?;
            host.ledger.ended(&host.programs, *block.get(), Outcome::Done)?;
            Ok((if there { Reply::Done } else { Reply::NoPipe }, Vec::new()))
        }
        Request::Hook { .. } => on_record(host, |_| hook::call(host, lazaret, &request, given)),
        Request::Clear(remains) => {
            let (judged, mut missing) = judge::clear(policy, remains)?;
            let Remains { block, name, uuid, .. } = judged.get();
            let clearing = claim::may_clear(*block, name)?;
            host.begin(*block)?;
            host.ledger.written()?;
            let was_tied = tied.len();
            tied.retain(|t| t.name != *name);
            missing.extend(clear::clear(host, &judged, &clearing)?);
            let uuid = uuid.as_ref().map(wire::Text::as_str);
            let message = virt::stopped(name, uuid, host.ledger.is_destroyed(name));
            host.ledger.tell(&host.programs, *block, &[message], true)?;
            host.ledger.ended(&host.programs, *block, Outcome::Done)?;
            if tied.is_empty() && was_tied != 0 {
                // `recordd` still takes the log to the disk, and nobody waits for that.
                host.ledger.close();
                host.programs.settle(&[Program::Cgroupd, Program::Netd]);
            }
            Ok((cleared(missing), Vec::new()))
        }
        Request::Find { name, links } => {
            let judged = judge::looked_at(policy, &name, links)?;
            Ok((Reply::Found(lend::find(host, first(host)?, &judged)?), Vec::new()))
        }
        Request::TakeBack(lending) => {
            let (judged, mut missing) = judge::taken_back(policy, *lending)?;
            claim::belongs(judged.get().block, &judged.get().name)?;
            on_record(host, |_| {
                missing.extend(lend::take_back(host, &judged, &given)?);
                Ok(())
            })?;
            Ok((cleared(missing), Vec::new()))
        }
        Request::Announce { name, deed } => {
            let deed = *judge::announced(deed)?.get();
            if deed == Deed::Destroy {
                host.ledger.destroys(&name);
            }
            let by = host.ledger.by().clone();
            let record = Record::Announced {
                deed,
                container: name,
                by,
            };
            host.ledger.note(&host.programs, first(host)?, &record)?;
            Ok((Reply::Done, Vec::new()))
        }
        Request::Log => {
            let _asked = judge::log(&host.named)?;
            let (log, head) = open::log_to_read(&policy.audit.file)?;
            Ok((Reply::Log, vec![log, head]))
        }
        Request::Rotate => {
            let _asked = judge::log(&host.named)?;
            let block = first(host)?;
            host.begin(block)?;
            host.ledger.written()?;
            host.ledger.rotate(&host.programs, block)?;
            Ok((Reply::Done, Vec::new()))
        }
        Request::Sweep => Ok((Reply::Swept(sweep::sweep(host, first(host)?)?), Vec::new())),
        Request::Timing => Ok((Reply::Timing(host.programs.moments()), Vec::new())),
        Request::Hierarchies => Ok((Reply::Hierarchies(host.hierarchies()?), Vec::new())),
        Request::Policy => {
            let host_root = policy.host_root.clone();
            let told = HostPolicy {
                first: policy.first,
                blocks: policy.blocks,
                host_root,
                forwarding: policy.forwarding,
                own_filter: policy.own_filter.clone(),
            };
            Ok((Reply::Policy(told), Vec::new()))
        }
    }
}

//! Receives a request of `lazaret`, has it judged, acts, replies. The only match on the request enum.

use crate::claim::{self, Clearing};
use crate::clear;
use crate::enter;
use crate::host::Host;
use crate::judge;
use crate::open;
use crate::start::{self, Given};
use std::os::fd::{AsFd, OwnedFd};
use sys::channel::{Channel, ChannelError};
use wire::Failure;
use wire::init::Path;
use wire::launcher::{Directory, HostPolicy, Remains, Reply, Request};

/// Serves until `lazaret` is gone; then clears away what was tied to it.
pub fn serve(host: &Host, channel: &Channel<Reply, Request>) {
    let mut tied: Vec<Remains> = Vec::new();
    loop {
        let (reply, descriptors) = match channel.receive() {
            Ok((request, given)) => match act(host, request, given, &mut tied) {
                Ok(done) => done,
                Err(failure) => (Reply::Refused(failure), Vec::new()),
            },
            Err(ChannelError::Frame(e)) => {
                // A peer that cannot speak is not listened to any longer. It may still be told why.
                let _ = channel.send(&Reply::Refused(Failure::protocol(&e.to_string())), &[]);
                break;
            }
            Err(ChannelError::Closed | ChannelError::Kernel(_)) => break,
        };
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        if channel.send(&reply, &borrowed).is_err() {
            break;
        }
    }
    for remains in tied {
        // It may have been cleared away by another command, and its ids be another container's.
        if let Ok(judged) = judge::clear(&host.policy, remains)
            && let Ok(clearing) = claim::may_clear(judged.get().block, &judged.get().name)
        {
            let _ = clear::clear(host, &judged, &clearing);
            collect_all();
        }
    }
    host.programs.collect();
}

/// Waits for every child: only once all of them have been ended.
fn collect_all() {
    while nix::sys::wait::waitpid(None, None).is_ok() {}
}

type Done = (Reply, Vec<OwnedFd>);

fn act(host: &Host, request: Request, given: Vec<OwnedFd>, tied: &mut Vec<Remains>) -> Result<Done, Failure> {
    let policy = &host.policy;
    match request {
        Request::Directories { run, definitions, data } => {
            let open = |which, path: &Path| {
                let named = judge::directory(&host.named, which, path.as_str())?;
                open::own_directory(which, named.get())
            };
            let run = open(Directory::Run, &run)?;
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
            let judged = judge::start(policy, &host.named, *plan)?;
            let mut state = given;
            let streams = if passed {
                Some(state.split_off(4.min(state.len())))
            } else {
                None
            };
            let remains = judged.get().remains();
            let Some(claim) = claim::claim(&judged.get().claims())? else {
                return Ok((Reply::Busy, Vec::new()));
            };
            // Nobody else has these ids and this name before what failed is cleared away.
            let ours = Clearing::with(&claim)?;
            match start::start(host, &judged, Given { claim, state, streams }) {
                Ok(reply) => {
                    if tie {
                        tied.push(remains);
                    }
                    Ok((reply, Vec::new()))
                }
                Err(failure) => {
                    // What could not be cleared away now is cleared away by the next command; the reason of the start is what counts.
                    let _ = clear::clear(host, &judge::clear(policy, remains)?, &ours);
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
            let block = judge::enter(policy, block)?;
            claim::belongs(*block.get(), &name)?;
            let socket = enter::enter(host, &name, &block, command, streams, &given)?;
            Ok((Reply::Entering, vec![socket]))
        }
        Request::Freeze { name, frozen } => clear::freeze(host, name, frozen).map(|()| (Reply::Done, Vec::new())),
        Request::Clear(remains) => {
            let judged = judge::clear(policy, remains)?;
            let Remains { block, name, .. } = judged.get();
            let clearing = claim::may_clear(*block, name)?;
            let was_tied = tied.len();
            tied.retain(|t| t.name != *name);
            clear::clear(host, &judged, &clearing)?;
            if tied.is_empty() && was_tied != 0 {
                collect_all();
            }
            Ok((Reply::Done, Vec::new()))
        }
        Request::Hierarchies => {
            let hierarchies = host.groups()?.into_iter().map(|g| g.hierarchy).collect();
            Ok((Reply::Hierarchies(hierarchies), Vec::new()))
        }
        Request::Policy => {
            let host_root = policy.host_root.clone();
            let told = HostPolicy {
                first: policy.first,
                blocks: policy.blocks,
                host_root,
                forwarding: policy.forwarding,
            };
            Ok((Reply::Policy(told), Vec::new()))
        }
    }
}

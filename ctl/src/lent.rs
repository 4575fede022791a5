//! Links of the host's that a container has: they are looked at before a start, and come back when it ends in order. May touch: the state
//! directory, the control socket, and through the launcher the links.

use crate::domain::{Domain, lent};
use crate::error::{Error, Outcome};
use crate::output::say;
use crate::plan::Host;
use crate::session::Session;
use crate::state::Place;
use crate::state::record;
use crate::supervisor::Supervisor;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use wire::launcher::{Lending, Plan};

/// How long a supervisor may take to give the network of what is about to be ended: one that is stopped is in nobody's way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Notes what the host's links are that a domain asks for.
pub fn find(session: &Session, domain: &Domain, host: &mut Host) -> Outcome<()> {
    let wanted = lent::links(domain)?;
    if !wanted.is_empty() && !host.user {
        let links = wanted.into_iter().map(|w| w.link).collect();
        host.found = session.launcher.find_links(&domain.name, links)?;
    }
    Ok(())
}

/// The network of a container that has links of the host's, held so that it does not end with the container.
#[derive(Debug)]
pub struct Held {
    lending: Lending,
    namespaces: [OwnedFd; 2],
}

impl Held {
    /// Holds it; `None` where it has none of the host's links, or where nobody can say any more whether it has, or give its network: a container ends
    /// all the same.
    pub fn of(place: &Place) -> Outcome<Option<Self>> {
        let plan = match place.plan() {
            // It may be read the next time, and a link of the host's is not forgotten.
            Err(e @ Error::Kernel(..)) => return Err(e),
            plan => plan,
        };
        Ok(plan.and_then(|plan| Self::planned(place, plan)).unwrap_or_else(|e| {
            say(&format!(
                "links of the host's, if {} has any, are not held: {e}",
                place.name()
            ));
            None
        }))
    }

    fn planned(place: &Place, plan: Plan) -> Outcome<Option<Self>> {
        let links = record::lent(&plan);
        if links.is_empty() {
            return Ok(None);
        }
        let Some(supervisor) = Supervisor::connect(place)? else {
            return Ok(None);
        };
        let too_few = || Error::Peer("the supervisor gave fewer namespaces than a container has".into());
        let namespaces = supervisor.namespaces_within(PATIENCE)?;
        let [user, _, _, net, ..] = <[OwnedFd; wire::init::NAMESPACES]>::try_from(namespaces).map_err(|_| too_few())?;
        let (name, block) = (plan.name, plan.block);
        Ok(Some(Self {
            lending: Lending { name, block, links },
            namespaces: [user, net],
        }))
    }

    /// Moves the links back. What cannot be is said, and is in nobody's way.
    pub fn take_back(self, session: &Session) {
        let Self { lending, namespaces } = self;
        let name = lending.name.clone();
        if let Err(e) = session
            .launcher
            .take_back(lending, &namespaces.each_ref().map(AsFd::as_fd))
        {
            say(&format!("cannot move the host's links back from {name}: {e}"));
        }
    }
}

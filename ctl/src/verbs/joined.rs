//! What a link on a network of ours takes besides, when it comes to a container that runs: that the host's network has room for it, and forwards.
//! May touch: `/proc/net` and the settings of forwarding, to read them.

use crate::error::Outcome;
use crate::existing;
use crate::plan::must_forward;
use crate::session::{Session, forwards};
use wire::launcher::{Plan, Step};
use wire::netd::{Firewall, Link};

/// The rules, and whether the host must be made to forward for them.
pub fn forwarded(session: &Session, firewall: Firewall) -> Outcome<(Firewall, bool)> {
    let forward = must_forward(&firewall, forwards(), session.launcher.policy()?.forwarding)?;
    Ok((firewall, forward))
}

/// Refuses a link that would be laid over what the host's network has, or needs what it has not.
pub fn check(plan: &Plan, link: &Link) -> Outcome<()> {
    existing::check(&Plan {
        steps: vec![Step::Connect(vec![link.clone()])],
        ..plan.clone()
    })
}

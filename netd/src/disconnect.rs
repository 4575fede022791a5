//! A link of a container's that goes while the container runs. It is known by what leads to it from the host, which nobody inside can change; and
//! removed inside, so that nothing of another container's or of the host's own is reached. May touch: links inside, through a socket that was opened there.

use crate::bridge;
use crate::decode::{self, Link as Seen};
use crate::judge::Judged;
use crate::netlink::{Denied, Netlink};
use crate::request;
use nix::errno::Errno;
use wire::Failure;
use wire::netd::{HostSide, Link};

/// Removes the one link, if it is there; both its ends are gone then.
pub fn disconnect(host: &mut Netlink, inside: &mut Netlink, links: &Judged<Vec<Link>>) -> Result<bool, Failure> {
    for link in links.get() {
        let Some(index) = within(host, inside, link)? else {
            return Ok(false);
        };
        match inside.ask(&request::remove_link(index)) {
            Ok(_) | Err(Denied::Kernel(Errno::ENODEV)) => {}
            Err(denied) => return Err(denied.during(&format!("take the link {} away", link.guest))),
        }
    }
    Ok(true)
}

/// Its number inside.
fn within(host: &mut Netlink, inside: &mut Netlink, link: &Link) -> Result<Option<u32>, Failure> {
    let what = || format!("find the link {} inside", link.guest);
    let (kind, beyond) = match &link.side {
        HostSide::Network(_) | HostSide::Bridge(_) | HostSide::Alone(_) => ("veth", &link.host),
        HostSide::Direct { parent, .. } => ("macvlan", parent),
        HostSide::Vlan { parent, .. } => ("vlan", parent),
        HostSide::Ipvlan { parent, .. } => ("ipvlan", parent),
    };
    let Some(there) = bridge::find(host, beyond)? else {
        return Ok(None);
    };
    let bodies = inside
        .list(&request::get_links(), |_| true)
        .map_err(|e| e.during(&what()))?;
    let mut found = Vec::new();
    for body in bodies {
        let seen = decode::link(&body).map_err(|e| Denied::from(e).during(&what()))?;
        if seen.kind == kind && seen.peer == Some(there.index) && (kind != "veth" || there.peer == Some(seen.index)) {
            found.push(seen);
        }
    }
    // Several may lie on one link of the host's.
    let own = |seen: &&Seen| seen.mac == link.mac || seen.name == link.guest.as_str();
    let one = match found.as_slice() {
        [one] => Some(one),
        several => several.iter().find(own),
    };
    Ok(one.map(|seen| seen.index))
}

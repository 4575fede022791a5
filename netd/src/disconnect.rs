//! A link of a container's that goes while the container runs. It is its end on the host that is removed, and with that the other one, wherever the
//! container's root has put it: what there is inside is its to make, in the likeness of any other. May touch: ends of containers' links on the host.

use crate::bridge;
use crate::decode::Link as Seen;
use crate::judge::Judged;
use crate::link::outer;
use crate::netlink::{Denied, Netlink};
use crate::request;
use nix::errno::Errno;
use wire::Failure;
use wire::netd::Link;

/// Removes the links; they are gone then. One that was not there any more is no error.
pub fn disconnect(host: &mut Netlink, links: &Judged<Vec<Link>>) -> Result<(), Failure> {
    for link in links.get() {
        let refused = |why: &str| Failure::caller(&format!("take the link {} away: {why}", link.host));
        if link.side.parent().is_some() {
            return Err(refused("it has no end on the host"));
        }
        let Some(found) = bridge::find(host, &link.host)? else {
            continue;
        };
        if !is(&found, link) {
            return Err(refused("the host's link of that name is another one"));
        }
        match host.ask(&request::remove_link(found.index)) {
            Ok(_) | Err(Denied::Kernel(Errno::ENODEV)) => {}
            Err(denied) => return Err(denied.during(&format!("take the link {} away", link.host))),
        }
    }
    Ok(())
}

/// Whether this is the end of the link that was made here: nobody but the host's root can change what that is known by.
pub fn is(found: &Seen, link: &Link) -> bool {
    found.kind == "veth" && found.group == request::OURS && found.mac == outer(link.mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_known_by_what_it_was_made_with() {
        let link = crate::judge::tests::good();
        let made = Seen {
            kind: "veth".into(),
            group: request::OURS,
            mac: vec![0xfe, 0, 0, 0, 0, 3],
            ..Seen::default()
        };
        assert!(is(&made, &link));
        let other = |change: fn(&mut Seen)| {
            let mut seen = made.clone();
            change(&mut seen);
            !is(&seen, &link)
        };
        assert!(other(|s| s.kind = "macvlan".into()));
        assert!(other(|s| s.group = 0), "somebody else's");
        assert!(other(|s| s.mac = vec![0xfe, 0, 0, 0, 0, 4]), "another container's");
    }
}

//! Links of the host's that a container has instead of the host: they go there, and come back. May touch: the links that it is told of, by the
//! host's socket and by one that was opened inside.

use crate::bridge;
use crate::decode::{self, Link};
use crate::judge::{Judged, NAMES};
use crate::link::leads;
use crate::netlink::{Denied, Netlink, News};
use crate::request;
use nix::errno::Errno;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};
use wire::netd::{Found, LINK_FLAGS, Lent};
use wire::{Failure, LinkName, Text};

/// How long is waited for what the kernel moves back itself: that is done by a thread of its own, which tells nobody when.
const PATIENCE: Duration = Duration::from_secs(3);

fn denied(name: &LinkName, why: &str) -> Failure {
    Failure::caller(&format!("lend the link {name}: {why}"))
}

/// What these links are.
pub fn find(host: &mut Netlink, names: &Judged<Vec<LinkName>>) -> Result<Vec<Found>, Failure> {
    names
        .get()
        .iter()
        .map(|name| look(host, name).map(|(found, _)| found))
        .collect()
}

fn look(host: &mut Netlink, name: &LinkName) -> Result<(Found, Link), Failure> {
    let link = bridge::find(host, name)?.ok_or_else(|| denied(name, "this host has no link of that name"))?;
    if link.master.is_some() {
        return Err(denied(name, "it is a port of another link"));
    }
    let mac = address(&link.mac).filter(|mac| mac.iter().any(|b| *b != 0));
    let found = Found {
        name: name.clone(),
        kind: Text::cut(&link.kind),
        mac: mac.ok_or_else(|| denied(name, "it is none that has the addresses of an Ethernet"))?,
        permanent: address(&link.permanent),
        mtu: link.mtu,
        also: others(&link).ok_or_else(|| denied(name, "it has other names that are none, or too many of them"))?,
        flags: link.flags & LINK_FLAGS,
        group: link.group,
        queue: link.queue,
    };
    Ok((found, link))
}

/// What else a link is called, if that can be noted.
fn others(link: &Link) -> Option<Vec<Text<127>>> {
    let name = |bytes: &Vec<u8>| Text::new(std::str::from_utf8(bytes).ok()?).ok();
    let names: Option<Vec<_>> = link.also.iter().map(name).collect();
    names.filter(|names| names.len() <= NAMES)
}

fn address(bytes: &[u8]) -> Option<[u8; 6]> {
    bytes.try_into().ok()
}

/// Moves every link into the container, or none.
pub fn lend(
    host: &mut Netlink,
    inside: &mut Netlink,
    [namespace, own]: [BorrowedFd<'_>; 2],
    links: &Judged<Vec<Lent>>,
) -> Result<(), Failure> {
    let mut moved: Vec<&Lent> = Vec::new();
    for lent in links.get() {
        let (found, link) = match look(host, &lent.found.name) {
            Ok((found, _)) if found != lent.found => Err(denied(&found.name, "it is another one by now")),
            looked => looked,
        }
        .map_err(|failure| undo(host, inside, own, &moved, failure))?;
        moved.push(lent);
        place(host, inside, namespace, (lent, &found, link.index))
            .map_err(|failure| undo(host, inside, own, &moved, failure))?;
    }
    Ok(())
}

fn place(
    host: &mut Netlink,
    inside: &mut Netlink,
    namespace: BorrowedFd<'_>,
    (lent, found, index): (&Lent, &Found, u32),
) -> Result<(), Failure> {
    let (name, guest) = (&found.name, &lent.guest);
    host.ask(&request::move_link(index, guest, namespace))
        .map_err(|e| match e {
            Denied::Kernel(Errno::EINVAL) => e.during(&format!(
                "lend the link {name}: it is of a kind that stays in its network namespace"
            )),
            Denied::Kernel(Errno::EEXIST) => e.during(&format!("lend the link {name}: there is a {guest} inside")),
            _ => e.during(&format!("lend the link {name}")),
        })?;
    let link = bridge::find(inside, guest)?.filter(|link| is(link, lent));
    let index = link
        .map(|l| l.index)
        .ok_or_else(|| denied(name, "it is not where it was moved to"))?;
    inside.order(&request::up(index), || format!("raise {guest} inside"))?;
    for address in &lent.addresses {
        bridge::give(inside, index, guest, address)?;
    }
    leads(inside, index, &lent.routes, "inside")
}

/// Moves back what was moved, because of `failure`, and returns that with what could not be moved back.
fn undo(host: &mut Netlink, inside: &mut Netlink, own: BorrowedFd<'_>, moved: &[&Lent], failure: Failure) -> Failure {
    let mut what = failure.what.as_str().to_owned();
    for lent in moved {
        match back(host, inside, own, lent) {
            Ok(true) => {}
            Ok(false) => what.push_str(&format!("; nor find {} again", lent.found.name)),
            Err(e) => what.push_str(&format!("; nor {} (error {})", e.what, e.errno)),
        }
    }
    Failure {
        what: Text::cut(&what),
        ..failure
    }
}

/// Whether this is the link that was lent. Its kind and the hardware address that it was made with are nobody's to change.
fn is(link: &Link, lent: &Lent) -> bool {
    let Found { kind, permanent, .. } = &lent.found;
    link.kind == kind.as_str() && address(&link.permanent) == *permanent
}

/// The link among those of a namespace: by the hardware address that it was made with, where it has one, whatever it is called by now; else by its name.
fn among(netlink: &mut Netlink, lent: &Lent, name: impl Fn(&Link) -> bool) -> Result<Option<Link>, Failure> {
    let what = || format!("look for the link {}", lent.found.name);
    // Of the others there may be very many.
    let may = |link: &Link| is(link, lent) && (name(link) || lent.found.permanent.is_some());
    let bodies = netlink
        .list(&request::get_links(), |body| {
            decode::link(body).map_or(true, |link| may(&link))
        })
        .map_err(|e| e.during(&what()))?;
    let mut candidate = None;
    for body in bodies {
        let link = decode::link(&body).map_err(|e| Denied::from(e).during(&what()))?;
        if name(&link) {
            return Ok(Some(link));
        }
        candidate = Some(link);
    }
    Ok(candidate)
}

/// Moves a link back; whether the host has it then.
fn back(host: &mut Netlink, inside: &mut Netlink, own: BorrowedFd<'_>, lent: &Lent) -> Result<bool, Failure> {
    let name = &lent.found.name;
    if let Some(link) = bridge::find(host, name)?.filter(|link| is(link, lent)) {
        return as_it_was(host, &link, lent).map(|()| true);
    }
    let called = |link: &Link| link.name == lent.guest.as_str() || link.name == name.as_str();
    let Some(link) = among(inside, lent, called)? else {
        return Ok(false);
    };
    // One that is a link's of the host's would keep it there. What cannot be taken away here is again looked at on the host.
    let _ = bare(inside, &link, lent);
    inside.order_alone(&request::move_link(link.index, name, own), || {
        format!("move the link {name} back")
    })?;
    let link = bridge::find(host, name)?.ok_or_else(|| Denied::Garbled.during(&format!("find the link {name}")))?;
    as_it_was(host, &link, lent).map(|()| true)
}

/// A link has no other names than it had: those that the container's root gave it are the host's to give.
fn bare(netlink: &mut Netlink, link: &Link, lent: &Lent) -> Result<(), Failure> {
    let Found { name, also, .. } = &lent.found;
    let had = |one: &[u8]| also.iter().any(|a| a.as_str().as_bytes() == one);
    for one in link.also.iter().filter(|one| !had(one)) {
        match netlink.ask(&request::remove_name(link.index, one)) {
            Ok(_) | Err(Denied::Kernel(Errno::ENOENT)) => {}
            Err(e) => return Err(e.during(&format!("take other names of the link {name} away"))),
        }
    }
    Ok(())
}

/// A link has no other names than it had; and one that is down the hardware address, length of packets, flags, group and queue that it had. What is in
/// use again is left as it is in those.
fn as_it_was(host: &mut Netlink, link: &Link, lent: &Lent) -> Result<(), Failure> {
    let Found { name, mac, mtu, .. } = &lent.found;
    let Found {
        flags, group, queue, ..
    } = &lent.found;
    bare(host, link, lent)?;
    if link.up {
        return Ok(());
    }
    if link.flags & LINK_FLAGS != *flags {
        host.order(&request::set_flags(link.index, LINK_FLAGS, *flags), || {
            format!("give the link {name} its flags")
        })?;
    }
    if (link.group, link.queue) != (*group, *queue) {
        host.order(&request::set_group(link.index, *group, *queue), || {
            format!("give the link {name} its group and its queue")
        })?;
    }
    if address(&link.mac) != Some(*mac) {
        host.order(&request::set_mac(link.index, *mac), || {
            format!("give the link {name} its hardware address")
        })?;
    }
    if link.mtu != *mtu {
        host.order(&request::set_mtu(link.index, *mtu), || {
            format!("give the link {name} its length of packets")
        })?;
    }
    if !link.note.is_empty() {
        host.order(&request::note(link.index, ""), || {
            format!("take what is noted of {name} away")
        })?;
    }
    Ok(())
}

/// Moves every link back from the container; the names of those that are not there. What cannot be moved is tried to the end.
pub fn take_back(
    host: &mut Netlink,
    inside: &mut Netlink,
    own: BorrowedFd<'_>,
    links: &Judged<Vec<Lent>>,
) -> Result<Vec<LinkName>, Failure> {
    missing(links, |lent| back(host, inside, own, lent))
}

/// Gives the links that the kernel has moved back their names again; the names of those that are not there.
pub fn restore(host: &mut Netlink, links: &Judged<Vec<Lent>>) -> Result<Vec<LinkName>, Failure> {
    let during = |e: Denied| e.during("wait for links that the kernel moves back");
    let news = News::listen().map_err(during)?;
    let until = Instant::now().checked_add(PATIENCE);
    missing(links, |lent| {
        while !returned(host, lent)? {
            let left = until.map_or(Duration::ZERO, |u| u.saturating_duration_since(Instant::now()));
            if !lent.found.is_moved_back() || left.is_zero() {
                return Ok(false);
            }
            news.wait(left).map_err(during)?;
        }
        Ok(true)
    })
}

/// Whether the host has it under its name, or has been given it under another one, which it then has no longer.
fn returned(host: &mut Netlink, lent: &Lent) -> Result<bool, Failure> {
    let name = &lent.found.name;
    if let Some(link) = bridge::find(host, name)? {
        return match is(&link, lent) {
            true => as_it_was(host, &link, lent).map(|()| true),
            false => Ok(false),
        };
    }
    // The kernel leaves it the name that it had inside, or gives it one that begins so.
    let called = |link: &Link| link.name == lent.guest.as_str() || link.name.starts_with("dev");
    let own = |link: &Link| lent.found.permanent.is_some() || address(&link.mac) == Some(lent.found.mac);
    let Some(link) = among(host, lent, called)?.filter(|link| !link.up && own(link)) else {
        return Ok(false);
    };
    host.order(&request::rename(link.index, name), || {
        format!("give the link {name} its name again")
    })?;
    as_it_was(host, &link, lent).map(|()| true)
}

fn missing(
    links: &Judged<Vec<Lent>>,
    mut there: impl FnMut(&Lent) -> Result<bool, Failure>,
) -> Result<Vec<LinkName>, Failure> {
    let (mut missing, mut first) = (Vec::new(), Ok(()));
    for lent in links.get() {
        match there(lent) {
            Ok(true) => {}
            Ok(false) => missing.push(lent.found.name.clone()),
            Err(failure) => first = first.and(Err(failure)),
        }
    }
    first.map(|()| missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::lent;

    #[test]
    fn a_link_is_known_again_by_what_nobody_inside_can_change() {
        let mut hardware = lent("p");
        hardware.found.kind = Text::cut("");
        hardware.found.permanent = Some([2, 0, 0, 0, 0, 1]);
        let link = |kind: &str, permanent: &[u8]| Link {
            name: "renamed".into(),
            kind: kind.into(),
            mac: vec![2, 0, 0, 0, 0, 9],
            permanent: permanent.to_vec(),
            ..Link::default()
        };
        assert!(is(&link("", &[2, 0, 0, 0, 0, 1]), &hardware));
        assert!(!is(&link("", &[2, 0, 0, 0, 0, 2]), &hardware));
        assert!(
            !is(&link("dummy", &[2, 0, 0, 0, 0, 1]), &hardware),
            "one that was made inside"
        );
        assert!(!is(&link("", &[]), &hardware));
    }

    #[test]
    fn what_the_kernel_does_not_move_back_is_not_waited_for() {
        let mut host = Netlink::open(nix::sys::socket::SockProtocol::NetlinkRoute).unwrap();
        let (before, judged) = (Instant::now(), crate::judge::lent(vec![lent("p.missing")]).unwrap());
        let names = restore(&mut host, &judged).unwrap();
        assert_eq!(names, [LinkName::new("p.missing").unwrap()]);
        assert!(before.elapsed() < PATIENCE);
        let mut hardware = lent("p.missing");
        hardware.found.kind = Text::cut("");
        let judged = crate::judge::lent(vec![hardware]).unwrap();
        assert_eq!(restore(&mut host, &judged).unwrap().len(), 1);
        assert!(before.elapsed() >= PATIENCE);
    }
}

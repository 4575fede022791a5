//! Interfaces of a container that runs: one comes as it would at a start, or goes. May touch: the store; through the launcher the container's network.

use super::attach::{alone, unable};
use super::interfaces::links;
use super::joined;
use super::tune::live_domain;
use crate::begin::told;
use crate::domain::change::{Change, changed};
use crate::domain::xml::Tree;
use crate::domain::{Attached, Domain, Interface, format};
use crate::error::{Error, Needed, Outcome};
use crate::launcher::Changed;
use crate::lookup::Found;
use crate::networks;
use crate::plan::{Lot, network};
use crate::session::Session;
use crate::state::record::{Record, lent};
use crate::supervisor::Supervisor;
use std::os::fd::AsFd;
use wire::Text;
use wire::launcher::{LinkChange, Plan, Step};
use wire::netd::{Firewall, Link};

/// The most links of one container.
const MOST: usize = 16;

/// Attaches or detaches one.
pub fn apply(session: &Session, found: &Found, change: Change, device: &Tree) -> Outcome<()> {
    if change == Change::Update {
        return Err(unable(
            device,
            "is not changed while a container runs: it can be detached, and another attached",
        ));
    }
    let (place, record) = found.running()?;
    let _lock = alone(found)?;
    let before = State::of(found)?;
    let container = before.plan.container();
    if container.is_none_or(|c| c.shares_network()) {
        return Err(unable(
            device,
            "is not attached or detached where the network is the host's, or shared with another",
        ));
    }
    let attach = change == Change::Attach;
    let domain = changed(&before.domain, change, device)?;
    let (link, protect) = match attach {
        true => planned(session, &before, &domain, record)?,
        false => existing(&before, &domain)?,
    };
    if let Some(parent) = link.side.parent() {
        return Err(unable(
            device,
            &format!(
                "on the host's link {parent} is not attached or detached while a container runs: its root can move it to where nobody finds it; it goes with the container"
            ),
        ));
    }
    let after = before.with(&link, &protect, attach, domain);
    if attach && protect.is_some() {
        joined::check(&before.plan, &link)?;
    }
    // Who keeps the rules is told by the launcher itself.
    let control = protect.as_ref().map(|_| place.open_control()).transpose()?;
    let namespaces = Supervisor::reach(place)?.namespaces()?;
    let [user, _, _, net, ..] = namespaces.as_slice() else {
        return Err(Error::Peer(
            "the supervisor gave fewer namespaces than a container has".into(),
        ));
    };
    // It stands there before it is, so that whatever comes between it is cleared away, and can be detached.
    if attach {
        after.note(session, found)?;
    }
    let asked = LinkChange {
        name: found.name.clone(),
        block: record.block,
        uuid: Text::cut(&record.uuid),
        link,
        attach,
        protect,
    };
    let mut given = vec![user.as_fd(), net.as_fd()];
    given.extend(control.as_ref().map(AsFd::as_fd));
    let changed = session.launcher.change_link(asked, &given);
    match changed {
        Ok(Changed::Linked(forwarding, dropping)) => {
            told(forwarding, &dropping, &after.bridge());
            Ok(())
        }
        Ok(Changed::Whole) if attach => Ok(()),
        Ok(Changed::Whole) => after.note(session, found),
        Ok(Changed::Refused(e)) => {
            if attach {
                // Should that fail, it can be detached.
                let _ = before.note(session, found);
            }
            Err(e)
        }
        Ok(Changed::Half(e)) | Err(e) => Err(Error::caller(format!(
            "{e}; something may be left of it, which detach-device takes away"
        ))),
    }
}

/// What is known of the links of a container that runs.
struct State {
    domain: Domain,
    plan: Plan,
}

impl State {
    fn of(found: &Found) -> Outcome<Self> {
        let (place, _) = found.running()?;
        let domain = live_domain(place)?;
        Ok(Self {
            domain: domain.ok_or_else(|| Error::caller(format!("{} has no definition", found.name)))?,
            plan: place.plan()?,
        })
    }

    /// The same with one link more or less.
    fn with(&self, link: &Link, protect: &Protect, attach: bool, domain: Domain) -> Self {
        let mut plan = self.plan.clone();
        let connect = |s: &mut Step| {
            if let Step::Connect(l) = s {
                Some(std::mem::take(l))
            } else {
                None
            }
        };
        let mut links: Vec<Link> = plan.steps.iter_mut().filter_map(connect).flatten().collect();
        match attach {
            true => links.push(link.clone()),
            false => links.retain(|l| l.host != link.host),
        }
        let rules = protected(&self.plan).filter(|_| attach || protect.is_none());
        let rules = rules.or_else(|| protect.clone().filter(|_| attach));
        plan.steps
            .retain(|s| !matches!(s, Step::Connect(_) | Step::Protect { .. }));
        let mut at = plan.steps.iter().position(|s| matches!(s, Step::Keep));
        let mut insert = |step| {
            let place = at.unwrap_or(plan.steps.len());
            plan.steps.insert(place, step);
            at = Some(place.saturating_add(1));
        };
        if !links.is_empty() {
            insert(Step::Connect(links));
        }
        if let Some((firewall, forward)) = rules {
            insert(Step::Protect { firewall, forward });
        }
        Self { domain, plan }
    }

    /// The bridge of the network of ours that it is on; empty if there is none.
    fn bridge(&self) -> String {
        protected(&self.plan).map_or_else(String::new, |(firewall, _)| firewall.bridge.to_string())
    }

    /// Writes it down, if it is of what runs still.
    fn note(&self, session: &Session, found: &Found) -> Outcome<()> {
        let (place, record) = found.running()?;
        let _lock = session.store.lock()?;
        // Another command may have ended it since, and started it again.
        if place.record()?.is_none_or(|r| r.id != record.id) {
            return Err(Error::Container(Needed::Running, found.name.to_string()));
        }
        place.write_plan(&self.plan)?;
        place.write_live_definition(&format(&self.domain))
    }
}

/// The rules that go with a link, and whether the host must be made to forward.
type Protect = Option<(Firewall, bool)>;

/// The rules that a plan has.
fn protected(plan: &Plan) -> Protect {
    plan.steps.iter().find_map(|s| match s {
        Step::Protect { firewall, forward } => Some((firewall.clone(), *forward)),
        _ => None,
    })
}

/// The interface that one definition has and the other has not, whose others are the same and in the same order.
fn odd<'a>(more: &'a [Interface], fewer: &[Interface]) -> Option<&'a Interface> {
    let at = more.iter().zip(fewer).position(|(a, b)| a != b);
    let one_more = more.len() == fewer.len().saturating_add(1);
    more.get(at.unwrap_or(fewer.len())).filter(|_| one_more)
}

/// The link that is to come: as it would be at a start, under names that are free; and its rules.
fn planned(session: &Session, before: &State, after: &Domain, record: &Record) -> Outcome<(Link, Protect)> {
    let interface = odd(&after.interfaces, &before.domain.interfaces);
    let kept = after.kept.iter().find(|k| !before.domain.kept.contains(k));
    let interface = match (interface, kept) {
        (Some(interface), None) => interface,
        (_, Some(kept)) => {
            return Err(Error::caller(format!(
                "{} has no effect yet, and is not attached without it",
                kept.name()
            )));
        }
        (None, None) => return Err(Error::Bug("an interface was not attached".into())),
    };
    let own = links(&before.plan);
    if own.len() >= MOST {
        return Err(Error::caller(format!("a container has {MOST} links at most")));
    }
    let lot = Lot {
        slot: record.slot,
        block: record.block,
        uuid: [0; 16],
        taken: Vec::new(),
        networks: networks::all(&session.store)?.into_iter().map(|k| k.network).collect(),
    };
    let mut interface = interface.clone();
    let lent = lent(&before.plan);
    if interface.guest.is_none() {
        let taken: Vec<_> = own
            .iter()
            .map(|l| &l.guest)
            .chain(lent.iter().map(|l| &l.guest))
            .collect();
        interface.guest = Some(network::free_guest(&taken)?);
    }
    let wiring = network::wire(&before.plan.name, &lot, std::slice::from_ref(&interface), Vec::new())?;
    let link = wiring.links.into_iter().next();
    let mut link = link.ok_or_else(|| Error::Bug("an interface makes no link".into()))?;
    if interface.target.as_ref() != Some(&link.host) {
        link.host = network::free_host(record.slot, &own)?;
    }
    let rules = wiring.firewall.map(|firewall| Firewall {
        link: link.host.clone(),
        ..firewall
    });
    let protect = rules.map(|rules| joined::forwarded(session, rules)).transpose()?;
    if protect.is_some() && protected(&before.plan).is_some() {
        return Err(Error::caller(
            "two interfaces are on networks of Lazaret's; a container has at most one there",
        ));
    }
    if own.iter().any(|l| l.guest == link.guest || l.host == link.host) || lent.iter().any(|l| l.guest == link.guest) {
        return Err(Error::caller(format!(
            "two links are called {} or {}",
            link.guest, link.host
        )));
    }
    Ok((link, protect))
}

/// The link that is to go, with its rules.
fn existing(before: &State, after: &Domain) -> Outcome<(Link, Protect)> {
    let interface = odd(&before.domain.interfaces, &after.interfaces);
    let interface =
        interface.ok_or_else(|| Error::caller("an interface that has no effect is not there to be detached"))?;
    if interface.attached == Attached::User {
        return Err(Error::caller(
            "an interface of type user is not detached while a container runs: pasta leads it out as long as it lives",
        ));
    }
    let is = |link: &&Link| match interface.mac {
        Some(mac) => link.mac == mac.bytes(),
        // An ipvlan has none of its own.
        None => match &interface.attached {
            Attached::Direct(parent, _) => {
                link.side.parent() == Some(parent) && interface.guest.as_ref().is_none_or(|g| *g == link.guest)
            }
            _ => false,
        },
    };
    let all = links(&before.plan);
    let found = all.iter().find(is).cloned();
    let found = found.ok_or_else(|| Error::Bug("an interface that runs is not in the plan".into()))?;
    let rules = protected(&before.plan).filter(|(firewall, _)| firewall.link == found.host);
    Ok((found, rules))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::lot;

    #[test]
    fn the_one_that_came_or_went_is_told_from_those_that_stay() {
        let ethernet = |n: u8| Interface {
            mac: Some(crate::domain::Mac::from_random([0, 0, n])),
            ..network::plain(Attached::Ethernet(vec![], vec![]), &lot())
        };
        let all = [ethernet(1), ethernet(2), ethernet(3)];
        assert_eq!(odd(&all, &all[..2]), Some(&all[2]));
        assert_eq!(odd(&all, &[ethernet(1), ethernet(3)]), Some(&all[1]));
        assert_eq!(odd(&all, &all[1..]), Some(&all[0]));
        assert_eq!(odd(&all, &all), None);
        assert_eq!(odd(&all, &all[..1]), None);
    }

    #[test]
    fn names_that_are_free_are_found() {
        let named = |host: &str| {
            let interface = network::plain(Attached::Ethernet(vec![], vec![]), &lot());
            let name = wire::ContainerName::new("a").unwrap();
            let mut link = network::wire(&name, &lot(), &[interface], vec![])
                .unwrap()
                .links
                .remove(0);
            link.host = wire::LinkName::new(host).unwrap();
            link
        };
        let free = |hosts: &[&str]| {
            let links: Vec<Link> = hosts.iter().map(|h| named(h)).collect();
            network::free_host(1, &links).unwrap().to_string()
        };
        assert_eq!(
            (free(&[]), free(&["lzv1"]), free(&["lzv1-1", "x"])),
            ("lzv1".into(), "lzv1-1".into(), "lzv1".into())
        );
        let (zero, two) = (
            wire::LinkName::new("eth0").unwrap(),
            wire::LinkName::new("eth2").unwrap(),
        );
        assert_eq!(network::free_guest(&[&zero, &two]).unwrap().as_str(), "eth1");
    }
}

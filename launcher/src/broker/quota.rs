//! Which links on bridges of the host's an ordinary user may have, by the host's file that gives them out, and what each is called. Pure.
//!
//! A link's name says whose it is, on which bridge, and which of so many it is. So the kernel itself counts them: there is one link of a
//! name, whoever asks for it at the same time, and its name is free again when it is gone.

use crate::policy::PolicyError;
use wire::netd::{HostSide, Link};
use wire::{Failure, LinkName};

/// The host's file.
pub const FILE: &str = "/etc/lazaret.usernet";
/// Most links that one line can give: what two characters tell apart.
const MOST: u32 = RADIX * RADIX;
const RADIX: u32 = 36;
/// Digits of a name.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// To whom a line gives links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// One user.
    User(u32),
    /// All who are in a group, together.
    Group(u32),
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    owner: Owner,
    bridge: LinkName,
    count: u32,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quota(Vec<Line>);

/// Who asks, as the kernel tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The user.
    pub uid: u32,
    /// The user's group and all others that the user is in.
    pub gids: Vec<u32>,
}

impl Quota {
    /// Reads lines `USER|@GROUP veth BRIDGE COUNT`; `passwd` and `group` tell the numbers of names (passwd(5), group(5)). A name that is in
    /// neither is nobody's.
    pub fn parse(text: &str, passwd: &str, group: &str) -> Result<Self, PolicyError> {
        let mut lines = Vec::new();
        for (number, text) in (1usize..).zip(text.lines()) {
            let text = text.split('#').next().unwrap_or_default();
            if text.trim().is_empty() {
                continue;
            }
            let read = line(text, passwd, group);
            let read = read.map_err(|what| PolicyError {
                file: FILE,
                line: number,
                what,
            })?;
            lines.extend(read);
        }
        Ok(Self(lines))
    }

    /// Refuses who is given no link on any bridge.
    pub fn gives(&self, asker: &Asker) -> Result<(), Failure> {
        if self.0.iter().any(|line| line.count > 0 && line.is_for(asker)) {
            return Ok(());
        }
        Err(Failure::caller(&format!(
            "join a bridge: the host gives the user {} no link on any; a line `{} veth BRIDGE 1` in {FILE} would",
            asker.uid, asker.uid
        )))
    }

    /// The names that a link of the asker's on this bridge may have now; `links` are those of the links that the host has.
    pub fn names(&self, asker: &Asker, bridge: &LinkName, links: &[String]) -> Result<Vec<LinkName>, Failure> {
        let mut given: Vec<(Owner, u32)> = Vec::new();
        for line in self.0.iter().filter(|l| l.bridge == *bridge && l.is_for(asker)) {
            match given.iter_mut().find(|(owner, _)| *owner == line.owner) {
                Some((_, count)) => *count = count.saturating_add(line.count).min(MOST),
                None => given.push((line.owner, line.count)),
            }
        }
        let all = given.iter().fold(0u32, |all, (_, count)| all.saturating_add(*count));
        if all == 0 {
            return Err(Failure::caller(&format!(
                "join the bridge {bridge}: the host gives the user {} no link there; a line `{} veth {bridge} 1` in {FILE} would",
                asker.uid, asker.uid
            )));
        }
        let mut names = Vec::new();
        for (owner, count) in given {
            let stem = stem(owner, bridge);
            let its = |name: &&String| name.len() == stem.len().saturating_add(2) && name.starts_with(&stem);
            let there = u32::try_from(links.iter().filter(its).count()).unwrap_or(u32::MAX);
            // Where a line gave more once, more may be there than it gives now.
            if there < count {
                let each = (0..count).map(|slot| format!("{stem}{}", digits(slot, 2)));
                names.extend(each.filter(|name| !links.contains(name)));
            }
        }
        let names: Vec<LinkName> = names.iter().filter_map(|name| LinkName::new(name).ok()).collect();
        if names.is_empty() {
            return Err(Failure::caller(&format!(
                "join the bridge {bridge}: of the {all} links that {FILE} gives the user {} there, or a group of the user's, none is left",
                asker.uid
            )));
        }
        Ok(names)
    }
}

impl Line {
    fn is_for(&self, asker: &Asker) -> bool {
        match self.owner {
            Owner::User(uid) => uid == asker.uid,
            Owner::Group(gid) => asker.gids.contains(&gid),
        }
    }
}

fn line(text: &str, passwd: &str, group: &str) -> Result<Option<Line>, String> {
    const FORM: &str = "a line is `USER veth BRIDGE COUNT` or `@GROUP veth BRIDGE COUNT`";
    let words: Vec<&str> = text.split_whitespace().collect();
    let [who, kind, bridge, count] = words.as_slice() else {
        return Err(FORM.to_owned());
    };
    if *kind != "veth" {
        return Err(format!("links of the type {kind} are not given to users: {FORM}"));
    }
    let bridge = LinkName::new(bridge).ok().filter(|b| !b.as_str().starts_with("lz"));
    let bridge = bridge.ok_or_else(|| format!("{} is no bridge of the host's: {FORM}", words.get(2).unwrap_or(&"")))?;
    let count = count.parse().ok().filter(|n| *n <= MOST);
    let count = count.ok_or_else(|| format!("a count is 0 to {MOST}: {FORM}"))?;
    let owner = match who.strip_prefix('@') {
        Some(name) => number(group, name).map(Owner::Group),
        None => number(passwd, who).map(Owner::User),
    };
    Ok(owner.map(|owner| Line { owner, bridge, count }))
}

/// The number of a name, which is the third field in either file; a number that is nobody's name stands for itself.
fn number(file: &str, name: &str) -> Option<u32> {
    let found = file.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())
    });
    match found {
        Some(number) => number,
        None => name.parse().ok(),
    }
}

/// A number in as many digits, its last ones.
fn digits(number: u32, count: usize) -> String {
    let mut rest = number;
    let mut text = Vec::new();
    while text.len() < count {
        let digit = rest.checked_rem(RADIX).and_then(|d| usize::try_from(d).ok());
        text.push(digit.and_then(|d| DIGITS.get(d)).copied().unwrap_or(b'0'));
        rest = rest.checked_div(RADIX).unwrap_or(0);
    }
    text.iter().rev().copied().map(char::from).collect()
}

/// What all names of links of this owner's on this bridge begin with, in 13 characters; two more follow. Of a bridge there is a sum in it: where
/// two of the owner's bridges have the same, the links on both are counted together, and so there are fewer, never more.
fn stem(owner: Owner, bridge: &LinkName) -> String {
    let (kind, id) = match owner {
        Owner::User(uid) => ('u', uid),
        Owner::Group(gid) => ('g', gid),
    };
    let sum = bridge.as_str().bytes().fold(0x811c_9dc5u32, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("lz{kind}{}{}", digits(id, 7), digits(sum, 3))
}

/// Judges a link that an ordinary user asks for; gives the bridge that it is to be a port of.
pub fn judge(link: &Link) -> Result<LinkName, Failure> {
    let refuse = |why: &str| Err(Failure::caller(why));
    let HostSide::Bridge(bridge) = &link.side else {
        return refuse("give an ordinary user a link that is no port of a bridge of the host's");
    };
    if bridge.as_str().starts_with("lz") {
        return refuse(&format!(
            "join the bridge {bridge}: it is Lazaret's own, where rules of root's keep each container to its address"
        ));
    }
    // A bridge takes the least of its ports' for its own.
    if link.mtu.is_some() {
        return refuse("set the mtu of an ordinary user's link: the bridge's own would follow it");
    }
    if !link.vlans.is_empty() || !link.outside.is_empty() {
        return refuse("give an ordinary user's link VLANs of a bridge, or routes of the host's: that takes root");
    }
    Ok(bridge.clone())
}

#[cfg(test)]
mod tests;

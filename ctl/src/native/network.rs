//! `lxc.net.N.*` and the older `lxc.network.*` as interfaces and host devices. Pure.

use super::config::lost;
use super::lines::Setting;
use crate::domain::Mac;
use crate::domain::error::{ParseError, shown};
use crate::domain::interface::{Mode, family, width};
use crate::domain::units::number;
use crate::domain::xml::Tree;
use core::net::IpAddr;
use wire::LinkName;

/// Suffixes that LXC knows and a domain has nothing for.
const LOST: [&str; 9] = [
    "script",
    "script.up",
    "script.down",
    "l2proxy",
    "veth.mode",
    "veth.ipv4.route",
    "veth.ipv6.route",
    "veth.n_rxqueues",
    "veth.n_txqueues",
];

/// The most links.
const MAX_LINKS: usize = 256;

/// One link, with the settings that say something of it.
#[derive(Debug)]
struct Link {
    index: Option<u32>,
    first: Setting,
    kind: Option<Setting>,
    link: Option<Setting>,
    mac: Option<Setting>,
    flags: Option<Setting>,
    name: Option<Setting>,
    pair: Option<Setting>,
    mode: Option<Setting>,
    vlan: Option<Setting>,
    ipvlan: Option<Setting>,
    isolation: Option<Setting>,
    untagged: Option<Setting>,
    tagged: Vec<Setting>,
    mtu: Option<Setting>,
    addresses: Vec<(IpAddr, Option<u8>)>,
    gateways: [Option<IpAddr>; 2],
}

/// All links.
#[derive(Debug, Default)]
pub struct Network {
    links: Vec<Link>,
    said: bool,
}

impl Network {
    /// Takes one setting.
    pub fn take(&mut self, warnings: &mut Vec<ParseError>, s: Setting) -> Result<(), ParseError> {
        self.said = true;
        let unknown = || s.refused("is not known");
        let (index, suffix) = match (s.key.strip_prefix("lxc.network"), s.key.strip_prefix("lxc.net")) {
            (Some(legacy), _) => (None, legacy),
            (None, Some(rest)) => {
                let rest = rest.strip_prefix('.').unwrap_or(rest);
                let (index, suffix) = rest.split_once('.').unwrap_or((rest, ""));
                match number(index, 0, u32::MAX) {
                    Some(index) => (Some(index), suffix),
                    None if index.is_empty() && suffix.is_empty() => (None, ""),
                    None => return Err(unknown()),
                }
            }
            (None, None) => return Err(unknown()),
        };
        let suffix = suffix.trim_start_matches('.').to_owned();
        if suffix.is_empty() {
            if !s.value.is_empty() {
                return Err(unknown());
            }
            self.links.retain(|l| index.is_some() && l.index != index);
            self.said = !self.links.is_empty();
            return Ok(());
        }
        let found = match index {
            None if suffix == "type" => None,
            None => self.links.iter().rposition(|l| l.index.is_none()),
            Some(_) => self.links.iter().position(|l| l.index == index),
        };
        let at = match found {
            Some(at) => at,
            None if index.is_none() && suffix != "type" => {
                return Err(s.refused("comes before the lxc.network.type that it belongs to"));
            }
            None if self.links.len() >= MAX_LINKS => {
                return Err(s.refused(&format!("begins one of more than {MAX_LINKS} links")));
            }
            None => {
                self.links.push(Link::beginning(index, s.clone()));
                self.links.len().saturating_sub(1)
            }
        };
        match self.links.get_mut(at) {
            Some(link) => link.take(warnings, &suffix, s),
            None => Ok(()),
        }
    }

    /// Whether the network is the container's own even without a link: nothing is said of it, or that it is empty.
    pub fn is_private(&self) -> bool {
        !self.said || self.links.iter().any(|l| l.kind() == "empty")
    }

    /// The interfaces and the host devices.
    pub fn devices(&self, warnings: &mut Vec<ParseError>) -> Result<(Vec<Tree>, Vec<Tree>), ParseError> {
        let (mut interfaces, mut devices) = (Vec::new(), Vec::new());
        for link in &self.links {
            match link.kind() {
                "empty" | "none" | "" => {}
                "veth" | "macvlan" | "ipvlan" => interfaces.push(link.interface(warnings)?),
                "phys" | "vlan" => devices.push(link.device(warnings)?),
                // Without it the container would be on the host's network.
                _ => {
                    let kind = link.kind.as_ref().unwrap_or(&link.first);
                    return Err(
                        kind.not("veth, macvlan, ipvlan, phys, vlan, empty or none, which alone a domain may have")
                    );
                }
            }
        }
        Ok((interfaces, devices))
    }
}

impl Link {
    fn beginning(index: Option<u32>, first: Setting) -> Self {
        Self {
            index,
            first,
            kind: None,
            link: None,
            mac: None,
            flags: None,
            name: None,
            pair: None,
            mode: None,
            vlan: None,
            ipvlan: None,
            isolation: None,
            untagged: None,
            tagged: Vec::new(),
            mtu: None,
            addresses: Vec::new(),
            gateways: [None; 2],
        }
    }

    fn kind(&self) -> &str {
        self.kind.as_ref().map_or("", |k| k.value.as_str())
    }

    fn take(&mut self, warnings: &mut Vec<ParseError>, suffix: &str, s: Setting) -> Result<(), ParseError> {
        let slot = match suffix {
            "type" => &mut self.kind,
            "link" => &mut self.link,
            "hwaddr" => &mut self.mac,
            "flags" => &mut self.flags,
            "name" => &mut self.name,
            "veth.pair" => &mut self.pair,
            "macvlan.mode" => &mut self.mode,
            "vlan.id" => &mut self.vlan,
            "ipvlan.mode" => &mut self.ipvlan,
            "ipvlan.isolation" => &mut self.isolation,
            "veth.vlan.id" => &mut self.untagged,
            "veth.vlan.tagged.id" if s.value.is_empty() => {
                self.tagged.clear();
                return Ok(());
            }
            "veth.vlan.tagged.id" => {
                self.tagged.push(s);
                return Ok(());
            }
            "mtu" => &mut self.mtu,
            "ipv4" | "ipv4.address" => return self.address(warnings, &s, true),
            "ipv6" | "ipv6.address" => return self.address(warnings, &s, false),
            "ipv4.gateway" => {
                self.gateways[0] = gateway(&s, true)?;
                return Ok(());
            }
            "ipv6.gateway" => {
                self.gateways[1] = gateway(&s, false)?;
                return Ok(());
            }
            suffix if LOST.contains(&suffix) => {
                lost(warnings, &s, "");
                return Ok(());
            }
            _ => return Err(s.refused("is not known")),
        };
        *slot = Some(s).filter(|s| !s.value.is_empty());
        Ok(())
    }

    /// `ADDRESS[/PREFIX]`, and a broadcast address behind it.
    fn address(&mut self, warnings: &mut Vec<ParseError>, s: &Setting, v4: bool) -> Result<(), ParseError> {
        if s.value.is_empty() {
            self.addresses.retain(|(a, _)| a.is_ipv4() != v4);
            return Ok(());
        }
        let wanted = || s.not(&format!("an IPv{} address and its prefix", if v4 { 4 } else { 6 }));
        let (first, broadcast) = s.value.split_once([' ', '\t']).unwrap_or((&s.value, ""));
        let (address, prefix) = first.split_once('/').map_or((first, None), |(a, p)| (a, Some(p)));
        let address = ip(address, v4).ok_or_else(wanted)?;
        let prefix = prefix
            .map(|p| number(p, 1, width(address)).ok_or_else(wanted))
            .transpose()?;
        if !broadcast.is_empty() {
            lost(warnings, s, "the broadcast address follows from the prefix");
        }
        self.addresses.push((address, prefix));
        Ok(())
    }

    /// `mac`, with a warning where LXC would make up a part of it.
    fn mac(&self, warnings: &mut Vec<ParseError>) -> Result<Option<Tree>, ParseError> {
        let Some(s) = &self.mac else { return Ok(None) };
        if s.value.contains(['x', 'X']) {
            lost(warnings, s, "define makes up a whole address");
            return Ok(None);
        }
        let mac = Mac::parse(&s.value).ok_or_else(|| s.not("the hardware address of one station"))?;
        Ok(Some(Tree::new("mac").with("address", mac)))
    }

    fn interface(&self, warnings: &mut Vec<ParseError>) -> Result<Tree, ParseError> {
        let above = self.kind() != "veth";
        let source = |attribute: &str, name: LinkName| Tree::new("source").with(attribute, name.as_str());
        let link = self.link.as_ref().map(link_name).transpose()?;
        let (kind, source) = match link {
            Some(name) if above => ("direct", Some(source("dev", name).with("mode", self.mode()?))),
            None if above => return Err(self.lacks("link")),
            Some(name) => ("bridge", Some(source("bridge", name))),
            None => ("ethernet", None),
        };
        let named = |element: &str, s: &Option<Setting>| {
            let name = s.as_ref().map(link_name).transpose()?;
            Ok(name.map(|name| Tree::new(element).with("dev", name.as_str())))
        };
        let up = self.flags.as_ref().is_some_and(|f| f.value == "up");
        if let Some(flags) = self.flags.as_ref().filter(|_| !up) {
            lost(warnings, flags, "an interface is up or down");
        }
        let addressed = !self.addresses.is_empty() || self.gateways.iter().any(Option::is_some);
        if addressed && !up {
            let first = &self.first;
            warnings.push(first.refused("begins a link that is down and has addresses, which define refuses"));
        }
        let mtu = self.mtu.as_ref().map(mtu).transpose()?;
        let mac = match &self.mac {
            Some(s) if self.kind() == "ipvlan" => {
                lost(warnings, s, "an ipvlan has the address of the link that it lies on");
                None
            }
            _ => self.mac(warnings)?,
        };
        Ok(Tree::new("interface")
            .with("type", kind)
            .holding(mac)
            .holding(source)
            .holding(self.memberships(warnings)?)
            .holding(self.addressing())
            .holding(named("target", &self.pair)?)
            .holding(named("guest", &self.name)?)
            .holding([Tree::new("link").with("state", if up { "up" } else { "down" })])
            .holding(mtu.map(|n| Tree::new("mtu").with("size", n))))
    }

    /// A link of the host's that is moved inside.
    fn device(&self, warnings: &mut Vec<ParseError>) -> Result<Tree, ParseError> {
        let link = link_name(self.link.as_ref().ok_or_else(|| self.lacks("link"))?)?;
        let name = if self.kind() == "vlan" {
            let id = self.vlan.as_ref().ok_or_else(|| self.lacks("vlan.id"))?;
            let number: u16 = number(&id.value, 0, 4094).ok_or_else(|| id.not("a number from 0 to 4094"))?;
            LinkName::new(&format!("{}.{number}", link.as_str()))
                .map_err(|e| id.refused(&format!("makes a name of no link: {e}")))?
        } else {
            link
        };
        for s in [&self.mac, &self.mtu].into_iter().flatten() {
            lost(warnings, s, "a link of the host's is moved inside as it is");
        }
        // libvirt's documents of such links have no name inside; ours may.
        if let Some(inside) = &self.name {
            let element = format!(
                "libvirt's has no name for it; <guest dev='{}'/> in its <hostdev> is Lazaret's own",
                link_name(inside)?
            );
            lost(warnings, inside, &element);
        }
        let source = Tree::new("source").holding([Tree::leaf("interface", name.as_str())]);
        Ok(Tree::new("hostdev")
            .with("mode", "capabilities")
            .with("type", "net")
            .holding([source])
            .holding(self.addressing()))
    }

    /// `ip` and `route`, in this order.
    fn addressing(&self) -> Vec<Tree> {
        let address = |(address, prefix): &(IpAddr, Option<u8>)| {
            let tree = Tree::new("ip")
                .with("address", address)
                .with("family", family(*address));
            tree.with_some("prefix", prefix.as_ref())
        };
        let route = |(gateway, everywhere): (&Option<IpAddr>, &str)| {
            let gateway = gateway.as_ref()?;
            let tree = Tree::new("route")
                .with("family", family(*gateway))
                .with("address", everywhere);
            Some(tree.with("gateway", gateway))
        };
        let routes = self.gateways.iter().zip(["0.0.0.0", "::"]).filter_map(route);
        self.addresses.iter().map(address).chain(routes).collect()
    }

    /// `vlan`: what a port of a bridge is a member of.
    fn memberships(&self, warnings: &mut Vec<ParseError>) -> Result<Option<Tree>, ParseError> {
        if self.kind() != "veth" || self.link.is_none() {
            for s in self.untagged.iter().chain(&self.tagged) {
                lost(warnings, s, "only a port of a bridge is a member of VLANs");
            }
            return Ok(None);
        }
        let mut tags = Vec::new();
        for s in self.untagged.iter().chain(&self.tagged) {
            let id: u16 = number(&s.value, 1, 4094).ok_or_else(|| s.not("a number from 1 to 4094"))?;
            tags.push(Tree::new("tag").with("id", id));
        }
        let trunk = !self.tagged.is_empty();
        if trunk && self.untagged.is_some() {
            let native = tags.remove(0).with("nativeMode", "untagged");
            tags.insert(0, native);
        }
        let vlan = if trunk {
            Tree::new("vlan").with("trunk", "yes")
        } else {
            Tree::new("vlan")
        };
        Ok((!tags.is_empty()).then(|| vlan.holding(tags)))
    }

    /// `mode`, as an ipvlan has it.
    fn ipvlan_mode(&self) -> Result<&'static str, ParseError> {
        let word = |s: &Option<Setting>, usual: &'static str, words: [&'static str; 3]| match s {
            None => Ok(usual),
            Some(s) => words
                .into_iter()
                .find(|w| *w == s.value)
                .ok_or_else(|| s.not(&format!("{}, {} or {}", words[0], words[1], words[2]))),
        };
        let mode = word(&self.ipvlan, "l3", ["l2", "l3", "l3s"])?;
        let isolation = word(&self.isolation, "bridge", ["bridge", "private", "vepa"])?;
        let ends = match isolation {
            "bridge" => String::new(),
            other => format!("-{other}"),
        };
        let whole = format!("ipvlan-{mode}{ends}");
        let found = Mode::ALL.into_iter().map(Mode::name).find(|name| *name == whole);
        found.ok_or_else(|| self.first.refused("begins an ipvlan of a mode that there is not"))
    }

    fn mode(&self) -> Result<&str, ParseError> {
        if self.kind() == "ipvlan" {
            return self.ipvlan_mode();
        }
        match &self.mode {
            None => Ok("private"),
            Some(s) if ["private", "vepa", "bridge", "passthru"].contains(&s.value.as_str()) => {
                match s.value.as_str() {
                    "passthru" => Ok("passthrough"),
                    word => Ok(word),
                }
            }
            Some(s) => Err(s.not("private, vepa, bridge or passthru")),
        }
    }

    fn lacks(&self, what: &str) -> ParseError {
        self.first.refused(&format!(
            "begins a link of type {} without {what}",
            shown(self.kind(), 20)
        ))
    }
}

fn link_name(s: &Setting) -> Result<LinkName, ParseError> {
    LinkName::new(&s.value).map_err(|e| s.refused(&format!("names no link: {e}")))
}

fn mtu(s: &Setting) -> Result<u32, ParseError> {
    number(&s.value, 68, 65_536).ok_or_else(|| s.not("a number from 68 to 65536"))
}

fn ip(text: &str, v4: bool) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().filter(|a| a.is_ipv4() == v4)
}

/// The gateway; `auto` and `dev`, which a domain cannot say, are refused: the container would lack its way out.
fn gateway(s: &Setting, v4: bool) -> Result<Option<IpAddr>, ParseError> {
    if s.value.is_empty() {
        return Ok(None);
    }
    let wanted = || s.not("an address, which alone a domain may have as its gateway");
    ip(&s.value, v4).map(Some).ok_or_else(wanted)
}

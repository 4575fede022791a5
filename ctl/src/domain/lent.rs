//! Links of the host's that a domain has instead of it: `hostdev` of type `net`, which is kept as it stands, and what it asks for. Pure.

use super::Domain;
use super::device::elements;
use super::interface::{Address, Route};
use super::parse::interface;
use super::xml::{self, Element, Tree};
use crate::error::{Error, Outcome};
use crate::escape::escape;
use wire::LinkName;

/// A link of the host's, and what it is to have inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `source/interface`: what the host calls it.
    pub link: LinkName,
    /// `guest@dev`, which is Lazaret's own: its name inside; the host's without.
    pub guest: LinkName,
    /// `ip`, inside, in order.
    pub addresses: Vec<Address>,
    /// `route`, inside, in order.
    pub routes: Vec<Route>,
}

fn is(name: &str, mode: &str, kind: &str) -> bool {
    (name, mode, kind) == ("hostdev", "capabilities", "net")
}

/// Whether an element of `devices` is a link of the host's.
pub fn is_lent(element: &Element) -> bool {
    let attribute = |name: &str| {
        let mut found = element.attributes.iter().filter(|a| a.name == name);
        found.next().map_or("", |a| a.value.as_str())
    };
    is(&element.name, attribute("mode"), attribute("type"))
}

/// The same of one that is kept.
pub fn is_kept(tree: &Tree) -> bool {
    let attribute = |name: &str| tree.attribute(name).unwrap_or_default();
    is(&tree.name, attribute("mode"), attribute("type"))
}

/// All that a domain asks for.
pub fn links(domain: &Domain) -> Outcome<Vec<Wanted>> {
    elements(domain).filter(|tree| is_kept(tree)).map(wanted).collect()
}

/// What one element asks for. Its addresses and routes are read as those of an interface that is up are.
pub fn wanted(tree: &Tree) -> Outcome<Wanted> {
    let source = tree.children.iter().find(|c| c.name == "source");
    let name = source.and_then(|s| s.children.iter().find(|c| c.name == "interface"));
    let name = name.ok_or_else(|| Error::caller("<hostdev> has no <interface> in its <source>"))?;
    let name = name.text.trim();
    let link = LinkName::new(name)
        .map_err(|e| Error::caller(format!("no link of the host's can be called {}: {e}", escape(name))))?;
    let like = |child: &&Tree| matches!(child.name.as_str(), "ip" | "route" | "guest");
    let inside = Tree::new("interface")
        .with("type", "ethernet")
        .holding(tree.children.iter().filter(like).cloned())
        .holding([Tree::new("link").with("state", "up")]);
    let read = xml::read(inside.document().as_bytes()).and_then(|element| element.read(interface::interface));
    let inside = read.map_err(|fault| Error::caller(format!("the link {link}: {}", fault.what)))?;
    Ok(Wanted {
        guest: inside.guest.unwrap_or_else(|| link.clone()),
        link,
        addresses: inside.addresses,
        routes: inside.routes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inside: &str) -> Outcome<Wanted> {
        let text = format!("<hostdev mode='capabilities' type='net'>{inside}</hostdev>");
        let tree = crate::domain::device_element(text.as_bytes()).map_err(|f| Error::caller(f.what))?;
        wanted(&tree)
    }

    #[test]
    fn a_link_is_named_and_has_what_is_said_inside() {
        let plain = read("<source><interface> eth1 </interface></source>").unwrap();
        assert_eq!((plain.link.as_str(), plain.guest.as_str()), ("eth1", "eth1"));
        let full = read(
            "<source><interface>eth1</interface></source><ip address='192.0.2.5' family='ipv4' prefix='24'/>\
             <route family='ipv4' address='0.0.0.0' gateway='192.0.2.1'/><guest dev='lan0'/>",
        )
        .unwrap();
        assert_eq!(
            (full.guest.as_str(), full.addresses.len(), full.routes.len()),
            ("lan0", 1, 1)
        );
    }

    #[test]
    fn what_names_no_link_or_says_what_cannot_be_is_refused() {
        let source = "<source><interface>eth1</interface></source>";
        for (inside, why) in [
            ("<source/>", "has no <interface>"),
            (
                "<source><interface>a b</interface></source>",
                "no link of the host's can be called",
            ),
            (&format!("{source}<ip address='x'/>"), "an IP address"),
            (&format!("{source}<guest dev='a/b'/>"), "attribute dev"),
            (
                &format!("{source}<mtu size='1400'/>"),
                "<mtu> in <hostdev> is not known",
            ),
        ] {
            let said = read(inside).unwrap_err().to_string();
            assert!(said.contains(why), "{inside}: {said}");
        }
    }
}

//! Device nodes of the host's in a domain: `disk` and `hostdev`, which are kept as they stand, and what each asks for. Pure.

use super::Domain;
use super::kept::{What, Why};
use super::lent;
use super::xml::{Element, Tree};
use crate::error::{Error, Outcome};
use crate::escape::escape;
use std::collections::BTreeSet;
use wire::init::Path;
use wire::{Node, NodeKind, NodeName};

/// What finds the bus and the device number of the USB device of this vendor and product.
pub type FindUsb = fn(u16, u16) -> Outcome<(u16, u16)>;

/// Whether an element of `devices` is one that a container is given as a device node.
pub fn is_node(element: &Element) -> bool {
    let attribute = |name: &str| {
        let mut found = element.attributes.iter().filter(|a| a.name == name);
        found.next().map_or("", |a| a.value.as_str())
    };
    kind(&element.name, attribute("type"), attribute("mode")).is_some()
}

fn kind(name: &str, kind: &str, mode: &str) -> Option<NodeKind> {
    match (name, mode, kind) {
        ("disk", _, "block") => Some(NodeKind::Disk),
        ("hostdev", "subsystem", "usb") => Some(NodeKind::Usb),
        ("hostdev", "capabilities", "storage") => Some(NodeKind::Storage),
        ("hostdev", "capabilities", "misc") => Some(NodeKind::Misc),
        _ => None,
    }
}

/// The elements of a domain that ask for device nodes or for links of the host's, in their order.
pub fn elements(domain: &Domain) -> impl Iterator<Item = &Tree> {
    domain.kept.iter().filter_map(|k| match &k.what {
        What::Element(tree, _) | What::Instead(tree) if k.why == Why::Done => Some(tree),
        _ => None,
    })
}

/// The nodes that one element asks for: a clock for one of each timer, any other for one.
fn of(tree: &Tree, usb: FindUsb) -> Outcome<Vec<Node>> {
    match tree.name.as_str() {
        "clock" => Ok(super::clock::nodes(tree)),
        _ => node(tree, usb).map(|node| vec![node]),
    }
}

/// All device nodes that a domain asks for.
pub fn nodes(domain: &Domain, usb: FindUsb) -> Outcome<Vec<Node>> {
    let all = elements(domain)
        .filter(|tree| !lent::is_kept(tree))
        .map(|tree| of(tree, usb))
        .collect::<Outcome<Vec<_>>>()?;
    distinct(all.into_iter().flatten().collect())
}

/// The device nodes of what runs. One that cannot be told any more is none.
pub fn of_live(domain: &Domain) -> Outcome<Vec<Node>> {
    let gone = |_, _| Err(Error::caller("it was not noted where it was"));
    distinct(
        elements(domain)
            .filter_map(|tree| of(tree, gone).ok())
            .flatten()
            .collect(),
    )
}

/// The domain with the address of each USB device that it names by vendor and product: by that its node is known as long as it runs.
pub fn pinned(mut domain: Domain, usb: FindUsb) -> Outcome<Domain> {
    for kept in domain.kept.iter_mut().filter(|k| k.why == Why::Done) {
        if let What::Element(tree, _) = &mut kept.what {
            pin(tree, usb)?;
        }
    }
    Ok(domain)
}

/// The same of one device.
pub fn pin(tree: &mut Tree, usb: FindUsb) -> Outcome<()> {
    let attribute = |name: &str| tree.attribute(name).unwrap_or_default();
    if kind(&tree.name, attribute("type"), attribute("mode")) != Some(NodeKind::Usb) {
        return Ok(());
    }
    let (bus, device) = usb_address(tree, usb)?;
    let source = tree.children.iter_mut().find(|c| c.name == "source");
    if let Some(source) = source.filter(|s| child(s, "address").is_none()) {
        let address = Tree::new("address").with("bus", bus).with("device", device);
        source.children.push(address);
    }
    Ok(())
}

fn distinct(nodes: Vec<Node>) -> Outcome<Vec<Node>> {
    let mut names = BTreeSet::new();
    match nodes.iter().find(|n| !names.insert(&n.name)) {
        Some(twice) => Err(Error::caller(format!("two devices would be /dev/{}", twice.name))),
        None if nodes.len() > wire::node::MOST => Err(Error::caller(format!(
            "there are more than {} device nodes",
            wire::node::MOST
        ))),
        None => Ok(nodes),
    }
}

/// The node that one element asks for.
pub fn node(tree: &Tree, usb: FindUsb) -> Outcome<Node> {
    let attribute = |name: &str| tree.attribute(name).unwrap_or_default();
    let kind = kind(&tree.name, attribute("type"), attribute("mode"));
    let kind = kind.ok_or_else(|| Error::caller(format!("<{}> of this type is no device node", tree.name)))?;
    let (from, name) = match kind {
        NodeKind::Disk => {
            let target = child(tree, "target")
                .and_then(|t| t.attribute("dev"))
                .unwrap_or_default();
            let source = child(tree, "source").and_then(|s| s.attribute("dev"));
            let source = source
                .ok_or_else(|| Error::caller(format!("the disk {} has no <source dev='...'>", escape(target))))?;
            (source.to_owned(), target.to_owned())
        }
        NodeKind::Storage => below_dev(tree, "block")?,
        NodeKind::Misc => below_dev(tree, "char")?,
        NodeKind::Usb => {
            let (bus, device) = usb_address(tree, usb)?;
            let name = format!("bus/usb/{bus:03}/{device:03}");
            (format!("/dev/{name}"), name)
        }
        // A clock's, which is no element of its own.
        NodeKind::Timer => return Err(Error::caller("a timer is no device of a domain's")),
    };
    let wrong = |e: wire::name::NameError| Error::caller(format!("no device can be called {}: {e}", escape(&name)));
    let name = NodeName::new(&name).map_err(wrong)?;
    if !from.starts_with('/') {
        return Err(Error::caller(format!(
            "the device {} is no absolute path",
            escape(&from)
        )));
    }
    Ok(Node {
        kind,
        from: Path::new(&from).map_err(|e| Error::caller(format!("the path of a device: {e}")))?,
        name,
        writable: child(tree, "readonly").is_none(),
    })
}

fn child<'a>(tree: &'a Tree, name: &str) -> Option<&'a Tree> {
    tree.children.iter().find(|c| c.name == name)
}

/// A path of the host's below `/dev`, and what of it is below, which is what the node is called inside.
fn below_dev(tree: &Tree, name: &str) -> Outcome<(String, String)> {
    let found = child(tree, "source").and_then(|s| child(s, name));
    let path = found.map(|e| e.text.trim().to_owned());
    let path = path.ok_or_else(|| Error::caller(format!("<hostdev> has no <{name}> in its <source>")))?;
    match path.strip_prefix("/dev/") {
        Some(rest) => Ok((path.clone(), rest.to_owned())),
        None => Err(Error::caller(format!("the device {} is not below /dev", escape(&path)))),
    }
}

fn usb_address(tree: &Tree, usb: FindUsb) -> Outcome<(u16, u16)> {
    let source = child(tree, "source").ok_or_else(|| Error::caller("<hostdev> has no <source>"))?;
    let number = |of: &str, name: &str| {
        let value = child(source, of).and_then(|e| e.attribute(name));
        value.map(|text| {
            let wrong = || {
                Error::caller(format!(
                    "attribute {name} of <{of}> is {:?}, not a number",
                    escape(text)
                ))
            };
            let read = match text.strip_prefix("0x") {
                Some(hex) => u16::from_str_radix(hex, 16),
                None => text.parse(),
            };
            read.map_err(|_| wrong())
        })
    };
    match (
        number("address", "bus").transpose()?,
        number("address", "device").transpose()?,
    ) {
        (Some(bus), Some(device)) => return Ok((bus, device)),
        (None, None) => {}
        _ => {
            return Err(Error::caller(
                "the <address> of a USB device has not both, bus and device",
            ));
        }
    }
    match (
        number("vendor", "id").transpose()?,
        number("product", "id").transpose()?,
    ) {
        (Some(vendor), Some(product)) => usb(vendor, product),
        _ => Err(Error::caller(
            "a USB device is named by the bus and device of its <address>, or by its <vendor> and <product>",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(vendor: u16, product: u16) -> Outcome<(u16, u16)> {
        if (vendor, product) == (0x1234, 0x5678) {
            return Ok((2, 30));
        }
        Err(Error::caller("there is none"))
    }

    fn read(text: &str) -> Outcome<Node> {
        let tree = crate::domain::device_element(text.as_bytes()).map_err(|f| Error::caller(f.what))?;
        node(&tree, none)
    }

    #[test]
    fn each_kind_says_which_node_of_the_host_and_what_it_is_called_inside() {
        for (text, from, name, writable) in [
            (
                "<disk type='block'><source dev='/dev/vg/a'/><target dev='vda'/></disk>",
                "/dev/vg/a",
                "vda",
                true,
            ),
            (
                "<disk type='block'><source dev='/dev/sr0'/><target dev='hdc'/><readonly/></disk>",
                "/dev/sr0",
                "hdc",
                false,
            ),
            (
                "<hostdev mode='capabilities' type='storage'><source><block>/dev/sdf1</block></source></hostdev>",
                "/dev/sdf1",
                "sdf1",
                true,
            ),
            (
                "<hostdev mode='capabilities' type='misc'><source><char>/dev/input/event3</char></source></hostdev>",
                "/dev/input/event3",
                "input/event3",
                true,
            ),
            (
                "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='12'/></source></hostdev>",
                "/dev/bus/usb/001/012",
                "bus/usb/001/012",
                true,
            ),
            (
                "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0x5678'/></source></hostdev>",
                "/dev/bus/usb/002/030",
                "bus/usb/002/030",
                true,
            ),
        ] {
            let node = read(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(
                (node.from.as_str(), node.name.as_str(), node.writable),
                (from, name, writable)
            );
        }
    }

    #[test]
    fn a_usb_device_that_runs_is_known_by_where_it_was() {
        const DOMAIN: &str = "<domain type='lxc'><name>a</name><memory>1</memory><os><type>exe</type><init>/i</init></os><devices>\
            <hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0x5678'/></source></hostdev>\
            <hostdev mode='capabilities' type='misc'><source><char>/dev/c</char></source></hostdev></devices></domain>";
        let domain = crate::domain::parse(DOMAIN.as_bytes(), "a.xml").unwrap();
        let names = |d: &Domain| -> Vec<String> {
            let all = of_live(d).unwrap();
            all.iter().map(|n| n.name.to_string()).collect()
        };
        // Without that it is none, and in nobody's way.
        assert_eq!(names(&domain), ["c"]);
        let live = pinned(domain, none).unwrap();
        let text = crate::domain::format(&live);
        assert!(text.contains("<address bus='2' device='30'/>"), "{text}");
        let live = crate::domain::parse(text.as_bytes(), "a.xml").unwrap();
        assert_eq!(names(&live), ["bus/usb/002/030", "c"]);
        // One that is gone is detached by what it is as well as by where it was.
        let gone = "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0x5678'/></source></hostdev>";
        let gone = crate::domain::change::read(gone.as_bytes(), "d.xml").unwrap();
        let left = crate::domain::change::changed(&live, crate::domain::change::Change::Detach, &gone).unwrap();
        assert_eq!(names(&left), ["c"]);
        assert!(pinned(live, |_, _| Err(Error::caller("gone"))).is_ok());
    }

    #[test]
    fn what_names_no_device_is_refused() {
        for (text, why) in [
            (
                "<disk type='block'><target dev='vda'/></disk>",
                "has no <source dev='...'>",
            ),
            (
                "<disk type='block'><source dev='vdb'/><target dev='vda'/></disk>",
                "no absolute path",
            ),
            (
                "<disk type='block'><source dev='/dev/vdb'/><target dev='null'/></disk>",
                "every container has",
            ),
            (
                "<disk type='block'><source dev='/dev/vdb'/><target dev='../a'/></disk>",
                "no device can be called",
            ),
            (
                "<disk type='file'><source file='/a'/><target dev='vda'/></disk>",
                "no device node",
            ),
            (
                "<hostdev mode='capabilities' type='misc'><source><char>/etc/x</char></source></hostdev>",
                "not below /dev",
            ),
            (
                "<hostdev mode='capabilities' type='storage'><source/></hostdev>",
                "has no <block>",
            ),
            (
                "<hostdev mode='subsystem' type='usb'><source><address bus='1'/></source></hostdev>",
                "not both",
            ),
            (
                "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='x'/></source></hostdev>",
                "not a number",
            ),
            (
                "<hostdev mode='subsystem' type='usb'><source><vendor id='1'/><product id='2'/></source></hostdev>",
                "there is none",
            ),
            (
                "<hostdev mode='subsystem' type='usb'><source/></hostdev>",
                "is named by",
            ),
        ] {
            let said = read(text).unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}

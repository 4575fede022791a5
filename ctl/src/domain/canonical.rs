//! Libvirt's own form of what is kept: numbers as it prints them, what it adds, and what it leaves out since it says nothing. Pure.

use super::error::shown;
use super::schema::lists;
use super::units::bytes;
use super::xml::Tree;
use super::{hostdev, hypervisor, label};
use core::mem::take;

/// What buses a disk's name stands for, by how it begins.
const BUSES: [(&str, &str); 5] = [
    ("sd", "scsi"),
    ("vd", "virtio"),
    ("hd", "ide"),
    ("xvd", "xen"),
    ("ubd", "uml"),
];
/// The permission bits that `fmode` and `dmode` may have.
const MOST_MODE: u32 = 0o777;

/// The value of an attribute; `None` where it is not printed.
pub fn attribute(element: &str, name: &str, value: String) -> Result<Option<String>, String> {
    match (element, name, value.as_str()) {
        // That is what is meant where nothing is said.
        ("filesystem", "multidevs", "default") | ("memory", "placement", "static") | ("source", "portid", _) => {
            return Ok(None);
        }
        ("memory", "dumpCore", other) if !matches!(other, "on" | "off") => {
            return Err(format!(
                "attribute dumpCore of <memory> is {:?}, not \"on\" or \"off\"",
                shown(other, 40)
            ));
        }
        ("filesystem", "fmode" | "dmode", _) => {}
        _ => return Ok(Some(value)),
    }
    let digits = value.trim_ascii();
    let octal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let mode = u32::from_str_radix(digits, 8).ok().filter(|m| octal && *m <= MOST_MODE);
    match mode {
        Some(0) => Ok(None),
        Some(mode) => Ok(Some(format!("{mode:04o}"))),
        None => Err(format!(
            "attribute {name} of <filesystem> is {:?}, not an octal number to 777",
            shown(&value, 40)
        )),
    }
}

/// An element and all in it; `None` where it is not printed.
pub fn element(mut tree: Tree) -> Result<Option<Tree>, String> {
    let mut attributes = Vec::new();
    for (name, value) in take(&mut tree.attributes) {
        if let Some(value) = attribute(&tree.name, &name, value)? {
            attributes.push((name, value));
        }
    }
    tree.attributes = attributes;
    hypervisor::element(&mut tree)?;
    match (tree.name.as_str(), tree.attribute("mode"), tree.attribute("type")) {
        ("filesystem", ..) => tree.add_missing("accessmode", "passthrough"),
        ("space_hard_limit" | "space_soft_limit", ..) => return space(tree),
        ("disk", ..) => disk(&mut tree)?,
        ("clock", ..) => {
            clock(&mut tree)?;
            only_its_own(&mut tree);
        }
        // What devices are called while something runs is no part of a definition.
        ("alias", ..) => return Ok(None),
        ("seclabel", ..) => label::element(&mut tree)?,
        ("hostdev", ..) => hostdev::element(&mut tree)?,
        ("filterref", ..) => tree
            .children
            .sort_by_key(|c| c.attribute("name").unwrap_or_default().to_owned()),
        ("interface", _, Some("vhostuser" | "server" | "client" | "mcast" | "udp" | "internal" | "vdpa" | "vds")) => {
            elsewhere(&tree)?
        }
        ("console" | "serial" | "parallel", _, Some("dev" | "file" | "pipe" | "unix")) => {
            let source = tree.children.iter().find(|c| c.name == "source");
            if source.and_then(|s| s.attribute("path")).is_none() {
                return Err(format!("<{}> has no <source path='...'>", tree.name));
            }
        }
        ("interface", _, Some("direct")) => {
            if let Some(source) = child(&mut tree, "source") {
                source.add_missing("mode", "vepa");
            }
        }
        _ => {}
    }
    let children = take(&mut tree.children).into_iter();
    let children = children.map(element).filter_map(Result::transpose);
    tree.children = children.collect::<Result<_, _>>()?;
    Ok(Some(tree).filter(|tree| !hypervisor::is_nothing(tree)))
}

/// An interface of a kind that only a hypervisor has says where its other end is.
fn elsewhere(interface: &Tree) -> Result<(), String> {
    let kind = interface.attribute("type").unwrap_or_default();
    let needed = match kind {
        "vhostuser" => "type",
        "server" => "port",
        "client" | "mcast" | "udp" => "address",
        "internal" => "name",
        "vds" => "switchid",
        _ => "dev",
    };
    let source = interface.children.iter().find(|c| c.name == "source");
    match source.map(|s| s.attribute(needed).is_some()) {
        Some(true) => Ok(()),
        Some(false) => Err(format!(
            "<source> of an interface of type {kind} has no attribute {needed}"
        )),
        None => Err(format!("an interface of type {kind} has no <source>")),
    }
}

/// The first child of this name.
pub fn child<'a>(tree: &'a mut Tree, name: &str) -> Option<&'a mut Tree> {
    tree.children.iter_mut().find(|c| c.name == name)
}

/// Puts another value into the place of an attribute's.
pub fn replace(tree: &mut Tree, name: &str, value: String) {
    tree.attributes.retain(|(n, _)| n != name);
    tree.attributes.push((name.to_owned(), value));
}

/// A size of a file system: bytes, and nothing where it is 0.
fn space(tree: Tree) -> Result<Option<Tree>, String> {
    let size = bytes(&tree.text, tree.attribute("unit")).map_err(|why| format!("<{}>: {why}", tree.name))?;
    Ok((size > 0).then(|| Tree::leaf(&tree.name, size).with("unit", "bytes")))
}

fn disk(disk: &mut Tree) -> Result<(), String> {
    disk.add_missing("type", "file");
    disk.add_missing("device", "disk");
    let device = disk.attribute("device").map(str::to_owned);
    if let Some(target) = child(disk, "target") {
        let named = target.attribute("dev").unwrap_or_default();
        let bus = BUSES.iter().find(|(begin, _)| named.starts_with(begin));
        match (device.as_deref(), bus) {
            (Some("floppy"), _) => target.add_missing("bus", "fdc"),
            (_, Some((_, bus))) => target.add_missing("bus", bus),
            _ => {}
        }
    }
    if device.as_deref() == Some("cdrom") && child(disk, "readonly").is_none() {
        disk.children.push(Tree::new("readonly"));
    }
    one_of(disk, "type", "file block dir network volume nvme vhostuser")?;
    one_of(disk, "device", "disk cdrom floppy lun")?;
    if let Some(target) = child(disk, "target") {
        one_of(target, "bus", "ide fdc scsi virtio xen usb uml sata sd none")?;
    }
    Ok(())
}

/// Refuses what is no word for an attribute.
fn one_of(tree: &Tree, name: &str, words: &str) -> Result<(), String> {
    match tree.attribute(name).filter(|value| !lists(words, value)) {
        Some(other) => Err(format!(
            "attribute {name} of <{}> is {:?}, not one of {words}",
            tree.name,
            shown(other, 40)
        )),
        None => Ok(()),
    }
}

/// What a clock of another kind has is not said of this one.
fn only_its_own(clock: &mut Tree) {
    let offset = clock.attribute("offset").map(str::to_owned).unwrap_or_default();
    clock.attributes.retain(|(name, _)| match name.as_str() {
        "timezone" => offset == "timezone",
        "basis" => offset == "variable",
        "start" => offset == "absolute",
        _ => true,
    });
}

/// An adjustment in seconds makes of any clock a variable one, on what it was before.
fn clock(clock: &mut Tree) -> Result<(), String> {
    clock.add_missing("offset", "utc");
    let adjustment = clock.attribute("adjustment").map(str::to_owned);
    let offset = clock.attribute("offset").map(str::to_owned).unwrap_or_default();
    let seconds = adjustment.as_deref().map(|a| a.trim_ascii().parse::<i64>());
    match (offset.as_str(), adjustment, seconds) {
        ("utc" | "localtime", Some(said), Some(Err(_))) if said != "reset" => Err(format!(
            "attribute adjustment of <clock> is {:?}, not reset or a number",
            shown(&said, 40)
        )),
        ("utc" | "localtime", Some(_), Some(Ok(seconds))) => {
            replace(clock, "offset", "variable".to_owned());
            replace(clock, "adjustment", seconds.to_string());
            replace(clock, "basis", offset);
            Ok(())
        }
        ("variable", _, seconds) => {
            replace(clock, "adjustment", seconds.map_or(0, |s| s.unwrap_or(0)).to_string());
            clock.add_missing("basis", "utc");
            match clock.attribute("basis") {
                Some("utc" | "localtime") => Ok(()),
                other => Err(format!(
                    "attribute basis of <clock> is {:?}, not utc or localtime",
                    shown(other.unwrap_or_default(), 40)
                )),
            }
        }
        ("absolute", ..) if clock.attribute("start").is_none() => {
            Err("<clock offset='absolute'> has no start".to_owned())
        }
        ("timezone", ..) if clock.attribute("timezone").is_none() => {
            Err("<clock offset='timezone'> has no timezone".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{format, parse};

    fn printed(inside: &str) -> Result<String, String> {
        let text = format!(
            "<domain type='lxc' xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'><name>vm1</name><memory>1</memory>\
             <os><type>exe</type><init>/i</init></os>{inside}</domain>"
        );
        let domain = parse(text.as_bytes(), "x").map_err(|e| e.what)?;
        let printed = format(&domain);
        assert_eq!(parse(printed.as_bytes(), "x").unwrap(), domain, "{printed}");
        Ok(printed)
    }

    fn within(inside: &str) -> Result<String, String> {
        printed(&format!("<devices>{inside}</devices>"))
    }

    #[test]
    fn modes_are_octal_and_sizes_are_bytes() {
        let around = |attributes: &str, more: &str| {
            within(&format!(
                "<filesystem type='mount'{attributes}><source dir='/a'/><target dir='/'/>{more}</filesystem>"
            ))
        };
        for (said, shown) in [
            (" dmode='755' fmode='644'", "fmode='0644' dmode='0755'>"),
            (" dmode=' 7'", "accessmode='passthrough' dmode='0007'>"),
            (" dmode='0' fmode='0777'", "accessmode='passthrough' fmode='0777'>"),
        ] {
            let text = around(said, "").unwrap();
            assert!(text.contains(shown), "{text}");
        }
        for bad in ["1000", "99", "0x1", "", "+7"] {
            let said = around(&format!(" dmode='{bad}'"), "").unwrap_err();
            assert!(said.contains("not an octal number"), "{said}");
        }
        let limits = "<space_hard_limit unit='M'>5</space_hard_limit><space_soft_limit>7</space_soft_limit>";
        let text = around("", limits).unwrap();
        assert!(text.contains(
            "<space_hard_limit unit='bytes'>5242880</space_hard_limit>\n      <space_soft_limit unit='bytes'>7</space_soft_limit>\n"
        ));
        assert!(
            !around("", "<space_hard_limit>0</space_hard_limit>")
                .unwrap()
                .contains("space")
        );
        for bad in [
            "<space_hard_limit unit='q'>5</space_hard_limit>",
            "<space_soft_limit>-1</space_soft_limit>",
        ] {
            assert!(around("", bad).unwrap_err().contains("_limit>: "), "{bad}");
        }
    }

    #[test]
    fn clocks_are_printed_as_libvirt_has_them() {
        for (said, shown) in [
            ("<clock/>", "<clock offset='utc'/>"),
            (
                "<clock offset='variable'/>",
                "<clock offset='variable' adjustment='0' basis='utc'/>",
            ),
            (
                "<clock basis='localtime' offset='variable' adjustment='-3'/>",
                "<clock offset='variable' adjustment='-3' basis='localtime'/>",
            ),
            (
                "<clock offset='variable' adjustment='reset'/>",
                "<clock offset='variable' adjustment='0' basis='utc'/>",
            ),
            (
                "<clock offset='localtime' adjustment='3'/>",
                "<clock offset='variable' adjustment='3' basis='localtime'/>",
            ),
            (
                "<clock offset='utc' adjustment='5'/>",
                "<clock offset='variable' adjustment='5' basis='utc'/>",
            ),
            (
                "<clock offset='utc' adjustment='reset'/>",
                "<clock offset='utc' adjustment='reset'/>",
            ),
            (
                "<clock offset='absolute' start='0'/>",
                "<clock offset='absolute' start='0'/>",
            ),
        ] {
            let text = printed(said).unwrap();
            assert!(text.contains(&format!("  {shown}\n")), "{said}: {text}");
        }
        for (bad, why) in [
            ("offset='variable' basis='x'", "not utc or localtime"),
            ("offset='timezone'", "has no timezone"),
            ("offset='localtime' adjustment='x'", "not reset or a number"),
            ("offset='utc' adjustment='x'", "not reset or a number"),
        ] {
            let said = printed(&format!("<clock {bad}/>")).unwrap_err();
            assert!(said.contains(why), "{bad}: {said}");
        }
        let long = "x".repeat(1000);
        for bad in [
            format!("<clock offset='variable' basis='{long}'/>"),
            format!("<clock offset='utc' adjustment='{long}'/>"),
        ] {
            let said = printed(&bad).unwrap_err();
            assert!(said.len() < 200, "{said}");
        }
    }

    #[test]
    fn usb_devices_are_named_by_numbers_of_one_form() {
        let around = |source: &str| {
            within(&format!(
                "<hostdev mode='subsystem' type='usb'><source>{source}</source></hostdev>"
            ))
        };
        for (said, shown) in [
            ("<address device='0x3' bus='0x1'/>", "<address bus='1' device='3'/>"),
            ("<address bus='01' device='010'/>", "<address bus='1' device='8'/>"),
            (
                "<vendor id='0x46D'/><product id='123'/>",
                "<vendor id='0x046d'/>\n        <product id='0x007b'/>",
            ),
        ] {
            let text = around(said).unwrap();
            assert!(text.contains(shown), "{said}: {text}");
        }
        for bad in ["x", "08", "-1", "0x", "0x+1", "4294967296"] {
            let said = around(&format!("<address bus='1' device='{bad}'/>")).unwrap_err();
            assert!(said.contains("attribute device of <address>"), "{bad}: {said}");
        }
    }

    #[test]
    fn disks_have_the_bus_of_their_name() {
        for (device, target, shown) in [
            ("", "dev='sda'", "<target dev='sda' bus='scsi'/>"),
            ("", "dev='vda'", "<target dev='vda' bus='virtio'/>"),
            ("", "dev='hda'", "<target dev='hda' bus='ide'/>"),
            ("", "dev='xvda'", "<target dev='xvda' bus='xen'/>"),
            ("", "dev='ubda'", "<target dev='ubda' bus='uml'/>"),
            ("", "bus='usb' dev='sda'", "<target dev='sda' bus='usb'/>"),
            (" device='floppy'", "dev='fda'", "<target dev='fda' bus='fdc'/>"),
            (
                " device='cdrom'",
                "dev='hdc'",
                "<target dev='hdc' bus='ide'/>\n      <readonly/>\n",
            ),
        ] {
            let text = within(&format!(
                "<disk type='block'{device}><source dev='/dev/x'/><target {target}/></disk>"
            ))
            .unwrap();
            assert!(text.contains(shown), "{target}: {text}");
        }
        let text = within("<disk><source file='/a'/><target dev='vda'/></disk>").unwrap();
        assert!(text.contains("<disk type='file' device='disk'>"), "{text}");
    }

    #[test]
    fn shared_namespaces_have_an_order_and_none_is_nothing() {
        let text = printed(
            "<lxc:namespace><lxc:shareuts type='pid' value='1'/><lxc:shareipc type='none' value='x'/>\
             <lxc:sharenet type='name' value='b'/></lxc:namespace>",
        )
        .unwrap();
        let shown = "  <lxc:namespace>\n    <lxc:sharenet type='name' value='b'/>\n    <lxc:shareuts type='pid' value='1'/>\n  </lxc:namespace>\n";
        assert!(text.contains(shown), "{text}");
        for nothing in [
            "<lxc:namespace/>",
            "<lxc:namespace><lxc:shareuts type='none' value='x'/></lxc:namespace>",
        ] {
            assert!(!printed(nothing).unwrap().contains("lxc:"));
        }
    }

    #[test]
    fn of_two_of_one_namespace_in_metadata_the_first_is_kept() {
        let text = printed(
            "<metadata><a:x xmlns:a='u1'>1</a:x><b:x xmlns:b='u2'/><c:y xmlns:c='u1'>2</c:y><d xmlns='u2'/><?in y?></metadata>",
        )
        .unwrap();
        let shown = "  <metadata>\n    <a:x xmlns:a=\"u1\">1</a:x>\n    <b:x xmlns:b=\"u2\"/>\n  </metadata>\n";
        assert!(text.contains(shown), "{text}");
    }

    #[test]
    fn consoles_are_numbered_by_their_places() {
        let console = |port: &str| format!("<console type='pty'><target port='{port}'/></console>");
        let text = within(&format!("{}{}", console("3"), console("-1"))).unwrap();
        assert!(
            text.contains("port='0'") && text.contains("port='1'") && !text.contains("port='3'"),
            "{text}"
        );
        for bad in ["x", "0x3", "99999999999", ""] {
            assert!(within(&console(bad)).unwrap_err().contains("a number"), "{bad}");
        }
    }
}

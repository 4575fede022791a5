//! Takes out of a document what is kept and not done, so that whoever reads the rest knows all of it, or refuses it. Pure.

use super::canonical;
use super::device;
use super::error::{Fault, shown, shown_name};
use super::kept::{Kept, Step, What, Why, arrange};
use super::lent;
use super::metadata;
use super::model::Share;
use super::schema::{known, lists};
use super::xml::{Attribute, Element, Tree};
use core::mem::take;

/// The namespace of the elements that only the LXC driver has.
const NAMESPACE: &str = "http://libvirt.org/schemas/domain/lxc/1.0";

/// What is done: of each element, by the way to it, the attributes and the elements in it that a reader takes. What is in an element that has
/// no row is the reader's.
const BUILT: [(&str, &str, &str); 34] = [
    (
        "",
        "type id",
        "name uuid title description memory currentMemory blkiotune memtune vcpu cputune numatune resource os idmap features clock on_poweroff on_reboot \
         on_crash devices seclabel",
    ),
    ("/memory", "unit", ""),
    ("/currentMemory", "unit", ""),
    ("/memtune", "", "hard_limit soft_limit swap_hard_limit"),
    ("/blkiotune", "", "weight device"),
    (
        "/blkiotune/device",
        "",
        "path weight read_iops_sec write_iops_sec read_bytes_sec write_bytes_sec",
    ),
    ("/numatune", "", "memory"),
    ("/numatune/memory", "mode nodeset", ""),
    ("/vcpu", "placement cpuset", ""),
    ("/cputune", "", "shares period quota"),
    ("/resource", "", "partition"),
    (
        "/os",
        "",
        "type init initarg initenv initdir inituser initgroup cmdline",
    ),
    ("/os/type", "arch", ""),
    ("/features", "", "privnet capabilities"),
    ("/devices", "", "emulator filesystem interface console"),
    (
        "/devices/filesystem",
        "type accessmode",
        "driver source target readonly",
    ),
    ("/devices/filesystem/driver", "type format", ""),
    ("/devices/filesystem/source", "dir usage units dev file", ""),
    (
        "/devices/interface",
        "type",
        "mac source ip route target guest mtu port link bandwidth vlan",
    ),
    ("/devices/interface/mac", "address", ""),
    (
        "/devices/interface/source",
        "network portgroup bridge dev mode",
        "ip route",
    ),
    ("/devices/interface/bandwidth", "", "inbound outbound"),
    ("/devices/interface/bandwidth/inbound", "average peak floor burst", ""),
    ("/devices/interface/bandwidth/outbound", "average peak floor burst", ""),
    ("/devices/interface/vlan", "trunk", "tag"),
    ("/devices/interface/vlan/tag", "id nativeMode", ""),
    ("/devices/interface/target", "dev", ""),
    ("/devices/interface/guest", "dev", ""),
    ("/devices/interface/link", "state", ""),
    ("/devices/interface/mtu", "size", ""),
    ("/devices/interface/port", "isolated", ""),
    ("/devices/console", "type tty", "target"),
    ("/devices/console/target", "type port", ""),
    ("/seclabel", "type model relabel", "label"),
];

/// What libvirt's LXC driver acts on, and is not done here yet; of attributes and elements in one list.
const UNBUILT: [(&str, &str); 4] = [
    ("/numatune/memory", "placement"),
    ("/devices", "disk hostdev"),
    ("/devices/filesystem", "space_hard_limit space_soft_limit"),
    ("/devices/interface", "virtualport script filterref"),
];

/// Values with which an element as a whole is not done: of an attribute, or of its text.
const OTHERWISE: [(&str, &str, &str); 11] = [
    ("/vcpu", "placement", "auto"),
    ("/on_poweroff", "", "preserve rename-restart"),
    ("/on_reboot", "", "preserve rename-restart"),
    (
        "/on_crash",
        "",
        "preserve rename-restart coredump-destroy coredump-restart",
    ),
    ("/devices/filesystem", "type", "template volume"),
    ("/devices/filesystem", "accessmode", "mapped squash"),
    ("/devices/filesystem/driver", "type", "path handle nbd virtiofs mtp"),
    (
        "/devices/filesystem/driver",
        "format",
        "dir bochs cloop dmg iso vpc vdi fat vhd ploop cow qcow qcow2 qed vmdk",
    ),
    (
        "/devices/interface",
        "type",
        "vhostuser server client mcast udp internal hostdev vdpa vds null",
    ),
    (
        "/devices/console",
        "type",
        "null vc dev file pipe stdio udp tcp unix spicevmc spiceport nmdm qemu-vdagent dbus",
    ),
    ("/seclabel", "type", "dynamic"),
];

/// What of all these is never done, and why: of an element and, where they are named, the values of this attribute of it, or of its text.
const NEVER: [(&str, &str, &str, &str); 14] = [
    ("/on_poweroff", "", "preserve", ENDED),
    ("/on_reboot", "", "preserve", ENDED),
    ("/on_crash", "", "preserve", ENDED),
    ("/on_poweroff", "", "rename-restart", RENAMED),
    ("/on_reboot", "", "rename-restart", RENAMED),
    ("/on_crash", "", "rename-restart", RENAMED),
    (
        "/on_crash",
        "",
        "coredump-destroy coredump-restart",
        "a core of what has ended is written by the kernel, where the host's core_pattern says so",
    ),
    ("/vcpu", "placement", "auto", NUMAD),
    ("/numatune/memory/@placement", "", "", NUMAD),
    ("/devices/filesystem/space_hard_limit", "", "", QUOTA),
    ("/devices/filesystem/space_soft_limit", "", "", QUOTA),
    ("/devices/interface/virtualport", "", "", "Open vSwitch is not used"),
    (
        "/devices/interface/script",
        "",
        "",
        "scripts are not supported on LXC network interfaces",
    ),
    (
        "/devices/filesystem",
        "accessmode",
        "mapped squash",
        "files keep the owners that they have: who maps them otherwise is a hypervisor",
    ),
];
const ENDED: &str = "of a container that has ended there is its log and its status, which are kept whatever is said";
const RENAMED: &str = "a container that starts again has its own name";
const NUMAD: &str = "nobody is asked where a container should run: cpuset and nodeset say it";
const QUOTA: &str = "how much a directory may hold is a quota of the host's file system, and the host's to set";

/// Elements of which there is one, and which is printed whether it is said or not.
const ALWAYS: &str = "vcpu clock on_poweroff on_reboot on_crash";

/// What was taken out, with the line of each.
#[derive(Debug, Default)]
pub struct Sifted {
    /// The things, in the order in which they are printed.
    pub kept: Vec<Kept>,
    /// The lines.
    pub lines: Vec<usize>,
    /// What `lxc:namespace` says, which is kept too, since it is printed as it was.
    pub shares: [Option<Share>; 3],
}

impl Sifted {
    /// Takes out of a whole document.
    pub fn of(root: &mut Element) -> Result<Self, Fault> {
        let mut found = Vec::new();
        without_stray_text(root);
        let shares = namespace(root, &mut found)?;
        sift(root, "", &mut Vec::new(), &mut found)?;
        let mut sifted = Self {
            shares,
            ..Self::default()
        };
        // As they will be printed, so that what is printed is read as the same.
        found.sort_by_key(|(_, kept)| kept.place());
        for (line, kept) in found {
            sifted.kept.push(kept);
            sifted.lines.push(line);
        }
        Ok(sifted)
    }
}

/// Elements of which libvirt reads what is in them, and no text beside that.
const HOLDERS: &str = "domain os features capabilities devices memtune blkiotune cputune numatune idmap resource clock interface filesystem disk hostdev console \
    bandwidth vlan lxc:namespace";

/// Leaves out text that stands where elements do, as libvirt does.
fn without_stray_text(element: &mut Element) {
    if lists(HOLDERS, &element.name) {
        element.text.clear();
    }
    // What is in the source of a host device is its name.
    if element.name == "hostdev" {
        return;
    }
    let known = element.children.iter_mut().filter(|c| c.name != "metadata");
    known.for_each(without_stray_text);
}

type Found = Vec<(usize, Kept)>;

fn row<'a>(table: &'a [(&str, &str, &str)], path: &str) -> Option<(&'a str, &'a str)> {
    table
        .iter()
        .find(|(at, ..)| *at == path)
        .map(|(_, attributes, children)| (*attributes, *children))
}

/// Takes `lxc:namespace` and the attribute that declares its prefix.
fn namespace(root: &mut Element, found: &mut Found) -> Result<[Option<Share>; 3], Fault> {
    let mut shares: [Option<Share>; 3] = Default::default();
    let name = "lxc:namespace";
    let declared = root
        .attributes
        .iter()
        .position(|a| a.name == "xmlns:lxc" && a.value == NAMESPACE);
    let Some(at) = declared else { return Ok(shares) };
    let (taken, left): (Vec<_>, Vec<_>) = take(&mut root.children).into_iter().partition(|c| c.name == name);
    root.children = left;
    let attribute = root.attributes.remove(at);
    let mut taken = taken.into_iter();
    let Some(element) = taken.next() else { return Ok(shares) };
    if let Some(second) = taken.next() {
        return Err(Fault::new(second.line, "<lxc:namespace> comes twice in <domain>"));
    }
    let mut shared = Tree::new(name);
    for child in &element.children {
        let known = ["lxc:sharenet", "lxc:shareipc", "lxc:shareuts"];
        let known = known.iter().position(|name| *name == child.name);
        let attribute = |name: &str| {
            child
                .attributes
                .iter()
                .find(|a| a.name == name)
                .map(|a| a.value.as_str())
        };
        let share = attribute("type").zip(attribute("value"));
        let share = share.filter(|_| child.attributes.len() == 2 && child.children.is_empty());
        let share = share.and_then(|(kind, value)| Share::read(kind, value));
        let slot = known.and_then(|at| shares.get_mut(at));
        let (Some(slot), Some(share)) = (slot, share) else {
            let name = shown_name(&child.name);
            let what = format!("<{name}> in <lxc:namespace> is not known, or not with these attributes");
            return Err(Fault::new(child.line, what));
        };
        if slot.is_some() {
            let what = format!("<{}> comes twice in <lxc:namespace>", child.name);
            return Err(Fault::new(child.line, what));
        }
        // None is as if it was not said.
        if share.is_some() {
            shared.children.push(tree(child, false)?);
        }
        *slot = share;
    }
    if shared.children.is_empty() {
        return Ok(shares);
    }
    arrange(&mut shared);
    let mut keep = |line, what, why| {
        found.push((
            line,
            Kept {
                within: Vec::new(),
                what,
                why,
            },
        ))
    };
    keep(
        attribute.line,
        What::Attribute(attribute.name, attribute.value),
        Why::Said,
    );
    keep(element.line, What::Element(shared, 0), Why::Said);
    Ok(shares)
}

fn sift(element: &mut Element, path: &str, within: &mut Vec<Step>, found: &mut Found) -> Result<(), Fault> {
    let Some((attributes, children)) = row(&BUILT, path) else {
        return Ok(());
    };
    let Some(schema) = known(&element.name) else {
        return Ok(());
    };
    let unbuilt = UNBUILT
        .iter()
        .find(|(at, _)| *at == path)
        .map_or("", |(_, names)| names);
    let why = |name: &str| {
        if lists(unbuilt, name) {
            Why::Unbuilt
        } else {
            Why::Unread
        }
    };
    for attribute in take(&mut element.attributes) {
        let name = &attribute.name;
        if lists(attributes, name) || !schema.has_attribute(name) {
            element.attributes.push(attribute);
            continue;
        }
        let why = never(None, &format!("{path}/@{name}")).unwrap_or_else(|| why(name));
        let value = canonical::attribute(&element.name, &attribute.name, attribute.value);
        if let Some(value) = value.map_err(|what| Fault::new(attribute.line, what))? {
            let what = What::Attribute(attribute.name, value);
            let within = within.clone();
            found.push((attribute.line, Kept { within, what, why }));
        }
    }
    let mut counts: Vec<(String, usize)> = Vec::new();
    for mut child in take(&mut element.children) {
        let at = next(&mut counts, &child.name);
        if at > 0 && path.is_empty() && child.name != "seclabel" && schema.holds(&child.name) {
            let what = format!("<{}> comes twice in <domain>", shown_name(&child.name));
            return Err(Fault::new(child.line, what));
        }
        let below = format!("{path}/{}", child.name);
        let built = lists(children, &child.name);
        let whole_clock = below == "/clock" && (!is_utc(&child) || !child.children.is_empty());
        if !built && !schema.holds(&child.name) || built && !whole_clock && !otherwise(&child, &below) {
            within.push((child.name.clone(), at));
            sift(&mut child, &below, within, found)?;
            within.pop();
            element.children.push(child);
            continue;
        }
        let why = match child.name.as_str() {
            "metadata" if path.is_empty() => Why::Said,
            _ if path == "/devices" && (device::is_node(&child) || lent::is_lent(&child)) => Why::Done,
            name => never(Some(&child), &below).unwrap_or_else(|| if built { Why::Unbuilt } else { why(name) }),
        };
        whole(&child)?;
        let mut tree = tree(&child, why != Why::Said)?;
        if why == Why::Said {
            metadata::first_of_each(&mut tree);
        } else {
            let canonical = canonical::element(tree).map_err(|what| Fault::new(child.line, what))?;
            let Some(printed) = canonical else { continue };
            tree = printed;
            arrange(&mut tree);
        }
        let why = match whole_clock {
            true => super::clock::why(&tree).map_err(|what| Fault::new(child.line, what))?,
            false => why,
        };
        let what = if path.is_empty() && lists(ALWAYS, &tree.name) {
            What::Instead(tree)
        } else {
            What::Element(tree, at)
        };
        found.push((
            child.line,
            Kept {
                within: within.clone(),
                what,
                why,
            },
        ));
    }
    Ok(())
}

/// The place of the next element of this name.
fn next(counts: &mut Vec<(String, usize)>, name: &str) -> usize {
    if let Some((_, count)) = counts.iter_mut().find(|(n, _)| n == name) {
        *count = count.saturating_add(1);
        return *count;
    }
    counts.push((name.to_owned(), 0));
    0
}

/// Whether an element that is done otherwise is not with these values.
fn otherwise(element: &Element, path: &str) -> bool {
    let value = |attribute: &str| match attribute {
        "" => Some(element.text.trim_ascii()),
        name => element
            .attributes
            .iter()
            .find(|a| a.name == name)
            .map(|a| a.value.as_str()),
    };
    let rows = OTHERWISE.iter().filter(|(at, ..)| *at == path);
    let mut rows = rows.map(|(_, attribute, values)| value(attribute).is_some_and(|v| lists(values, v)));
    let child = |name: &str| element.children.iter().find(|c| c.name == name);
    let other_target = |target: &Element| {
        let mut kinds = target.attributes.iter().filter(|a| a.name == "type");
        kinds.any(|a| lists("serial virtio xen uml sclp sclplm", &a.value))
    };
    rows.any(|found| found)
        || path == "/seclabel" && other_label(element)
        || path == "/devices/console" && child("target").is_some_and(other_target)
        || path == "/devices/interface" && value("type") == Some("user") && element.children.iter().any(other_user)
}

/// Whether a hypervisor's interface of type user has this: `pasta` is told an address and a name, and does the rest as the host has it.
fn other_user(child: &Element) -> bool {
    match child.name.as_str() {
        "source" => !child.attributes.is_empty(),
        "link" => child.attributes.iter().any(|a| a.name == "state" && a.value == "down"),
        name => lists("ip route target mtu port bandwidth vlan backend portForward", name),
    }
}

/// Whether a clock says nothing but that.
fn is_utc(clock: &Element) -> bool {
    clock.attributes.iter().all(|a| a.name == "offset" && a.value == "utc")
}

/// Why something is never done, if so.
fn never(element: Option<&Element>, path: &str) -> Option<Why> {
    let value = |attribute: &str| match attribute {
        "" => element.map(|e| e.text.trim_ascii()),
        name => {
            let found = element.and_then(|e| e.attributes.iter().find(|a| a.name == name));
            found.map(|a| a.value.as_str())
        }
    };
    let mut rows = NEVER.iter().filter(|(at, ..)| *at == path);
    let row =
        rows.find(|(_, attribute, values, _)| values.is_empty() || value(attribute).is_some_and(|v| lists(values, v)));
    row.map(|(_, _, _, why)| Why::Never(why))
}

/// Whether a label is another than none, and another than an AppArmor profile or an SELinux context for which no file is labelled.
fn other_label(element: &Element) -> bool {
    let value = |name: &str| {
        let found = element.attributes.iter().find(|a| a.name == name);
        found.map(|a| a.value.as_str())
    };
    match value("type") {
        Some("static") => {
            !matches!(value("model"), Some("apparmor" | "selinux")) || !matches!(value("relabel"), None | Some("no"))
        }
        _ => element.attributes.len() > 1,
    }
}

/// Refuses a device without what every device of its kind has, so that no mistake waits until it is done.
fn whole(element: &Element) -> Result<(), Fault> {
    let kind = element
        .attributes
        .iter()
        .find(|a| a.name == "type")
        .map(|a| a.value.as_str());
    let needed: &[&str] = match (element.name.as_str(), kind) {
        ("filesystem", _) => &["source", "target"],
        ("hostdev", _) => &["source"],
        ("disk", _) => &["target"],
        _ => &[],
    };
    let missing = needed.iter().find(|n| element.children.iter().all(|c| c.name != **n));
    missing.map_or(Ok(()), |missing| {
        Err(Fault::new(
            element.line,
            format!("<{}> has no <{missing}>", element.name),
        ))
    })
}

/// One element of `devices`, in libvirt's own order and with what libvirt adds.
pub fn device_element(bytes: &[u8]) -> Result<Tree, Fault> {
    let mut element = super::xml::read(bytes)?;
    without_stray_text(&mut element);
    if !known("devices").is_some_and(|d| d.holds(&element.name)) {
        let what = format!("<{}> is no device", shown_name(&element.name));
        return Err(Fault::new(element.line, what));
    }
    whole(&element)?;
    let tree = canonical::element(tree(&element, true)?).map_err(|what| Fault::new(element.line, what))?;
    let mut tree = tree.ok_or_else(|| Fault::new(element.line, "it says nothing"))?;
    arrange(&mut tree);
    Ok(tree)
}

/// One element of somebody's own, as it is said.
pub fn said(bytes: &[u8]) -> Result<Tree, Fault> {
    let element = super::xml::read(bytes)?;
    whole(&element)?;
    tree(&element, false)
}

/// What is somebody's own, as it is kept.
pub fn said_tree(element: &Element) -> Result<Tree, Fault> {
    tree(element, false)
}

/// An element as it is kept. Where it is to be of the schema, all in it is.
fn tree(element: &Element, of_schema: bool) -> Result<Tree, Fault> {
    let name = shown_name(&element.name);
    let schema = known(&element.name);
    for a in element.attributes.iter().filter(|_| of_schema) {
        if !schema.is_some_and(|s| s.has_attribute(&a.name)) {
            let what = format!("attribute {} of <{name}> is not known", shown_name(&a.name));
            return Err(Fault::new(a.line, what));
        }
    }
    for c in element.children.iter().filter(|_| of_schema) {
        if !schema.is_some_and(|s| s.holds(&c.name)) {
            return Err(Fault::new(
                c.line,
                format!("<{}> in <{name}> is not known", shown_name(&c.name)),
            ));
        }
    }
    let blank = element.text.trim_ascii().is_empty();
    if !blank && !element.children.is_empty() {
        let text = shown(element.text.trim_ascii(), 40);
        let line = element.text_line.unwrap_or(element.line);
        return Err(Fault::new(
            line,
            format!("the text {text:?} in <{name}> stands beside elements"),
        ));
    }
    let attribute = |a: &Attribute| (a.name.clone(), a.value.clone());
    Ok(Tree {
        name: element.name.clone(),
        attributes: element.attributes.iter().map(attribute).collect(),
        children: element
            .children
            .iter()
            .map(|c| tree(c, of_schema))
            .collect::<Result<_, _>>()?,
        text: if blank { String::new() } else { element.text.clone() },
    })
}

//! Prints a domain as libvirt does: the order, the indent and the escaping of its canonical form. Pure.

use super::interface::{Address, Attached, Bandwidth, Interface, LinkState, Native, Rate, Route, Vlan, family};
use super::model::{BlkioDevice, Blkiotune, Cputune, Domain, Filesystem, IdMap, Memtune, Os, Seclabel, Source};
use super::put;
use super::xml::{Tree, Writer};
use core::net::Ipv4Addr;
use wire::IdRange;
use wire::init::Then;

/// The canonical document of a definition.
pub fn format(domain: &Domain) -> String {
    tree(domain, None).document()
}

/// The same as a value, with its number if it runs.
pub fn tree(domain: &Domain, id: Option<u32>) -> Tree {
    let mut writer = Writer::default();
    let id = id.map(|id| id.to_string());
    writer.element("domain", &[("type", Some("lxc")), ("id", id.as_deref())], |w| {
        general(w, domain);
        os(w, &domain.os);
        if let Some(map) = &domain.idmap {
            idmap(w, map);
        }
        features(w, domain);
        w.empty("clock", &[("offset", Some("utc"))]);
        w.leaf("on_poweroff", &[], then(domain.afterwards.poweroff));
        w.leaf("on_reboot", &[], then(domain.afterwards.reboot));
        w.leaf("on_crash", &[], then(domain.afterwards.crash));
        devices(w, domain);
        seclabel(w, &domain.seclabel);
    });
    let mut tree = writer.finish();
    put::put(&domain.kept, &mut tree);
    if let Some(devices) = tree.children.iter_mut().find(|c| c.name == "devices") {
        number_consoles(devices);
    }
    tree
}

/// The number of a console is its place among all, of those too that are kept.
fn number_consoles(devices: &mut Tree) {
    let consoles = devices.children.iter_mut().filter(|c| c.name == "console");
    for (place, console) in consoles.enumerate() {
        let targets = console.children.iter_mut().filter(|c| c.name == "target");
        for (_, port) in targets
            .flat_map(|t| &mut t.attributes)
            .filter(|(name, _)| name == "port")
        {
            *port = place.to_string();
        }
    }
}

fn seclabel(w: &mut Writer, label: &Seclabel) {
    match label {
        Seclabel::Unsaid => {}
        Seclabel::None => w.empty("seclabel", &[("type", Some("none"))]),
        Seclabel::AppArmor(profile) => static_label(w, "apparmor", profile.as_str()),
        Seclabel::Selinux(context) => static_label(w, "selinux", context.as_str()),
    }
}

fn static_label(w: &mut Writer, model: &str, label: &str) {
    let attributes = [
        ("type", Some("static")),
        ("model", Some(model)),
        ("relabel", Some("no")),
    ];
    w.element("seclabel", &attributes, |w| w.leaf("label", &[], label));
}

const fn then(then: Then) -> &'static str {
    match then {
        Then::End => "destroy",
        Then::Restart => "restart",
    }
}

fn general(w: &mut Writer, domain: &Domain) {
    w.leaf("name", &[], domain.name.as_str());
    optional(w, "uuid", domain.uuid);
    optional(w, "title", domain.title.as_ref());
    optional(w, "description", domain.description.as_ref());
    size(w, "memory", Some(domain.memory));
    size(w, "currentMemory", Some(domain.current_memory));
    if domain.blkiotune != Blkiotune::default() {
        w.element("blkiotune", &[], |w| {
            optional(w, "weight", domain.blkiotune.weight);
            domain.blkiotune.devices.iter().for_each(|d| blkio_device(w, d));
        });
    }
    if domain.memtune != Memtune::default() {
        w.element("memtune", &[], |w| {
            size(w, "hard_limit", domain.memtune.hard_limit);
            size(w, "soft_limit", domain.memtune.soft_limit);
            size(w, "swap_hard_limit", domain.memtune.swap_hard_limit);
        });
    }
    let cpuset = domain.vcpu.cpuset.as_ref().map(ToString::to_string);
    let attributes = [("placement", Some("static")), ("cpuset", cpuset.as_deref())];
    w.leaf("vcpu", &attributes, &domain.vcpu.count.to_string());
    if domain.cputune != Cputune::default() {
        w.element("cputune", &[], |w| {
            optional(w, "shares", domain.cputune.shares);
            optional(w, "period", domain.cputune.period);
            optional(w, "quota", domain.cputune.quota);
        });
    }
    if let Some(nodes) = &domain.nodes {
        w.element("numatune", &[], |w| {
            w.empty(
                "memory",
                &[
                    ("mode", Some(domain.memory_mode.word())),
                    ("nodeset", Some(&nodes.to_string())),
                ],
            );
        });
    }
    if let Some(partition) = &domain.partition {
        w.element("resource", &[], |w| w.leaf("partition", &[], partition.as_str()));
    }
}

fn blkio_device(w: &mut Writer, device: &BlkioDevice) {
    w.element("device", &[], |w| {
        w.leaf("path", &[], device.path.as_str());
        optional(w, "weight", device.weight);
        optional(w, "read_iops_sec", device.read_operations);
        optional(w, "write_iops_sec", device.write_operations);
        optional(w, "read_bytes_sec", device.read_bytes);
        optional(w, "write_bytes_sec", device.write_bytes);
    });
}

fn optional(w: &mut Writer, name: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        w.leaf(name, &[], &value.to_string());
    }
}

fn size(w: &mut Writer, name: &str, kib: Option<u64>) {
    if let Some(kib) = kib {
        w.leaf(name, &[("unit", Some("KiB"))], &kib.to_string());
    }
}

fn os(w: &mut Writer, os: &Os) {
    w.element("os", &[], |w| {
        w.leaf("type", &[("arch", os.arch.map(|a| a.name()))], "exe");
        w.leaf("init", &[], os.init.as_str());
        for argument in &os.initargs {
            w.leaf("initarg", &[], argument.as_str());
        }
        for variable in &os.initenv {
            w.leaf(
                "initenv",
                &[("name", Some(variable.name.as_str()))],
                variable.value.as_str(),
            );
        }
        optional(w, "initdir", os.initdir.as_ref());
        optional(w, "inituser", os.inituser.as_ref());
        optional(w, "initgroup", os.initgroup.as_ref());
        optional(w, "cmdline", os.cmdline.as_ref());
    });
}

fn idmap(w: &mut Writer, map: &IdMap) {
    let range = |w: &mut Writer, kind: &str, range: &IdRange| {
        let [start, target, count] = [range.inside, range.outside, range.count].map(|n| n.to_string());
        w.empty(
            kind,
            &[
                ("start", Some(&start)),
                ("target", Some(&target)),
                ("count", Some(&count)),
            ],
        );
    };
    w.element("idmap", &[], |w| {
        map.uid.iter().for_each(|r| range(w, "uid", r));
        map.gid.iter().for_each(|r| range(w, "gid", r));
    });
}

/// libvirt leaves out a `capabilities` that says no more than its absence would.
fn features(w: &mut Writer, domain: &Domain) {
    let said = domain.capabilities != super::Capabilities::default();
    if !domain.privnet && !said {
        return;
    }
    w.element("features", &[], |w| {
        if domain.privnet {
            w.empty("privnet", &[]);
        }
        let policy = [("policy", Some(domain.capabilities.policy.name()))];
        if said && domain.capabilities.states.is_empty() {
            w.empty("capabilities", &policy);
        } else if said {
            w.element("capabilities", &policy, |w| {
                for (capability, on) in &domain.capabilities.states {
                    w.empty(capability.name(), &[("state", Some(if *on { "on" } else { "off" }))]);
                }
            });
        }
    });
}

fn devices(w: &mut Writer, domain: &Domain) {
    let none = domain.emulator.is_none() && domain.filesystems.is_empty() && domain.interfaces.is_empty();
    if none && domain.consoles == 0 {
        return w.empty("devices", &[]);
    }
    w.element("devices", &[], |w| {
        optional(w, "emulator", domain.emulator.as_ref());
        domain.filesystems.iter().for_each(|f| filesystem(w, f));
        domain.interfaces.iter().for_each(|i| interface(w, i));
        for port in 0..domain.consoles {
            w.element("console", &[("type", Some("pty"))], |w| {
                w.empty("target", &[("type", Some("lxc")), ("port", Some(&port.to_string()))]);
            });
        }
    });
}

fn filesystem(w: &mut Writer, filesystem: &Filesystem) {
    let kind = match filesystem.source {
        Source::Mount(_) => "mount",
        Source::Bind(_) => "bind",
        Source::Ram(_) => "ram",
        Source::Block(_) => "block",
        Source::File(..) => "file",
    };
    w.element(
        "filesystem",
        &[("type", Some(kind)), ("accessmode", Some("passthrough"))],
        |w| {
            match &filesystem.source {
                Source::Mount(dir) | Source::Bind(dir) => w.empty("source", &[("dir", Some(dir.as_str()))]),
                Source::Ram(kib) => w.empty("source", &[("usage", Some(&kib.to_string())), ("units", Some("KiB"))]),
                Source::Block(dev) => w.empty("source", &[("dev", Some(dev.as_str()))]),
                Source::File(file, [behind, raw]) => {
                    if *behind {
                        w.empty("driver", &[("type", Some("loop")), ("format", raw.then_some("raw"))]);
                    }
                    w.empty("source", &[("file", Some(file.as_str()))]);
                }
            }
            w.empty("target", &[("dir", Some(filesystem.target.as_str()))]);
            if filesystem.read_only {
                w.empty("readonly", &[]);
            }
        },
    );
}

fn interface(w: &mut Writer, interface: &Interface) {
    let kind = match interface.attached {
        Attached::Network(_) => "network",
        Attached::Bridge(_) => "bridge",
        Attached::Ethernet(..) => "ethernet",
        Attached::Direct(..) => "direct",
        Attached::User => "user",
    };
    w.element("interface", &[("type", Some(kind))], |w| {
        if let Some(mac) = interface.mac {
            w.empty("mac", &[("address", Some(&mac.to_string()))]);
        }
        match &interface.attached {
            Attached::Network(name) => {
                let group = interface.portgroup.as_deref();
                w.empty("source", &[("network", Some(name)), ("portgroup", group)]);
            }
            Attached::Bridge(name) => w.empty("source", &[("bridge", Some(name.as_str()))]),
            Attached::Direct(dev, mode) => {
                w.empty("source", &[("dev", Some(dev.as_str())), ("mode", Some(mode.name()))])
            }
            Attached::User => {}
            Attached::Ethernet(addresses, routes) if addresses.is_empty() && routes.is_empty() => {}
            Attached::Ethernet(addresses, routes) => w.element("source", &[], |w| {
                addresses.iter().for_each(|a| address(w, a));
                routes.iter().for_each(|r| route(w, r));
            }),
        }
        if let Some(given) = &interface.vlan {
            vlan(w, given);
        }
        bandwidth(w, &interface.bandwidth);
        if let Some(isolated) = interface.isolated {
            w.empty("port", &[("isolated", Some(if isolated { "yes" } else { "no" }))]);
        }
        interface.addresses.iter().for_each(|a| address(w, a));
        interface.routes.iter().for_each(|r| route(w, r));
        for (name, dev) in [("target", &interface.target), ("guest", &interface.guest)] {
            if let Some(dev) = dev {
                w.empty(name, &[("dev", Some(dev.as_str()))]);
            }
        }
        if let Some(state) = interface.link {
            w.empty(
                "link",
                &[("state", Some(if state == LinkState::Up { "up" } else { "down" }))],
            );
        }
        if let Some(mtu) = interface.mtu {
            w.empty("mtu", &[("size", Some(&mtu.to_string()))]);
        }
    });
}

/// `bandwidth`, where it is said.
pub fn bandwidth(w: &mut Writer, given: &Bandwidth) {
    if given.inbound.is_some() || given.outbound.is_some() {
        w.element("bandwidth", &[], |w| {
            rate(w, "inbound", given.inbound.as_ref());
            rate(w, "outbound", given.outbound.as_ref());
        });
    } else if given.said {
        w.empty("bandwidth", &[]);
    }
}

/// `vlan`
pub fn vlan(w: &mut Writer, vlan: &Vlan) {
    w.element("vlan", &[("trunk", vlan.trunk.then_some("yes"))], |w| {
        for tag in &vlan.tags {
            let native = tag.native.map(|native| match native {
                Native::Tagged => "tagged",
                Native::Untagged => "untagged",
            });
            w.empty("tag", &[("id", Some(&tag.id.to_string())), ("nativeMode", native)]);
        }
    });
}

fn rate(w: &mut Writer, name: &str, rate: Option<&Rate>) {
    let Some(Rate {
        average,
        peak,
        floor,
        burst,
    }) = rate
    else {
        return;
    };
    let [average, peak, floor, burst] = [average, peak, floor, burst].map(|n| n.map(|n| n.to_string()));
    w.empty(
        name,
        &[
            ("average", average.as_deref()),
            ("peak", peak.as_deref()),
            ("floor", floor.as_deref()),
            ("burst", burst.as_deref()),
        ],
    );
}

fn address(w: &mut Writer, given: &Address) {
    let (address, prefix) = (given.address.to_string(), given.prefix.map(|p| p.to_string()));
    let peer = given.peer.map(|p| p.to_string());
    w.empty(
        "ip",
        &[
            ("address", Some(&address)),
            ("family", Some(family(given.address))),
            ("prefix", prefix.as_deref()),
            ("peer", peer.as_deref()),
        ],
    );
}

fn route(w: &mut Writer, route: &Route) {
    let (address, prefix) = (route.destination.to_string(), route.prefix.map(|p| p.to_string()));
    let (gateway, metric) = (route.gateway.to_string(), route.metric.map(|m| m.to_string()));
    let bits = |prefix: u8| {
        u32::MAX
            .checked_shl(u32::from(32u8.saturating_sub(prefix)))
            .unwrap_or(0)
    };
    let mask = route
        .prefix
        .filter(|_| route.netmask)
        .map(|p| Ipv4Addr::from_bits(bits(p)).to_string());
    w.empty(
        "route",
        &[
            ("family", route.family.then(|| family(route.destination))),
            ("address", Some(&address)),
            ("prefix", prefix.as_deref().filter(|_| !route.netmask)),
            ("netmask", mask.as_deref()),
            ("gateway", Some(&gateway)),
            ("metric", metric.as_deref()),
        ],
    );
}

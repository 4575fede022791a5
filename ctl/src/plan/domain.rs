//! The plan of a libvirt domain: what each element asks of which program. Pure.

use super::network::{self, Wiring};
use super::tree::{self, Tree};
use super::{Draft, Host, Lot, assemble, capabilities, command, hostname, limits};
use crate::domain::{Domain, Filesystem, Share, Source, Uuid, device, lent};
use crate::error::{Error, Outcome};
use crate::escape::escape;
use wire::Partition;
use wire::devd::Rule;
use wire::init::{Container, Stream};
use wire::launcher::{Opened, Plan, PlannedMount};
use wire::mountd::Device;
use wire::share::{Shares, Sharing};

/// Plans the start of a domain.
pub fn plan(domain: &Domain, lot: &Lot, host: &Host) -> Outcome<Plan> {
    if let Some(why) = domain.hindrance() {
        return Err(Error::caller(why));
    }
    from_the_root(domain)?;
    let (root, read_only_root) = root(domain)?;
    let tree = attachments(domain)?;
    let shares = shares(domain)?;
    let lent = network::lent(&lent::links(domain)?, &host.found)?;
    let host_network = domain.interfaces.is_empty() && lent.is_empty() && !domain.privnet && shares.net.is_none();
    let outward = network::outward(&domain.interfaces, !lent.is_empty())?;
    let linked = match outward {
        Some(_) => &[],
        None => domain.interfaces.as_slice(),
    };
    let wiring: Wiring = network::wire(&domain.name, lot, linked, Vec::new())?;
    network::distinct(&wiring.links, &lent)?;
    let uuid = domain.uuid.unwrap_or(Uuid(lot.uuid)).to_string();
    let [_, system] = host.capabilities;
    let kept = domain.capabilities.kept(system, capabilities::all());
    let consoles = domain.consoles.max(1);
    let own = || vec![lot.block.range()];
    let (uid_map, gid_map) = domain
        .idmap
        .as_ref()
        .map_or_else(|| (own(), own()), |m| (m.uid.clone(), m.gid.clone()));
    let container = Container {
        name: domain.name.clone(),
        hostname: hostname(&domain.name),
        uid_map,
        gid_map,
        host_network,
        read_only_root,
        attachments: tree.attachments,
        devices: Device::ALL.to_vec(),
        meminfo: true,
        lent_proc: false,
        unified: false,
        cgroup_writable: true,
        consoles,
        streams: [Stream::Console; 3],
        reaper: false,
        command: command::of_domain(domain, &uuid, consoles, kept)?,
        afterwards: domain.afterwards,
        resolv_conf: None,
        hosts: None,
        unmasked: vec![],
        learn: false,
        descriptors: 0,
        nodes: device::nodes(domain, host.usb)?,
        shares,
    };
    let draft = Draft {
        outward,
        container,
        root,
        trees: tree.mounts,
        limits: limits::of_domain(domain, host)?,
        devices: Rule::usual(),
        links: wiring.links,
        lent,
        firewall: wiring.firewall,
        processors: Some(domain.vcpu.count),
        partition: partition(domain)?,
    };
    assemble(draft, lot, host)
}

/// Refuses paths that do not begin at the root, which a document may have: nobody can say from where they would lead.
fn from_the_root(domain: &Domain) -> Outcome<()> {
    let source = |f: &Filesystem| match &f.source {
        Source::Mount(path) | Source::Block(path) | Source::File(path, _) => {
            Some(("the <source> of a <filesystem>", path.clone()))
        }
        Source::Bind(_) | Source::Ram(_) => None,
    };
    let devices = domain
        .blkiotune
        .devices
        .iter()
        .map(|d| ("the <path> of a <device>", d.path.clone()));
    let sources = domain.filesystems.iter().filter_map(source);
    let mut all = std::iter::once(("<init>", domain.os.init.clone()))
        .chain(sources)
        .chain(devices);
    match all.find(|(_, path)| !path.as_str().starts_with('/')) {
        None => Ok(()),
        Some((what, path)) => Err(Error::caller(format!(
            "{what} is {:?}, not a path that begins with '/'",
            escape(path.as_str())
        ))),
    }
}

/// The partition that libvirt assumes where none is named; it and the root of all are where every container's groups lie, `lazaret`.
const USUAL_PARTITIONS: [&str; 2] = ["/machine", "/"];

/// The partition of its groups, where that is another one.
fn partition(domain: &Domain) -> Outcome<Option<Partition>> {
    let is_usual = |path: &str| {
        USUAL_PARTITIONS
            .iter()
            .any(|usual| std::path::Path::new(path) == std::path::Path::new(usual))
    };
    let Some(path) = domain.partition.as_ref().filter(|path| !is_usual(path.as_str())) else {
        return Ok(None);
    };
    Partition::new(path.as_str()).map(Some).map_err(|e| {
        let said = escape(path.as_str());
        Error::caller(format!("the partition {said} of <resource> cannot be a group: {e}"))
    })
}

/// Whose namespaces it has.
fn shares(domain: &Domain) -> Outcome<Shares> {
    let [net, ipc, uts] = &domain.shares;
    let linked = !domain.interfaces.is_empty() || device::elements(domain).any(lent::is_kept);
    if net.is_some() && (domain.privnet || linked) {
        return Err(Error::caller(
            "Config asks for inherit net namespace as well as private network interfaces: <lxc:sharenet> beside <privnet> or an interface",
        ));
    }
    let named = [("ipc", ipc), ("uts", uts)];
    if let Some((kind, _)) = named.iter().find(|(_, s)| matches!(s, Some(Share::Netns(_)))) {
        return Err(Error::caller(format!(
            "<lxc:share{kind}> is of type 'netns': only network namespaces have such names"
        )));
    }
    let sharing = |share: &Share| match share {
        Share::Container(_) => Sharing::Container,
        Share::Process(pid) => Sharing::Process(*pid),
        Share::Netns(name) => Sharing::Netns(name.clone()),
    };
    Ok(Shares {
        net: net.as_ref().map(sharing),
        ipc: ipc.as_ref().map(sharing),
        uts: uts.as_ref().map(sharing),
    })
}

/// The root, which is of type `mount`, `block` or `file`; without one it is the host's own, which is always read-only.
fn root(domain: &Domain) -> Outcome<(PlannedMount, bool)> {
    let (path, read_only) = match domain.root() {
        None => ("/", true),
        Some(f) => match &f.source {
            Source::Mount(path) => (path.as_str(), f.read_only),
            Source::Block(path) => return Ok((tree::of_disk(path, false, f.read_only, true), f.read_only)),
            Source::File(path, _) => return Ok((tree::of_disk(path, true, f.read_only, true), f.read_only)),
            Source::Bind(_) | Source::Ram(_) => {
                let types = "the root file system must be of type 'mount', 'block' or 'file'";
                return Err(Error::caller(types));
            }
        },
    };
    let planned = tree::root(path, read_only, true)?;
    let read_only = read_only || planned.from == Opened::HostRoot;
    Ok((planned, read_only))
}

fn attachments(domain: &Domain) -> Outcome<Tree> {
    let mut tree = Tree::default();
    for filesystem in domain.filesystems.iter().filter(|f| f.target.as_str() != "/") {
        let (target, read_only) = (filesystem.target.as_str(), filesystem.read_only);
        let target = crate::values::inside(target).map_err(|e| Error::caller(format!("filesystem target: {e}")))?;
        match &filesystem.source {
            Source::Mount(path) => tree.host(path.as_str(), &target, read_only)?,
            Source::Block(path) => tree.disk(path, false, &target, read_only)?,
            Source::File(path, _) => tree.disk(path, true, &target, read_only)?,
            Source::Bind(path) => {
                let place = crate::values::inside(path.as_str())
                    .map_err(|e| Error::caller(format!("filesystem source: {e}")))?;
                tree.inside(&place, &target, read_only)?;
            }
            Source::Ram(kib) => {
                let size = kib.checked_mul(1024).filter(|s| *s <= crate::values::MOST_MEMORY);
                let size = size.ok_or_else(|| Error::caller(format!("a filesystem of {kib} KiB is too large")))?;
                tree.memory(&target, size, 0o1777, read_only)?;
            }
        }
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{host, lot};
    use super::*;
    use crate::domain::{complete, parse};
    use wire::MemoryPolicy;
    use wire::ids::IdRange;
    use wire::init::{Profile, Then};
    use wire::launcher::{Outward, Step};
    use wire::mountd::Mount;
    use wire::netd::HostSide;

    fn planned(inside: &str) -> Outcome<Plan> {
        of(inside, &host())
    }

    fn of(inside: &str, host: &Host) -> Outcome<Plan> {
        let text = format!(
            "<domain type='lxc'><name>vm1</name><uuid>0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0</uuid><memory unit='MiB'>64</memory>\
             <os><type>exe</type><init>/sbin/init</init><initarg>--x</initarg><initenv name='A'>b</initenv></os>{inside}</domain>"
        );
        let domain = parse(text.as_bytes(), "vm1.xml").unwrap();
        let domain = complete(domain, |bytes: &mut [u8]| -> Result<(), ()> {
            bytes.fill(6);
            Ok(())
        });
        plan(&domain.unwrap(), &lot(), host)
    }

    const ROOT: &str = "<filesystem><source dir='/srv/vm1'/><target dir='/'/></filesystem>";

    #[test]
    fn a_domain_boots_its_own_init_as_a_system() {
        let plan = planned(&format!("<devices>{ROOT}<console/><console/></devices>")).unwrap();
        let c = plan.container().unwrap();
        assert!(!c.reaper && c.cgroup_writable && !c.read_only_root && c.host_network);
        assert_eq!(
            (c.consoles, c.command.profile, c.command.no_new_privileges),
            (2, Profile::System, false)
        );
        let environment: Vec<&str> = c.command.environment.iter().map(|v| v.as_str()).collect();
        let uuid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        let expected = [
            "PATH=/bin:/sbin",
            "TERM=linux",
            "container=lxc-libvirt",
            "HOME=/",
            &format!("container_uuid={uuid}"),
            "container_ttys=pts/1",
            &format!("LIBVIRT_LXC_UUID={uuid}"),
            "LIBVIRT_LXC_NAME=vm1",
            "A=b",
        ];
        assert_eq!(environment, expected);
        let arguments: Vec<&str> = c.command.arguments.iter().map(|v| v.as_str()).collect();
        assert_eq!(arguments, ["/sbin/init", "--x"]);
        assert_eq!(c.afterwards.reboot, Then::Restart);
    }

    #[test]
    fn paths_that_begin_elsewhere_are_kept_and_nothing_starts_with_them() {
        let device = "<blkiotune><device><path>sda</path><weight>100</weight></device></blkiotune>";
        for inside in [
            device.to_owned(),
            "<devices><filesystem><source dir='x'/><target dir='/'/></filesystem></devices>".to_owned(),
            format!(
                "<devices>{ROOT}<filesystem type='file'><source file='x'/><target dir='/y'/></filesystem></devices>"
            ),
            format!(
                "<devices>{ROOT}<filesystem type='bind'><source dir='x'/><target dir='/y'/></filesystem></devices>"
            ),
            format!("<devices>{ROOT}<filesystem><source dir='/x'/><target dir='y'/></filesystem></devices>"),
        ] {
            let why = planned(&inside).unwrap_err().to_string();
            assert!(
                why.contains("begins with '/'") || why.contains("not an absolute path"),
                "{inside}: {why}"
            );
        }
    }

    #[test]
    fn without_a_root_the_hosts_own_is_lent_read_only() {
        let plan = planned("<devices/>").unwrap();
        assert!(plan.container().unwrap().read_only_root && plan.container().unwrap().consoles == 1);
        let Some(Step::Mounts(mounts)) = plan.steps.iter().find(|s| matches!(s, Step::Mounts(_))) else {
            panic!()
        };
        assert_eq!(mounts[0].from, Opened::HostRoot);
        assert!(matches!(&mounts[0].mount, Mount::Tree { flags, idmapped: false, .. } if flags.read_only));
    }

    #[test]
    fn filesystems_come_in_their_order() {
        let more = "<filesystem><source dir='/a'/><target dir='/x'/><readonly/></filesystem>\
            <filesystem type='ram'><source usage='1' units='MiB'/><target dir='/y'/></filesystem>\
            <filesystem type='bind'><source dir='/y'/><target dir='/z'/></filesystem>";
        let plan = planned(&format!("<devices>{ROOT}{more}</devices>")).unwrap();
        let targets: Vec<&str> = plan
            .container()
            .unwrap()
            .attachments
            .iter()
            .map(|a| a.target.as_str())
            .collect();
        assert_eq!(targets, ["/x", "/y", "/z"]);
        assert!(
            planned("<devices><filesystem type='ram'><source usage='1'/><target dir='/'/></filesystem></devices>")
                .is_err()
        );
        assert!(
            planned("<devices><filesystem><source dir='/a'/><target dir='/proc'/></filesystem></devices>").is_err()
        );
    }

    #[test]
    fn privnet_gives_a_network_of_its_own_and_interfaces_are_linked() {
        let plan = planned("<features><privnet/></features>").unwrap();
        assert!(!plan.container().unwrap().host_network && !plan.steps.iter().any(|s| matches!(s, Step::Connect(_))));
        let interfaces = "<interface type='network'><source network='default'/></interface>\
            <interface type='bridge'><source bridge='br0'/><guest dev='lan0'/><ip address='192.0.2.5' family='ipv4' prefix='24'/></interface>\
            <interface type='ethernet'/>";
        let plan = planned(&format!("<devices>{interfaces}</devices>")).unwrap();
        let links = plan
            .steps
            .iter()
            .find_map(|s| if let Step::Connect(l) = s { Some(l) } else { None })
            .unwrap();
        let names: Vec<(&str, &str, bool)> = links
            .iter()
            .map(|l| (l.host.as_str(), l.guest.as_str(), l.up))
            .collect();
        assert_eq!(
            names,
            [
                ("lzv1", "eth0", true),
                ("lzv1-1", "lan0", true),
                ("lzv1-2", "eth1", false)
            ]
        );
        assert!(matches!(links[1].side, HostSide::Bridge(_)));
        assert!(
            plan.steps
                .iter()
                .any(|s| matches!(s, Step::Protect { forward: true, .. }))
        );
    }

    #[test]
    fn a_network_is_shared_by_name_unless_more_than_its_own_end_holds_a_link() {
        let shared =
            |interface: &str| !network::outlives(&planned(&format!("<devices>{interface}</devices>")).unwrap());
        assert!(!network::outlives(&planned("<features><privnet/></features>").unwrap()));
        assert!(shared(
            "<interface type='bridge'><source bridge='br0'/></interface><interface type='ethernet'/>"
        ));
        assert!(!shared(
            "<interface type='ethernet'/><interface type='network'><source network='default'/></interface>"
        ));
        assert!(!shared(
            "<interface type='direct'><source dev='eth0' mode='bridge'/></interface>"
        ));
    }

    #[test]
    fn an_interface_of_type_user_is_an_ordinary_users_and_the_only_one() {
        let own = "<interface type='user'><mac address='52:54:00:00:00:07'/><guest dev='lan0'/></interface>";
        let devices = |more: &str| format!("<devices>{ROOT}{own}{more}</devices>");
        let of_user = |inside: &str| {
            let mut host = host();
            host.user = true;
            of(inside, &host)
        };
        let plan = of_user(&devices("")).unwrap();
        let led: Vec<_> = plan.steps.iter().filter(|s| matches!(s, Step::Outward(_))).collect();
        let link = Outward {
            guest: wire::LinkName::new("lan0").unwrap(),
            mac: [0x52, 0x54, 0, 0, 0, 7],
        };
        assert_eq!(led, [&Step::Outward(link)]);
        assert!(!plan.container().unwrap().host_network && !plan.steps.iter().any(|s| matches!(s, Step::Connect(_))));
        let why = planned(&devices("")).unwrap_err().to_string();
        assert!(why.contains("ordinary user"), "{why}");
        let why = of_user(&devices("<interface type='ethernet'/>"))
            .unwrap_err()
            .to_string();
        assert!(why.contains("only one"), "{why}");
        // Without any it shares the host's, and has the host's own /sys.
        let plan = of_user(&format!("<devices>{ROOT}</devices>")).unwrap();
        let sys = |s: &Step| matches!(s, Step::Mounts(m) if m.contains(&PlannedMount::hosts_sys()));
        assert!(plan.container().unwrap().host_network && plan.steps.iter().any(sys));
    }

    #[test]
    fn an_id_map_is_honoured_unless_it_reaches_what_is_not_its_own() {
        let map = |target: u32| {
            format!(
                "<idmap><uid start='0' target='{target}' count='1000'/><gid start='0' target='{target}' count='1000'/></idmap>"
            )
        };
        let plan = planned(&map(200_000)).unwrap();
        let expected = [IdRange {
            inside: 0,
            outside: 200_000,
            count: 1000,
        }];
        assert_eq!(plan.container().unwrap().uid_map, expected);
        assert!(planned(&map(0)).unwrap_err().to_string().contains("host id 0"));
        assert!(planned(&map(lot().block.first())).is_err());
    }

    #[test]
    fn capabilities_follow_the_policy_of_the_document() {
        let kept = |features: &str| {
            planned(&format!("<features>{features}</features>"))
                .unwrap()
                .container()
                .unwrap()
                .command
                .capabilities
        };
        assert_eq!(kept(""), 0xffff);
        assert_eq!(
            kept("<capabilities policy='deny'><kill state='on'/></capabilities>"),
            1 << 5
        );
        assert_eq!(
            kept("<capabilities><chown state='off'/><mknod state='on'/></capabilities>"),
            0xfffe | 1 << 27
        );
    }

    #[test]
    fn limits_are_those_of_the_document() {
        let tuned = "<memtune><hard_limit unit='MiB'>32</hard_limit></memtune><vcpu cpuset='0-1'>2</vcpu><cputune><shares>512</shares></cputune>";
        let plan = planned(tuned).unwrap();
        let Some(Step::Groups(limits)) = plan.steps.first() else {
            panic!()
        };
        assert_eq!((limits.memory, limits.cpu_shares), (Some(32 << 20), Some(512)));
        assert_eq!(limits.tasks, Some(crate::plan::limits::TASKS));
        assert_eq!(limits.cpus.as_ref().unwrap().as_str(), "0-1");
        for mode in ["strict", "restrictive"] {
            let plan = planned(&format!("<numatune><memory mode='{mode}' nodeset='0,2'/></numatune>")).unwrap();
            let Some(Step::Groups(limits)) = plan.steps.first() else {
                panic!()
            };
            assert_eq!(limits.nodes.as_ref().unwrap().as_str(), "0,2", "{mode}");
        }
        for (mode, policy) in [
            ("interleave' nodeset='0,2", MemoryPolicy::Interleave(vec![0, 2])),
            ("preferred' nodeset='3", MemoryPolicy::Preferred(3)),
        ] {
            let plan = planned(&format!("<numatune><memory mode='{mode}'/></numatune>")).unwrap();
            let Some(Step::Groups(limits)) = plan.steps.first() else {
                panic!()
            };
            assert_eq!(
                (&limits.nodes, &plan.container().unwrap().command.memory),
                (&None, &Some(policy))
            );
        }
        assert!(planned("<numatune><memory mode='preferred' nodeset='0-1'/></numatune>").is_err());
    }
}

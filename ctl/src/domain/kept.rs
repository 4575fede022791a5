//! What a document says and Lazaret does not do: kept as it is, printed where it belongs, and no part of any plan. What libvirt's LXC driver
//! would act on stops a start; what that driver does not read either is told once. Pure.

use super::error::shown_name;
use super::xml::Tree;

/// Why something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is there to be kept (`metadata`).
    Said,
    /// It has its effect, which is read from what is kept.
    Done,
    /// libvirt's LXC driver acts on it; here it has no effect yet, so nothing starts with it.
    Unbuilt,
    /// It is never done, for this reason, and nothing starts with it.
    Never(&'static str),
    /// libvirt's schema has it, and its LXC driver does not read it.
    Unread,
}

/// One step on the way to an element: its name, and its place among those of this name there.
pub type Step = (String, usize);

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An element, at this place among those of its name.
    Element(Tree, usize),
    /// An element that stands for the one that would be printed.
    Instead(Tree),
    /// An attribute and its value.
    Attribute(String, String),
}

/// One thing that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The way from the root to what it is in.
    pub within: Vec<Step>,
    /// The thing.
    pub what: What,
    /// Why.
    pub why: Why,
}

impl Kept {
    /// Why nothing starts with it; `None` where it is in nobody's way.
    pub fn hindrance(&self) -> Option<String> {
        match self.why {
            Why::Said | Why::Done | Why::Unread => None,
            Why::Unbuilt => Some(format!(
                "{} has no effect yet, and nothing starts without it",
                self.name()
            )),
            Why::Never(why) => Some(format!("{} is refused: {why}", self.name())),
        }
    }

    /// Where it is printed: the way to it, and its place there. Two of one place keep their order.
    pub fn place(&self) -> (Vec<(usize, usize)>, bool, usize) {
        let mut parent = "domain";
        let mut way = Vec::new();
        for (name, at) in &self.within {
            way.push((rank(&ORDER, parent, name), *at));
            parent = name;
        }
        match &self.what {
            What::Attribute(name, _) => (way, false, rank(&ATTRIBUTES, parent, name)),
            What::Element(tree, _) | What::Instead(tree) => (way, true, rank(&ORDER, parent, &tree.name)),
        }
    }

    /// What it is, for a message.
    pub fn name(&self) -> String {
        let within = self.within.last().map_or("domain", |(name, _)| name);
        match &self.what {
            What::Attribute(name, _) => format!("attribute {} of <{within}>", shown_name(name)),
            What::Element(tree, _) | What::Instead(tree) => {
                let kind = tree
                    .attributes
                    .iter()
                    .find(|(name, _)| name == "type" || name == "mode");
                match kind.filter(|_| within == "devices") {
                    Some((attribute, kind)) => {
                        format!("<{} {attribute}='{}'> in <{within}>", tree.name, shown_name(kind))
                    }
                    None => format!("<{}> in <{within}>", shown_name(&tree.name)),
                }
            }
        }
    }
}

/// The order in which the elements in one are printed, where libvirt has one that is not that of the document.
pub const ORDER: [(&str, &str); 20] = [
    (
        "domain",
        "name uuid genid title description metadata maxMemory memory currentMemory blkiotune memoryBacking memtune vcpu vcpus iothreads \
         iothreadids defaultiothread cputune numatune resource sysinfo bootloader bootloader_args os idmap features cpu clock on_poweroff \
         on_reboot on_crash on_lockfailure pm perf devices seclabel keywrap launchSecurity lxc:namespace",
    ),
    (
        "devices",
        "emulator disk controller lease filesystem interface smartcard serial parallel console channel input tpm graphics sound audio video \
         hostdev redirdev redirfilter hub watchdog memballoon rng nvram panic shmem memory iommu vsock",
    ),
    (
        "interface",
        "mac source vlan virtualport bandwidth port ip route script downscript backenddomain target guest model driver backend filterref tune \
         link mtu coalesce boot rom alias address",
    ),
    (
        "filesystem",
        "driver binary source target readonly alias boot address space_hard_limit space_soft_limit",
    ),
    (
        "features",
        "acpi apic pae hap viridian privnet hyperv kvm pvspinlock capabilities pmu vmport gic smm ioapic hpt vmcoreinfo htm nested-hv msrs \
         ccf-assist xen cfpc sbbc ibs tcg",
    ),
    ("hostdev", "source ip route guest boot rom alias address"),
    (
        "disk",
        "driver auth source backingStore backenddomain geometry blockio mirror target iotune readonly shareable transient serial wwn vendor product \
         encryption boot alias address",
    ),
    ("blkiotune", "weight device"),
    (
        "device",
        "path weight read_iops_sec write_iops_sec read_bytes_sec write_bytes_sec",
    ),
    ("memtune", "hard_limit soft_limit min_guarantee swap_hard_limit"),
    ("lxc:namespace", "lxc:sharenet lxc:shareipc lxc:shareuts"),
    (
        "cputune",
        "shares period quota global_period global_quota emulator_period emulator_quota iothread_period iothread_quota vcpupin emulatorpin \
         iothreadpin vcpusched emulatorsched iothreadsched cachetune memorytune",
    ),
    (
        "memoryBacking",
        "hugepages nosharepages locked source access allocation discard",
    ),
    ("launchSecurity", "cbitpos reducedPhysBits policy dhCert session"),
    ("console", TERMINAL),
    ("serial", TERMINAL),
    ("parallel", TERMINAL),
    ("channel", TERMINAL),
    ("source", "vendor product address"),
    ("shmem", "model size server msi alias address"),
];
const TERMINAL: &str = "source protocol log target acpi alias address";

/// The same of attributes.
pub const ATTRIBUTES: [(&str, &str); 20] = [
    ("clock", "offset adjustment basis timezone start"),
    ("target", "dir dev bus"),
    ("lxc:sharenet", "type value"),
    ("domain", "type id xmlns:lxc"),
    ("filesystem", "type accessmode model multidevs fmode dmode"),
    ("hostdev", "mode type managed"),
    ("disk", "type device model rawio sgio snapshot"),
    ("ip", "address family prefix peer"),
    ("route", "family address prefix gateway metric"),
    ("driver", "name type format cache wrpolicy"),
    ("memory", "dumpCore unit mode nodeset placement"),
    ("seclabel", "type model relabel"),
    ("timer", "name present tickpolicy track"),
    ("vcpu", "placement cpuset current"),
    ("vcpupin", "vcpu cpuset"),
    ("controller", "type index model ports vectors"),
    (
        "address",
        "type domain controller bus target unit slot function multifunction port device",
    ),
    ("source", "dev mode path pool volume"),
    ("cpu", "mode match check"),
    ("topology", "sockets dies cores threads"),
];

/// The place of a name among those in one element; what has none comes last.
pub fn rank(table: &[(&str, &str)], within: &str, name: &str) -> usize {
    let order = table
        .iter()
        .find(|(element, _)| *element == within)
        .map_or("", |(_, order)| order);
    let mut words = order.split_ascii_whitespace();
    words.position(|w| w == name).unwrap_or(usize::MAX)
}

/// Puts an element and all in it into the order in which they are printed.
pub fn arrange(tree: &mut Tree) {
    let Tree {
        name,
        attributes,
        children,
        ..
    } = tree;
    attributes.sort_by_key(|(attribute, _)| rank(&ATTRIBUTES, name, attribute));
    children.sort_by_key(|child| rank(&ORDER, name, &child.name));
    children.iter_mut().for_each(arrange);
}

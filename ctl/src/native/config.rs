//! What a configuration says as a whole, key by key, and the domain that comes of it. Pure.

use super::IdmapOrder;
use super::cgroup::Cgroup;
use super::lines::Setting;
use super::mounts;
use super::network::Network;
use super::security::Security;
use crate::domain::error::ParseError;
use crate::domain::units::number;
use crate::domain::xml::Tree;
use crate::domain::{Arch, Uuid};
use wire::ContainerName;

/// The program that libvirt's documents name; it has no effect here.
const EMULATOR: &str = "/usr/libexec/libvirt_lxc";
/// libvirt's own figure where no limit is given, in KiB.
const USUAL_MEMORY: u64 = 65_536;
/// The most consoles that a domain may have here.
const MAX_CONSOLES: u8 = 64;
/// What every domain has anyway, whatever the value, or what only says where things lie while a container is made.
const IMPLIED: [&str; 2] = ["lxc.rootfs.mount", "lxc.rootfs.backend"];

/// What was said so far. Of a key with one value the last one counts; an empty one takes back what was said.
#[derive(Debug)]
pub struct Config {
    /// What the domain will not say.
    pub warnings: Vec<ParseError>,
    file: String,
    name: Option<ContainerName>,
    arch: Option<Arch>,
    root: Option<Setting>,
    read_only_root: bool,
    mounts: Vec<Setting>,
    consoles: u8,
    init: Vec<String>,
    environment: Vec<(String, String)>,
    directory: Option<String>,
    account: [Option<u32>; 2],
    cgroup: Cgroup,
    network: Network,
    security: Security,
}

/// Remembers that a setting has no counterpart; an empty one only takes back what was said.
pub fn lost(warnings: &mut Vec<ParseError>, setting: &Setting, why: &str) {
    if setting.value.is_empty() {
        return;
    }
    warnings.push(setting.refused(&format!(
        "= {} cannot be said in XML{}{why}",
        crate::domain::error::shown(&setting.value, 60),
        if why.is_empty() { "" } else { ": " }
    )));
}

impl Config {
    /// One that says nothing yet.
    pub fn new(file: &str, order: IdmapOrder, warnings: Vec<ParseError>) -> Self {
        Self {
            warnings,
            file: file.to_owned(),
            name: None,
            arch: None,
            root: None,
            read_only_root: false,
            mounts: Vec::new(),
            consoles: 0,
            init: Vec::new(),
            environment: Vec::new(),
            directory: None,
            account: [None; 2],
            cgroup: Cgroup::default(),
            network: Network::default(),
            security: Security::new(order),
        }
    }

    /// Takes one setting.
    pub fn take(&mut self, setting: Setting) -> Result<(), ParseError> {
        let s = &setting;
        let value = s.value.as_str();
        match s.key.as_str() {
            "lxc.uts.name" | "lxc.utsname" => self.name = some(value).map(|v| name(s, v)).transpose()?,
            "lxc.arch" => self.arch = self.arch_of(s),
            "lxc.rootfs.path" | "lxc.rootfs" => self.root = Some(setting).filter(|s| !s.value.is_empty()),
            "lxc.rootfs.options" => self.root_options(s),
            "lxc.mount.fstab" | "lxc.mount" if !value.is_empty() => {
                return Err(s.refused("names a file of mounts: give each line of it as an lxc.mount.entry"));
            }
            "lxc.mount.fstab" | "lxc.mount" => {}
            "lxc.mount.entry" if value.is_empty() => self.mounts.clear(),
            "lxc.mount.entry" => self.mounts.push(setting),
            "lxc.mount.auto" => mounts::automatic(&mut self.warnings, s),
            "lxc.tty.max" | "lxc.tty" => {
                let most = number(value, 0, MAX_CONSOLES);
                self.consoles = most.ok_or_else(|| s.not(&format!("a number from 0 to {MAX_CONSOLES}")))?;
            }
            "lxc.autodev" if matches!(value, "" | "1") => {}
            "lxc.init.cmd" | "lxc.init_cmd" => self.init = command(s)?,
            "lxc.init.cwd" => self.directory = some(value).map(|v| path(s, v)).transpose()?,
            "lxc.init.uid" | "lxc.init_uid" => self.account[0] = some(value).map(|v| id(s, v)).transpose()?,
            "lxc.init.gid" | "lxc.init_gid" => self.account[1] = some(value).map(|v| id(s, v)).transpose()?,
            "lxc.environment" => self.environment(s),
            key if IMPLIED.contains(&key) => {}
            key if key.starts_with("lxc.net") => return self.network.take(&mut self.warnings, setting),
            key if key.starts_with("lxc.cgroup") => return self.cgroup.take(&mut self.warnings, s),
            key if Security::knows(key) => return self.security.take(&mut self.warnings, s),
            _ => lost(&mut self.warnings, s, ""),
        }
        Ok(())
    }

    fn arch_of(&mut self, s: &Setting) -> Option<Arch> {
        match s.value.as_str() {
            "x86_64" | "amd64" | "linux64" => Some(Arch::X86_64),
            "x86" | "i386" | "i486" | "i586" | "i686" | "linux32" => Some(Arch::I686),
            "" => None,
            _ => {
                lost(&mut self.warnings, s, "it is neither x86_64 nor i686");
                None
            }
        }
    }

    fn root_options(&mut self, s: &Setting) {
        let options: Vec<&str> = s.value.split(',').map(str::trim_ascii).collect();
        self.read_only_root = options.contains(&"ro");
        if options.iter().any(|o| !matches!(*o, "" | "ro" | "rw" | "defaults")) {
            lost(&mut self.warnings, s, "a root is read-only or not");
        }
    }

    fn environment(&mut self, s: &Setting) {
        match s.value.split_once('=') {
            None if s.value.is_empty() => self.environment.clear(),
            None => lost(
                &mut self.warnings,
                s,
                "it is a variable of whoever starts the container",
            ),
            Some((name, value)) if name.is_empty() || value.is_empty() => {
                lost(&mut self.warnings, s, "a variable has a name and a value there");
            }
            Some((name, value)) => self.environment.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The whole domain.
    pub fn domain(&mut self, uuid: Uuid) -> Result<Tree, ParseError> {
        let missing = |what: &str| ParseError {
            file: self.file.clone(),
            line: 1,
            what: format!("there is no {what}"),
        };
        let name = self
            .name
            .clone()
            .ok_or_else(|| missing("lxc.uts.name, which names the domain"))?;
        let root = self.root.clone().ok_or_else(|| missing("lxc.rootfs.path"))?;
        let memory = self.cgroup.memory().unwrap_or(USUAL_MEMORY);
        if self.cgroup.memory().is_none() {
            self.warnings.push(ParseError {
                file: self.file.clone(),
                line: 1,
                what: format!("no limit on memory is set, and a domain always has one: it is {USUAL_MEMORY} KiB"),
            });
        }
        let mut domain = Tree::new("domain").with("type", "lxc");
        if self.security.shares_anything() {
            domain = domain.with("xmlns:lxc", "http://libvirt.org/schemas/domain/lxc/1.0");
        }
        let size = |name: &str, kib: u64| Tree::leaf(name, kib).with("unit", "KiB");
        let actions = [
            ("on_poweroff", "destroy"),
            ("on_reboot", "restart"),
            ("on_crash", "destroy"),
        ];
        let privnet = self.network.is_private() && !self.security.shares_network();
        let devices = self.devices(&root)?;
        Ok(domain
            .holding([
                Tree::leaf("name", &name),
                Tree::leaf("uuid", uuid),
                size("memory", memory),
                size("currentMemory", memory),
            ])
            .holding(self.cgroup.tuning(&mut self.warnings))
            .holding([self.os()])
            .holding(self.security.idmap(&mut self.warnings))
            .holding([self.security.features(privnet)?])
            .holding([Tree::new("clock").with("offset", "utc")])
            .holding(actions.map(|(name, action)| Tree::leaf(name, action)))
            .holding([devices])
            .holding(self.security.seclabel(&mut self.warnings))
            .holding(self.security.namespaces()))
    }

    fn os(&self) -> Tree {
        let (init, arguments) = match self.init.split_first() {
            Some((init, arguments)) => (init.as_str(), arguments),
            None => ("/sbin/init", &[][..]),
        };
        let of = |name: &str, id: Option<u32>| id.map(|id| Tree::leaf(name, format!("+{id}")));
        let [user, group] = self.account;
        Tree::new("os")
            .holding([
                Tree::leaf("type", "exe").with_some("arch", self.arch.map(Arch::name)),
                Tree::leaf("init", init),
            ])
            .holding(arguments.iter().map(|a| Tree::leaf("initarg", a)))
            .holding(
                self.environment
                    .iter()
                    .map(|(n, v)| Tree::leaf("initenv", v).with("name", n)),
            )
            .holding(self.directory.iter().map(|d| Tree::leaf("initdir", d)))
            .holding(of("inituser", user))
            .holding(of("initgroup", group))
    }

    fn devices(&mut self, root: &Setting) -> Result<Tree, ParseError> {
        let mut filesystems = vec![mounts::root(root, self.read_only_root)?];
        let prefix = mounts::host_path(&root.value);
        for entry in &self.mounts {
            filesystems.extend(mounts::entry(&mut self.warnings, entry, prefix)?);
        }
        let (interfaces, hostdevs) = self.network.devices(&mut self.warnings)?;
        let console = |port: u8| {
            let target = Tree::new("target").with("type", "lxc").with("port", port);
            Tree::new("console").with("type", "pty").holding([target])
        };
        Ok(Tree::new("devices")
            .holding([Tree::leaf("emulator", EMULATOR)])
            .holding(filesystems)
            .holding(interfaces)
            .holding((0..self.consoles).map(console))
            .holding(hostdevs))
    }
}

/// A value that is not empty.
fn some(value: &str) -> Option<&str> {
    Some(value).filter(|v| !v.is_empty())
}

fn name(s: &Setting, value: &str) -> Result<ContainerName, ParseError> {
    ContainerName::new(value).map_err(|e| s.refused(&format!("cannot name a domain: {e}")))
}

/// A path from the root.
pub fn path(s: &Setting, value: &str) -> Result<String, ParseError> {
    if value.starts_with('/') {
        Ok(value.to_owned())
    } else {
        Err(s.not("a path that begins with '/'"))
    }
}

fn id(s: &Setting, value: &str) -> Result<u32, ParseError> {
    number(value, 0, u32::try_from(i32::MAX).unwrap_or(0)).ok_or_else(|| s.not("a number below 2147483648"))
}

/// The words of a command, of which quotes hold those together that have blanks.
fn command(s: &Setting) -> Result<Vec<String>, ParseError> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in s.value.chars() {
        match (c, quote) {
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            (' ' | '\t', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() {
        return Err(s.refused("has a quote that does not end"));
    }
    if words.first().is_some_and(|first| !first.starts_with('/')) {
        return Err(s.not("a command that begins with '/'"));
    }
    if words.iter().any(String::is_empty) {
        return Err(s.refused("has an empty word, which no domain may have"));
    }
    Ok(words)
}

//! The host's policy file, `/etc/lazaret.policy`: what the administrator allows. Pure but for [`read`], which opens that one file and
//! the two of subordinate ids (subuid(5), subgid(5)).
//!
//! One statement on a line, `#` at its beginning or after a space begins a comment; `SECURITY.md` lists them. Without a `root` line it is as with `root named` and one for
//! each of [`USUAL_ROOTS`].

use crate::networks::Networks;
use crate::share::Consent;
use policies::facts::CAPABILITIES;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use wire::ids::{BLOCK, HIGHEST, IdBlock, LAZARET, OWN_FIRST};
use wire::{ContainerName, LinkName};

/// Where the policy file lies. Not below a directory that `lazaret`'s own uid may write.
pub const FILE: &str = "/etc/lazaret.policy";
/// The log of deeds, unless the policy file says otherwise.
const LOG: &str = "/var/log/lazaret/audit.log";
const LARGEST: u64 = 1024 * 1024;

/// Where container roots usually lie. Not where LXC keeps them: beside a root there lies a file whose hooks LXC executes as root.
const USUAL_ROOTS: [&str; 4] = [
    "/srv",
    "/var/lib/lazaret",
    "/var/lib/machines",
    "/var/lib/libvirt/filesystems",
];
/// Directories of the system's: who writes there, as uid 0 of its files, is the host's root.
const SYSTEM: [&str; 20] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/dpkg",
    "/var/lib/lxc",
    "/var/lib/rpm",
    "/var/lib/systemd",
    "/var/run",
    "/var/spool",
];
/// Directories that contain some of those, or everybody's: just they themselves are the system's.
const ABOVE: [&str; 4] = ["/", "/home", "/var", "/var/lib"];

/// What the host's administrator allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// First host id of the blocks.
    pub first: u32,
    /// Number of blocks.
    pub blocks: u32,
    /// Host ids that an `<idmap>` may name, first and last: those for users, and those for groups.
    pub maps: [Vec<(u32, u32)>; 2],
    /// Directories below which host paths may lie.
    pub roots: Vec<String>,
    /// Whether host paths may also be what the command line names.
    pub named: bool,
    /// Containers that may map host ids below 65536.
    pub host_root: Vec<ContainerName>,
    /// Whether forwarding may be turned on.
    pub forwarding: bool,
    /// What it says of networks.
    pub networks: Networks,
    /// The log of deeds.
    pub audit: Audit,
    /// Capabilities that containers may keep beyond their profile's.
    pub capabilities: Vec<(u64, ContainerName)>,
    /// Containers that may have a filter of their own in the place of their profile's.
    pub own_filter: Vec<ContainerName>,
    /// Places that containers may see as they are.
    pub unmasked: Vec<(String, ContainerName)>,
    /// Device nodes of the host's that containers may be given, and whether to be written.
    pub devices: Vec<Device>,
    /// Links of the host's that containers may have instead of the host.
    pub lent: Vec<(LinkName, ContainerName)>,
    /// Disks whose file systems containers may have mounted, and whether to be written.
    pub file_systems: Vec<Device>,
    /// Namespaces that containers may share with who is none.
    pub shares: Vec<Consent>,
    /// Whether it is an ordinary user's, which no file can make wider.
    pub users: bool,
}

/// A device node that a container may be given, or a disk whose file system it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    path: String,
    name: ContainerName,
    writable: bool,
}

impl Device {
    /// Reads `PATH NAME`, or `PATH NAME readonly`.
    fn read(text: &str) -> Option<Self> {
        let (path, rest) = text.split_once(char::is_whitespace)?;
        let rest = rest.trim();
        // A container that is called so has no name before the word.
        let read_only = rest
            .strip_suffix("readonly")
            .and_then(|name| name.strip_suffix(char::is_whitespace));
        let (name, writable) = read_only.map_or((rest, true), |name| (name.trim_end(), false));
        let name = ContainerName::new(name).ok()?;
        path.starts_with('/').then(|| Self {
            path: path.to_owned(),
            name,
            writable,
        })
    }
}

/// What is said of the log of deeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The file.
    pub file: String,
    /// Whether what cannot be put on record is not done.
    pub required: bool,
    /// Whether what is about to be done is on disk before it is done.
    pub sync: bool,
}

/// What an ordinary user is told of what takes consent.
pub const NOBODYS: &str = "an ordinary user has nobody's consent to that (call lazaret as root)";

impl Policy {
    /// What a refusal says of consent that is missing: what would give it, or that nothing does.
    pub fn missing(&self, mend: &str) -> String {
        if self.users { NOBODYS } else { mend }.to_owned()
    }

    /// The capabilities that this container may keep beyond its profile's, by bit.
    pub fn capabilities_of(&self, name: &ContainerName) -> u64 {
        let its = self.capabilities.iter().filter(|(_, n)| n == name);
        its.fold(0, |all, (set, _)| all | set)
    }

    /// Whether this container may be given the device node at `path`, to be written if `writable`.
    pub fn gives_device(&self, name: &ContainerName, path: &str, writable: bool) -> bool {
        gives(&self.devices, name, path, writable)
    }

    /// Whether this container may have the file system mounted that is on the disk at `path`, to be written if `writable`.
    pub fn gives_file_system(&self, name: &ContainerName, path: &str, writable: bool) -> bool {
        gives(&self.file_systems, name, path, writable)
    }

    /// Whether this container may have the host's link.
    pub fn lends(&self, name: &ContainerName, link: &LinkName) -> bool {
        self.lent.iter().any(|(l, n)| l == link && n == name)
    }

    /// Whether `block` is one that this policy gives out.
    pub fn gives(&self, block: IdBlock) -> bool {
        block
            .first()
            .checked_sub(self.first)
            .is_some_and(|d| d.checked_rem(BLOCK) == Some(0) && d.checked_div(BLOCK).is_some_and(|n| n < self.blocks))
    }

    /// The first host id from `first` to `last` that no `<idmap>` may name, as a user's (0) or a group's (1).
    pub fn not_mapped(&self, kind: usize, first: u32, last: u32) -> Option<u32> {
        let ranges = self.maps.get(kind).map_or(&[][..], Vec::as_slice);
        let mut next = first;
        while let Some((_, end)) = ranges.iter().find(|(from, to)| (*from..=*to).contains(&next)) {
            if *end >= last {
                return None;
            }
            next = end.saturating_add(1);
        }
        Some(next)
    }

    /// The allowed directory above `path`, and what of the path lies below it.
    pub fn root_of<'a>(&'a self, path: &'a str) -> Option<(&'a str, &'a str)> {
        self.roots
            .iter()
            .find_map(|root| below(path, root).map(|rest| (root.as_str(), rest)))
    }
}

fn gives(lines: &[Device], name: &ContainerName, path: &str, writable: bool) -> bool {
    let mut lines = lines.iter();
    lines.any(|d| d.path == path && d.name == *name && (d.writable || !writable))
}

/// What of a path lies below a directory.
fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(directory.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The directory of the system's that a path, without links in it, is or lies in.
pub fn system_directory(path: &str) -> Option<&'static str> {
    let above = ABOVE.into_iter().find(|d| *d == path);
    above.or_else(|| SYSTEM.into_iter().find(|d| below(path, d).is_some()))
}

/// A statement that cannot be followed, with its line.
#[derive(Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Which file.
    pub file: &'static str,
    /// Line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for PolicyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// A range of ids that somebody on this host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subordinate {
    owner: String,
    first: u64,
    count: u64,
}

impl Subordinate {
    /// Whether this id is one of the range.
    pub fn has(&self, id: u32) -> bool {
        (self.first..self.first.saturating_add(self.count)).contains(&u64::from(id))
    }

    fn is_roots(&self) -> bool {
        self.owner == "root" || self.owner == "0"
    }
}

/// First and last id of a range that a container may be given: none is below 65536, or beyond [`HIGHEST`].
fn span(first: u64, count: u64) -> Option<(u32, u32)> {
    let last = first.checked_add(count.checked_sub(1)?)?.min(HIGHEST.into());
    let (first, last) = (u32::try_from(first).ok()?, u32::try_from(last).ok()?);
    (first >= 65536 && last >= first).then_some((first, last))
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (first, count) = text.split_once(char::is_whitespace)?;
    Some((first.parse().ok()?, count.trim().parse().ok()?))
}

/// Reads the policy and the subordinate ids. A missing file is an empty one; one that others than root may write is refused.
pub fn read() -> Result<Policy, PolicyError> {
    let text = contents(FILE)?;
    let users = subordinates("/etc/subuid", &contents("/etc/subuid")?)?;
    let groups = subordinates("/etc/subgid", &contents("/etc/subgid")?)?;
    parse(&text, &users, &groups)
}

/// The text of a file of root's; a missing one is an empty one, and one that others than root may write is refused.
pub fn contents(file: &'static str) -> Result<String, PolicyError> {
    let refuse = |what: String| PolicyError { file, line: 0, what };
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(file);
    let handle = match opened {
        Ok(handle) => handle,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(e) => return Err(refuse(e.to_string())),
    };
    let about = handle.metadata().map_err(|e| refuse(e.to_string()))?;
    if !about.is_file() || about.uid() != 0 || about.mode() & 0o022 != 0 {
        return Err(refuse(
            "it is not a regular file of root's that root alone may write".into(),
        ));
    }
    let mut text = String::new();
    let read = handle
        .take(LARGEST.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(|e| refuse(e.to_string()))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > LARGEST {
        return Err(refuse("it is longer than 1 MiB".into()));
    }
    Ok(text)
}

/// Reads lines of `owner:first:count`. Lines of another form are refused: a range that cannot be read cannot be kept clear of.
pub fn subordinates(file: &'static str, text: &str) -> Result<Vec<Subordinate>, PolicyError> {
    let mut ranges = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split(':').collect();
        let range = match fields.as_slice() {
            [owner, first, count] => first
                .parse()
                .ok()
                .zip(count.parse().ok())
                .map(|(first, count)| Subordinate {
                    owner: (*owner).to_owned(),
                    first,
                    count,
                }),
            _ => None,
        };
        ranges.push(range.ok_or_else(|| PolicyError {
            file,
            line: number,
            what: "not OWNER:FIRST:COUNT".into(),
        })?);
    }
    Ok(ranges)
}

fn overlaps(a: u64, a_count: u64, b: u64, b_count: u64) -> bool {
    a < b.saturating_add(b_count) && b < a.saturating_add(a_count)
}

/// A line without its comment. A `#` within a word is a part of it: a path that was cut there would be another one, above it perhaps.
fn uncommented(line: &str) -> &str {
    let begins = |at: usize| {
        line.get(..at)
            .is_some_and(|before| before.is_empty() || before.ends_with(char::is_whitespace))
    };
    let at = line.match_indices('#').map(|(at, _)| at).find(|at| begins(*at));
    at.and_then(|at| line.get(..at)).unwrap_or(line)
}

/// Makes the policy of the file's text and of the subordinate ids of this host.
pub fn parse(text: &str, users: &[Subordinate], groups: &[Subordinate]) -> Result<Policy, PolicyError> {
    let (mut roots, mut named) = (Vec::new(), false);
    let mut host_root = Vec::new();
    let mut forwarding = true;
    let mut networks = Networks::default();
    let mut audit = Audit {
        file: LOG.to_owned(),
        required: true,
        sync: false,
    };
    let (mut capabilities, mut own_filter, mut unmasked) = (Vec::new(), Vec::new(), Vec::new());
    let (mut devices, mut lent, mut file_systems) = (Vec::new(), Vec::new(), Vec::new());
    let mut shares = Vec::new();
    let mut ids = None;
    let mut mapped = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let refuse = |what: String| PolicyError {
            file: FILE,
            line: number,
            what,
        };
        let line = uncommented(line).trim();
        let Some((word, rest)) = line.split_once(char::is_whitespace).map(|(w, r)| (w, r.trim())) else {
            if line.is_empty() {
                continue;
            }
            return Err(refuse(format!("{line:?} needs a value")));
        };
        let container =
            |name: &str| ContainerName::new(name).map_err(|e| refuse(format!("not a container's name: {e}")));
        let about = || {
            let (what, name) = rest
                .split_once(char::is_whitespace)
                .ok_or_else(|| refuse(format!("{word} names something and a container")))?;
            Ok((what, container(name.trim())?))
        };
        match word {
            "ids" if ids.is_none() => {
                ids = Some(pair(rest).ok_or_else(|| refuse("ids takes FIRST COUNT".into()))?);
            }
            "map" => {
                let (first, count) = pair(rest).ok_or_else(|| refuse("map takes FIRST COUNT".into()))?;
                let span = span(first.into(), count.into());
                mapped
                    .push(span.ok_or_else(|| refuse("map takes ids from 65536 on; see host-root for others".into()))?);
            }
            "root" if rest == "named" => named = true,
            "root" if rest.starts_with('/') && !rest.contains("/../") && !rest.ends_with("/..") => {
                roots.push(rest.to_owned())
            }
            "host-root" => host_root.push(container(rest)?),
            "capability" => {
                let (capability, name) = about()?;
                let set = capability_set(capability);
                let set = set.ok_or_else(|| refuse(format!("there is no capability called {capability:?}")))?;
                capabilities.push((set, name));
            }
            "seccomp" => own_filter.push(container(rest)?),
            "unmask" if rest.starts_with('/') => {
                let (path, name) = about()?;
                unmasked.push((path.to_owned(), name));
            }
            "device" => {
                let device = Device::read(rest);
                devices.push(device.ok_or_else(|| refuse("device takes PATH NAME, or PATH NAME readonly".into()))?);
            }
            "lend" => {
                let (link, name) = about()?;
                let link = LinkName::new(link).map_err(|e| refuse(format!("not a link's name: {e}")))?;
                lent.push((link, name));
            }
            "filesystem" => {
                let disk = Device::read(rest);
                file_systems
                    .push(disk.ok_or_else(|| refuse("filesystem takes PATH NAME, or PATH NAME readonly".into()))?);
            }
            "share" => shares.push(Consent::read(rest).ok_or_else(|| {
                refuse("share takes net, ipc or uts, then host, process or netns:NAMESPACE, then a container".into())
            })?),
            "forwarding" if rest == "no" || rest == "yes" => forwarding = rest == "yes",
            "audit" if rest.starts_with('/') && !rest.ends_with('/') => audit.file = rest.to_owned(),
            "audit-required" if rest == "no" || rest == "yes" => audit.required = rest == "yes",
            "audit-sync" if rest == "no" || rest == "yes" => audit.sync = rest == "yes",
            _ if networks.state(word, rest).is_some() => {}
            _ => return Err(refuse(format!("{line:?} is not a statement of this file"))),
        }
    }
    let (first, count) = match ids {
        Some(given) => given,
        None => chosen(users, groups),
    };
    let blocks = count.checked_div(BLOCK).unwrap_or(0);
    let whole = |what: &str| PolicyError {
        file: FILE,
        line: 0,
        what: what.to_owned(),
    };
    if blocks == 0 || first < 65536 || u64::from(first).saturating_add(u64::from(count)) > u64::from(HIGHEST) {
        return Err(whole("the ids given out must be 65552 or more, from 65536 to 2^31-2"));
    }
    let clear = |range: &Subordinate| {
        !overlaps(range.first, range.count, u64::from(LAZARET), 1)
            && (range.is_roots() || !overlaps(range.first, range.count, u64::from(first), u64::from(count)))
    };
    if !users.iter().chain(groups).all(clear) {
        return Err(whole(
            "the ids given out belong to somebody in /etc/subuid or /etc/subgid: say `ids FIRST COUNT` for others",
        ));
    }
    if overlaps(u64::from(LAZARET), 1, u64::from(first), u64::from(count)) {
        return Err(whole("the ids given out contain 1879048192, which is lazaret's own"));
    }
    let given = span(first.into(), u64::from(blocks).saturating_mul(BLOCK.into()));
    let maps = [users, groups].map(|file| {
        let roots = file
            .iter()
            .filter(|r| r.is_roots())
            .filter_map(|r| span(r.first, r.count));
        given.into_iter().chain(mapped.iter().copied()).chain(roots).collect()
    });
    if roots.is_empty() && !named {
        named = true;
        roots = USUAL_ROOTS.map(str::to_owned).to_vec();
    }
    Ok(Policy {
        first,
        blocks,
        maps,
        roots,
        named,
        host_root,
        forwarding,
        networks,
        audit,
        capabilities,
        own_filter,
        unmasked,
        devices,
        lent,
        file_systems,
        shares,
        users: false,
    })
}

/// One capability by its name (capabilities(7)), with or without `CAP_` and in whatever case, or all that there are.
fn capability_set(name: &str) -> Option<u64> {
    let upper = name.to_ascii_uppercase();
    if upper == "ALL" {
        return 1u64
            .checked_shl(u32::try_from(CAPABILITIES.len()).ok()?)?
            .checked_sub(1);
    }
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    let bit = CAPABILITIES.iter().position(|c| *c == bare)?;
    1u64.checked_shl(u32::try_from(bit).ok()?)
}

/// Root's own range, if it holds a block at least and is the same for users and groups; else the part of ours that is free.
fn chosen(users: &[Subordinate], groups: &[Subordinate]) -> (u32, u32) {
    let roots = |r: &&Subordinate| r.is_roots() && r.count >= u64::from(BLOCK) && r.first >= 65536;
    if let Some(own) = users.iter().filter(roots).find(|u| groups.iter().any(|g| g == *u))
        && let (Ok(first), Ok(count)) = (u32::try_from(own.first), u32::try_from(own.count))
    {
        return (first, count);
    }
    let mut first = u64::from(OWN_FIRST);
    let mut taken: Vec<(u64, u64)> = users
        .iter()
        .chain(groups)
        .map(|r| (r.first, r.first.saturating_add(r.count)))
        .filter(|(_, end)| *end > first)
        .collect();
    taken.sort_unstable();
    let mut end = u64::from(HIGHEST);
    for (from, to) in taken {
        if from.saturating_sub(first) >= u64::from(BLOCK) && from > first {
            end = from;
            break;
        }
        first = first.max(to);
    }
    let count = end.saturating_sub(first);
    (u32::try_from(first).unwrap_or(0), u32::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests;

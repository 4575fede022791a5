//! The root file system and the mounts (fstab(5)) of a configuration as `filesystem` elements. Pure.

use super::config::{lost, path};
use super::lines::Setting;
use crate::domain::error::{ParseError, shown};
use crate::domain::units::kib;
use crate::domain::xml::Tree;

/// What every domain has mounted, and the types under which it is.
const BASIC: [(&str, &[&str]); 7] = [
    ("/proc", &["proc"]),
    ("/proc/sys", &["none", "bind", "proc"]),
    ("/proc/sys/net/ipv4", &["none", "bind"]),
    ("/proc/sys/net/ipv6", &["none", "bind"]),
    ("/sys", &["sysfs"]),
    ("/sys/kernel/security", &["securityfs", "none", "bind"]),
    ("/sys/fs/selinux", &["selinuxfs", "none", "bind"]),
];
/// Words of `lxc.mount.auto` for what every domain has.
const AUTOMATIC: [&str; 8] = [
    "proc",
    "proc:mixed",
    "sys:ro",
    "cgroup",
    "cgroup:mixed",
    "cgroup:rw",
    "cgroup:force",
    "cgroup:mixed:force",
];
/// Options that say what is done anyway: what is not there is made, and a bind is a bind.
const IMPLIED: [&str; 9] = [
    "defaults",
    "rw",
    "ro",
    "bind",
    "create=dir",
    "create=file",
    "relatime",
    "relative",
    "",
];
/// Further ones of a tmpfs.
const IMPLIED_OF_RAM: [&str; 3] = ["nodev", "nosuid", "optional"];

/// The path in what names a root file system, without the word for its kind.
pub fn host_path(value: &str) -> &str {
    match value.split_once(':') {
        Some((kind, path)) if !kind.contains('/') => path,
        _ => value,
    }
}

fn filesystem(kind: &str, children: impl IntoIterator<Item = Tree>, read_only: bool) -> Tree {
    Tree::new("filesystem")
        .with("type", kind)
        .with("accessmode", "passthrough")
        .holding(children)
        .holding(read_only.then(|| Tree::new("readonly")))
}

fn of(kind: &str, source: Tree, target: &str, read_only: bool) -> Tree {
    filesystem(kind, [source, Tree::new("target").with("dir", target)], read_only)
}

/// The root file system.
pub fn root(s: &Setting, read_only: bool) -> Result<Tree, ParseError> {
    let (kind, rest) = match s.value.split_once(':') {
        Some((kind, rest)) if !kind.contains('/') => (kind, rest),
        _ => ("", s.value.as_str()),
    };
    let place = path(s, rest)?;
    match kind {
        "" | "dir" | "btrfs" | "lvm" | "blk" if place.starts_with("/dev/") => {
            Ok(of("block", Tree::new("source").with("dev", place), "/", read_only))
        }
        "" | "dir" | "btrfs" => Ok(of("mount", Tree::new("source").with("dir", place), "/", read_only)),
        "loop" => {
            let driver = Tree::new("driver").with("type", "loop").with("format", "raw");
            let source = Tree::new("source").with("file", place);
            let target = Tree::new("target").with("dir", "/");
            Ok(filesystem("file", [driver, source, target], read_only))
        }
        _ => Err(s.not("a directory, a block device or loop:FILE, which alone a domain may have as its root")),
    }
}

/// `lxc.mount.auto`
pub fn automatic(warnings: &mut Vec<ParseError>, s: &Setting) {
    let mut others = s.value.split_ascii_whitespace().filter(|w| !AUTOMATIC.contains(w));
    let Some(first) = others.next() else { return };
    let why = match (first, others.next()) {
        ("sys" | "sys:mixed", None) => "there all of /sys is read-only, /sys/devices/virtual/net too",
        _ => {
            "there /proc and /sys are read-only where the container has no say, and the container's own control group is to be seen"
        }
    };
    lost(warnings, s, why);
}

/// One `lxc.mount.entry`, of a container whose root lies at `root`; `None` for what every domain has anyway, or cannot have.
pub fn entry(warnings: &mut Vec<ParseError>, s: &Setting, root: &str) -> Result<Option<Tree>, ParseError> {
    let fields: Vec<String> = s.value.split_ascii_whitespace().map(unescaped).collect();
    let [source, target, kind, options, ..] = fields.as_slice() else {
        return Err(s.refused("has fewer than the four fields: source, target, type, options"));
    };
    let target = inside(target, root);
    if let Some((_, kinds)) = BASIC.iter().find(|(basic, _)| *basic == target) {
        if !kinds.contains(&kind.as_str()) {
            lost(warnings, s, "something else is mounted there in every domain");
        }
        return Ok(None);
    }
    let options: Vec<&str> = options.split(',').collect();
    let has = |option: &str| options.contains(&option);
    let binds = has("bind") || has("rbind");
    let ram = kind == "tmpfs" && !binds;
    let not_said =
        |o: &&&str| !(IMPLIED.contains(*o) || ram && (IMPLIED_OF_RAM.contains(*o) || o.starts_with("size=")));
    let read_only = has("ro");
    let filesystem = if ram {
        of("ram", usage(s, &options)?, &target, read_only)
    } else if has("relative") && binds {
        let source = format!("/{}", source.trim_start_matches('/'));
        of("bind", Tree::new("source").with("dir", source), &target, read_only)
    } else if !binds && source.starts_with("/dev/") {
        of("block", Tree::new("source").with("dev", source), &target, read_only)
    } else if binds || matches!(kind.as_str(), "none" | "bind") {
        of(
            "mount",
            Tree::new("source").with("dir", path(s, source)?),
            &target,
            read_only,
        )
    } else {
        lost(warnings, s, "there is no such type of file system");
        return Ok(None);
    };
    let others: Vec<&str> = options.iter().filter(not_said).copied().collect();
    if !others.is_empty() {
        let (target, others) = (shown(&target, 60), shown(&others.join(","), 60));
        warnings.push(s.refused(&format!("on {target}: of its options {others} cannot be said in XML")));
    }
    Ok(Some(filesystem))
}

/// A target as seen from inside.
fn inside(target: &str, root: &str) -> String {
    let below = target
        .strip_prefix(root.trim_end_matches('/'))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let target = below.filter(|_| root.starts_with('/')).unwrap_or(target);
    format!("/{}", target.trim_matches('/'))
}

/// The size of a tmpfs.
fn usage(s: &Setting, options: &[&str]) -> Result<Tree, ParseError> {
    let size = options.iter().rev().find_map(|o| o.strip_prefix("size="));
    let size = size.ok_or_else(|| s.refused("has a tmpfs without size=, which a domain must have"))?;
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = size.strip_prefix(digits).unwrap_or_default();
    let unit = match unit.to_ascii_lowercase().as_str() {
        "" => Some("bytes"),
        "k" | "m" | "g" | "t" | "p" => Some(unit),
        _ => None,
    };
    let size = unit
        .and_then(|unit| kib(digits, Some(unit)).ok())
        .filter(|kib| *kib > 0);
    let size = size.ok_or_else(|| s.refused("has a tmpfs whose size= is no number of bytes, k, m or g above 0"))?;
    Ok(Tree::new("source").with("usage", size).with("units", "KiB"))
}

/// A field of fstab(5), in which blanks are written as three octal digits.
fn unescaped(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (c, taken) = match after.get(..3) {
            Some("040") => (' ', 3),
            Some("011") => ('\t', 3),
            Some("012") => ('\n', 3),
            Some("134") => ('\\', 3),
            _ => ('\\', 0),
        };
        out.push(c);
        rest = after.get(taken..).unwrap_or_default();
    }
    out + rest
}

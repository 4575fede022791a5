//! The empty files over which files of /etc are laid where an image has none: how they are known again, whoever made them, and where on the
//! host they may be. Pure.

use crate::init::{Container, Path, Source};
use crate::launcher::{Opened, PlannedMount};
use serde::{Deserialize, Serialize};

/// The names that they can have.
pub const NAMES: [&str; 2] = ["hosts", "resolv.conf"];
/// The mode that they are made with. The sticky bit means nothing on a file (inode(7)), so that no image has it there by accident.
pub const MODE: u32 = 0o1444;

/// `S_IFMT` and `S_IFREG` of inode(7).
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// Whether a file with this mode, size and number of links (stat(2)) is one: whoever finds one that nobody holds a lock on may remove it. An
/// access list of the directory's can have taken permissions to read from it (acl(5)).
pub const fn is_placeholder(mode: u32, size: i64, links: u64) -> bool {
    mode & TYPE == REGULAR && mode & 0o7777 & !0o444 == MODE & !0o444 && size == 0 && links == 1
}

/// The host's directory that a container has as /etc.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Etc {
    /// What is mounted: the container's root, or what lies over a part of it.
    pub from: Path,
    /// The directory in that, as an absolute path.
    pub below: Path,
}

/// Where a container's placeholders are on the host; `None` if it has none, or they go with it anyway. `mounts` are the factory's, in order.
pub fn etc(container: &Container, mounts: &[PlannedMount]) -> Option<Etc> {
    if container.resolv_conf.is_none() && container.hosts.is_none() {
        return None;
    }
    let mut place = "/etc".to_owned();
    let mut delivered = mounts.iter().rev();
    // What was attached last is on top.
    for a in container.attachments.iter().rev() {
        let mount = match a.source {
            Source::Factory => delivered.next(),
            _ => None,
        };
        let rest = place.strip_prefix(a.target.as_str());
        let Some(rest) = rest.filter(|r| r.is_empty() || r.starts_with('/')) else {
            continue;
        };
        match &a.source {
            Source::Factory => return on_host(mount?, rest),
            Source::Tmpfs { .. } => return None,
            Source::Inside(path) => place = format!("{path}{rest}"),
        }
    }
    on_host(mounts.first()?, &place)
}

fn on_host(mount: &PlannedMount, below: &str) -> Option<Etc> {
    match &mount.from {
        Opened::Path { path, writable: true } => Some(Etc {
            from: path.clone(),
            below: Path::new(if below.is_empty() { "/" } else { below }).ok()?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::Attachment;
    use crate::mountd::{Flags, Mount};
    use crate::name::Text;

    fn path(p: &str) -> Path {
        Path::new(p).unwrap()
    }

    fn mount(from: &str, writable: bool) -> PlannedMount {
        PlannedMount {
            mount: Mount::Tree {
                recursive: false,
                flags: Flags::default(),
                idmapped: true,
            },
            from: Opened::Path {
                path: path(from),
                writable,
            },
        }
    }

    fn found(attached: &[(&str, Source)], mounts: &[PlannedMount]) -> Option<(String, String)> {
        let mut container = crate::init::tests::container();
        container.hosts = Some(Text::new("n").unwrap());
        container.attachments = attached
            .iter()
            .map(|(target, source)| Attachment {
                target: path(target),
                source: source.clone(),
                read_only: false,
            })
            .collect();
        etc(&container, mounts).map(|e| (e.from.as_str().to_owned(), e.below.as_str().to_owned()))
    }

    #[test]
    fn only_an_empty_file_with_the_mark_and_one_name_is_one() {
        assert!(is_placeholder(0o101_444, 0, 1) && is_placeholder(0o101_440, 0, 1));
        for (mode, size, links) in [
            (0o100_444, 0, 1),
            (0o100_644, 0, 1),
            (0o101_644, 0, 1),
            (0o101_555, 0, 1),
            (0o103_444, 0, 1),
            (0o105_444, 0, 1),
            (0o101_444, 1, 1),
            (0o101_444, 0, 2),
            (0o041_444, 0, 1),
            (0o121_444, 0, 1),
        ] {
            assert!(!is_placeholder(mode, size, links), "{mode:o} {size} {links}");
        }
    }

    #[test]
    fn they_are_in_whatever_is_mounted_over_the_place() {
        let root = mount("/r", true);
        let some = |from: &str, below: &str| Some((from.to_owned(), below.to_owned()));
        let tmpfs = Source::Tmpfs { size: 1, mode: 0o755 };
        let factory = || Source::Factory;
        let with = |more: PlannedMount| [root.clone(), mount("/dev/null", false), more];
        assert_eq!(found(&[], std::slice::from_ref(&root)), some("/r", "/etc"));
        assert_eq!(found(&[], &[mount("/r", false)]), None);
        assert_eq!(found(&[("/etc", factory())], &with(mount("/x", true))), some("/x", "/"));
        assert_eq!(found(&[("/etc", factory())], &with(mount("/x", false))), None);
        assert_eq!(
            found(&[("/etcetera", factory())], &with(mount("/x", true))),
            some("/r", "/etc")
        );
        assert_eq!(found(&[("/etc", tmpfs.clone())], std::slice::from_ref(&root)), None);
        let inside = Source::Inside(path("/data/e"));
        let both = [("/data", factory()), ("/etc", inside), ("/etc/x", tmpfs)];
        assert_eq!(found(&both, &with(mount("/x", true))), some("/x", "/e"));
        assert_eq!(found(&both[1..], &with(mount("/x", true))), some("/r", "/data/e"));
        let mut without = crate::init::tests::container();
        (without.hosts, without.resolv_conf) = (None, None);
        assert_eq!(etc(&without, &[root]), None);
    }
}

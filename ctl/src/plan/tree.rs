//! The container's tree: its root, and what is attached to it. Pure.

use super::fit;
use crate::error::{Error, Outcome};
use crate::escape::escape;
use wire::init::{Attachment, Path, Source};
use wire::launcher::{Opened, PlannedMount};
use wire::mountd::{Flags, Mount};

/// Attachments, and the mounts of the factory that some of them need, in the same order.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// What `init` attaches.
    pub attachments: Vec<Attachment>,
    /// What the factory makes for those that say so.
    pub mounts: Vec<PlannedMount>,
}

/// Places that are the container's own, whatever a configuration says.
const OWN: [&str; 3] = ["/proc", "/sys", "/dev"];

fn flags(read_only: bool) -> Flags {
    Flags {
        read_only,
        no_suid: true,
        no_dev: true,
        no_exec: false,
    }
}

/// Whether a path is the root directory, however it is written.
fn is_root(path: &str) -> bool {
    path.split('/').all(|part| part.is_empty() || part == ".")
}

/// A host path as a mount, id-mapped, so that files keep their owners; never with what is mounted below it.
fn of_host(path: &str, read_only: bool) -> Outcome<PlannedMount> {
    let mount = Mount::Tree {
        recursive: false,
        flags: flags(read_only),
        idmapped: true,
    };
    Ok(PlannedMount {
        mount,
        from: Opened::Path {
            path: fit("a path", path)?,
            writable: !read_only,
        },
    })
}

/// The root file system, from a host path. Where a system boots, its setuid programs work. The host's own root is always read-only,
/// and never id-mapped: the container's root may there only what everyone may.
pub fn root(path: &str, read_only: bool, setuid: bool) -> Outcome<PlannedMount> {
    if is_root(path) {
        let mount = Mount::Tree {
            recursive: false,
            flags: flags(true),
            idmapped: false,
        };
        return Ok(PlannedMount {
            mount,
            from: Opened::HostRoot,
        });
    }
    let mut planned = of_host(path, read_only)?;
    if let Mount::Tree { flags, .. } = &mut planned.mount {
        flags.no_suid = !setuid;
    }
    Ok(planned)
}

/// What is on a disk, a block device or a file (`image`): what its files say of their owners are ids inside. Set-id programs work in it if `setuid`.
pub fn of_disk(path: &Path, image: bool, read_only: bool, setuid: bool) -> PlannedMount {
    let flags = Flags {
        no_suid: !setuid,
        ..flags(read_only)
    };
    PlannedMount {
        mount: Mount::Tree {
            recursive: false,
            flags,
            idmapped: true,
        },
        from: Opened::FileSystem {
            path: path.clone(),
            image,
            writable: !read_only,
        },
    }
}

impl Tree {
    /// Refuses a target that is taken, or that is the container's own.
    fn check(&self, target: &str) -> Outcome<()> {
        let below =
            |place: &str| target == place || target.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'));
        if let Some(place) = OWN.into_iter().find(|place| below(place)) {
            return Err(Error::caller(format!(
                "nothing can be mounted at {}: {place} is the container's own",
                escape(target)
            )));
        }
        if self.has(target) {
            return Err(Error::caller(format!("two mounts have the target {}", escape(target))));
        }
        Ok(())
    }

    /// Whether something is attached at that place.
    pub fn has(&self, target: &str) -> bool {
        self.attachments.iter().any(|a| a.target.as_str() == target)
    }

    fn attach(&mut self, target: &str, source: Source, read_only: bool) -> Outcome<()> {
        self.check(target)?;
        self.attachments.push(Attachment {
            target: fit("a target", target)?,
            source,
            read_only,
        });
        Ok(())
    }

    /// Shows a host path inside.
    pub fn host(&mut self, path: &str, target: &str, read_only: bool) -> Outcome<()> {
        if is_root(path) {
            return Err(Error::caller(format!(
                "the host's own root cannot be shown at {}: it can only be a container's root",
                escape(target)
            )));
        }
        self.attach(target, Source::Factory, read_only)?;
        self.mounts.push(of_host(path, read_only)?);
        Ok(())
    }

    /// Mounts what is on a disk.
    pub fn disk(&mut self, path: &Path, image: bool, target: &str, read_only: bool) -> Outcome<()> {
        self.attach(target, Source::Factory, read_only)?;
        self.mounts.push(of_disk(path, image, read_only, false));
        Ok(())
    }

    /// Shows another place of the container's own.
    pub fn inside(&mut self, place: &str, target: &str, read_only: bool) -> Outcome<()> {
        self.attach(target, Source::Inside(fit("a source", place)?), read_only)
    }

    /// Mounts an empty file system in memory.
    pub fn memory(&mut self, target: &str, size: u64, mode: u32, read_only: bool) -> Outcome<()> {
        self.attach(target, Source::Tmpfs { size, mode }, read_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_root_is_never_id_mapped_and_never_recursive() {
        for path in ["/", "//", "/.", "/./"] {
            let planned = root(path, false, true).unwrap();
            assert_eq!(planned.from, Opened::HostRoot, "{path}");
            let Mount::Tree {
                recursive,
                flags,
                idmapped,
            } = planned.mount
            else {
                panic!()
            };
            assert!(!recursive && !idmapped && flags.read_only && flags.no_suid && flags.no_dev);
        }
        let Mount::Tree { idmapped, .. } = of_host("/srv", false).unwrap().mount else {
            panic!()
        };
        assert!(idmapped);
    }

    #[test]
    fn refuses_what_would_cover_the_containers_own_places_or_each_other() {
        let mut tree = Tree::default();
        for bad in ["/proc", "/proc/self", "/sys", "/sys/fs/cgroup", "/dev", "/dev/pts"] {
            assert!(tree.memory(bad, 1, 0o755, false).is_err(), "{bad}");
        }
        assert!(tree.memory("/devices", 1, 0o755, false).is_ok());
        assert!(tree.host("/srv", "/devices", false).is_err());
    }
}

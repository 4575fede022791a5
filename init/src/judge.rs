//! May this container be built as asked? Pure: it returns a value that only the acting code accepts.

use policies::masks;
use sys::namespace::Kind;
use wire::failure::Failure;
use wire::ids::check_map;
use wire::init::{Afterwards, Container, Source, Stream, Then};
use wire::mountd::Device;

/// A container that may be built.
#[derive(Debug, Clone)]
pub struct Judged(Container);

impl Judged {
    /// Whether it may start again after an end.
    pub fn restarts(&self) -> bool {
        let Afterwards {
            poweroff,
            reboot,
            crash,
        } = self.0.afterwards;
        [poweroff, reboot, crash].contains(&Then::Restart)
    }
}

impl Judged {
    /// What of network, ipc and uts is its own. In what is not, this program was born, and nobody here has a power over it.
    pub fn own_spaces(&self) -> Vec<Kind> {
        let Container { shares, .. } = &self.0;
        let own = [
            (Kind::Net, !self.0.shares_network()),
            (Kind::Ipc, shares.ipc.is_none()),
            (Kind::Uts, shares.uts.is_none()),
        ];
        own.into_iter().filter(|(_, own)| *own).map(|(kind, _)| kind).collect()
    }
}

impl std::ops::Deref for Judged {
    type Target = Container;
    fn deref(&self) -> &Container {
        &self.0
    }
}

/// Places that are the container's own and cannot be asked for, with everything below.
const OURS: [&str; 3] = ["/proc", "/sys", "/dev/pts"];
/// Places that cannot be asked for, though what lies below can.
const FIXED: [&str; 6] = ["/", "/dev", "/dev/console", "/dev/ptmx", "/dev/mqueue", "/dev/fd"];

/// Judges a whole container.
pub fn judge(container: Container) -> Result<Judged, Failure> {
    let c = &container;
    // Whether host id 0 may be mapped is judged by the launcher, and enforced by the kernel; here it is only a number.
    check_map(&c.uid_map, true).map_err(|e| Failure::caller(&format!("map user ids: {e}")))?;
    check_map(&c.gid_map, true).map_err(|e| Failure::caller(&format!("map group ids: {e}")))?;
    if c.streams.contains(&Stream::Console) && c.consoles == 0 {
        return Err(Failure::caller("connect a stream to a console: the container has none"));
    }
    if c.learn && !c.reaper {
        return Err(Failure::caller("learn from a command that is the first process itself"));
    }
    if !c.devices.contains(&Device::Null) {
        return Err(Failure::caller(
            "hide what is to be hidden: there is no /dev/null among the devices",
        ));
    }
    if c.hostname.as_str().is_empty() {
        return Err(Failure::caller("set an empty host name"));
    }
    for a in &c.attachments {
        target(a.target.as_str())?;
        if let Source::Inside(path) = &a.source {
            plain(path.as_str())?;
        }
    }
    if !c.command.directory.as_str().starts_with('/') {
        return Err(Failure::caller("enter a directory that is not absolute"));
    }
    if c.command.filter.is_some() && !c.command.no_new_privileges {
        return Err(Failure::caller(
            "install a filter of the container's own: without no-new-privileges the kernel does not take it last",
        ));
    }
    if let Some(path) = c.unmasked.iter().find(|p| !masks::covers(p.as_str())) {
        return Err(Failure::caller(&format!(
            "leave {path} as it is: no profile hides it or makes it read-only"
        )));
    }
    Ok(Judged(container))
}

fn target(path: &str) -> Result<(), Failure> {
    plain(path)?;
    let below = |ours: &str| {
        path.strip_prefix(ours)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if FIXED.contains(&path) || OURS.iter().copied().any(below) {
        return Err(Failure::caller(&format!(
            "mount {path}: that place is the container's own"
        )));
    }
    Ok(())
}

/// An absolute path in its one way of being written.
fn plain(path: &str) -> Result<(), Failure> {
    let parts = path.strip_prefix('/').map(|rest| rest.split('/'));
    let good = parts.is_some_and(|mut parts| parts.all(|p| !p.is_empty() && p != "." && p != ".."));
    if good || path == "/" {
        return Ok(());
    }
    Err(Failure::caller(&format!(
        "mount {path:?}: a place is an absolute path without '.', '..' or empty parts"
    )))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use wire::ids::IdRange;
    use wire::init::{Attachment, Command, Path, Profile, User};
    use wire::name::{ContainerName, Text};

    /// A container that nothing is wrong with.
    pub(crate) fn container() -> Container {
        let ids = vec![IdRange {
            inside: 0,
            outside: 100_016,
            count: 65536,
        }];
        let text = |t: &str| Text::new(t).unwrap();
        Container {
            name: ContainerName::new("c").unwrap(),
            hostname: Text::new("c").unwrap(),
            uid_map: ids.clone(),
            gid_map: ids,
            host_network: false,
            read_only_root: false,
            attachments: vec![],
            devices: Device::ALL.to_vec(),
            meminfo: false,
            lent_proc: false,
            unified: true,
            cgroup_writable: false,
            consoles: 0,
            streams: [Stream::Passed; 3],
            reaper: true,
            command: Command {
                program: Path::new("/bin/true").unwrap(),
                arguments: vec![text("true")],
                environment: vec![],
                directory: Path::new("/").unwrap(),
                user: User {
                    user: None,
                    group: None,
                },
                capabilities: 0,
                no_new_privileges: true,
                profile: Profile::App,
                limits: vec![],
                window: None,
                linux32: false,
                filter: None,
                apparmor: None,
                selinux: None,
                memory: None,
            },
            afterwards: Afterwards {
                poweroff: Then::End,
                reboot: Then::End,
                crash: Then::End,
            },
            resolv_conf: None,
            hosts: None,
            unmasked: vec![],
            learn: false,
            descriptors: 0,
            nodes: vec![],
            shares: wire::share::Shares::default(),
        }
    }

    fn with_target(path: &str) -> Container {
        let mut c = container();
        c.attachments.push(Attachment {
            target: Path::new(path).unwrap(),
            source: Source::Factory,
            read_only: true,
        });
        c
    }

    #[test]
    fn refuses_places_that_are_its_own_or_not_plain() {
        for bad in [
            "/proc",
            "/proc/self",
            "/sys/fs",
            "/dev",
            "/dev/pts/0",
            "/",
            "relative",
            "/a/../b",
            "/a//b",
            "/a/.",
            "",
        ] {
            assert!(judge(with_target(bad)).is_err(), "{bad}");
        }
        for good in ["/data", "/dev/shm", "/procession", "/etc/resolv.conf"] {
            assert!(judge(with_target(good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn refuses_a_source_inside_that_climbs() {
        let mut c = with_target("/data");
        c.attachments[0].source = Source::Inside(Path::new("/../etc").unwrap());
        assert!(judge(c).is_err());
    }

    #[test]
    fn refuses_a_filter_that_could_not_be_installed_and_a_place_that_is_not_covered() {
        let mut c = container();
        let rule = |call| wire::filter::Rule {
            call,
            answer: None,
            condition: vec![],
        };
        c.command.filter = Some(wire::filter::OwnFilter {
            filter: vec![rule(59), rule(231)].try_into().unwrap(),
            in_place: false,
        });
        assert!(judge(c.clone()).is_ok());
        c.command.no_new_privileges = false;
        assert!(judge(c).is_err());
        for (path, good) in [
            ("/proc/keys", true),
            ("/proc/sys", true),
            ("/proc/keys/", false),
            ("/proc", false),
        ] {
            let mut c = container();
            c.unmasked = vec![Path::new(path).unwrap()];
            assert_eq!(judge(c).is_ok(), good, "{path}");
        }
    }

    #[test]
    fn refuses_a_console_stream_without_a_console() {
        let mut c = container();
        c.streams[1] = Stream::Console;
        assert!(judge(c.clone()).is_err());
        c.consoles = 1;
        assert!(judge(c).is_ok());
    }

    #[test]
    fn refuses_a_container_without_a_node_to_mask_with_or_without_root() {
        let mut c = container();
        c.devices.clear();
        assert!(judge(c).is_err());
        let mut c = container();
        c.uid_map[0].inside = 1;
        assert!(judge(c).is_err());
    }
}

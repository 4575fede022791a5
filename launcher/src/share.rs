//! Namespaces that a container shares: whose they are, whether the host's policy consents, and the descriptors by which `init`, `mountd` and
//! `nsenter` are born in them. Joining one takes SYS_ADMIN over the user namespace that owns it, which of all programs the launcher alone has,
//! for as long as a child of its own is not yet the program that it becomes. May touch: `/run/netns` and `/proc/PID/ns`, to read.

use crate::open;
use crate::policy::{FILE, Policy};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::namespace::{self, Kind};
use sys::process::errno;
use wire::ids::IdBlock;
use wire::share::{Shares, Sharing, Space};
use wire::{ContainerName, Failure};

/// Where named network namespaces lie (ip-netns(8)).
const NAMED: &str = "/run/netns";

/// Whose namespaces a `share` line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// The host's own.
    Host,
    /// Those of any process that is no container's.
    Process,
    /// The network namespace of this name.
    Netns(String),
}

/// A line `share SPACE FROM NAME` of the host's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    space: Space,
    from: From,
    container: ContainerName,
}

impl Consent {
    /// Takes what stands behind the word `share`; `None` if that is no such statement.
    pub fn read(rest: &str) -> Option<Self> {
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        let [space, from, container] = words.as_slice() else {
            return None;
        };
        let space = Space::ALL.into_iter().find(|s| s.name() == *space)?;
        let from = match (*from, from.strip_prefix("netns:")) {
            ("host", _) => From::Host,
            ("process", _) => From::Process,
            (_, Some(name)) if space == Space::Net && plain(name) => From::Netns(name.to_owned()),
            _ => return None,
        };
        let container = ContainerName::new(container).ok()?;
        Some(Self { space, from, container })
    }
}

/// A name in one directory.
fn plain(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && !matches!(name, "." | "..")
}

const fn kind(space: Space) -> Kind {
    match space {
        Space::Net => Kind::Net,
        Space::Ipc => Kind::Ipc,
        Space::Uts => Kind::Uts,
    }
}

/// The namespaces that a container shares, opened and judged.
#[derive(Debug, Default)]
pub struct Shared(Vec<(OwnedFd, Kind)>);

impl Shared {
    /// All of them, for who is born in them.
    pub fn all(&self) -> Vec<(BorrowedFd<'_>, Kind)> {
        self.0.iter().map(|(fd, kind)| (fd.as_fd(), *kind)).collect()
    }

    /// The network namespace alone, for who shows its links.
    pub fn network(&self) -> Vec<(BorrowedFd<'_>, Kind)> {
        let mut all = self.all();
        all.retain(|(_, kind)| *kind == Kind::Net);
        all
    }
}

/// Opens what is shared, and refuses what the policy does not allow. `passed` are those of other containers, as they came.
pub fn start(policy: &Policy, name: &ContainerName, shares: &Shares, passed: Vec<OwnedFd>) -> Result<Shared, Failure> {
    let mut passed = passed.into_iter();
    let mut shared = Shared::default();
    for space in Space::ALL {
        let Some(sharing) = shares.of(space) else { continue };
        let fd = match sharing {
            Sharing::Container => {
                let fd = passed
                    .next()
                    .ok_or_else(|| Failure::protocol("share what did not come"))?;
                of_kind(&fd, space)?;
                if whose(policy, &fd, space)? != Whose::Container {
                    return refuse(space, "it is none of a container of Lazaret's");
                }
                fd
            }
            Sharing::Netns(netns) => {
                if space != Space::Net {
                    return refuse(space, "only network namespaces have a name below /run/netns");
                }
                let fd = named(netns.as_str())?;
                consent(policy, name, space, &fd, &From::Netns(netns.as_str().to_owned()))?;
                fd
            }
            Sharing::Process(pid) => {
                let fd = of_process(*pid, space)?;
                consent(policy, name, space, &fd, &From::Process)?;
                fd
            }
        };
        shared.0.push((fd, kind(space)));
    }
    Ok(shared)
}

/// Judges the namespaces in which somebody enters, `user` and then what can be shared, and gives those that `nsenter` has to be born in: the
/// container's own it joins by its own right.
pub fn enter(
    policy: &Policy,
    name: &ContainerName,
    user: &OwnedFd,
    spaces: [(Space, &OwnedFd); 3],
) -> Result<Shared, Failure> {
    let mut shared = Shared::default();
    for (space, fd) in spaces {
        of_kind(fd, space)?;
        let fail = |e: nix::errno::Errno| kernel(space, "look at", e);
        // Of what nobody in this user namespace owns the owner cannot be told: then it is no container's.
        let own = namespace::owning(fd).and_then(|owner| namespace::same(&owner, user));
        if own.unwrap_or(false) {
            continue;
        }
        match whose(policy, fd, space)? {
            // A container without a network of its own is in the host's, and who enters it was born there. Whose it is only `lazaret` tells.
            Whose::Host if space == Space::Net => policy.networks.host()?,
            Whose::Container => shared.0.push((
                fd.try_clone().map_err(|_| fail(nix::errno::Errno::EMFILE))?,
                kind(space),
            )),
            Whose::Host | Whose::Other => {
                consented(policy, name, space, fd)?;
                shared.0.push((
                    fd.try_clone().map_err(|_| fail(nix::errno::Errno::EMFILE))?,
                    kind(space),
                ));
            }
        }
    }
    Ok(shared)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The launcher's own.
    Host,
    /// A container's of Lazaret.
    Container,
    /// Somebody else's.
    Other,
}

/// A container's is known by its user namespaces: the outer one was made by a keeper, and nobody else has a keeper's id.
fn whose(policy: &Policy, fd: &OwnedFd, space: Space) -> Result<Whose, Failure> {
    let fail = |e: nix::errno::Errno| kernel(space, "look at", e);
    let proc = rustix::fs::open(
        "/proc",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|e| fail(errno(e)))?;
    let own = namespace::own(proc, kind(space)).map_err(fail)?;
    if namespace::same(&own, fd).map_err(fail)? {
        return Ok(Whose::Host);
    }
    let outer = namespace::owning(fd).and_then(namespace::owning);
    let keeper = outer.and_then(namespace::owner).ok().and_then(IdBlock::new);
    Ok(match keeper.is_some_and(|block| policy.gives(block)) {
        true => Whose::Container,
        false => Whose::Other,
    })
}

fn of_kind(fd: &OwnedFd, space: Space) -> Result<(), Failure> {
    match namespace::is(fd, kind(space)) {
        Ok(true) => Ok(()),
        _ => refuse(space, "what came is no namespace of this kind"),
    }
}

/// Refuses a namespace that is no container's, unless a line names it and the container.
fn consent(policy: &Policy, name: &ContainerName, space: Space, fd: &OwnedFd, from: &From) -> Result<(), Failure> {
    let from = match whose(policy, fd, space)? {
        Whose::Container => return Ok(()),
        Whose::Host => &From::Host,
        Whose::Other => from,
    };
    if *from == From::Host && space == Space::Net && !policy.users {
        policy.networks.host()?;
    }
    let says = |c: &Consent| c.space == space && c.container == *name && c.from == *from;
    if policy.shares.iter().any(says) {
        return Ok(());
    }
    let space_name = space.name();
    let (whose, word) = match from {
        From::Host => ("the host's own".to_owned(), "host".to_owned()),
        From::Process => (
            "that of a process which is no container's".to_owned(),
            "process".to_owned(),
        ),
        From::Netns(netns) => (format!("the one called {netns}"), format!("netns:{netns}")),
    };
    let mend = format!("a line `share {space_name} {word} {name}` in {FILE} would allow it");
    refuse(space, &format!("it is {whose}; {}", policy.missing(&mend)))
}

/// The same of one that a container which runs has: any line that allows it to have come by it will do.
fn consented(policy: &Policy, name: &ContainerName, space: Space, fd: &OwnedFd) -> Result<(), Failure> {
    let mut lines = policy
        .shares
        .iter()
        .filter(|c| c.space == space && c.container == *name);
    let named = lines.find_map(|c| match &c.from {
        From::Netns(netns) if named(netns).is_ok_and(|n| namespace::same(n, fd).unwrap_or(false)) => Some(&c.from),
        _ => None,
    });
    consent(policy, name, space, fd, named.unwrap_or(&From::Process))
}

fn named(netns: &str) -> Result<OwnedFd, Failure> {
    if !plain(netns) {
        return refuse(Space::Net, "its name is no plain one");
    }
    let path = format!("{NAMED}/{netns}");
    let how = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let within = ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    let fd = rustix::fs::openat2(CWD, &*path, how, Mode::empty(), within).map_err(|e| {
        Failure::kernel(
            &format!("share the network namespace {netns}: open {path}"),
            errno(e) as i32,
        )
    })?;
    of_kind(&fd, Space::Net).map(|()| fd)
}

/// By its ids alone, since the launcher has no power to look into others: the kernel wants the caller to have all that the process has.
fn of_process(pid: u32, space: Space) -> Result<OwnedFd, Failure> {
    let what = |e: rustix::io::Errno| {
        Failure::kernel(
            &format!(
                "share the {} namespace of process {pid}: open it (SECURITY.md says of which processes that can be done; \
                 of a network, `ip netns attach` makes a name)",
                space.name()
            ),
            errno(e) as i32,
        )
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let process = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty()).map_err(what)?;
    let stat = rustix::fs::fstat(&process).map_err(what)?;
    let path = format!("ns/{}", space.name());
    let open = || rustix::fs::openat(&process, &*path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    open::with_ids(stat.st_uid, stat.st_gid, open).map_err(what)
}

fn kernel(space: Space, verb: &str, e: nix::errno::Errno) -> Failure {
    Failure::kernel(
        &format!("{verb} the {} namespace that is shared", space.name()),
        e as i32,
    )
}

fn refuse<T>(space: Space, why: &str) -> Result<T, Failure> {
    Err(Failure::caller(&format!("share a namespace ({}): {why}", space.name())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::parse;

    #[test]
    fn a_line_names_a_kind_whose_it_is_and_a_container() {
        for good in ["net host a", "ipc process a", "net netns:blue a", "uts  host  a"] {
            assert!(Consent::read(good).is_some(), "{good}");
        }
        for bad in [
            "net host",
            "net host a b",
            "pid host a",
            "uts netns:blue a",
            "net netns: a",
            "net netns:../x a",
            "net x a",
        ] {
            assert!(Consent::read(bad).is_none(), "{bad}");
            assert!(parse(&format!("share {bad}"), &[], &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_hosts_own_takes_a_line_of_its_name_and_kind() {
        let proc = std::fs::File::open("/proc").unwrap();
        let own = || namespace::own(&proc, Kind::Uts).unwrap();
        let name = ContainerName::new("a").unwrap();
        let judged = |lines: &str| {
            let policy = parse(lines, &[], &[]).unwrap();
            consent(&policy, &name, Space::Uts, &own(), &From::Process).map_err(|f| f.what.as_str().to_owned())
        };
        assert!(judged("").unwrap_err().contains("`share uts host a`"));
        for other in ["share ipc host a", "share uts host b", "share uts process a"] {
            assert!(judged(other).is_err(), "{other}");
        }
        assert_eq!(judged("share uts host a"), Ok(()));
    }

    #[test]
    fn what_is_passed_must_be_a_containers() {
        let policy = parse("share uts host a", &[], &[]).unwrap();
        let name = ContainerName::new("a").unwrap();
        let shares = Shares {
            uts: Some(Sharing::Container),
            ..Shares::default()
        };
        let proc = std::fs::File::open("/proc").unwrap();
        for (fd, why) in [
            (namespace::own(&proc, Kind::Uts).unwrap(), "none of a container"),
            (namespace::own(&proc, Kind::Net).unwrap(), "no namespace of this kind"),
            (
                std::fs::File::open("/dev/null").unwrap().into(),
                "no namespace of this kind",
            ),
        ] {
            let failure = start(&policy, &name, &shares, vec![fd]).unwrap_err();
            assert!(failure.what.as_str().contains(why), "{failure:?}");
        }
        assert!(start(&policy, &name, &shares, vec![]).is_err());
    }
}

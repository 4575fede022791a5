//! Claims ids, a name, ports and addresses for one container, across every state directory and policy of this host: locks on bytes of a sparse file of
//! root's, one for each, that go with their last holder, the supervisor (fcntl(2), open file description locks); and, at the first id of a
//! block, the name of whoever claimed it last; and, for each name, of which state directory it was claimed last. The supervisor's descriptor
//! cannot write: it can neither rename a block nor claim another.
//! May touch: that file, the identity of the host's network namespace.

use crate::user::claims;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, c_int};
use nix::sys::uio::{pread, pwrite};
use rustix::fs::{Mode, OFlags};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use sys::process::errno;
use wire::ids::{BLOCK, IdBlock, IdRange};
use wire::netd::Publish;
use wire::{ContainerName, Failure, LinkName};

/// Where they are claimed on a host of root's.
pub const FILE: &str = "/run/lazaret.ids";
/// Bytes of a name; the most that [`ContainerName`] has.
const NAME: usize = 64;
/// The byte, beyond that of every id, that is locked by whoever is claiming.
const TURN: Span = Span(1 << 40, 1);
/// The byte that is locked for reading by whoever makes partitions, and for writing by whoever removes them. A lock of a group's directory would be
/// anybody's to take who may open that.
const MADE: Span = Span((1 << 40) + 1, 1);
/// From here on there is a byte for each name, by its hash. Two names of one byte are as good as one: that has odds of 1 to 2^40.
const NAMES: i64 = 1 << 41;
/// From here on it is noted for each name, by its hash, whose it was last: that hash whole, and that of the state directory.
const NOTES: i64 = 1 << 32;
/// Bytes of such a note.
const NOTE: i64 = 16;
/// The last place of a note: all of them are 1 MiB of memory. Where two names meet, the older note is lost, and that is all.
const PLACES: i64 = 0xffff;
/// From here on there is for each port of a network namespace, by their hash, a byte for each IPv4 address and one for each IPv6 address.
const PORTS: i64 = 1 << 42;
/// From here on there is a byte for each address of a container on a bridge of a network namespace, by their hash.
const ON_BRIDGES: i64 = 1 << 60;
/// Number of IPv4 addresses, and of the bytes that stand for those of IPv6.
const ADDRESSES: i64 = 1 << 32;

/// First byte, and number of bytes.
#[derive(Debug, Clone, Copy)]
struct Span(i64, i64);

/// What one container is to have alone.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a ContainerName,
    /// Its block.
    pub block: IdBlock,
    /// What its maps reach.
    pub ranges: Vec<&'a IdRange>,
    /// What it is to have alone of the network, if it has rules there.
    pub network: Option<OnNetwork<'a>>,
}

/// What one container is to have alone of the network.
#[derive(Debug)]
pub struct OnNetwork<'a> {
    /// Its published ports.
    pub ports: &'a [Publish],
    /// Its addresses on bridges of ours.
    pub addresses: Vec<(&'a LinkName, IpAddr)>,
}

/// What was claimed, as long as it is open.
#[derive(Debug)]
pub struct Claimed {
    /// Ids and name.
    pub ids: OwnedFd,
    /// Addresses and ports: by themselves, since a network may be left before the container ends.
    pub network: Option<OwnedFd>,
}

/// What may be done in the name of a container that is to be cleared away.
#[derive(Debug)]
pub struct Clearing {
    /// Whether its groups may be removed: no other container has its name.
    pub groups: bool,
    /// Keep everybody else away until it is done.
    _held: Option<OwnedFd>,
    _network: Option<OwnedFd>,
}

impl Clearing {
    /// What may be done by whoever holds this claim.
    pub fn with(claimed: &Claimed) -> Result<Self, Failure> {
        let full = |_| Failure::kernel("keep the claim of ids", Errno::EMFILE as i32);
        let network = claimed.network.as_ref().map(OwnedFd::try_clone);
        Ok(Self {
            groups: true,
            _held: Some(claimed.ids.try_clone().map_err(full)?),
            _network: network.transpose().map_err(full)?,
        })
    }
}

/// The turn of whoever claims: as long as it is held, nobody else does.
#[derive(Debug)]
pub struct Turn(OwnedFd);

/// Waits for the turn.
pub fn turn() -> Result<Turn, Failure> {
    turn_in(&claims()).map_err(|e| Failure::kernel("wait for the turn to claim ids", e as i32))
}

/// The right to make partitions, or to remove them, until it is dropped.
#[derive(Debug)]
pub struct Partitioning(#[expect(dead_code, reason = "the lock is the open file's, and ends with it")] OwnedFd);

/// Waits until nobody removes partitions: nobody does until what is returned is dropped.
pub fn partitioning() -> Result<Partitioning, Failure> {
    let locked = open(&claims(), OFlags::RDWR | OFlags::CREATE).and_then(|file| {
        fcntl(&file, FcntlArg::F_OFD_SETLKW(&lock(libc::F_RDLCK, MADE)))?;
        Ok(Partitioning(file))
    });
    locked.map_err(|e| Failure::kernel("wait for the turn to make a partition", e as i32))
}

/// Nobody makes partitions, nor removes them, until what is returned is dropped; an error if somebody is doing so.
pub fn unpartitioning() -> Result<Partitioning, Errno> {
    let file = open(&claims(), OFlags::RDWR | OFlags::CREATE)?;
    set(&file, libc::F_WRLCK, MADE)?;
    Ok(Partitioning(file))
}

/// What stands for a state directory: the hash of its path.
pub fn home(path: &str) -> u64 {
    whole(path.bytes())
}

impl Turn {
    /// Whether the last container of that name was another state directory's, which clears away what is left of it. Of a name that no
    /// container ever had on this host nothing is noted; and where a name of the same hash was claimed since, nothing is any more.
    pub fn is_anothers(&self, name: &ContainerName, home: u64) -> Result<bool, Failure> {
        noted(&self.0, name)
            .map(|noted| noted.is_some_and(|noted| noted != home))
            .map_err(|e| Failure::kernel(&format!("learn whose {name} was"), e as i32))
    }

    /// Whether no container of this host has that name.
    pub fn is_nobodys(&self, name: &ContainerName) -> Result<bool, Failure> {
        match set(&self.0, libc::F_WRLCK, name_span(name)) {
            Ok(()) => set(&self.0, libc::F_UNLCK, name_span(name)).map(|()| true),
            Err(Errno::EBUSY) => Ok(false),
            Err(e) => Err(e),
        }
        .map_err(|e| Failure::kernel(&format!("learn whether {name} is there"), e as i32))
    }
}

/// Claims it all. `None`: another container has the block, and the planner then chooses another. What else another container has is refused:
/// its name, ids that the maps reach beyond the block, a port, an address on a bridge.
pub fn claim(wanted: &Wanted<'_>, home: u64) -> Result<Option<Claimed>, Failure> {
    let file = claims();
    let held = match claim_in(&file, wanted.block, wanted.name) {
        Err(Errno::EBUSY) => return Ok(None),
        done => done.map_err(kernel)?,
    };
    let also = |span: Span, taken: &dyn Fn() -> String| also(&file, &held, span, taken);
    also(name_span(wanted.name), &|| {
        format!(
            "use the name {}: a container of that name runs here already, from another state directory",
            wanted.name
        )
    })?;
    note_in(&file, wanted.name, home).map_err(kernel)?;
    for range in &wanted.ranges {
        also(Span(range.outside.into(), range.count.into()), &|| {
            format!(
                "map the host's ids from {} on: another container has them",
                range.outside
            )
        })?;
    }
    let network = wanted.network.as_ref().map(on_network).transpose()?;
    Ok(Some(Claimed { ids: held, network }))
}

fn kernel(e: Errno) -> Failure {
    Failure::kernel("claim ids for the container", e as i32)
}

fn also(file: &str, held: &OwnedFd, span: Span, taken: &dyn Fn() -> String) -> Result<(), Failure> {
    match extend_in(file, held, span) {
        Err(Errno::EBUSY) => Err(Failure::caller(&taken())),
        done => done.map_err(kernel),
    }
}

/// Claims addresses and ports, which a container may do while it runs.
pub fn on_network(wanted: &OnNetwork<'_>) -> Result<OwnedFd, Failure> {
    let network = std::fs::metadata("/proc/self/ns/net").map_err(|e| {
        let errno = e.raw_os_error().unwrap_or(0);
        Failure::kernel("find the network namespace", errno)
    })?;
    let network = std::os::unix::fs::MetadataExt::ino(&network);
    let file = claims();
    let held = open(&file, OFlags::RDONLY).map_err(kernel)?;
    let also = |span: Span, taken: &dyn Fn() -> String| also(&file, &held, span, taken);
    for (bridge, address) in &wanted.addresses {
        also(address_span(network, bridge, *address), &|| {
            format!("have the address {address} on {bridge}: another container has it")
        })?;
    }
    for port in wanted.ports {
        also(port_span(network, port), &|| {
            let kind = if port.udp { "UDP" } else { "TCP" };
            format!("publish the host's {kind} port {}: another container has it", port.host)
        })?;
    }
    Ok(held)
}

/// Whether what runs under a block may be ended in the name of `name`: whoever claims it has that name, or nobody does.
pub fn may_clear(block: IdBlock, name: &ContainerName) -> Result<Clearing, Failure> {
    may_clear_in(&claims(), block, name)
        .map_err(|e| Failure::kernel("clear this container away: its ids belong to another one now", e as i32))
}

/// Whether nobody claims a block at the moment.
pub fn is_free(block: IdBlock) -> Result<bool, Failure> {
    is_free_in(&claims(), block).map_err(|e| Failure::kernel("learn whether ids are in use", e as i32))
}

/// Whether the container that claimed a block last has that name.
pub fn belongs(block: IdBlock, name: &ContainerName) -> Result<(), Failure> {
    belongs_in(&claims(), block, name)
        .map_err(|e| Failure::kernel("use these ids in the name of this container", e as i32))
}

fn block_span(block: IdBlock) -> Span {
    Span(block.first().into(), BLOCK.into())
}

fn name_span(name: &ContainerName) -> Span {
    Span(NAMES.saturating_add(hash(name.as_str().bytes(), 40)), 1)
}

/// The bytes of a port: of one address, of all addresses of a family, or of both families.
fn port_span(network: u64, port: &Publish) -> Span {
    let key = network
        .to_le_bytes()
        .into_iter()
        .chain(port.host.to_le_bytes())
        .chain([u8::from(port.udp)]);
    let first = PORTS.saturating_add(hash(key, 26).saturating_mul(ADDRESSES.saturating_mul(2)));
    let v6 = first.saturating_add(ADDRESSES);
    match port.address {
        None => Span(first, ADDRESSES.saturating_mul(2)),
        Some(IpAddr::V4(a)) if a.is_unspecified() => Span(first, ADDRESSES),
        Some(IpAddr::V6(a)) if a.is_unspecified() => Span(v6, ADDRESSES),
        Some(IpAddr::V4(a)) => Span(first.saturating_add(a.to_bits().into()), 1),
        Some(IpAddr::V6(a)) => Span(v6.saturating_add(hash(a.octets(), 32)), 1),
    }
}

fn address_span(network: u64, bridge: &LinkName, address: IpAddr) -> Span {
    let octets = match address {
        IpAddr::V4(a) => a.to_ipv6_mapped().octets(),
        IpAddr::V6(a) => a.octets(),
    };
    let key = network
        .to_le_bytes()
        .into_iter()
        .chain(octets)
        .chain(bridge.as_str().bytes());
    Span(ON_BRIDGES.saturating_add(hash(key, 59)), 1)
}

/// Where the note of a name is.
fn note_at(name: &ContainerName) -> i64 {
    let place = hash(name.as_str().bytes(), 24) & PLACES;
    NOTES.saturating_add(place.saturating_mul(NOTE))
}

/// FNV-1a (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>), its upper bits.
fn hash(bytes: impl IntoIterator<Item = u8>, bits: u32) -> i64 {
    let whole = whole(bytes);
    whole.checked_shr(64u32.saturating_sub(bits)).unwrap_or(0).cast_signed()
}

/// The same, all of it.
fn whole(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn turn_in(file: &str) -> Result<Turn, Errno> {
    let writer = open(file, OFlags::RDWR | OFlags::CREATE)?;
    fcntl(&writer, FcntlArg::F_OFD_SETLKW(&lock(libc::F_WRLCK, TURN)))?;
    Ok(Turn(writer))
}

fn claim_in(file: &str, block: IdBlock, name: &ContainerName) -> Result<OwnedFd, Errno> {
    let writer = open(file, OFlags::RDWR | OFlags::CREATE)?;
    let held = open(file, OFlags::RDONLY)?;
    take(&writer, &held, block_span(block))?;
    if pwrite(&writer, &padded(name), block.first().into())? == NAME {
        Ok(held)
    } else {
        Err(Errno::ENOSPC)
    }
}

fn extend_in(file: &str, held: &OwnedFd, span: Span) -> Result<(), Errno> {
    let writer = open(file, OFlags::RDWR)?;
    take(&writer, held, span)
}

/// Notes whose a name is, which nobody else has.
fn note_in(file: &str, name: &ContainerName, home: u64) -> Result<(), Errno> {
    let note = [whole(name.as_str().bytes()).to_le_bytes(), home.to_le_bytes()].concat();
    let written = pwrite(&open(file, OFlags::RDWR)?, &note, note_at(name))?;
    if written == note.len() {
        Ok(())
    } else {
        Err(Errno::ENOSPC)
    }
}

/// The state directory that is noted for a name.
fn noted(file: &OwnedFd, name: &ContainerName) -> Result<Option<u64>, Errno> {
    let (mut of, mut home) = ([0u8; 8], [0u8; 8]);
    let at = note_at(name);
    let read = [pread(file, &mut of, at)?, pread(file, &mut home, at.saturating_add(8))?];
    let whole = whole(name.as_str().bytes()).to_le_bytes();
    Ok((read == [8, 8] && of == whole).then(|| u64::from_le_bytes(home)))
}

/// Locks a span for reading through `held`, if nobody but `held` itself has locked any of it; one at a time does so.
fn take(writer: &OwnedFd, held: &OwnedFd, span: Span) -> Result<(), Errno> {
    fcntl(writer, FcntlArg::F_OFD_SETLKW(&lock(libc::F_WRLCK, TURN)))?;
    set(held, libc::F_UNLCK, span)?;
    set(writer, libc::F_WRLCK, span)?;
    set(writer, libc::F_UNLCK, span)?;
    set(held, libc::F_RDLCK, span)
}

fn may_clear_in(file: &str, block: IdBlock, name: &ContainerName) -> Result<Clearing, Errno> {
    match claim_in(file, block, name) {
        Ok(held) => {
            let groups = match extend_in(file, &held, name_span(name)) {
                Err(Errno::EBUSY) => false,
                done => done.map(|()| true)?,
            };
            let _held = Some(held);
            Ok(Clearing {
                groups,
                _held,
                _network: None,
            })
        }
        // Whoever holds the block of that name holds the name.
        Err(Errno::EBUSY) => belongs_in(file, block, name).map(|()| Clearing {
            groups: true,
            _held: None,
            _network: None,
        }),
        Err(e) => Err(e),
    }
}

fn is_free_in(file: &str, block: IdBlock) -> Result<bool, Errno> {
    let looker = open(file, OFlags::RDWR | OFlags::CREATE)?;
    match set(&looker, libc::F_WRLCK, block_span(block)) {
        Err(Errno::EBUSY) => Ok(false),
        done => done.map(|()| true),
    }
}

fn belongs_in(file: &str, block: IdBlock, name: &ContainerName) -> Result<(), Errno> {
    let mut last = [0u8; NAME];
    let read = pread(&open(file, OFlags::RDONLY)?, &mut last, block.first().into())?;
    if read == NAME && last == padded(name) {
        Ok(())
    } else {
        Err(Errno::EBUSY)
    }
}

fn open(file: &str, how: OFlags) -> Result<OwnedFd, Errno> {
    let how = how | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(file, how, Mode::from_raw_mode(0o600)).map_err(errno)
}

fn set(file: impl AsFd, kind: c_int, span: Span) -> Result<(), Errno> {
    match fcntl(&file, FcntlArg::F_OFD_SETLK(&lock(kind, span))) {
        Ok(_) => Ok(()),
        Err(Errno::EAGAIN | Errno::EACCES) => Err(Errno::EBUSY),
        Err(e) => Err(e),
    }
}

const fn lock(kind: c_int, Span(first, length): Span) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: first,
        l_len: length,
        l_pid: 0,
    }
}

fn padded(name: &ContainerName) -> [u8; NAME] {
    let mut bytes = [0u8; NAME];
    bytes
        .iter_mut()
        .zip(name.as_str().bytes())
        .for_each(|(to, from)| *to = from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ids::OWN_FIRST;

    fn block(number: u32) -> IdBlock {
        IdBlock::new(number.saturating_mul(BLOCK).saturating_add(OWN_FIRST)).unwrap()
    }

    fn name(name: &str) -> ContainerName {
        ContainerName::new(name).unwrap()
    }

    fn file(test: &str) -> String {
        let path = std::env::temp_dir().join(format!("lazaret-claim-{test}-{}", std::process::id()));
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn ids_are_one_containers_until_the_last_holder_is_gone() {
        let file = file("one");
        let held = claim_in(&file, block(0), &name("a")).unwrap();
        let copy = held.try_clone().unwrap();
        drop(held);
        assert_eq!(claim_in(&file, block(0), &name("b")).unwrap_err(), Errno::EBUSY);
        assert_eq!(
            (is_free_in(&file, block(0)), is_free_in(&file, block(1))),
            (Ok(false), Ok(true))
        );
        let other = claim_in(&file, block(1), &name("b")).unwrap();
        assert_eq!(extend_in(&file, &other, block_span(block(0))), Err(Errno::EBUSY));
        assert_eq!(extend_in(&file, &other, block_span(block(1))), Ok(()));
        assert_eq!(extend_in(&file, &other, block_span(block(2))), Ok(()));
        for taken in [1, 2] {
            assert_eq!(claim_in(&file, block(taken), &name("c")).unwrap_err(), Errno::EBUSY);
        }
        drop(copy);
        assert!(claim_in(&file, block(0), &name("b")).is_ok());
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn ids_that_another_container_claims_are_not_cleared() {
        let file = file("clear");
        let held = claim_in(&file, block(0), &name("a")).unwrap();
        assert_eq!(may_clear_in(&file, block(0), &name("b")).unwrap_err(), Errno::EBUSY);
        assert!(may_clear_in(&file, block(0), &name("a")).unwrap()._held.is_none());
        assert!(belongs_in(&file, block(0), &name("b")).is_err());
        drop(held);
        let clearing = may_clear_in(&file, block(0), &name("b")).unwrap();
        assert!(clearing._held.is_some() && clearing.groups);
        assert_eq!(claim_in(&file, block(0), &name("a")).unwrap_err(), Errno::EBUSY);
        drop(clearing);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn groups_are_not_removed_in_the_name_of_one_container_while_another_has_it() {
        let file = file("groups");
        let held = claim_in(&file, block(0), &name("a")).unwrap();
        extend_in(&file, &held, name_span(&name("a"))).unwrap();
        assert!(may_clear_in(&file, block(0), &name("a")).unwrap().groups);
        assert!(!may_clear_in(&file, block(1), &name("a")).unwrap().groups);
        assert!(may_clear_in(&file, block(1), &name("b")).unwrap().groups);
        drop(held);
        assert!(may_clear_in(&file, block(1), &name("a")).unwrap().groups);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_name_is_nobodys_once_its_last_holder_is_gone_and_nobody_claims_it_meanwhile() {
        let file = file("turn");
        let held = claim_in(&file, block(0), &name("a")).unwrap();
        extend_in(&file, &held, name_span(&name("a"))).unwrap();
        let turn = turn_in(&file).unwrap();
        assert!(!turn.is_nobodys(&name("a")).unwrap() && turn.is_nobodys(&name("b")).unwrap());
        drop(held);
        assert!(turn.is_nobodys(&name("a")).unwrap());
        let other = open(&file, OFlags::RDWR).unwrap();
        assert_eq!(set(&other, libc::F_WRLCK, TURN), Err(Errno::EBUSY));
        drop(turn);
        assert!(claim_in(&file, block(0), &name("a")).is_ok());
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn whose_a_name_was_is_noted_until_another_has_it() {
        let file = file("note");
        let turn = turn_in(&file).unwrap();
        let (here, there) = (home("/run/lazaret"), home("/run/other"));
        assert!(!turn.is_anothers(&name("a"), here).unwrap());
        note_in(&file, &name("a"), here).unwrap();
        assert!(!turn.is_anothers(&name("a"), here).unwrap() && turn.is_anothers(&name("a"), there).unwrap());
        assert!(!turn.is_anothers(&name("b"), there).unwrap());
        note_in(&file, &name("a"), there).unwrap();
        assert!(turn.is_anothers(&name("a"), here).unwrap());
        // It lies where no name of a block does.
        assert!(note_at(&name("a")) > u32::MAX.into());
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_port_is_one_containers_on_each_of_its_addresses() {
        let file = file("port");
        let on = |address: &str, host, udp| Publish {
            address: (!address.is_empty()).then(|| address.parse().unwrap()),
            host,
            container: 80,
            udp,
        };
        let held = claim_in(&file, block(0), &name("a")).unwrap();
        for port in [
            on("192.0.2.1", 80, false),
            on("2001:db8::1", 80, false),
            on("", 81, true),
        ] {
            extend_in(&file, &held, port_span(7, &port)).unwrap();
        }
        let other = claim_in(&file, block(1), &name("b")).unwrap();
        let claims = |network, port: &Publish| extend_in(&file, &other, port_span(network, port)).is_ok();
        for taken in [
            on("", 80, false),
            on("0.0.0.0", 80, false),
            on("::", 80, false),
            on("192.0.2.1", 80, false),
            on("192.0.2.1", 81, true),
        ] {
            assert!(!claims(7, &taken), "{taken:?}");
        }
        for free in [
            on("192.0.2.2", 80, false),
            on("2001:db8::2", 80, false),
            on("", 80, true),
            on("", 81, false),
        ] {
            assert!(claims(7, &free), "{free:?}");
        }
        // Another network namespace has ports of its own.
        assert!(claims(8, &on("", 80, false)));
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn an_address_is_one_containers_on_its_bridge() {
        let file = file("address");
        let span = |network, bridge, address: &str| {
            address_span(network, &LinkName::new(bridge).unwrap(), address.parse().unwrap())
        };
        let held = claim_in(&file, block(0), &name("a")).unwrap();
        for address in ["10.209.0.2", "fd6c:7a72::2"] {
            extend_in(&file, &held, span(7, "lzr0", address)).unwrap();
        }
        let other = claim_in(&file, block(1), &name("b")).unwrap();
        let claims = |span| extend_in(&file, &other, span).is_ok();
        for taken in ["10.209.0.2", "fd6c:7a72::2"] {
            assert!(!claims(span(7, "lzr0", taken)), "{taken}");
        }
        for free in [
            span(7, "lzr0", "10.209.0.3"),
            span(7, "lzr1", "10.209.0.2"),
            span(8, "lzr0", "10.209.0.2"),
        ] {
            assert!(claims(free), "{free:?}");
        }
        drop(held);
        assert!(claims(span(7, "lzr0", "10.209.0.2")));
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn who_holds_a_claim_can_neither_rewrite_names_nor_claim_more_for_itself() {
        let file = file("hold");
        let held = claim_in(&file, block(0), &name("a")).unwrap();
        assert_eq!(pwrite(&held, b"x", 0), Err(Errno::EBADF));
        assert_eq!(set(&held, libc::F_WRLCK, block_span(block(1))), Err(Errno::EBADF));
        std::fs::remove_file(file).unwrap();
    }
}

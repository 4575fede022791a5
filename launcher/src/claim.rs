//! Claims ids for one container, across every state directory and policy of this host: a lock on as many bytes of a file of root's as it
//! has ids, one for each, that goes with its last holder, the supervisor (fcntl(2), open file description locks); and, at the first of its
//! block, the name of whoever claimed it last. The supervisor's descriptor cannot write, so that it can neither rename a block nor claim
//! another. The file is sparse. May touch: that file.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, c_int};
use nix::sys::uio::{pread, pwrite};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use sys::process::errno;
use wire::ids::{BLOCK, IdBlock, IdRange};
use wire::{ContainerName, Failure};

const FILE: &str = "/run/lazaret.ids";
/// Bytes of a name; the most that [`ContainerName`] has.
const NAME: usize = 64;
/// The byte, beyond that of every id, that is locked by whoever is claiming.
const TURN: Span = Span(1 << 40, 1);

/// First byte, and number of bytes.
#[derive(Debug, Clone, Copy)]
struct Span(i64, i64);

fn span(block: IdBlock) -> Span {
    Span(block.first().into(), BLOCK.into())
}

/// Claims a block, or says `EBUSY`: the planner then chooses another. What the maps reach beyond it is claimed as well, and refused if
/// another container has it.
pub fn claim<'a>(
    block: IdBlock,
    ranges: impl Iterator<Item = &'a IdRange>,
    name: &ContainerName,
) -> Result<OwnedFd, Failure> {
    let kernel = |e: Errno| Failure::kernel("claim ids for the container", e as i32);
    let held = claim_in(FILE, block, name).map_err(kernel)?;
    for range in ranges {
        match extend_in(FILE, &held, range) {
            Err(Errno::EBUSY) => {
                let what = format!(
                    "map the host's ids from {} on: another container has them",
                    range.outside
                );
                return Err(Failure::caller(&what));
            }
            done => done.map_err(kernel)?,
        }
    }
    Ok(held)
}

/// Whether what runs under a block may be ended in the name of `name`: whoever claims it has that name, or nobody does, and then the
/// claim that comes back keeps everybody else away until it is done.
pub fn may_clear(block: IdBlock, name: &ContainerName) -> Result<Option<OwnedFd>, Failure> {
    may_clear_in(FILE, block, name)
        .map_err(|e| Failure::kernel("clear this container away: its ids belong to another one now", e as i32))
}

/// Whether the container that claimed a block last has that name.
pub fn belongs(block: IdBlock, name: &ContainerName) -> Result<(), Failure> {
    belongs_in(FILE, block, name).map_err(|e| Failure::kernel("use these ids in the name of this container", e as i32))
}

fn claim_in(file: &str, block: IdBlock, name: &ContainerName) -> Result<OwnedFd, Errno> {
    let writer = open(file, OFlags::RDWR | OFlags::CREATE)?;
    let held = open(file, OFlags::RDONLY)?;
    take(&writer, &held, span(block))?;
    if pwrite(&writer, &padded(name), block.first().into())? == NAME {
        Ok(held)
    } else {
        Err(Errno::ENOSPC)
    }
}

fn extend_in(file: &str, held: &OwnedFd, range: &IdRange) -> Result<(), Errno> {
    let writer = open(file, OFlags::RDWR)?;
    take(&writer, held, Span(range.outside.into(), range.count.into()))
}

/// Locks a span for reading through `held`, if nobody but `held` itself has locked any of it; one at a time does so.
fn take(writer: &OwnedFd, held: &OwnedFd, span: Span) -> Result<(), Errno> {
    fcntl(writer, FcntlArg::F_OFD_SETLKW(&lock(libc::F_WRLCK, TURN)))?;
    set(held, libc::F_UNLCK, span)?;
    set(writer, libc::F_WRLCK, span)?;
    set(writer, libc::F_UNLCK, span)?;
    set(held, libc::F_RDLCK, span)
}

fn may_clear_in(file: &str, block: IdBlock, name: &ContainerName) -> Result<Option<OwnedFd>, Errno> {
    match claim_in(file, block, name) {
        Ok(held) => Ok(Some(held)),
        Err(Errno::EBUSY) => belongs_in(file, block, name).map(|()| None),
        Err(e) => Err(e),
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
        let other = claim_in(&file, block(1), &name("b")).unwrap();
        assert_eq!(extend_in(&file, &other, &block(0).range()), Err(Errno::EBUSY));
        assert_eq!(extend_in(&file, &other, &block(1).range()), Ok(()));
        assert_eq!(extend_in(&file, &other, &block(2).range()), Ok(()));
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
        assert!(may_clear_in(&file, block(0), &name("a")).unwrap().is_none());
        assert!(belongs_in(&file, block(0), &name("b")).is_err());
        drop(held);
        let clearing = may_clear_in(&file, block(0), &name("b")).unwrap();
        assert!(clearing.is_some());
        assert_eq!(claim_in(&file, block(0), &name("a")).unwrap_err(), Errno::EBUSY);
        drop(clearing);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn who_holds_a_claim_can_neither_rewrite_names_nor_claim_more_for_itself() {
        let file = file("hold");
        let held = claim_in(&file, block(0), &name("a")).unwrap();
        assert_eq!(pwrite(&held, b"x", 0), Err(Errno::EBADF));
        assert_eq!(set(&held, libc::F_WRLCK, span(block(1))), Err(Errno::EBADF));
        std::fs::remove_file(file).unwrap();
    }
}

//! The mounts of a container that can start again, attached in a mount namespace of their own, out of everybody's sight: a mount can be copied
//! only where it is attached, and the copies are what each tree is built from. May touch: that namespace.

use crate::dev;
use crate::place;
use crate::tree::Parts;
use payload::Step;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::mount::{Attr, attach, clone_tree};
use sys::namespace::{self, Kind};
use wire::failure::Failure;

/// The namespace and what is attached in it.
#[derive(Debug)]
pub struct Templates {
    namespace: OwnedFd,
    mounts: Vec<OwnedFd>,
    terminals: Option<OwnedFd>,
}

impl Templates {
    /// Takes the caller's own mount namespace for it, and moves the caller into another.
    pub fn new(proc: BorrowedFd<'_>) -> Result<Self, Failure> {
        let namespace = namespace::own(proc, Kind::Mount).to("open the mount namespace of the templates")?;
        namespace::unshare(&[Kind::Mount]).to("make the first mount namespace")?;
        Ok(Self {
            namespace,
            mounts: Vec::new(),
            terminals: None,
        })
    }

    /// Attaches everything there, and returns copies to the caller, who is back where it was. The host's own tree is taken out of the
    /// namespace but for /proc and /sys, without which the kernel would not make new ones.
    pub fn lay_aside(&mut self, parts: Parts) -> Result<Parts, Failure> {
        let what = "lay the mounts aside for later starts";
        let proc = directory("/proc").to(what)?;
        let back = namespace::own(&proc, Kind::Mount).to(what)?;
        namespace::join(&self.namespace, Kind::Mount).to(what)?;
        let root = directory("/").to(what)?;
        let flags = Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV | Attr::MOUNT_ATTR_NOEXEC;
        let store = dev::tmpfs(c"1m", c"0700", flags).to(what)?;
        let host = ["proc", "sys"].map(|name| {
            (
                name,
                place::find(root.as_fd(), name).and_then(|at| clone_tree(at.as_fd(), true)),
            )
        });
        attach(store.as_fd(), root.as_fd()).to(what)?;
        for (name, copy) in host {
            shelve(store.as_fd(), name, &copy.to(what)?).to(what)?;
        }
        for (number, mount) in parts.mounts.into_iter().enumerate() {
            shelve(store.as_fd(), &number.to_string(), &mount).to(what)?;
            self.mounts.push(mount);
        }
        shelve(store.as_fd(), "terminals", &parts.terminals).to(what)?;
        self.terminals = Some(parts.terminals);
        sys::mount::pivot_here(store.as_fd()).to(what)?;
        let copies = self.copies()?;
        namespace::join(&back, Kind::Mount).to(what)?;
        Ok(copies)
    }

    /// Copies for another start; the caller is in a new mount namespace of its own, in which only the templates are.
    pub fn renew(&self) -> Result<Parts, Failure> {
        namespace::join(&self.namespace, Kind::Mount).to("return to the templates")?;
        let copies = self.copies()?;
        namespace::unshare(&[Kind::Mount]).to("make another mount namespace")?;
        Ok(copies)
    }

    fn copies(&self) -> Result<Parts, Failure> {
        let what = "copy the mounts that were laid aside";
        let terminals = self.terminals.as_ref().ok_or_else(|| Failure::bug(what))?;
        let copy = |mount: &OwnedFd| clone_tree(mount.as_fd(), true);
        Ok(Parts {
            mounts: self.mounts.iter().map(copy).collect::<nix::Result<_>>().to(what)?,
            terminals: copy(terminals).to(what)?,
        })
    }
}

fn directory(path: &str) -> nix::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(sys::process::errno)
}

/// Attaches a mount in the store, at a place made for it.
fn shelve(store: BorrowedFd<'_>, name: &str, mount: &OwnedFd) -> nix::Result<()> {
    match place::Kind::of(mount.as_fd())? {
        place::Kind::Directory => place::directory(store, name)?,
        place::Kind::File | place::Kind::Placeholder => drop(place::file(store, name)?),
    }
    attach(mount.as_fd(), place::find(store, name)?.as_fd())
}

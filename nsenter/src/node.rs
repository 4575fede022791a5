//! A device node that comes into a running container's `/dev`, or goes from it. May touch: the calling process, which joins the container's
//! namespaces of users and of mounts, and that `/dev`.

use nix::unistd::{Gid, Uid};
use payload::{Step, node};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use sys::mount::{Change, Propagation, attach, set_attributes};
use sys::namespace::{self, Kind};
use wire::NodeName;
use wire::failure::Failure;

/// Lays the node of the factory's file system `within` below `/dev`. It is copied in a mount namespace of this process's own, since a mount can be
/// copied only where it is attached, and nobody inside sees that one.
pub fn place(
    user: &OwnedFd,
    mount: &OwnedFd,
    within: &OwnedFd,
    name: &NodeName,
    writable: bool,
) -> Result<(), Failure> {
    let root = join(user, mount)?;
    namespace::unshare(&[Kind::Mount]).to("make a mount namespace to copy the device node in")?;
    let own = open_root()?;
    let alone = Change {
        propagation: Some(Propagation::Private),
        ..Change::default()
    };
    set_attributes(own.as_fd(), true, alone).to("take that namespace out of the container's propagation")?;
    attach(within.as_fd(), own.as_fd()).to("attach the device node where it is copied")?;
    let picked = node::pick(within.as_fd(), std::iter::once(writable))?;
    namespace::join(mount, Kind::Mount).to("return to the container's mount namespace")?;
    let copy = picked.first().ok_or_else(|| Failure::bug("copy a device node"))?;
    node::place(root.as_fd(), name, copy.as_fd())
}

/// Takes the node off again. If the container has done so, or has put something else there, that is left as it is.
pub fn remove(user: &OwnedFd, mount: &OwnedFd, name: &NodeName) -> Result<(), Failure> {
    let root = join(user, mount)?;
    node::remove(root.as_fd(), name)
}

/// Becomes the container's root, with its power over these two namespaces; `/` is then the container's.
pub fn join(user: &OwnedFd, mount: &OwnedFd) -> Result<OwnedFd, Failure> {
    sys::process::set_dumpable(false).to("close the process to others")?;
    for (descriptor, kind) in [(user, Kind::User), (mount, Kind::Mount)] {
        namespace::join(descriptor, kind).to(&format!("join the container's {} namespace", kind.name()))?;
    }
    let (gid, uid) = (Gid::from_raw(0), Uid::from_raw(0));
    nix::unistd::setgroups(&[]).to("leave all groups")?;
    nix::unistd::setresgid(gid, gid, gid).to("become group 0 of the container")?;
    nix::unistd::setresuid(uid, uid, uid).to("become user 0 of the container")?;
    sys::process::set_dumpable(false).to("close the process to others")?;
    open_root()
}

fn open_root() -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open("/", flags, Mode::empty()).to("open the container's root")
}

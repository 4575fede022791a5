//! Giving up: groups, bounding set, privileges to come, system calls, and at last ids and capabilities. The order is the kernel's: each
//! step still needs what a later one takes away. May touch: the calling process.

use crate::Step;
use crate::account::Account;
use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid};
use policies::compile::{Otherwise, compile};
use sys::nodes::{Placement, place_memory};
use sys::seccomp::Instruction;
use wire::MemoryPolicy;
use wire::failure::Failure;
use wire::filter::OwnFilter;
use wire::init::{Command, Rlimit};

/// CAP_KILL (capabilities(7)), which a process that waits for a command keeps: the command may become another user of the container, and must
/// still be told to end.
pub const KILL: u64 = 1 << 5;

/// What is left of a process once [`restrict`] has returned: the only ticket to [`crate::execute`].
#[derive(Debug)]
pub struct Restricted {
    account: Account,
    capabilities: u64,
    /// The profile's filters, where the command is to have another in their place: then whoever stays has them to itself.
    unfiltered: Option<Filters>,
    /// The command's own filter, which it alone has.
    own: Option<Vec<Instruction>>,
}

type Filters = &'static [&'static [Instruction]];

impl Restricted {
    /// The account that the command will have.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Confines a process that stays while the command runs, as far as it is not yet.
    pub fn filter_who_stays(&self) -> Result<(), Failure> {
        self.unfiltered.map_or(Ok(()), install)
    }

    /// Installs the command's own filter, if it has one. Nothing but an exec is sure to work after this.
    pub fn filter_command(&self) -> Result<(), Failure> {
        self.own.as_ref().map_or(Ok(()), |own| install(&[own]))
    }
}

fn install(filters: &[&[Instruction]]) -> Result<(), Failure> {
    let installed = |f: &&[Instruction]| sys::seccomp::install(f).to("install the system call filter");
    filters.iter().try_for_each(installed)
}

/// The program of a container's own filter.
fn program(own: &OwnFilter) -> Result<Vec<Instruction>, Failure> {
    let steps = compile(own.filter.rules(), Otherwise::Missing)
        .map_err(|e| Failure::caller(&format!("install the container's own filter: {e}")))?;
    let instruction = |(code, yes, no, value)| Instruction::new(code, yes, no, value);
    Ok(steps.into_iter().map(instruction).collect())
}

/// Everything that a process and its children to come give up alike: session keyring, groups, bounding set, privileges to be gained, and
/// system calls, those of the profile. A filter of the command's own is for the command alone: whoever stays needs calls that it may well
/// not have. Needs all capabilities of the container's own user namespace; those that are permitted stay, for [`assume`].
pub fn restrict(command: &Command, account: Account) -> Result<Restricted, Failure> {
    sys::namespace::new_session_keyring().to("make a session keyring")?;
    // umask(2) cannot fail.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let groups: Vec<Gid> = account.groups.iter().map(|g| Gid::from_raw(*g)).collect();
    nix::unistd::setgroups(&groups).to("set the supplementary groups: they must all be mapped")?;
    let gid = Gid::from_raw(account.gid);
    nix::unistd::setresgid(gid, gid, gid).to(&format!("become group {}, which must be mapped", account.gid))?;
    bound(command.capabilities)?;
    if command.linux32 {
        sys::process::show_32_bit().to("show a 32-bit machine")?;
    }
    if let Some(policy) = &command.memory {
        place(policy)?;
    }
    if command.no_new_privileges {
        rustix::thread::set_no_new_privs(true).to("set no-new-privileges")?;
    }
    let own = command.filter.as_ref().map(program).transpose()?;
    let profile = policies::payload(command.profile).filters;
    let in_place = command.filter.as_ref().is_some_and(|f| f.in_place);
    if !in_place {
        install(profile)?;
    }
    Ok(Restricted {
        account,
        capabilities: command.capabilities,
        unfiltered: in_place.then_some(profile),
        own,
    })
}

/// Says where memory comes from, from here on and for whatever is executed. The command's own filter may deny that.
fn place(policy: &MemoryPolicy) -> Result<(), Failure> {
    let nodes = policy
        .mask()
        .ok_or_else(|| Failure::caller("place memory on nodes that no machine has"))?;
    let how = match policy {
        MemoryPolicy::Interleave(_) => Placement::Interleave,
        MemoryPolicy::Preferred(_) => Placement::Preferred,
    };
    let named: Vec<String> = policy.nodes().iter().map(u16::to_string).collect();
    place_memory(how, &nodes).to(&format!("place memory on the nodes {}", named.join(",")))
}

/// Cuts the bounding set down to `keep`.
fn bound(keep: u64) -> Result<(), Failure> {
    for capability in (0..64u32).filter(|c| keep & 1u64.checked_shl(*c).unwrap_or(0) == 0) {
        // A capability that the kernel does not know gives EINVAL, and there is none above it.
        match sys::limits::drop_from_bounding_set(capability) {
            Err(Errno::EINVAL) => break,
            other => other.to("cut the bounding set")?,
        }
    }
    Ok(())
}

/// Keeps just these capabilities, effective and permitted; none is inheritable or ambient.
pub fn keep_only(capabilities: u64) -> Result<(), Failure> {
    let mut keep = CapsHashSet::new();
    keep.extend(caps::all().into_iter().filter(|c| c.bitmask() & capabilities != 0));
    // The kernel's own answer is lost in the crate's error; it is EPERM whenever a set would grow.
    let refused = |_| Failure::kernel("give up capabilities", Errno::EPERM as i32);
    let held: Vec<Capability> = caps::read(None, CapSet::Permitted)
        .map_err(refused)?
        .into_iter()
        .collect();
    keep.retain(|c| held.contains(c));
    caps::clear(None, CapSet::Ambient).map_err(refused)?;
    caps::clear(None, CapSet::Inheritable).map_err(refused)?;
    caps::set(None, CapSet::Effective, &keep).map_err(refused)?;
    caps::set(None, CapSet::Permitted, &keep).map_err(refused)
}

/// Becomes the account for good, with the command's capabilities if it is root and none otherwise.
pub fn assume(restricted: &Restricted) -> Result<(), Failure> {
    let uid = Uid::from_raw(restricted.account.uid);
    nix::unistd::setresuid(uid, uid, uid).to(&format!("become user {uid}, which must be mapped"))?;
    keep_only(if uid.is_root() { restricted.capabilities } else { 0 })
}

/// Sets resource limits. Those above the caller's own hard limit need a power that nobody here has, and are refused.
pub fn limit(limits: &[Rlimit]) -> Result<(), Failure> {
    for l in limits {
        sys::limits::set_resource_limit(l.resource, l.soft, l.hard)
            .to(&format!("set resource limit {} to {}:{}", l.resource, l.soft, l.hard))?;
    }
    Ok(())
}

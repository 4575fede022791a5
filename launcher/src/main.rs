//! The launcher: the one process that holds more than one power, because it hands them out. It is executed by a child of `lazaret`, where that
//! is started by root, and `lazaret` gives up all its own. It parses no text but the host's
//! policy, and of its arguments reads only which words stand behind the options that name files and directories.

mod attach;
mod borrow;
mod broker;
mod caller;
mod claim;
mod clear;
mod consent;
mod cradle;
mod delegated;
mod devices;
mod disks;
mod enter;
mod fit;
mod groups;
mod hook;
mod host;
mod initctl;
mod judge;
mod kernel_audit;
mod ledger;
mod lend;
mod link;
mod links;
mod network;
mod networks;
mod nodes;
mod open;
mod outward;
mod partition;
mod piece;
mod placeholders;
mod policy;
mod running;
mod serve;
mod share;
mod start;
mod sweep;
mod user;
mod virt;
mod wall;

use host::{Host, Named};
use ledger::Ledger;
use piece::Programs;
use policy::Policy;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use sys::channel::Channel;
use wire::launcher::{Directory, Reply, Request};
use wire::recordd::Caller;
use wire::{Failure, Program};

/// The number of its own end of the channel.
const CHANNEL: i32 = 3;
/// The number of what comes first behind it: the channel to who executes the host's hook script, and the socket of the kernel's audit system, as far
/// as they are there.
const BEHIND: i32 = 4;

fn main() -> ExitCode {
    match told("LAZARET_CHANNEL") {
        Some(Ok(channel)) => serve_on(channel),
        Some(Err(e)) => {
            eprintln!("launcher: cannot find the channel to lazaret: {}", e.desc());
            ExitCode::FAILURE
        }
        None if std::env::args_os().skip(1).eq([broker::WORD]) => broker::serve(),
        None => by_hand(),
    }
}

/// The descriptor whose number a variable tells.
fn told(variable: &str) -> Option<nix::Result<OwnedFd>> {
    let number = std::env::var(variable).ok().and_then(|n| n.parse().ok());
    number.filter(|n: &i32| *n > 2).map(sys::process::inherited)
}

/// What a person is told who starts this.
fn by_hand() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if let Some(word) = words.find(|a| !matches!(a.as_str(), "-h" | "--help")) {
        eprintln!("launcher: there is no option {word:?}; it has none, see launcher(8)");
        return ExitCode::from(100);
    }
    println!(
        "launcher {}: hands out power and descriptors to Lazaret's programs, one for each.\n\
         It is executed by `lazaret` itself and has no options. See launcher(8).",
        env!("CARGO_PKG_VERSION")
    );
    ExitCode::SUCCESS
}

fn kernel(what: &'static str) -> impl Fn(nix::errno::Errno) -> Failure {
    move |e| Failure::kernel(what, e as i32)
}

fn serve_on(socket: OwnedFd) -> ExitCode {
    let by = caller::caller(socket.as_fd());
    let here = std::env::current_dir().ok();
    let looked = told("LAZARET_HOOKS")
        .transpose()
        .map_err(kernel("find the channel to the hook script"));
    let looked = looked.and_then(|hooks| powerful().map(|(policy, question)| (policy, [hooks, question])));
    let (policy, behind) = match looked {
        Ok(looked) => looked,
        Err(failure) => return refuse(socket, failure),
    };
    let (socket, behind) = match alone(&policy, socket, behind) {
        Ok(kept) => kept,
        Err((failure, socket)) => return refuse(socket, failure),
    };
    match host(policy, by, behind, here.as_deref()) {
        Ok(host) => {
            serve::serve(&host, &Channel::new(socket));
            ExitCode::SUCCESS
        }
        Err(failure) => refuse(socket, failure),
    }
}

/// Answers before anything was asked, and ends.
fn refuse(socket: OwnedFd, failure: Failure) -> ExitCode {
    let channel: Channel<Reply, Request> = Channel::new(socket);
    // Whoever is gone is not told.
    let _ = channel.send(&Reply::Refused(failure), &[]);
    ExitCode::FAILURE
}

fn unfollowed(e: policy::PolicyError) -> Failure {
    Failure::caller(&format!("follow the host's policy: {e}"))
}

/// What takes all that root has: the host's policy, and the question whether the kernel's audit system is enabled.
fn powerful() -> Result<(Policy, Option<OwnedFd>), Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Failure::caller(
            "hand out power without having any: run lazaret as root",
        ));
    }
    let read = match user::here() {
        None => policy::read(),
        // The kernel's audit system is the host's own, and hears nobody from here.
        Some(user) => return user::policy(user).map(|policy| (policy, None)).map_err(unfollowed),
    };
    let policy = read.map_err(unfollowed)?;
    let question = kernel_audit::ask().map_err(kernel("ask the kernel's audit system"))?;
    Ok((policy, question))
}

/// What it knows of the host and its caller, once it has no power but what it hands out.
fn host(policy: Policy, by: Caller, [hooks, question]: Behind, here: Option<&Path>) -> Result<Host, Failure> {
    let kernel_audit = question.map(kernel_audit::enabled).transpose();
    let kernel_audit = kernel_audit.map_err(kernel("ask the kernel's audit system"))?.flatten();
    if kernel_audit.is_none() {
        limit(&policy, false)?;
    }
    let named = named(here);
    let programs = Programs::beside_this_one()?;
    let ledger = Ledger::new(by, policy.audit.clone(), kernel_audit);
    Ok(Host::new(policy, programs, named, ledger, hooks))
}

/// The caller's words.
fn words() -> Vec<String> {
    let words = std::env::args_os().skip(1);
    words.map(|a| a.to_string_lossy().into_owned()).collect()
}

/// What the caller named, in the caller's directory, if that can be told.
fn named(here: Option<&Path>) -> Named {
    let directories = [Directory::Run, Directory::Definitions, Directory::Data];
    let variables = directories
        .into_iter()
        .filter_map(|d| std::env::var(d.variable()).ok().map(|path| (d, path)));
    Named::new(
        &words(),
        variables.chain(user::directories()).collect(),
        here.map(Path::to_string_lossy).as_deref(),
    )
}

/// The channel to who executes the host's hook script, and the question's socket.
type Behind = [Option<OwnedFd>; 2];

/// Leaves the caller's session, terminal, directory, descriptors, and every capability that is not handed out. What is left is the channel
/// and what is behind it; the channel too where that fails.
fn alone(policy: &Policy, socket: OwnedFd, behind: Behind) -> Result<(OwnedFd, Behind), (Failure, OwnedFd)> {
    let null = match apart() {
        Ok(null) => null,
        Err(failure) => return Err((failure, socket)),
    };
    // What they own is closed from here on, or has another number.
    let owners = ManuallyDrop::new((null, socket, behind));
    let (null, socket, behind) = (&owners.0, &owners.1, &owners.2);
    let mut table = vec![null.as_fd(), null.as_fd(), null.as_fd(), socket.as_fd()];
    table.extend(behind.iter().flatten().map(AsFd::as_fd));
    let laid = sys::process::lay_out(&table).map_err(kernel("lay out descriptors"));
    let kept = match sys::process::inherited(CHANNEL) {
        Ok(kept) => kept,
        // Nobody can be told any more.
        Err(_) => std::process::exit(1),
    };
    let powerless = || {
        laid?;
        limit(policy, behind[1].is_some())?;
        sys::process::set_dumpable(false).map_err(kernel("refuse to be traced"))?;
        let mut numbers = BEHIND..;
        let mut again = |was: &Option<OwnedFd>| {
            let number = was.as_ref().and_then(|_| numbers.next());
            number.map(sys::process::inherited).transpose()
        };
        let again = [again(&behind[0]), again(&behind[1])];
        let [hooks, question] = again.map(|fd| fd.map_err(kernel("keep what is behind the channel")));
        Ok([hooks?, question?])
    };
    match powerless() {
        Ok(behind) => Ok((kept, behind)),
        Err(failure) => Err((failure, kept)),
    }
}

/// Leaves the session and the directory; gives `/dev/null`.
fn apart() -> Result<OwnedFd, Failure> {
    nix::unistd::setsid().map_err(kernel("leave the session"))?;
    nix::unistd::chdir("/").map_err(kernel("go to /"))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    open::file("/dev/null", true)
}

/// CAP_MKNOD and CAP_SETFCAP (capabilities(7)).
const MKNOD: u8 = 27;
const SETFCAP: u8 = 31;

/// Keeps no power but what is handed out, and MKNOD where the host's policy lets a container have a device. SETFCAP is only where it lets one
/// map host id 0, AUDIT_WRITE only where the kernel's audit system may be enabled.
fn limit(policy: &Policy, audit: bool) -> Result<(), Failure> {
    let (host_root, devices) = (!policy.host_root.is_empty(), !policy.devices.is_empty());
    let mut power = policies::power(Program::Launcher, !host_root && !devices).to_vec();
    power.retain(|capability| match *capability {
        kernel_audit::WRITE => audit,
        SETFCAP => host_root,
        MKNOD => devices,
        _ => true,
    });
    sys::process::limit_power(&power).map_err(kernel("give up power"))
}

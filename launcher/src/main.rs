//! The launcher: the one process that holds more than one power, because it hands them out. It is executed by `lazaret` where that is
//! started by root, splits in two, and gives its own pid back to a `lazaret` without any power. It parses no text but the host's
//! policy, and of its arguments reads only which words stand behind the options that name files and directories.

mod caller;
mod claim;
mod clear;
mod consent;
mod cradle;
mod devices;
mod enter;
mod groups;
mod host;
mod judge;
mod kernel_audit;
mod ledger;
mod networks;
mod open;
mod piece;
mod placeholders;
mod policy;
mod serve;
mod start;
mod sweep;
mod virt;

use host::{Host, Named};
use ledger::Ledger;
use piece::Programs;
use policy::Policy;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::ExitCode;
use sys::channel::Channel;
use sys::process::{Fork, Power};
use wire::ids::LAZARET;
use wire::launcher::{Directory, Reply, Request};
use wire::{Failure, Program};

/// The descriptor number under which `lazaret` finds its channel.
const CHANNEL: i32 = 3;
/// That of the socket of the kernel's audit system, where it is enabled.
const AUDIT: i32 = 4;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let reason = if failure.errno == 0 {
                String::new()
            } else {
                format!(": {}", nix::errno::Errno::from_raw(failure.errno).desc())
            };
            eprintln!("lazaret: cannot {}{reason}", failure.what);
            ExitCode::from(if wire::named::Named::by(&words()).runs { 125 } else { 1 })
        }
    }
}

fn kernel(what: &'static str) -> impl Fn(nix::errno::Errno) -> Failure {
    move |e| Failure::kernel(what, e as i32)
}

fn run() -> Result<(), Failure> {
    let from_lazaret = std::env::var("LAZARET_EXE")
        .ok()
        .and_then(|n| n.parse::<i32>().ok())
        .filter(|n| *n > 2);
    let Some(exe) = from_lazaret else {
        if let Some(word) = std::env::args()
            .skip(1)
            .find(|a| !matches!(a.as_str(), "-h" | "--help"))
        {
            eprintln!("launcher: there is no option {word:?}; it has none, see launcher(8)");
            std::process::exit(100);
        }
        println!(
            "launcher {}: hands out power and descriptors to Lazaret's programs, one for each.\n\
             It is executed by `lazaret` itself and has no options. See launcher(8).",
            env!("CARGO_PKG_VERSION")
        );
        return Ok(());
    };
    if !nix::unistd::geteuid().is_root() {
        return Err(Failure::caller(
            "hand out power without having any: run lazaret as root",
        ));
    }
    let exe = sys::process::inherited(exe).map_err(kernel("find lazaret's own file"))?;
    let policy = policy::read().map_err(|e| Failure::caller(&format!("follow the host's policy: {e}")))?;
    let here = std::env::current_dir().ok();
    // Before it splits: this process is the one that was called.
    let by = caller::caller();
    let question = kernel_audit::ask().map_err(kernel("ask the kernel's audit system"))?;
    let (ours, theirs) = sys::channel::pair::<Reply, Request>().map_err(kernel("make a channel"))?;
    match sys::process::fork().map_err(kernel("fork"))? {
        Fork::Parent(_) => become_lazaret(&exe, theirs.into()),
        Fork::Child => {
            drop((exe, theirs));
            let null = open::file("/dev/null", true)?;
            let socket: OwnedFd = ours.into();
            alone(&policy, &null, &socket, question.as_ref())?;
            let channel: Channel<Reply, Request> =
                Channel::new(sys::process::inherited(CHANNEL).map_err(kernel("keep the channel"))?);
            let kernel_audit = question.as_ref().map(|_| sys::process::inherited(AUDIT)).transpose();
            let kernel_audit = kernel_audit.map_err(kernel("keep the socket of the kernel's audit system"))?;
            std::mem::forget((null, socket, question));
            let kernel_audit = kernel_audit.map(kernel_audit::enabled).transpose();
            let kernel_audit = kernel_audit.map_err(kernel("ask the kernel's audit system"))?.flatten();
            if kernel_audit.is_none() {
                limit(&policy, false)?;
            }
            let named = named(here.as_deref());
            let programs = Programs::beside_this_one()?;
            let ledger = Ledger::new(by, policy.audit.clone(), kernel_audit);
            serve::serve(
                &Host {
                    policy,
                    programs,
                    named,
                    ledger,
                },
                &channel,
            );
            Ok(())
        }
    }
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
        variables.collect(),
        here.map(Path::to_string_lossy).as_deref(),
    )
}

/// Leaves the caller's session, terminal, directory, descriptors, and every capability that is not handed out.
fn alone(policy: &Policy, null: &OwnedFd, socket: &OwnedFd, audit: Option<&OwnedFd>) -> Result<(), Failure> {
    nix::unistd::setsid().map_err(kernel("leave the session"))?;
    nix::unistd::chdir("/").map_err(kernel("go to /"))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let mut table = vec![null.as_fd(), null.as_fd(), null.as_fd(), socket.as_fd()];
    table.extend(audit.map(AsFd::as_fd));
    sys::process::lay_out(&table).map_err(kernel("lay out descriptors"))?;
    limit(policy, audit.is_some())?;
    sys::process::set_dumpable(false).map_err(kernel("refuse to be traced"))
}

/// Keeps no power but what is handed out; AUDIT_WRITE is only where the kernel's audit system may be enabled.
fn limit(policy: &Policy, audit: bool) -> Result<(), Failure> {
    let consents = !policy.host_root.is_empty();
    let mut power = policies::power(Program::Launcher, !consents).to_vec();
    power.retain(|capability| audit || *capability != kernel_audit::WRITE);
    sys::process::limit_power(&power).map_err(kernel("give up power"))
}

/// Becomes `lazaret` again, under its own uid and without any power, with the channel as descriptor 3.
fn become_lazaret(exe: &OwnedFd, channel: OwnedFd) -> Result<(), Failure> {
    let words = |list: Vec<std::ffi::OsString>| -> Vec<CString> {
        list.into_iter()
            .filter_map(|w| CString::new(w.into_vec()).ok())
            .collect()
    };
    let arguments = words(std::env::args_os().collect());
    let kept = std::env::vars_os().filter(|(name, _)| name != "LAZARET_EXE" && name != "LAZARET_LAUNCHER");
    let mut environment = words(
        kept.map(|(name, value)| {
            let mut line = name;
            line.push("=");
            line.push(value);
            line
        })
        .collect(),
    );
    environment.extend(CString::new(format!("LAZARET_LAUNCHER={CHANNEL}")));
    let streams = [
        std::io::stdin().as_fd().try_clone_to_owned(),
        std::io::stdout().as_fd().try_clone_to_owned(),
        std::io::stderr().as_fd().try_clone_to_owned(),
    ];
    let null = open::file("/dev/null", true)?;
    let streams: Vec<OwnedFd> = streams
        .into_iter()
        .map(|s| s.ok())
        .map(|s| s.map_or_else(|| null.try_clone(), Ok))
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::kernel("copy the standard streams", nix::errno::Errno::EMFILE as i32))?;
    let mut table: Vec<_> = streams.iter().map(AsFd::as_fd).collect();
    table.extend([channel.as_fd(), exe.as_fd()]);
    sys::process::lay_out(&table).map_err(kernel("lay out descriptors"))?;
    let exe = sys::process::inherited(CHANNEL.saturating_add(1)).map_err(kernel("keep lazaret's own file"))?;
    std::mem::forget((streams, channel));
    sys::process::become_power(&Power {
        id: LAZARET,
        groups: Vec::new(),
        capabilities: Vec::new(),
        no_new_privileges: true,
    })
    .map_err(kernel("give up power"))?;
    let arguments: Vec<_> = arguments.iter().map(CString::as_c_str).collect();
    let environment: Vec<_> = environment.iter().map(CString::as_c_str).collect();
    Err(Failure::kernel(
        "execute lazaret",
        sys::process::execute(exe.as_fd(), &arguments, &environment) as i32,
    ))
}

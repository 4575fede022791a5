//! The verbs, one file each. Nothing else but the one place where each is called.

mod amend;
mod attach;
mod attach_link;
mod audit;
mod autodestroy;
mod autostart;
mod capabilities;
mod check;
mod console;
mod create;
mod define;
mod desc;
mod destroy;
mod disks;
mod dominfo;
mod domrename;
mod domstats;
mod dumpxml;
mod enter;
mod event;
mod generate;
mod identity;
mod interfaces;
mod joined;
mod learn;
mod list;
mod logs;
mod metadata;
mod native;
mod networks;
mod node;
mod plan;
mod policy;
mod privileges;
mod run;
mod send_signal;
mod shutdown;
mod start;
mod statistics;
mod suspend;
mod top;
mod tune;
mod undefine;
mod version;
mod wait;
mod wire;

pub use run::random;

use crate::error::{Error, Outcome};
use crate::figures::machine::SYSTEM;
use crate::launcher::Launcher;
use crate::options::{Ask, Policy, PolicyVerb, Verb};
use crate::session::Session;
use rustix::fs::{CWD, Mode, OFlags};
use std::fs::ReadDir;
use std::os::fd::OwnedFd;

/// Does what a verb says, with the launcher's help, and gives the exit status.
pub fn with_authority(session: &Session, verb: &Verb) -> Outcome<u8> {
    match verb {
        Verb::Run(options) => return run::run(session, options),
        Verb::Enter(options) => return enter::enter(session, options),
        Verb::Event(options) => return event::event(session, options),
        Verb::LxcEnterNamespace(options) => return enter::enter_namespace(session, options),
        Verb::Define(file) => define::define(session, file),
        Verb::Undefine(options) => undefine::undefine(session, options),
        Verb::Domrename(options) => domrename::domrename(session, options),
        Verb::Desc(options) => desc::desc(session, options),
        Verb::Metadata(options) => metadata::metadata(session, options),
        Verb::Autostart(options) => autostart::autostart(session, options),
        Verb::Create(file) => create::create(session, file),
        Verb::Start(options) => start::start(session, options),
        Verb::List(options) => list::list(session, options),
        Verb::Dominfo(facts) => dominfo::dominfo(session, facts),
        Verb::Ask(asked) => ask(session, asked),
        Verb::Dumpxml(options) => dumpxml::dumpxml(session, options),
        Verb::Shutdown(options) => shutdown::shutdown(session, options),
        Verb::Reboot(options) => shutdown::reboot(session, options),
        Verb::Destroy(options) => destroy::destroy(session, options),
        Verb::Suspend(which) => suspend::freeze(session, &which.container, true),
        Verb::Resume(which) => suspend::freeze(session, &which.container, false),
        Verb::Setmem(options) => tune::setmem(session, options),
        Verb::Setmaxmem(options) => tune::setmaxmem(session, options),
        Verb::Memtune(options) => tune::memtune(session, options),
        Verb::Blkiotune(options) => tune::blkiotune(session, options),
        Verb::Schedinfo(options) => tune::schedinfo(session, options),
        Verb::AttachDevice(options) => attach::attach_device(session, options),
        Verb::DetachDevice(options) => attach::detach_device(session, options),
        Verb::UpdateDevice(options) => attach::update_device(session, options),
        Verb::AttachDisk(options) => attach::attach_disk(session, options),
        Verb::DetachDisk(options) => attach::detach_disk(session, options),
        Verb::AttachInterface(options) => attach::attach_interface(session, options),
        Verb::DetachInterface(options) => attach::detach_interface(session, options),
        Verb::SendProcessSignal(options) => send_signal::send(session, options),
        Verb::Top(options) => top::top(session, options),
        Verb::Console(options) => console::console(session, options),
        Verb::Logs(options) => logs::logs(session, options),
        Verb::Wait(facts) => wait::wait(session, facts),
        Verb::Plan(facts) => plan::plan(session, facts),
        Verb::Privileges(facts) => privileges::privileges(session, facts),
        Verb::Audit(options) => audit::audit(session, &options.verb),
        Verb::Policy(Policy {
            verb: PolicyVerb::Learn(options),
        }) => return learn::learn(session, options),
        Verb::Policy(options) => {
            policy::policy(options, Some(session), policy::open(options, Some(&session.launcher))?)
        }
        Verb::DomxmlToNative(options) => native::to_native(session, options),
        Verb::Networks(asked) => networks::networks(session, asked),
        Verb::Edit(_) => Err(Error::Bug(
            "an editor was to be started by a process that may not".into(),
        )),
        Verb::Check(_)
        | Verb::Wire(_)
        | Verb::Version(_)
        | Verb::Generate(_)
        | Verb::DomxmlFromNative(_)
        | Verb::Node(_) => Err(Error::Bug("a verb that needs no authority was given it".into())),
    }?;
    Ok(0)
}

/// Answers what is asked of one container.
fn ask(session: &Session, asked: &Ask) -> Outcome<()> {
    match asked {
        Ask::Domstate(o) => identity::domstate(session, o),
        Ask::Domid(o) => identity::domid(session, o),
        Ask::Domuuid(o) => identity::domuuid(session, o),
        Ask::Domname(o) => identity::domname(session, o),
        Ask::Domhostname(o) => identity::domhostname(session, o),
        Ask::Dommemstat(o) => statistics::dommemstat(session, o),
        Ask::Domblkstat(o) => statistics::domblkstat(session, o),
        Ask::Domifstat(o) => statistics::domifstat(session, o),
        Ask::Domiflist(o) => interfaces::domiflist(session, o),
        Ask::Domblklist(o) => disks::domblklist(session, o),
        Ask::DomifGetlink(o) => interfaces::domif_getlink(session, o),
        Ask::Ttyconsole(o) => identity::ttyconsole(session, o),
        Ask::Domifaddr(o) => interfaces::domifaddr(session, o),
        Ask::Domstats(o) => domstats::domstats(session, o),
        Ask::CpuStats(o) => statistics::cpu_stats(session, o),
    }
}

/// Opens the files that are named to a verb that needs nobody's help.
pub fn open_named(verb: &Verb, launcher: Option<&Launcher>) -> Outcome<policy::Opened> {
    match verb {
        Verb::Policy(options) => policy::open(options, launcher),
        Verb::DomxmlFromNative(options) => native::open(options, launcher),
        _ => Ok(Vec::new()),
    }
}

/// A directory that a verb which needs nobody's help reads beside what is named to it.
pub fn shared_directory(verb: &Verb) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match verb {
        Verb::DomxmlFromNative(_) => rustix::fs::openat(CWD, native::SHARED, flags, Mode::empty()).ok(),
        Verb::Node(_) => rustix::fs::openat(CWD, SYSTEM, flags, Mode::empty()).ok(),
        _ => None,
    }
}

/// The directory of the AppArmor profiles that are loaded, for the verb that tells of them: no view can name a place in the kernel's own file
/// system of them.
pub fn loaded_profiles(verb: &Verb) -> Option<ReadDir> {
    match verb {
        Verb::Check(_) => std::fs::read_dir(check::PROFILES).ok(),
        _ => None,
    }
}

/// Does what a verb says that needs nobody's help, and gives the exit status.
pub fn without_authority(
    verb: &Verb,
    launcher: Option<&Launcher>,
    opened: policy::Opened,
    profiles: Option<ReadDir>,
) -> Outcome<u8> {
    match verb {
        Verb::Policy(options) => policy::policy(options, None, opened),
        Verb::Check(json) => return check::check(launcher, profiles, json.json),
        Verb::Wire(options) => wire::wire(options),
        Verb::Version(options) => version::version(options),
        Verb::Node(asked) => node::node(asked),
        Verb::Generate(options) => generate::generate(options),
        Verb::DomxmlFromNative(options) => native::from_native(options, opened),
        _ => Err(Error::Bug("a verb that needs authority was given none".into())),
    }?;
    Ok(0)
}

//! Every option of `lazaret`: the help, the man pages and the shell completions are all made from these definitions. Pure.

mod attach;
mod audit;
mod domain;
mod event;
mod failing;
mod information;
mod kept;
mod native;
mod networks;
mod node;
mod policy;
mod run;
#[cfg(test)]
mod tests;
mod top;
mod tune;

use crate::values::{Environment, UserSpec};
use clap::{Args, Command, CommandFactory, Parser, Subcommand, ValueEnum};

pub use attach::{
    AttachDisk, AttachInterface, DetachDisk, DetachInterface, DeviceFile, DiskMode, DiskType, SourceType, Where,
};
pub use audit::{Audit, AuditLog, AuditReplay, AuditVerb, AuditVerify};
pub use domain::{Asking, Console, Create, Destroy, EnterNamespace, SendSignal, Start, Starting, Undefine};
pub use event::{Event, Kind};
pub use information::*;
pub use kept::{Autostart, Desc, Domrename, Edit, Metadata};
pub use native::{FromNative, ToNative};
pub use networks::{NetAutostart, NetDhcpLeases, NetList, Network, Networks};
pub use node::*;
pub use policy::{Policy, PolicyLearn, PolicyVerb};
pub use run::{Run, TimingFormat};
pub use top::{Column, Top};
pub use tune::{Affect, Blkiotune, Devices, Limit, Memtune, Schedinfo, SetMemory, Share};

/// `lazaret` and what may precede the verb.
#[derive(Debug, Parser)]
#[command(
    name = "lazaret",
    version,
    about = "Runs Linux containers with a set of small programs that each hold one power",
    after_help = "Examples:\n  \
        sudo lazaret run -- sh                        a shell on the host's own root, read-only\n  \
        sudo lazaret run --rootfs /srv/box -- top     a command on a root file system of its own\n  \
        sudo lazaret define vm1.xml                   keep a libvirt domain of type lxc\n  \
        sudo lazaret start vm1                        start it\n  \
        sudo lazaret console vm1                      log in; leave with ^]\n  \
        sudo lazaret privileges vm1                   what each of its processes may do\n  \
        lazaret run --rootfs box --read-only -- sh    without root, by ids of one's own (`lazaret check`)\n\n\
        Exit status: run, enter, lxc-enter-namespace and policy learn give the command's own, 128+N for signal N, 125 where Lazaret itself failed, 126 and 127 as a \
        shell does. Every other verb: 0 done, 1 refused or failed. A command line that is wrong: 2, whatever the verb."
)]
pub struct Options {
    /// Speak as virsh does for lxc:/// (also lxc:///system and lxc://; it precedes the verb)
    #[arg(long, short = 'c', value_name = "URI", value_parser = crate::values::uri::check, help_heading = "As virsh")]
    pub connect: Option<String>,
    /// Directory of runtime state [default: /run/lazaret, or LAZARET_RUN_DIR]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Directories")]
    pub run_dir: Option<String>,
    /// Directory of definitions [default: /etc/lazaret, or LAZARET_CONFIG_DIR]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Directories")]
    pub config_dir: Option<String>,
    /// Directory of data [default: /var/lib/lazaret, or LAZARET_DATA_DIR]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Directories")]
    pub data_dir: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The options with all that each verb takes, and with what the list of verbs says of it.
pub fn described() -> Command {
    let mut command = Options::command();
    describe(&mut command);
    command
}

fn describe(command: &mut Command) {
    // Puts together what it takes; the words on what it takes come in the place of those on what it does.
    let _ = command.render_help();
    for verb in command.get_subcommands_mut() {
        let about = verb.get_about().cloned();
        describe(verb);
        if let Some(about) = about {
            *verb = std::mem::take(verb).about(about);
        }
    }
}

/// The verbs. What one of them takes is put together once it is asked for, and of nobody else.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Verb {
    /// Run a command in a container of its own
    Run(Box<Run>),
    /// Keep a container's definition
    Define(DefinitionFile),
    /// Forget a container's definition, or what is kept of one that has ended
    Undefine(Undefine),
    /// Change a container's definition in an editor
    Edit(Edit),
    /// Give a container that does not run another name
    Domrename(Domrename),
    /// Show or set a container's title or description
    Desc(Desc),
    /// Show or set an element of one's own in a container's definition
    Metadata(Metadata),
    /// Have a container started with the host
    Autostart(Autostart),
    /// Start a container from a file, without keeping its definition
    Create(Create),
    /// Start a defined container
    Start(Start),
    /// List containers
    List(List),
    /// Show what is known of a container
    Dominfo(Facts),
    #[command(flatten)]
    Ask(Ask),
    #[command(flatten)]
    Node(Node),
    /// Print a container's definition as XML
    Dumpxml(Dumpxml),
    /// Print the domain that a configuration of LXC's describes
    DomxmlFromNative(FromNative),
    /// Print a configuration of LXC's for a domain
    DomxmlToNative(ToNative),
    /// Ask a container to shut itself down
    Shutdown(Asking),
    /// Ask a container to start itself anew
    Reboot(Asking),
    /// End a container at once
    Destroy(Destroy),
    /// Freeze a container
    Suspend(Which),
    /// Let a frozen container go on
    Resume(Which),
    /// Set how much memory a container gets
    Setmem(SetMemory),
    /// Set the most memory that a container may be given
    Setmaxmem(SetMemory),
    /// Show or set limits on a container's memory
    Memtune(Memtune),
    /// Show or set limits on a container's input and output of block devices
    Blkiotune(Blkiotune),
    /// Show or set how much processor time a container gets
    Schedinfo(Schedinfo),
    /// Give a container a device from a file
    AttachDevice(DeviceFile),
    /// Take a device from a container, as a file tells it
    DetachDevice(DeviceFile),
    /// Put a device from a file in the place of another of a container's
    UpdateDevice(DeviceFile),
    /// Give a container a disk
    AttachDisk(AttachDisk),
    /// Take a disk from a container
    DetachDisk(DetachDisk),
    /// Give a container an interface
    AttachInterface(AttachInterface),
    /// Take an interface from a container
    DetachInterface(DetachInterface),
    /// Run a command inside a running container
    Enter(Enter),
    /// Run a command inside a running container, as virsh does
    LxcEnterNamespace(EnterNamespace),
    /// Send a signal to a process of a container
    SendProcessSignal(SendSignal),
    /// Attach to a container's console; leave with ^]
    Console(Console),
    /// Show what a container has printed
    Logs(Logs),
    /// Wait until a container has ended, and print its exit status
    Wait(Facts),
    /// Tell what happens to containers as it happens
    Event(Event),
    /// Show what containers take of the host, again and again
    Top(Top),
    /// Show what each program would be asked to do at a start, changing nothing
    Plan(Facts),
    /// Show, as the kernel tells it, what every process of a container may do
    Privileges(Facts),
    /// Show what was done, by whom, and how it ended; and whether anybody touched that record
    Audit(Audit),
    /// Show, compare or check what a policy gives
    Policy(Policy),
    /// What is told of networks
    #[command(flatten)]
    Networks(Networks),
    /// Show what this host offers, and the command that mends what is missing
    Check(Json),
    /// Turn JSON lines into frames of a piece's protocol, or frames into JSON lines
    Wire(Wire),
    /// Print the version
    Version(Version),
    /// Print man pages and shell completions
    #[command(hide = true)]
    Generate(Generate),
}

/// A file with a definition.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret define vm1.xml\n  lazaret define /srv/vm1.xml --validate\n\nThe file is a libvirt domain of type lxc, in UTF-8, of at most 1 MiB. What it says and has no effect yet is kept, and nothing starts \
    with it; what libvirt's LXC driver does not read either is told, and refused with --validate; what is in no schema is refused."
)]
pub struct DefinitionFile {
    /// The file
    pub file: String,
    /// Refuse what no LXC driver reads, which is kept otherwise, with a warning
    #[arg(long)]
    pub validate: bool,
}

/// One container.
#[derive(Debug, Args)]
pub struct Which {
    /// Its name, uuid or id
    pub container: String,
}

/// Facts of one container.
#[derive(Debug, Args)]
pub struct Facts {
    /// Its name, uuid or id
    pub container: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `dumpxml`.
#[derive(Debug, Args)]
pub struct Dumpxml {
    /// Its name, uuid or id
    pub container: String,
    /// Print the kept definition, even if what runs was made from another
    #[arg(long)]
    pub inactive: bool,
    /// Only what this names
    #[arg(
        long,
        value_name = "XPATH",
        help = "Only what this names: a path of element names, // for any depth, * for any name, @NAME for an attribute, [@NAME='V'] and [N]"
    )]
    pub xpath: Option<String>,
    /// With --xpath: all that is found in one element, nodes
    #[arg(long)]
    pub wrap: bool,
    /// Accepted for virsh's sake: nothing of a definition is hidden
    #[arg(long, hide = true)]
    pub security_info: bool,
    /// Accepted for virsh's sake: a container has no processor of its own to tell of
    #[arg(long, hide = true)]
    pub update_cpu: bool,
    /// Accepted for virsh's sake: nothing of it depends on this host's Lazaret
    #[arg(long, hide = true)]
    pub migratable: bool,
}

/// Options of `enter`.
#[derive(Debug, Args)]
#[command(
    override_usage = "lazaret enter [OPTIONS] CONTAINER -- CMD [ARG]...",
    after_help = "Examples:\n  lazaret enter vm1 -- sh\n  lazaret enter --user nobody --env LANG=C vm1 -- id\n\n\
    The command joins every namespace, the control group, the capability bounding set and the filter of the container. It has the \
    container's own environment and no descriptor but the three. Run from a terminal, it has a terminal of the container's."
)]
pub struct Enter {
    /// Its name, uuid or id
    pub container: String,
    /// Environment variable, beside the container's own
    #[arg(long, short = 'e', value_name = "K=V")]
    pub env: Vec<Environment>,
    /// User, and group, by the container's own names or by number
    #[arg(long, short = 'u', value_name = "USER[:GROUP]")]
    pub user: Option<UserSpec>,
    /// Working directory inside
    #[arg(long, short = 'w', value_name = "DIR")]
    pub workdir: Option<String>,
    /// Accepted for virsh's sake where the container has no label; refused where it has one
    #[arg(long, hide = true)]
    pub noseclabel: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Options of `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// Its name, uuid or id
    pub container: String,
    /// Go on until it ends
    #[arg(long, short = 'f')]
    pub follow: bool,
}

/// Whether JSON is asked for.
#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `wire`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    echo '{\"descriptors\":[4],\"message\":{\"WriteMaps\":{\"uid\":[],\"gid\":[]}}}' | lazaret wire encode idmapd | od -c\n  \
    lazaret wire decode --reply idmapd <frames\n\n\
    Frames are read and written as they travel on a pipe: descriptors are named by the number under which the reader inherited them.")]
pub struct Wire {
    /// Which way
    pub direction: Direction,
    /// The peer whose protocol it is
    pub peer: Peer,
    /// Its replies, not the requests to it
    #[arg(long)]
    pub reply: bool,
}

/// Which way `wire` works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// JSON lines into frames
    Encode,
    /// Frames into JSON lines
    Decode,
}

/// A peer with a protocol of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// What lends ordinary users links to bridges of the host's
    Broker,
    /// The control group writer
    Cgroupd,
    /// The device rule writer
    Devd,
    /// The server of /proc/meminfo
    Fused,
    /// The id-map writer
    Idmapd,
    /// What builds and executes
    Init,
    /// What hands out power
    Launcher,
    /// The keeper of loop devices
    Loopd,
    /// The mount factory
    Mountd,
    /// The network writer
    Netd,
    /// What enters
    Nsenter,
    /// The writer of the log of deeds
    Recordd,
    /// A container's keeper, as the launcher speaks to it
    Supervisor,
    /// A container's keeper, on its control socket
    Control,
    /// The record of a container's end (it has no replies)
    Exit,
}

/// Options of `generate`.
#[derive(Debug, Args)]
#[command(after_help = "Without a page or shell, the names of all are printed, one on a line.")]
pub struct Generate {
    /// What
    pub what: Generated,
    /// Which page, or which shell
    pub which: Option<String>,
}

/// What `generate` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generated {
    /// Man pages, in roff
    Man,
    /// Shell completions
    Completions,
}

impl Verb {
    /// What the verb does to what, as it follows "cannot".
    pub fn doing(&self) -> String {
        match self {
            Self::Run(run) => match &run.name {
                Some(name) => format!("run {} as {name}", run.program()),
                None => format!("run {}", run.program()),
            },
            Self::Define(f) => format!("define {}", f.file),
            Self::Undefine(w) => format!("undefine {}", w.container),
            Self::Edit(e) => format!("edit {}", e.container),
            Self::Domrename(d) => format!("rename {}", d.container),
            Self::Desc(d) => format!("describe {}", d.container),
            Self::Metadata(m) => format!("show or set the metadata of {}", m.container),
            Self::Autostart(a) => match &a.container {
                Some(name) => format!("mark {name}"),
                None => "start what is marked".into(),
            },
            Self::Create(f) => format!("create {}", f.file),
            Self::Start(w) => format!("start {}", w.container),
            Self::List(_) => "list containers".into(),
            Self::Dominfo(f) => format!("show {}", f.container),
            Self::Ask(ask) => ask.doing(),
            Self::Node(node) => node.doing().into(),
            Self::Dumpxml(d) => format!("print {}", d.container),
            Self::DomxmlFromNative(f) => format!("convert {}", f.file),
            Self::DomxmlToNative(t) => {
                format!(
                    "convert {}",
                    t.xml.as_ref().or(t.container.as_ref()).map_or("", String::as_str)
                )
            }
            Self::Shutdown(w) => format!("shut down {}", w.container),
            Self::Reboot(w) => format!("reboot {}", w.container),
            Self::Destroy(w) => format!("destroy {}", w.container),
            Self::Suspend(w) => format!("suspend {}", w.container),
            Self::Resume(w) => format!("resume {}", w.container),
            Self::Setmem(s) | Self::Setmaxmem(s) => format!("set the memory of {}", s.container()),
            Self::Memtune(t) => format!("tune the memory of {}", t.container),
            Self::Blkiotune(b) => format!("tune the input and output of {}", b.container),
            Self::Schedinfo(s) => format!("tune the processor time of {}", s.container),
            Self::AttachDevice(d) => format!("attach a device to {}", d.container),
            Self::DetachDevice(d) => format!("detach a device from {}", d.container),
            Self::UpdateDevice(d) => format!("update a device of {}", d.container),
            Self::AttachDisk(d) => format!("attach a disk to {}", d.container),
            Self::DetachDisk(d) => format!("detach a disk from {}", d.container),
            Self::AttachInterface(i) => format!("attach an interface to {}", i.container),
            Self::DetachInterface(i) => format!("detach an interface from {}", i.container),
            Self::Enter(e) => format!("enter {}", e.container),
            Self::LxcEnterNamespace(e) => format!("enter {}", e.container),
            Self::SendProcessSignal(s) => format!("signal process {} of {}", s.pid, s.container),
            Self::Console(c) => format!("attach to {}", c.container),
            Self::Logs(l) => format!("show the log of {}", l.container),
            Self::Wait(f) => format!("wait for {}", f.container),
            Self::Event(_) => "tell what happens".into(),
            Self::Top(_) => "show what containers take".into(),
            Self::Plan(f) => format!("plan {}", f.container),
            Self::Privileges(f) => format!("show the privileges of {}", f.container),
            Self::Audit(Audit { verb }) => match verb {
                AuditVerb::Log(_) => "show what was done".into(),
                AuditVerb::Verify(_) => "verify the log of deeds".into(),
                AuditVerb::Replay(r) => format!("replay {}", r.id),
                AuditVerb::Rotate => "begin a new file of the log of deeds".into(),
            },
            Self::Policy(p) => match &p.verb {
                PolicyVerb::Show(show) => format!("show the policy of {}", show.what),
                PolicyVerb::Diff(diff) => format!("compare {} with {}", diff.first, diff.second),
                PolicyVerb::Check(check) => format!("check {}", check.file),
                PolicyVerb::Learn(learn) => format!("learn a policy from {}", learn.run.program()),
            },
            Self::Networks(asked) => asked.doing(),
            Self::Check(_) => "check the host".into(),
            Self::Wire(_) => "convert frames".into(),
            Self::Version(_) => "show the version".into(),
            Self::Generate(_) => "generate".into(),
        }
    }

    /// Whether the verb's exit statuses are those of the command that it runs.
    pub const fn runs(&self) -> bool {
        match self {
            Self::Run(_) | Self::Enter(_) | Self::LxcEnterNamespace(_) => true,
            Self::Policy(policy) => matches!(policy.verb, PolicyVerb::Learn(_)),
            _ => false,
        }
    }

    /// Whether what it starts ends with it.
    pub const fn ties(&self) -> bool {
        match self {
            Self::Start(start) => start.starting.autodestroy,
            Self::Create(create) => create.starting.autodestroy,
            _ => false,
        }
    }

    /// Whether the verb needs the launcher and the state store.
    pub fn needs_authority(&self) -> bool {
        match self {
            Self::Wire(_) | Self::Version(_) | Self::Generate(_) | Self::Check(_) | Self::DomxmlFromNative(_) => false,
            Self::Node(_) => false,
            Self::Policy(policy) => policy.needs_authority(),
            _ => true,
        }
    }
}

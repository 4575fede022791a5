//! Every option of `lazaret`: the help, the man pages and the shell completions are all made from these definitions. Pure.

use crate::instant::Instant;
use crate::values::audit::{Expected, Verbs};
use crate::values::{Bind, Environment, Memory, Network, Rate, Tmpfs, Ulimit, UserSpec};
use clap::{Args, Parser, Subcommand, ValueEnum};
use wire::netd::Publish;

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
        sudo lazaret privileges vm1                   what each of its processes may do\n\n\
        Exit status: run and enter give the command's own, 128+N for signal N, 125 where Lazaret itself failed, 126 and 127 as a \
        shell does. Every other verb: 0 done, 1 refused or failed. A command line that is wrong: 2, whatever the verb."
)]
pub struct Options {
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

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a command in a container of its own
    Run(Box<Run>),
    /// Keep a container's definition
    Define(DefinitionFile),
    /// Forget a container's definition, or what is kept of one that has ended
    Undefine(Which),
    /// Start a container from a file, without keeping its definition
    Create(DefinitionFile),
    /// Start a defined container
    Start(Which),
    /// List containers
    List(List),
    /// Show what is known of a container
    Dominfo(Facts),
    /// Print a container's definition as XML
    Dumpxml(Dumpxml),
    /// Ask a container to shut itself down
    Shutdown(Which),
    /// Ask a container to start itself anew
    Reboot(Which),
    /// End a container at once
    Destroy(Which),
    /// Freeze a container
    Suspend(Which),
    /// Let a frozen container go on
    Resume(Which),
    /// Run a command inside a running container
    #[command(alias = "lxc-enter-namespace")]
    Enter(Enter),
    /// Attach to a container's console; leave with ^]
    Console(Console),
    /// Show what a container has printed
    Logs(Logs),
    /// Wait until a container has ended, and print its exit status
    Wait(Facts),
    /// Show what each program would be asked to do at a start, changing nothing
    Plan(Facts),
    /// Show, as the kernel tells it, what every process of a container may do
    Privileges(Facts),
    /// Show what was done, by whom, and how it ended; and whether anybody touched that record
    Audit(Audit),
    /// Show, compare or check what a policy gives
    Policy(Policy),
    /// List the networks
    NetList(Json),
    /// Show what this host offers, and the command that mends what is missing
    Check(Json),
    /// Turn JSON lines into frames of a piece's protocol, or frames into JSON lines
    Wire(Wire),
    /// Print the version
    Version(Json),
    /// Print man pages and shell completions
    #[command(hide = true)]
    Generate(Generate),
}

/// Options of `run`.
#[derive(Debug, Args)]
#[command(
    override_usage = "lazaret run [OPTIONS] -- CMD [ARG]...",
    after_help = "Examples:\n  \
    lazaret run -- sh -c 'id; grep MemTotal /proc/meminfo'\n  \
    lazaret run --rootfs /srv/box --memory 128M --cpus 1.5 --pids 100 -- httpd -f\n  \
    lazaret run -d --name web --publish 8080:80 --bind /srv/www:/www:ro --rootfs /srv/box -- httpd -f -h /www\n  \
    lazaret logs -f web; lazaret wait web; lazaret undefine web\n\n\
    Without --rootfs the root is the host's own root file system, read-only and not id-mapped: the container's root may there only \
    what everyone may. /proc, /sys, /dev, /run and /tmp are the container's own."
)]
pub struct Run {
    /// Root file system [default: the host's own, read-only]
    #[arg(long, value_name = "DIR")]
    pub rootfs: Option<String>,
    /// Make the root file system read-only
    #[arg(long)]
    pub read_only: bool,
    /// Name of the container [default: made up]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Most memory, in bytes or with K, M, G or T
    #[arg(long, value_name = "SIZE", default_value = "64M")]
    pub memory: Memory,
    /// Most processors' worth of time, such as 1.5
    #[arg(long, value_name = "N")]
    pub cpus: Option<Rate>,
    /// Most processes and threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4_194_304))]
    pub pids: Option<u64>,
    /// Network: `default` is a bridge with NAT, `none` has a loopback only, `host` is the host's own
    #[arg(long, value_name = "NET", default_value = "default")]
    pub network: Network,
    /// Show a file or directory of the host inside, writable or read-only
    #[arg(long, value_name = "SRC:DST[:ro]")]
    pub bind: Vec<Bind>,
    /// Mount an empty file system in memory
    #[arg(long, value_name = "DST[:SIZE]")]
    pub tmpfs: Vec<Tmpfs>,
    /// Let a port of the host lead to one of the container
    #[arg(long, value_name = "[IP:]HOST:CONT[/udp]")]
    pub publish: Vec<Publish>,
    /// Resource limit, soft and hard (getrlimit(2)), such as nofile=1024:4096
    #[arg(long, value_name = "NAME=S[:H]")]
    pub ulimit: Vec<Ulimit>,
    /// Environment variable
    #[arg(long, short = 'e', value_name = "K=V")]
    pub env: Vec<Environment>,
    /// Working directory inside
    #[arg(long, short = 'w', value_name = "DIR")]
    pub workdir: Option<String>,
    /// User, and group, by the container's own names or by number
    #[arg(long, short = 'u', value_name = "USER[:GROUP]")]
    pub user: Option<UserSpec>,
    /// Host name [default: the container's name]
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Give a capability back, or ALL; one that the profile lacks only where the host's policy consents
    #[arg(long, value_name = "CAP")]
    pub cap_add: Vec<String>,
    /// Take a capability away, or ALL
    #[arg(long, value_name = "CAP")]
    pub cap_drop: Vec<String>,
    /// Filter the command's system calls by this policy too, which can only take away; in the place of the profile's where the host's
    /// policy consents
    #[arg(long, value_name = "FILE")]
    pub seccomp: Option<String>,
    /// Leave a place as it is that is hidden or read-only otherwise, where the host's policy consents
    #[arg(long, value_name = "PATH")]
    pub unmask: Vec<String>,
    /// Give the command a terminal of the container's, even where there is none
    #[arg(long, short = 't')]
    pub tty: bool,
    /// Leave it running in the background and print its name
    #[arg(long, short = 'd')]
    pub detach: bool,
    /// Remove what is kept of it once it has ended (always so in the foreground)
    #[arg(long)]
    pub rm: bool,
    /// Show what each program would be asked to do, changing nothing
    #[arg(long)]
    pub plan: bool,
    /// With --plan or -d: print JSON
    #[arg(long)]
    pub json: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<String>,
}

impl Run {
    /// The command's first word.
    pub fn program(&self) -> &str {
        self.command.first().map_or("it", String::as_str)
    }
}

/// Options of `audit`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lazaret audit log --container vm1 --since 2026-11-01\n  \
    lazaret audit log --verb start --json | jq .request\n  \
    lazaret audit verify\n  \
    lazaret audit replay 17\n  \
    lazaret audit replay 17 --program netd --raw | od -c\n\n\
    Every start, stop, enter, suspend and resume, and everything that was refused, is on record in a file of root's, by default \
    /var/log/lazaret/audit.log: who asked, as the kernel tells, for what, and how it ended. Environment and arguments of containers stand \
    in it. What a container does by itself, its end among it, is not on record before a command clears it away.")]
pub struct Audit {
    /// What to do with it
    #[command(subcommand)]
    pub verb: AuditVerb,
}

/// The verbs of `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Show every deed
    Log(AuditLog),
    /// Find records that were changed, cut out, put in, or cut off at the end
    Verify(AuditVerify),
    /// Print the frames that each program was sent for a deed, as JSON lines
    Replay(AuditReplay),
    /// Begin a new file; the old one stays beside it, under a name that ends in a number
    Rotate,
}

/// Options of `audit log`.
#[derive(Debug, Args)]
pub struct AuditLog {
    /// Only those of this container
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Only those of this kind: start, stop, enter, suspend, resume, destroy, shutdown, reboot, console, rotate, open, unreadable
    #[arg(long, value_name = "VERB")]
    pub verb: Option<Verbs>,
    /// Only what began then or later: YYYY-MM-DD, YYYY-MM-DDTHH:MM, with or without :SS, or @SECONDS since 1970, in UTC
    #[arg(long, value_name = "TIME")]
    pub since: Option<Instant>,
    /// Only what began before then
    #[arg(long, value_name = "TIME")]
    pub until: Option<Instant>,
    /// Print JSON, one line for each
    #[arg(long)]
    pub json: bool,
    /// Older files of the log, which are read first, in this order
    pub file: Vec<String>,
}

/// Options of `audit verify`.
#[derive(Debug, Args)]
pub struct AuditVerify {
    /// Record NUMBER must be there and have this hash, which an earlier `audit verify` printed: keep it where root of this host cannot write
    #[arg(long, value_name = "NUMBER:HASH")]
    pub expect: Option<Expected>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Older files of the log, which are read first, in this order
    pub file: Vec<String>,
}

/// Options of `audit replay`.
#[derive(Debug, Args)]
pub struct AuditReplay {
    /// The deed's number, as `audit log` shows it
    pub id: u64,
    /// Only what this program was sent; `launcher` is what was asked for
    #[arg(long, value_name = "PROGRAM")]
    pub program: Option<String>,
    /// Print the bytes of the frames as they were sent
    #[arg(long)]
    pub raw: bool,
    /// Older files of the log, which are read first, in this order
    pub file: Vec<String>,
}

/// A file with a definition.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret define vm1.xml\n  lazaret create /srv/once.xml\n\nThe file is a libvirt domain of type lxc, in UTF-8, of at most 1 MiB."
)]
pub struct DefinitionFile {
    /// The file
    pub file: String,
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
}

/// Options of `list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret list              what runs\n  lazaret list --all --json everything, for a program"
)]
pub struct List {
    /// Running or not
    #[arg(long, conflicts_with = "inactive")]
    pub all: bool,
    /// Only what does not run
    #[arg(long)]
    pub inactive: bool,
    /// Names only
    #[arg(long, conflicts_with_all = ["json", "uuid"])]
    pub name: bool,
    /// Uuids only
    #[arg(long, conflicts_with = "json")]
    pub uuid: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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
    /// Accepted for virsh's sake: there is no label to set
    #[arg(long, hide = true)]
    pub noseclabel: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Options of `console`.
#[derive(Debug, Args)]
pub struct Console {
    /// Its name, uuid or id
    pub container: String,
    /// Number of the console, or consoleN
    #[arg(long, value_name = "N", default_value = "0")]
    pub devname: String,
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

/// Options of `policy`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lazaret policy show app            what `run` gives\n  \
    lazaret policy diff app system     what a domain gets beyond that\n  \
    lazaret policy diff app web        how the container web differs from its profile\n  \
    lazaret policy check web.policy    whether --seccomp would take it\n\n\
    A policy is that of a profile (app, system), of a program, of a file (a word with a slash, or that ends in .policy), or of a running \
    container.")]
pub struct Policy {
    /// What to do.
    #[command(subcommand)]
    pub verb: PolicyVerb,
}

/// The verbs of `policy`.
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Show what a policy gives
    Show(PolicyShow),
    /// Show what differs between two policies: what only the first has, and what only the second has
    Diff(PolicyDiff),
    /// Read a file by the rules by which Lazaret's own are read
    Check(PolicyCheck),
    /// Run a command, and print the smallest policy under which it runs as it has run
    Learn(Box<PolicyLearn>),
}

/// Options of `policy show`.
#[derive(Debug, Args)]
pub struct PolicyShow {
    /// Profile, program, file or container
    pub what: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `policy diff`.
#[derive(Debug, Args)]
pub struct PolicyDiff {
    /// Profile, program, file or container
    pub first: String,
    /// Another
    pub second: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `policy check`.
#[derive(Debug, Args)]
pub struct PolicyCheck {
    /// The file
    pub file: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `policy learn`: those of `run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lazaret policy learn --rootfs /srv/box -- nginx -t > nginx.policy\n  \
    lazaret run --rootfs /srv/box --seccomp nginx.policy -- nginx -t\n\n\
    The command's own output goes to standard error, the policy to standard output once the command has ended, and the exit status is \
    the command's. What the command does not do this time is not in the policy: let it do all that it is to be able to do. What its \
    profile refuses is refused while it is learned from, too. Each call waits until it is written down, so it runs slowly.")]
pub struct PolicyLearn {
    /// How it runs.
    #[command(flatten)]
    pub run: Run,
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
            Self::Run(run) => format!("run {}", run.program()),
            Self::Define(f) => format!("define {}", f.file),
            Self::Undefine(w) => format!("undefine {}", w.container),
            Self::Create(f) => format!("create {}", f.file),
            Self::Start(w) => format!("start {}", w.container),
            Self::List(_) => "list containers".into(),
            Self::Dominfo(f) => format!("show {}", f.container),
            Self::Dumpxml(d) => format!("print {}", d.container),
            Self::Shutdown(w) => format!("shut down {}", w.container),
            Self::Reboot(w) => format!("reboot {}", w.container),
            Self::Destroy(w) => format!("destroy {}", w.container),
            Self::Suspend(w) => format!("suspend {}", w.container),
            Self::Resume(w) => format!("resume {}", w.container),
            Self::Enter(e) => format!("enter {}", e.container),
            Self::Console(c) => format!("attach to {}", c.container),
            Self::Logs(l) => format!("show the log of {}", l.container),
            Self::Wait(f) => format!("wait for {}", f.container),
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
            Self::NetList(_) => "list networks".into(),
            Self::Check(_) => "check the host".into(),
            Self::Wire(_) => "convert frames".into(),
            Self::Version(_) => "show the version".into(),
            Self::Generate(_) => "generate".into(),
        }
    }

    /// Whether the verb's exit statuses are those of the command that it runs.
    pub const fn runs(&self) -> bool {
        match self {
            Self::Run(_) | Self::Enter(_) => true,
            Self::Policy(policy) => matches!(policy.verb, PolicyVerb::Learn(_)),
            _ => false,
        }
    }

    /// Whether the verb needs the launcher and the state store.
    pub fn needs_authority(&self) -> bool {
        match self {
            Self::Wire(_) | Self::Version(_) | Self::Generate(_) | Self::Check(_) => false,
            Self::Policy(policy) => policy.needs_authority(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Options, clap::Error> {
        Options::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definitions_are_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn every_option_of_run_is_understood() {
        let line = "lazaret run --rootfs /srv/box --name web --memory 128M --cpus 1.5 --pids 100 --network default \
            --bind /a:/b:ro --tmpfs /t:1M --publish 127.0.0.1:8080:80 --ulimit nofile=10:20 --env K=V --workdir /w --user 1:2 \
            --hostname h --cap-add net_raw --cap-drop ALL --seccomp f --unmask /proc/keys --tty -d --rm -- sh -c x --rm";
        let Verb::Run(run) = parse(line).unwrap().verb else {
            panic!()
        };
        assert_eq!(run.command, ["sh", "-c", "x", "--rm"]);
        assert!(run.detach && run.rm && run.tty && !run.plan);
    }

    #[test]
    fn enter_takes_the_command_as_it_is_and_virshs_spelling() {
        let Verb::Enter(e) = parse("lazaret lxc-enter-namespace vm1 --noseclabel -- ls -l")
            .unwrap()
            .verb
        else {
            panic!()
        };
        assert_eq!(
            (e.container.as_str(), e.command),
            ("vm1", vec!["ls".to_owned(), "-l".to_owned()])
        );
    }

    #[test]
    fn the_launcher_reads_the_same_words_as_options() {
        let command = Options::command();
        let audit = command.get_subcommands().filter(|v| v.get_name() == "audit");
        let verbs = command
            .get_subcommands()
            .filter(|v| ["run", "enter"].contains(&v.get_name()))
            .chain(audit.flat_map(clap::Command::get_subcommands));
        let options = command
            .get_arguments()
            .chain(verbs.flat_map(clap::Command::get_arguments));
        let mut seen = 0;
        for option in options.filter(|o| !o.is_positional()) {
            let takes = option.get_action().takes_values();
            let letter = option.get_short().map(String::from);
            for name in option.get_long().map(str::to_owned).into_iter().chain(letter) {
                assert_eq!(wire::named::takes_value(&name), takes, "{name}");
                seen += 1;
            }
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn the_launcher_finds_the_same_paths_in_them() {
        for line in [
            "lazaret run --rootfs /srv/box -dt -e K=V --bind /a:/b:ro --name x --bind=/c:/d sh --bind /e:/f",
            "lazaret run --pids 4 --read-only -tw/w --rootfs=/srv/box --rm -- sh --rootfs /x",
            "lazaret --run-dir /r run --bind /a:/b --cap-add ALL sh -c --bind /e:/f",
        ] {
            let Verb::Run(run) = parse(line).unwrap().verb else {
                panic!()
            };
            let words: Vec<String> = line.split_whitespace().skip(1).map(str::to_owned).collect();
            let found = wire::named::Named::by(&words).places;
            let binds = run.bind.iter().map(|b| (b.source.clone(), !b.read_only));
            let root = run.rootfs.iter().map(|r| (r.clone(), !run.read_only));
            let expected: Vec<(String, bool)> = binds.chain(root).collect();
            let found: Vec<(String, bool)> = found.into_iter().map(|p| (p.path, p.writable)).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn a_command_needs_no_hyphens_before_it() {
        let Verb::Run(run) = parse("lazaret run --rm sh -c x --rm").unwrap().verb else {
            panic!()
        };
        assert_eq!(run.command, ["sh", "-c", "x", "--rm"]);
    }

    #[test]
    fn refuses_unknown_options_and_nonsense() {
        for bad in [
            "lazaret",
            "lazaret nope",
            "lazaret run",
            "lazaret run --memory 0 -- x",
            "lazaret run --pids 0 -- x",
            "lazaret run --nope -- x",
            "lazaret list --all --inactive",
            "lazaret start",
            "lazaret run --network x -- y",
            "lazaret wire encode nobody",
            "lazaret audit",
            "lazaret audit log --since yesterday",
            "lazaret audit log --verb dance",
            "lazaret audit verify --expect 3",
            "lazaret audit replay x",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

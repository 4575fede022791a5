//! Options of the verbs that start, end, ask and enter containers, as virsh has them.

use clap::Args;

/// How a container is started.
#[derive(Debug, Clone, Default, Args)]
pub struct Starting {
    /// Attach to its first console once it runs; ^] leaves
    #[arg(long)]
    pub console: bool,
    /// End it when this command ends: with the console, or else when it is interrupted
    #[arg(long)]
    pub autodestroy: bool,
    /// Refused, as libvirt's LXC driver refuses it: nothing is frozen before it has begun
    #[arg(long)]
    pub paused: bool,
    /// Descriptors of this command's that it has as 3, 4 and so on, told in LISTEN_FDS; no directories
    #[arg(long, value_name = "N,M")]
    pub pass_fds: Option<String>,
}

/// Options of `start`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret start vm1\n  lazaret start vm1 --console\n  lazaret start vm1 --autodestroy   until ^C\n\nWhere root has an executable \
    /etc/lazaret.hooks/lxc, that is called with NAME prepare begin -, then start and started, with the domain's document as its input, as libvirt calls its hook \
    script; a status but 0 refuses the start. After the container's end it is called with NAME stopped end -, and with release."
)]
pub struct Start {
    /// Its name or uuid
    pub container: String,
    /// How.
    #[command(flatten)]
    pub starting: Starting,
}

/// Options of `create`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret create once.xml\n  lazaret create once.xml --console --autodestroy\n\nThe file is one that define takes; nothing is \
    kept of the container once it has ended."
)]
pub struct Create {
    /// The file
    pub file: String,
    /// Refuse what no LXC driver reads, which is kept otherwise, with a warning
    #[arg(long)]
    pub validate: bool,
    /// How.
    #[command(flatten)]
    pub starting: Starting,
}

/// Options of `undefine`.
#[derive(Debug, Args)]
#[command(
    after_help = "What runs goes on, and is forgotten when it ends. Files that the container was made of are never removed."
)]
pub struct Undefine {
    /// Its name, uuid or id
    pub container: String,
    /// Accepted for virsh's sake: no state is saved
    #[arg(long, hide = true)]
    pub managed_save: bool,
    /// Accepted for virsh's sake: there are no snapshots
    #[arg(long, hide = true)]
    pub snapshots_metadata: bool,
    /// Accepted for virsh's sake: there are no checkpoints
    #[arg(long, hide = true)]
    pub checkpoints_metadata: bool,
    /// Accepted for virsh's sake: no volume of a storage pool can be a container's, so each disk is named as one to be removed by hand
    #[arg(long, hide = true, conflicts_with = "storage")]
    pub remove_all_storage: bool,
    /// The same of the disks that are named, by target or source, with commas between
    #[arg(long, hide = true, value_name = "VOLUMES")]
    pub storage: Option<String>,
    /// Accepted for virsh's sake beside those two: what is not removed is not wiped
    #[arg(long, hide = true)]
    pub wipe_storage: bool,
    /// Accepted for virsh's sake beside --remove-all-storage
    #[arg(long, hide = true)]
    pub delete_storage_volume_snapshots: bool,
    /// Refused, as that driver refuses it: containers have no firmware
    #[arg(long, hide = true)]
    pub nvram: bool,
    /// Accepted for virsh's sake: there is none
    #[arg(long, hide = true)]
    pub keep_nvram: bool,
    /// Accepted for virsh's sake: there is none
    #[arg(long, hide = true)]
    pub tpm: bool,
    /// Accepted for virsh's sake: there is none
    #[arg(long, hide = true)]
    pub keep_tpm: bool,
}

/// Options of `destroy`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret destroy vm1              at once\n  lazaret destroy vm1 --graceful   only if it ends of itself within 10 s of being asked"
)]
pub struct Destroy {
    /// Its name, uuid or id
    pub container: String,
    /// Ask it to end, and wait: it is not killed, and where it has not ended after 10 s that is a failure
    #[arg(long)]
    pub graceful: bool,
    /// Accepted for virsh's sake: the log goes with the container anyway
    #[arg(long, hide = true)]
    pub remove_logs: bool,
}

/// Options of `shutdown` and `reboot`.
#[derive(Debug, Args)]
#[command(
    after_help = "A pipe called /run/initctl, /dev/initctl or /etc/.initctl in the container, if somebody reads it, is written what System V's init \
    understands as runlevel 0 or 6. Otherwise init is sent the signal that it waits for: systemd's, busybox's, or SIGTERM, SIGPWR, SIGINT. What `run` started has no such init, and is sent a signal. \
    Success means that what ran has gone down; if it has not when the time is up, it runs on, and the exit status is 1."
)]
pub struct Asking {
    /// Its name, uuid or id
    pub container: String,
    /// How, of initctl and signal, with commas between [default: initctl,signal]
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// How long to wait until it has gone down; 0 does not wait, and only says that it was asked
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u32,
}

/// Options of `console`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret console vm1\n  lazaret console vm1 console1\n  lazaret console vm1 --devname console1 --escape ^A\n\n\
    What was printed before is shown first. Several may be attached at once, and what nobody reads holds up nobody."
)]
pub struct Console {
    /// Its name, uuid or id
    pub container: String,
    /// As --devname
    #[arg(value_name = "DEVNAME", conflicts_with = "devname")]
    pub device: Option<String>,
    /// Number of the console, or consoleN [default: 0]
    #[arg(long, value_name = "N")]
    pub devname: Option<String>,
    /// The key that leaves: a letter, with ^ before it for Ctrl [default: ^]]
    #[arg(long, value_name = "KEY")]
    pub escape: Option<String>,
    /// Accepted for virsh's sake: whoever is attached already is in nobody's way, and stays
    #[arg(long)]
    pub force: bool,
    /// Accepted for virsh's sake: consoles are always safe to attach to
    #[arg(long)]
    pub safe: bool,
}

/// Options of `lxc-enter-namespace`.
#[derive(Debug, Args)]
#[command(
    override_usage = "lazaret lxc-enter-namespace [--noseclabel] CONTAINER [--] PROGRAM [ARG]...",
    after_help = "Examples:\n  lazaret lxc-enter-namespace vm1 /bin/ls -al /dev\n  lazaret lxc-enter-namespace vm1 -- /bin/sh -c 'echo $TERM'\n\n\
    As enter, but that the command has this command's environment beside the container's own, as virsh has it. PROGRAM is its own argv[0]; what \
    follows are its arguments. The exit status is the command's."
)]
pub struct EnterNamespace {
    /// Its name, uuid or id
    pub container: String,
    /// Accepted for virsh's sake where the container has no label; refused where it has one
    #[arg(long)]
    pub noseclabel: bool,
    /// The program, by its path inside, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Options of `send-process-signal`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret send-process-signal vm1 1 term\n  lazaret send-process-signal vm1 37 SIGUSR1\n  lazaret send-process-signal vm1 1 sig_rt3\n\n\
    A signal is a number, or its name, in any case, with or without sig or sig_ before it: nop, hup, int, quit, ill, trap, abrt, bus, fpe, kill, usr1, \
    segv, usr2, pipe, alrm, term, stkflt, chld, cont, stop, tstp, ttin, ttou, urg, xcpu, xfsz, vtalrm, prof, winch, poll, pwr, sys, rt0 to rt31. \
    The container's supervisor sends it, which may signal nobody but the container's processes."
)]
pub struct SendSignal {
    /// Its name, uuid or id
    pub container: String,
    /// The process, by its number inside the container
    pub pid: u32,
    /// The signal
    pub signame: String,
}

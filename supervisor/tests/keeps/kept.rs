//! A kept container: what the launcher hands to the supervisor, made of stand-ins; and a client's side of the control socket.

use rustix::fs::{FlockOperation, flock};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use sys::channel::{Channel, ChannelError, pair};
use wire::frame::decode;
use wire::init;
use wire::supervisor::{Control, ExitRecord, LoopRecord, Reply, Report, Request};
use wire::{ContainerName, Failure};

/// Ids that nobody on the machine has, and no container is given: clearing one away kills all that run under its ids.
pub const KEEPER: u32 = 0x7ffe_0010;
pub const CLIENT: u32 = 0x7ffe_0011;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// What a test wants of the container.
#[derive(Default)]
pub struct Wish {
    pub consoles: u8,
    pub log_pipe: bool,
    pub fused: bool,
}

pub struct Kept {
    pub supervisor: Child,
    pub first: Child,
    pub outer: Child,
    pub fused: Option<Child>,
    pub init: Option<Channel<init::Reply, init::Request>>,
    pub slaves: Vec<File>,
    pub output: Option<File>,
    pub launcher: Channel<Request, Reply>,
    directory: PathBuf,
}

/// A process under the keeper's id that ends when it is told to.
pub fn stand_in() -> Child {
    Command::new("sleep")
        .arg("infinity")
        .uid(KEEPER)
        .gid(KEEPER)
        .spawn()
        .unwrap()
}

pub fn pidfd(child: &Child) -> OwnedFd {
    sys::process::pidfd(nix::unistd::Pid::from_raw(child.id().try_into().unwrap())).unwrap()
}

/// The supervisor with its channel as descriptor 3, as the launcher starts it.
pub fn start(theirs: Channel<Reply, Request>) -> Child {
    let mut command = Command::new("/bin/sh");
    command.args([
        "-c",
        "exec \"$0\" --socket 3 3<&0 </dev/null",
        env!("CARGO_BIN_EXE_supervisor"),
    ]);
    command
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .uid(KEEPER)
        .gid(KEEPER)
        .current_dir("/")
        .env_clear();
    command.spawn().unwrap()
}

fn pty() -> (OwnedFd, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, vec![]).unwrap().into_string().unwrap();
    let slave = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut settings = tcgetattr(&slave).unwrap();
    settings.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &settings).unwrap();
    (master, slave)
}

pub fn namespaces() -> Vec<File> {
    ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"]
        .map(|n| File::open(format!("/proc/self/ns/{n}")).unwrap())
        .into()
}

impl Kept {
    pub fn new(wish: Wish) -> Self {
        Self::asked(wish, |directory| {
            let log = directory.join("log");
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(log)
                .unwrap()
        })
        .unwrap()
    }

    /// With a log of the caller's choice, which the supervisor may refuse.
    pub fn asked(wish: Wish, log: impl FnOnce(&PathBuf) -> File) -> Result<Self, Failure> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("lazaret-test-supervisor-{}-{number}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).unwrap();
        let lock = File::create(directory.join("lock")).unwrap();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let path = directory.join("control");
        bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        listen(&listener, 64).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        let record = File::create(directory.join("exit")).unwrap();
        let log = log(&directory);
        let (init, theirs) = pair::<init::Reply, init::Request>().unwrap();
        let (first, outer, fused) = (stand_in(), stand_in(), wish.fused.then(stand_in));
        let (pidfds, fused_pidfd) = ([pidfd(&first), pidfd(&outer)], fused.as_ref().map(pidfd));
        let (masters, slaves): (Vec<OwnedFd>, Vec<File>) = (0..wish.consoles).map(|_| pty()).unzip();
        let (reading, writing) = rustix::pipe::pipe().unwrap();

        let (launcher, channel) = pair::<Request, Reply>().unwrap();
        let supervisor = start(channel);
        let mut all: Vec<BorrowedFd<'_>> = vec![
            lock.as_fd(),
            lock.as_fd(),
            listener.as_fd(),
            record.as_fd(),
            log.as_fd(),
            theirs.as_fd(),
        ];
        all.extend(pidfds.iter().map(AsFd::as_fd));
        let namespaces = namespaces();
        all.extend(namespaces.iter().map(AsFd::as_fd));
        if wish.log_pipe {
            all.push(reading.as_fd());
        }
        all.extend(fused_pidfd.iter().map(AsFd::as_fd));
        all.extend(masters.iter().map(AsFd::as_fd));
        let request = Request::Keep {
            name: ContainerName::new("kept").unwrap(),
            client: CLIENT,
            pid1: first.id(),
            init: outer.id(),
            firewall: None,
            log_pipe: wish.log_pipe,
            fused: fused.as_ref().map_or(0, Child::id),
            consoles: wish.consoles,
        };
        launcher.send(&request, &all).unwrap();
        drop(all);
        let output = wish.log_pipe.then(|| writing.into());
        let kept = Self {
            supervisor,
            first,
            outer,
            fused,
            init: Some(init),
            slaves,
            output,
            launcher,
            directory,
        };
        match kept.launcher.receive().unwrap().0 {
            Reply::Keeping => Ok(kept),
            Reply::Refused(failure) => Err(failure),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.join("control")
    }

    pub fn client(&self) -> Client {
        Client::new(&self.path())
    }

    pub fn say(&self, reply: &init::Reply, descriptors: &[BorrowedFd<'_>]) {
        self.init.as_ref().unwrap().send(reply, descriptors).unwrap();
    }

    /// Header and data of the log file.
    pub fn log(&self) -> (u64, Vec<u8>) {
        let all = std::fs::read(self.directory.join("log")).unwrap();
        let (count, ring) = all.split_at(8);
        (u64::from_le_bytes(count.try_into().unwrap()), ring.to_vec())
    }

    pub fn record(&self) -> Option<ExitRecord> {
        decode(&std::fs::read(self.directory.join("exit")).unwrap(), 0).ok()
    }

    /// The record of a container that was started too often.
    pub fn looped(&self) -> Option<LoopRecord> {
        decode(&std::fs::read(self.directory.join("exit")).unwrap(), 0).ok()
    }

    pub fn locked(&self) -> bool {
        let lock = File::open(self.directory.join("lock")).unwrap();
        flock(&lock, FlockOperation::NonBlockingLockShared).is_err()
    }

    /// A line of the supervisor's `/proc/PID/status`, in its unit.
    pub fn status(&self, key: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.supervisor.id())).unwrap();
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))
            .unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    pub fn gone(&mut self) -> ExitStatus {
        self.supervisor.wait().unwrap()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        for child in [&mut self.supervisor, &mut self.first, &mut self.outer]
            .into_iter()
            .chain(&mut self.fused)
        {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// One connection to a control socket.
pub struct Client(pub Channel<Control, Report>);

impl Client {
    pub fn new(path: &PathBuf) -> Self {
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        connect(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
        Self(Channel::new(socket))
    }

    pub fn send(&self, control: &Control) {
        self.0.send(control, &[]).unwrap();
    }

    pub fn next(&self) -> Result<Report, ChannelError> {
        self.0.receive().map(|(report, _)| report)
    }

    pub fn ask(&self, control: &Control) -> Report {
        self.send(control);
        self.next().unwrap()
    }

    /// Asks something harmless: everything asked before has been done when it is answered.
    pub fn settle(&self) {
        assert!(matches!(self.ask(&Control::Identify), Report::State { .. }));
    }

    pub fn attach(&self, console: u8, replay: bool, lossless: bool) -> UnixStream {
        self.send(&Control::Attach {
            console,
            replay,
            lossless,
        });
        let (report, descriptors) = self.0.receive().unwrap();
        assert_eq!(report, Report::Attached);
        descriptors.into_iter().next().unwrap().into()
    }
}

/// Reads just so many bytes.
pub fn take(stream: &mut impl Read, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Bytes that say where they stand.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i / 3 + i / 4096) as u8).collect()
}

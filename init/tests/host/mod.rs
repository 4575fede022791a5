//! A stand-in for the launcher and the mount factory: it starts `init` as the keeper of a block of ids, takes it through every step, and
//! clears away what it made. Needs root. May touch: a directory, a control group and processes of its own.

#![allow(dead_code)]

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path as HostPath, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use sys::channel::{Channel, pair};
use sys::mount::{Attr, Change, clone_tree, set_attributes};
use sys::process::{Fork, Power};
use wire::ids::{BLOCK, IdBlock};
use wire::init::{
    Afterwards, Attachment, Command, Container, Path, Profile, Reply, Request, Source, Stream, Then, User,
};
use wire::mountd::Device;
use wire::name::{ContainerName, Text};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The ids of this test: blocks high above those that are given out.
pub fn block() -> IdBlock {
    let slot = NEXT.fetch_add(1, Ordering::Relaxed) + (std::process::id() % 1000) * 16;
    IdBlock::new(0x3000_0000 + slot * BLOCK).unwrap()
}

pub fn text<const N: usize>(t: &str) -> Text<N> {
    Text::new(t).unwrap()
}

/// A busybox root that is removed in the end.
pub struct Root(pub PathBuf);

impl Root {
    pub fn new(name: &str) -> Self {
        Self(busybox(name))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A mount of this directory.
pub fn tree(path: &std::path::Path) -> OwnedFd {
    clone_tree(File::open(path).unwrap().as_fd(), false).unwrap()
}

/// What is to be attached.
pub fn attachment(target: &str, source: Source, read_only: bool) -> Attachment {
    Attachment {
        target: Path::new(target).unwrap(),
        source,
        read_only,
    }
}

/// A busybox root file system in a directory of its own.
pub fn busybox(name: &str) -> PathBuf {
    let root = std::env::temp_dir().join(format!("lazaret-init-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    for d in ["bin", "etc", "proc", "sys", "dev", "data", "tmp"] {
        std::fs::create_dir_all(root.join(d)).unwrap();
    }
    std::fs::copy("/usr/bin/busybox", root.join("bin/busybox")).unwrap();
    let list = std::process::Command::new("/usr/bin/busybox")
        .arg("--list")
        .output()
        .unwrap()
        .stdout;
    for applet in String::from_utf8(list).unwrap().lines().filter(|a| *a != "busybox") {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    std::fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/:/bin/sh\nweb:x:33:33::/:/bin/sh\n",
    )
    .unwrap();
    std::fs::write(root.join("etc/group"), "root:x:0:\nwww:x:33:\naudio:x:29:web\n").unwrap();
    root
}

/// A container that runs a shell command and passes its output.
pub fn container(script: &str) -> Container {
    let ids = vec![];
    Container {
        name: ContainerName::new("test").unwrap(),
        hostname: text("inside"),
        uid_map: ids.clone(),
        gid_map: ids,
        host_network: false,
        read_only_root: false,
        attachments: vec![],
        devices: Device::ALL.to_vec(),
        meminfo: false,
        lent_proc: false,
        unified: true,
        cgroup_writable: false,
        consoles: 0,
        streams: [Stream::Null, Stream::Passed, Stream::Passed],
        reaper: true,
        command: command(script),
        afterwards: Afterwards {
            poweroff: Then::End,
            reboot: Then::End,
            crash: Then::End,
        },
        resolv_conf: None,
        hosts: None,
        unmasked: vec![],
        learn: false,
        descriptors: 0,
        nodes: vec![],
        shares: wire::share::Shares::default(),
    }
}

pub fn command(script: &str) -> Command {
    let policy = policies::payload(Profile::App);
    Command {
        program: Path::new("/bin/sh").unwrap(),
        arguments: ["sh", "-c", script].iter().map(|a| text(a)).collect(),
        environment: vec![text("PATH=/bin")],
        directory: Path::new("/").unwrap(),
        user: User {
            user: None,
            group: None,
        },
        capabilities: policy.capabilities,
        no_new_privileges: policy.no_new_privileges,
        profile: Profile::App,
        limits: vec![],
        window: None,
        linux32: false,
        filter: None,
        apparmor: None,
        selinux: None,
        memory: None,
    }
}

/// The same as a system, with all that the profile grants.
pub fn system(mut container: Container) -> Container {
    let policy = policies::payload(Profile::System);
    container.command.capabilities = policy.capabilities;
    container.command.no_new_privileges = policy.no_new_privileges;
    container.command.profile = Profile::System;
    container
}

/// A running `init`, and what belongs to it.
pub struct Host {
    pub channel: Channel<Request, Reply>,
    pub pid: nix::unistd::Pid,
    pub block: IdBlock,
    pub output: Option<File>,
    pub namespaces: Vec<OwnedFd>,
    pub masters: Vec<OwnedFd>,
    pub first: Option<OwnedFd>,
    group: PathBuf,
}

impl Drop for Host {
    fn drop(&mut self) {
        let pidfd = sys::process::pidfd(self.pid);
        if let Ok(pidfd) = pidfd {
            let _ = sys::process::signal(&pidfd, 9);
            let _ = sys::process::wait(self.pid);
        }
        // The group is busy until the last process is gone, which the kernel tells by its pidfd.
        if let Some(first) = &self.first {
            let mut look = [nix::poll::PollFd::new(first.as_fd(), nix::poll::PollFlags::POLLIN)];
            let _ = nix::poll::poll(&mut look, nix::poll::PollTimeout::NONE);
        }
        for name in ["enter", "payload"] {
            let _ = std::fs::remove_dir(self.group.join(name));
        }
        let _ = std::fs::remove_dir(&self.group);
    }
}

pub type Mounts<'a> = &'a mut dyn FnMut(BorrowedFd<'_>) -> Vec<OwnedFd>;

pub fn id_mapped(path: &HostPath, user: BorrowedFd<'_>) -> OwnedFd {
    let tree = clone_tree(File::open(path).unwrap().as_fd(), false).unwrap();
    let change = Change {
        set: Attr::MOUNT_ATTR_NODEV,
        propagation: Some(sys::mount::Propagation::Private),
        idmap: Some(user),
        ..Change::default()
    };
    set_attributes(tree.as_fd(), false, change).unwrap();
    tree
}

pub fn devices(container: &Container) -> Vec<OwnedFd> {
    let dev = File::open("/dev").unwrap();
    let node = |d: &Device| {
        let name = std::ffi::CString::new(d.name()).unwrap();
        clone_tree(sys::mount::name_beneath(dev.as_fd(), &name).unwrap().as_fd(), false).unwrap()
    };
    container.devices.iter().map(node).collect()
}

pub fn write_maps(pid: nix::unistd::Pid, block: IdBlock, container: &Container) {
    let Fork::Parent(child) = sys::process::fork().unwrap() else {
        let power = Power {
            id: block.keeper(),
            groups: Vec::new(),
            capabilities: vec![6, 7],
            no_new_privileges: true,
        };
        let done = sys::process::become_power(&power).is_ok()
            && [("uid_map", &container.uid_map), ("gid_map", &container.gid_map)]
                .iter()
                .all(|(file, ranges)| {
                    let text: String = ranges
                        .iter()
                        .map(|r| format!("{} {} {}\n", r.inside, r.outside, r.count))
                        .collect();
                    std::fs::write(format!("/proc/{pid}/{file}"), text).is_ok()
                });
        sys::process::exit_now(i32::from(!done));
    };
    assert!(
        matches!(sys::process::wait(child), Ok(nix::sys::wait::WaitStatus::Exited(_, 0))),
        "maps"
    );
}

/// Starts `init` and nothing more.
pub fn bare(program: &str) -> (Channel<Request, Reply>, nix::unistd::Pid) {
    exec(program, block())
}

pub fn exec(program: &str, block: IdBlock) -> (Channel<Request, Reply>, nix::unistd::Pid) {
    let (ours, theirs) = pair::<Request, Reply>().unwrap();
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .unwrap();
    let power = Power {
        id: block.keeper(),
        groups: Vec::new(),
        capabilities: vec![],
        no_new_privileges: false,
    };
    let program = File::open(program).unwrap();
    let stderr = std::io::stderr();
    let table = [null.as_fd(), null.as_fd(), stderr.as_fd(), theirs.as_fd()];
    let pid = sys::birth::start(program.as_fd(), &[c"init", c"--socket", c"3"], &table, &power, None).unwrap();
    drop(theirs);
    (ours, pid)
}

/// Starts `init` as far as the first answer that is not the one hoped for, or to `Running`.
pub fn start(mut container: Container, program: &str, root: &HostPath, more: Mounts<'_>) -> (Host, Result<(), Reply>) {
    let block = block();
    if container.uid_map.is_empty() {
        container.uid_map = vec![block.range()];
        container.gid_map = vec![block.range()];
    }
    let (ours, pid) = exec(program, block);
    let group = PathBuf::from(format!("/sys/fs/cgroup/unified/lazaret-test-{}", block.first()));
    let mut host = Host {
        channel: ours,
        pid,
        block,
        output: None,
        namespaces: vec![],
        masters: vec![],
        first: None,
        group,
    };
    let result = drive(&mut host, &container, root, more);
    (host, result)
}

fn drive(host: &mut Host, container: &Container, root: &HostPath, more: Mounts<'_>) -> Result<(), Reply> {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    host.output = Some(File::from(read));
    let passed = container.streams.iter().filter(|s| **s == Stream::Passed).count();
    host.channel
        .send(
            &Request::Begin(Box::new(container.clone())),
            &vec![write.as_fd(); passed],
        )
        .unwrap();
    drop(write);
    let user = match host.channel.receive().unwrap() {
        (Reply::Unshared, mut fds) => fds.remove(0),
        (other, _) => return Err(other),
    };
    write_maps(host.pid, host.block, container);
    host.channel.send(&Request::Mapped, &[]).unwrap();
    match host.channel.receive().unwrap() {
        (Reply::Born, mut fds) => host.first = fds.pop(),
        (other, _) => return Err(other),
    }
    std::fs::create_dir_all(host.group.join("payload")).unwrap();
    std::fs::create_dir_all(host.group.join("enter")).unwrap();
    let procs = File::options()
        .write(true)
        .open(host.group.join("payload/cgroup.procs"))
        .unwrap();
    host.channel.send(&Request::Join(1), &[procs.as_fd()]).unwrap();
    let mut mounts = vec![id_mapped(root, user.as_fd())];
    mounts.extend(devices(container));
    mounts.extend(more(user.as_fd()));
    let borrowed: Vec<_> = mounts.iter().map(AsFd::as_fd).collect();
    host.channel
        .send(&Request::Attach(borrowed.len() as u16), &borrowed)
        .unwrap();
    drop(mounts);
    host.channel.send(&Request::Execute, &[]).unwrap();
    match host.channel.receive().unwrap() {
        (Reply::Running { consoles }, mut fds) => {
            assert_eq!(fds.len(), 7 + usize::from(consoles));
            host.masters = fds.split_off(7);
            host.namespaces = fds;
            Ok(())
        }
        (other, _) => Err(other),
    }
}

impl Host {
    /// The directory of its control group.
    pub fn group(&self) -> &HostPath {
        &self.group
    }

    /// `cgroup.procs` of the group for entering processes.
    pub fn enter_group(&self) -> File {
        File::options()
            .write(true)
            .open(self.group.join("enter/cgroup.procs"))
            .unwrap()
    }

    /// What the command printed, once it has ended, and its wait status.
    pub fn finish(&mut self) -> (String, i32) {
        let mut text = String::new();
        self.output.take().unwrap().read_to_string(&mut text).unwrap();
        match self.channel.receive().unwrap() {
            (Reply::Ended(status), _) => (text, status),
            (other, _) => panic!("{other:?} after {text}"),
        }
    }
}

/// Runs a container to its end.
pub fn run(container: Container, program: &str, name: &str) -> (String, i32) {
    let root = busybox(name);
    let (mut host, started) = start(container, program, &root, &mut |_| vec![]);
    assert_eq!(started, Ok(()));
    let end = host.finish();
    drop(host);
    std::fs::remove_dir_all(root).unwrap();
    end
}

pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root() && HostPath::new("/usr/bin/busybox").exists();
    if !root {
        eprintln!("SKIPPED: needs root and /usr/bin/busybox");
    }
    root
}

//! Containers that `init` built, as the kernel and the payload see them. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

mod host;

use host::{Root, attachment, container, devices, is_root, run, start, system, text, tree};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use wire::init::{Container, Path, Reply, Request, Rlimit, Source, Stream};

const INIT: &str = env!("CARGO_BIN_EXE_init");

/// Starts a container that must be refused, and says why it was.
fn refused(container: Container, root: &std::path::Path) -> wire::failure::Failure {
    let asked = format!("{:?} {:?}", container.reaper, container.command);
    let (host, started) = start(container, INIT, root, &mut |_| vec![]);
    drop(host);
    match started {
        Err(Reply::Refused(failure)) => failure,
        other => panic!("{other:?} to {asked}"),
    }
}

fn run_in(container: Container, root: &Root) -> (String, i32) {
    let (mut host, started) = start(container, INIT, &root.0, &mut |_| vec![]);
    assert_eq!(started, Ok(()));
    host.finish()
}

#[test]
fn a_command_runs_in_namespaces_of_its_own_as_its_own_root() {
    if !is_root() {
        return;
    }
    let script = "id; hostname; cat /proc/self/uid_map; for n in user mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done; exit 7";
    let (text, status) = run(container(script), INIT, "namespaces");
    assert_eq!(status, 7 << 8, "{text}");
    assert!(text.contains("uid=0(root) gid=0(root)\n"), "{text}");
    assert!(
        text.contains("\ninside\n") && text.contains("0          0      65536"),
        "{text}"
    );
    for n in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let ours = std::fs::read_link(format!("/proc/self/ns/{n}")).unwrap();
        assert!(
            text.contains(&format!("{n}:[")) && !text.contains(ours.to_str().unwrap()),
            "{n}: {text}"
        );
    }
}

#[test]
fn capabilities_filter_and_privileges_are_what_the_profile_says() {
    if !is_root() {
        return;
    }
    let script = "grep -E 'Cap|NoNew|Seccomp:' /proc/self/status; grep -E 'Cap' /proc/1/status";
    for (container, privileges) in [(container(script), 1), (system(container(script)), 0)] {
        let keep = format!("{:016x}", container.command.capabilities);
        let (text, _) = run(container, INIT, &format!("capabilities-{privileges}"));
        for line in [
            format!("CapPrm:\t{keep}"),
            format!("CapEff:\t{keep}"),
            format!("CapBnd:\t{keep}"),
        ] {
            assert!(text.contains(&line), "{line}: {text}");
        }
        let none = "0000000000000000";
        assert!(
            text.contains(&format!("CapInh:\t{none}")) && text.contains(&format!("CapAmb:\t{none}")),
            "{text}"
        );
        assert!(
            text.contains(&format!("NoNewPrivs:\t{privileges}")) && text.contains("Seccomp:\t2"),
            "{text}"
        );
        // The reaper may signal, and nothing else.
        assert!(text.contains("CapEff:\t0000000000000020"), "{text}");
    }
}

#[test]
fn a_reaper_reaps_forwards_and_ends_as_the_command_did() {
    if !is_root() {
        return;
    }
    let (text, status) = run(container("kill -9 $$"), INIT, "killed");
    assert_eq!(status, 137 << 8, "{text}");
    // An orphan that ends is not left as a zombie.
    let script =
        "sh -c 'sh -c \"exit 0\" & exit 0'; while grep -qs 'State:.Z' /proc/[0-9]*/status; do :; done; echo clean";
    let (text, status) = run(container(script), INIT, "orphan");
    assert_eq!((text.as_str(), status), ("clean\n", 0));

    let root = Root::new("forward");
    let script = "trap 'echo term; exit 5' TERM; echo ready; while :; do sleep 1000 & wait; done";
    let (mut host, started) = start(container(script), INIT, &root.0, &mut |_| vec![]);
    assert_eq!(started, Ok(()));
    let mut ready = [0u8; 6];
    host.output.as_mut().unwrap().read_exact(&mut ready).unwrap();
    sys::process::signal(host.first.as_ref().unwrap(), 15).unwrap();
    assert_eq!(host.finish(), ("term\n".to_owned(), 5 << 8));
}

#[test]
fn without_a_reaper_the_command_is_the_first_process() {
    if !is_root() {
        return;
    }
    let mut c = container("echo $$; ls /proc/self/fd | wc -l; exit 3");
    c.reaper = false;
    assert_eq!(run(c, INIT, "direct"), ("1\n4\n".to_owned(), 3 << 8));
}

#[test]
fn a_missing_program_is_told_from_one_that_may_not_be_executed() {
    if !is_root() {
        return;
    }
    let root = Root::new("missing");
    for reaper in [true, false] {
        for (program, errno) in [("/bin/none", 2), ("none", 2), ("/etc/passwd", 13), ("/data", 13)] {
            let mut c = container("");
            c.reaper = reaper;
            c.command.program = Path::new(program).unwrap();
            let failure = refused(c, &root.0);
            assert_eq!(
                (failure.kind, failure.errno),
                (wire::failure::Kind::Caller, errno),
                "{failure:?}"
            );
        }
        let mut c = container("");
        c.reaper = reaper;
        c.command.directory = Path::new("/nowhere").unwrap();
        let failure = refused(c, &root.0);
        assert_eq!(
            (failure.kind, failure.errno),
            (wire::failure::Kind::Kernel, 2),
            "{failure:?}"
        );
    }
}

#[test]
fn users_and_groups_come_from_the_container() {
    if !is_root() {
        return;
    }
    let mut c = container("id; grep -c 'Cap[IPEA].*0000000000000000' /proc/self/status; touch /data/x");
    c.command.user.user = Some(text("web"));
    let (text, status) = run(c, INIT, "web");
    assert!(text.contains("uid=33(web) gid=33(www) groups=29(audio)"), "{text}");
    assert!(
        text.contains(
            "
4
"
        ),
        "{text}"
    );
    assert_ne!(status, 0, "{text}");
    let mut c = container("id -u; id -g; id -G");
    c.command.user.user = Some(host::text("4242"));
    assert_eq!(run(c, INIT, "number").0, "4242\n4242\n4242\n");
    let root = Root::new("nobody");
    let mut c = container("");
    c.command.user.user = Some(host::text("70000"));
    assert!(refused(c, &root.0).what.as_str().contains("must be mapped"));
}

#[test]
fn limits_are_set_and_higher_ones_refused() {
    if !is_root() {
        return;
    }
    let mut c = container("ulimit -n; ulimit -Hn");
    c.command.limits = vec![Rlimit {
        resource: 7,
        soft: 100,
        hard: 200,
    }];
    assert_eq!(run(c, INIT, "limits").0, "100\n200\n");
    let root = Root::new("limits-high");
    let mut c = container("");
    c.command.limits = vec![Rlimit {
        resource: 7,
        soft: 100,
        hard: u64::MAX,
    }];
    assert_eq!(refused(c, &root.0).errno, 1);
}

#[test]
fn attachments_lie_where_and_how_they_were_asked_for() {
    if !is_root() {
        return;
    }
    let root = Root::new("attachments");
    let source = Root::new("attachments-source");
    std::fs::write(source.0.join("data/marker"), "here").unwrap();
    let mut c = container(
        "cat /bound/marker; echo; touch /bound/x 2>/dev/null || echo bound-ro; touch /scratch/x && echo scratch-rw; stat -c %a /scratch; cat /again/marker; echo; cat /one; df -k /scratch | tail -1 | tr -s ' ' | cut -d' ' -f2",
    );
    c.attachments = vec![
        attachment("/bound", Source::Factory, true),
        attachment(
            "/scratch",
            Source::Tmpfs {
                size: 1 << 20,
                mode: 0o1770,
            },
            false,
        ),
        attachment("/again", Source::Inside(Path::new("/bound").unwrap()), true),
        attachment("/one", Source::Factory, true),
    ];
    let files = source.0.clone();
    let (mut host, started) = start(c, INIT, &root.0, &mut |_| {
        vec![tree(&files.join("data")), tree(&files.join("data/marker"))]
    });
    assert_eq!(started, Ok(()));
    let (text, status) = host.finish();
    assert_eq!(
        (text.as_str(), status),
        ("here\nbound-ro\nscratch-rw\n1770\nhere\nhere1024\n", 0)
    );
}

#[test]
fn a_read_only_root_stays_so_and_a_missing_place_is_refused() {
    if !is_root() {
        return;
    }
    let root = Root::new("read-only");
    let mut c = container("touch /x || mount -o remount,rw / || echo refused");
    c.read_only_root = true;
    let (text, _) = run_in(c.clone(), &root);
    assert!(text.contains("refused"), "{text}");
    c.attachments = vec![attachment(
        "/none",
        Source::Tmpfs {
            size: 4096,
            mode: 0o755,
        },
        false,
    )];
    let failure = refused(c, &root.0);
    assert_eq!(
        failure.what.as_str(),
        "mount /none: there is no such place on the read-only root"
    );
    assert!(!root.0.join("none").exists() && !root.0.join("x").exists());
}

#[test]
fn name_files_are_the_containers_and_the_image_keeps_its_own() {
    if !is_root() {
        return;
    }
    for (case, read_only) in [
        ("file", false),
        ("file", true),
        ("link", true),
        ("missing", false),
        ("missing", true),
    ] {
        let root = Root::new(&format!("names-{case}-{read_only}"));
        match case {
            "file" => std::fs::write(root.0.join("etc/resolv.conf"), "image").unwrap(),
            "link" => std::os::unix::fs::symlink("../run/none", root.0.join("etc/resolv.conf")).unwrap(),
            _ => {}
        }
        let mut c = container(
            "cat /etc/resolv.conf; (echo x >/etc/resolv.conf) 2>/dev/null || echo ro; cat /etc/passwd | head -1",
        );
        c.read_only_root = read_only;
        c.resolv_conf = Some(text("nameserver 10.0.0.1\n"));
        let (text, _) = run_in(c, &root);
        assert_eq!(
            text, "nameserver 10.0.0.1\nro\nroot:x:0:0::/:/bin/sh\n",
            "{case} {read_only}"
        );
        match case {
            "file" => assert_eq!(
                std::fs::read_to_string(root.0.join("etc/resolv.conf")).unwrap(),
                "image"
            ),
            "link" => assert!(root.0.join("etc/resolv.conf").is_symlink()),
            // The empty place that a writable root is given goes with the container.
            _ => assert!(!root.0.join("etc/resolv.conf").exists()),
        }
    }
}

#[test]
fn an_image_cannot_lead_the_builder_elsewhere() {
    if !is_root() {
        return;
    }
    let canary = Root::new("canary");
    let before = std::fs::read_dir(&canary.0).unwrap().count();
    for place in ["proc", "sys", "dev"] {
        for target in [canary.0.to_str().unwrap(), "../../../tmp", "data"] {
            let root = Root::new(&format!("links-{place}"));
            std::fs::remove_dir(root.0.join(place)).unwrap();
            std::os::unix::fs::symlink(target, root.0.join(place)).unwrap();
            let failure = refused(container("true"), &root.0);
            assert_eq!(
                failure.what.as_str(),
                format!("mount /{place}: a part of the place is a symbolic link")
            );
        }
    }
    // What lies in the image's own /dev is never looked at.
    let root = Root::new("dev-null");
    std::os::unix::fs::symlink("/proc/sys/kernel/core_pattern", root.0.join("dev/null")).unwrap();
    let (text, _) = run_in(container("stat -c %t:%T /dev/null; cat /proc/keys | wc -c"), &root);
    assert_eq!(text, "1:3\n0\n");
    assert_eq!(std::fs::read_dir(&canary.0).unwrap().count(), before);
}

#[test]
fn consoles_are_terminals_of_the_containers_own() {
    if !is_root() {
        return;
    }
    let root = Root::new("console");
    let mut c = container(
        "tty; stat -c %t /dev/console /dev/tty1 /dev/tty2; read line; echo got $line; echo second >/dev/tty2",
    );
    c.consoles = 2;
    c.streams = [Stream::Console; 3];
    let (mut host, started) = start(c, INIT, &root.0, &mut |_| vec![]);
    assert_eq!(started, Ok(()));
    let second = File::from(host.masters.pop().unwrap());
    let mut first = File::from(host.masters.pop().unwrap());
    first.write_all(b"hello\n").unwrap();
    let (reply, _) = host.channel.receive().unwrap();
    assert_eq!(reply, Reply::Ended(0));
    let all = |mut master: File| {
        let (mut seen, mut bytes) = (String::new(), [0u8; 512]);
        while let Ok(n) = master.read(&mut bytes) {
            seen.push_str(std::str::from_utf8(&bytes[..n]).unwrap());
        }
        seen
    };
    let seen = all(first);
    // 0x88 is 136, the first major number of pseudo-terminals.
    assert!(
        seen.contains("/dev/pts/0") && seen.matches("88").count() == 3 && seen.contains("got hello"),
        "{seen}"
    );
    assert_eq!(all(second), "second\r\n");
}

#[test]
fn a_memory_file_and_shared_network_are_attached() {
    if !is_root() {
        return;
    }
    let root = Root::new("meminfo");
    let file = Root::new("meminfo-file");
    std::fs::write(file.0.join("data/meminfo"), "MemTotal: 65536 kB\n").unwrap();
    let mut c = container("cat /proc/meminfo");
    c.meminfo = true;
    let path = file.0.join("data/meminfo");
    let (mut host, started) = start(c, INIT, &root.0, &mut |_| vec![tree(&path)]);
    assert_eq!(started, Ok(()));
    assert_eq!(host.finish().0, "MemTotal: 65536 kB\n");

    let mut c = container("readlink /proc/self/ns/net; ls /sys/class/net | head -3");
    c.host_network = true;
    let (mut host, started) = start(c, INIT, &root.0, &mut |_| {
        let sysfs = sys::mount::Superblock::open(c"sysfs").unwrap();
        sysfs.create().unwrap();
        vec![sysfs.mount(sys::mount::Attr::MOUNT_ATTR_RDONLY).unwrap()]
    });
    assert_eq!(started, Ok(()));
    let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert!(host.finish().0.contains(ours.to_str().unwrap()));
}

#[test]
fn the_container_ends_with_its_peer_and_with_the_outer_half() {
    if !is_root() {
        return;
    }
    let gone = |first: &OwnedFd| {
        let mut look = [nix::poll::PollFd::new(first.as_fd(), nix::poll::PollFlags::POLLIN)];
        nix::poll::poll(&mut look, nix::poll::PollTimeout::NONE).unwrap()
    };
    for reaper in [true, false] {
        let root = Root::new(&format!("lifeline-{reaper}"));
        let mut c = container("exec sleep 1000");
        c.reaper = reaper;
        let (mut host, started) = start(c.clone(), INIT, &root.0, &mut |_| vec![]);
        assert_eq!(started, Ok(()));
        let (other, _) = sys::channel::pair::<Request, Reply>().unwrap();
        drop(std::mem::replace(&mut host.channel, other));
        assert_eq!(gone(host.first.as_ref().unwrap()), 1);
        drop(host);

        let (host, started) = start(c, INIT, &root.0, &mut |_| vec![]);
        assert_eq!(started, Ok(()));
        nix::sys::signal::kill(host.pid, nix::sys::signal::SIGKILL).unwrap();
        assert_eq!(gone(host.first.as_ref().unwrap()), 1);
    }
}

#[test]
fn refuses_a_step_that_is_not_the_next_one() {
    if !is_root() {
        return;
    }
    let c = container("");
    let fds = devices(&c);
    let (one, two) = (fds[0].as_fd(), fds[1].as_fd());
    for request in [
        Request::Mapped,
        Request::MappedInto,
        Request::Join(1),
        Request::Attach(1),
        Request::Execute,
        Request::Begin(Box::new(c)),
    ] {
        let root = PathBuf::from("/nowhere");
        let mut bad = container("");
        // Refused by the judgement itself: the answer to `Begin`.
        bad.devices.clear();
        let needs = wire::frame::Message::descriptors(&request);
        let (host, pid) = host::bare(INIT);
        let request = if let Request::Begin(_) = request {
            Request::Begin(Box::new(bad))
        } else {
            request
        };
        host.send(&request, &[one, two][..needs]).unwrap();
        assert!(
            matches!(host.receive().unwrap().0, Reply::Refused(_)),
            "{request:?} {root:?}"
        );
        sys::process::wait(pid).unwrap();
    }
}

#[test]
fn refuses_to_give_birth_in_a_group_that_is_not_its_own() {
    if !is_root() {
        return;
    }
    for group in ["/sys/fs/cgroup/unified", "/"] {
        let block = host::block();
        let mut c = container("");
        (c.uid_map, c.gid_map) = (vec![block.range()], vec![block.range()]);
        c.streams = [Stream::Null; 3];
        let (host, pid) = host::exec(INIT, block);
        host.send(&Request::Begin(Box::new(c.clone())), &[]).unwrap();
        assert!(matches!(host.receive().unwrap().0, Reply::Unshared));
        host::write_maps(pid, block, &c);
        let group = File::open(group).unwrap();
        host.send(&Request::MappedInto, &[group.as_fd()]).unwrap();
        let (reply, _) = host.receive().unwrap();
        assert!(
            matches!(&reply, Reply::Refused(f) if f.what.as_str().contains("start the first process")),
            "{reply:?}"
        );
        sys::process::wait(pid).unwrap();
    }
}

#[test]
fn a_host_without_the_unified_hierarchy_shows_the_named_one() {
    if !is_root() {
        return;
    }
    let mut c = container(
        "grep /cgroup /proc/mounts | cut -d' ' -f2,3 | sort; touch /sys/fs/cgroup/x /sys/fs/cgroup/systemd/x 2>&1 | grep -c Read-only",
    );
    c.unified = false;
    let (text, _) = run(c, INIT, "named");
    assert_eq!(text, "/sys/fs/cgroup tmpfs\n/sys/fs/cgroup/systemd cgroup\n2\n");
}

#[test]
fn what_is_made_in_the_tree_is_for_all_of_its_users() {
    if !is_root() {
        return;
    }
    let root = Root::new("modes");
    let mut c =
        container("cat /etc/resolv.conf; stat -c '%a %u' /etc/resolv.conf; touch /dev/shm/x && echo shm; umask");
    c.command.user.user = Some(text("web"));
    c.resolv_conf = Some(text("nameserver 10.0.0.1\n"));
    c.attachments = vec![attachment(
        "/made/below",
        Source::Tmpfs {
            size: 4096,
            mode: 0o755,
        },
        false,
    )];
    let (text, _) = run_in(c, &root);
    assert_eq!(text, "nameserver 10.0.0.1\n644 0\nshm\n0022\n");
    use std::os::unix::fs::PermissionsExt;
    for made in ["made", "made/below"] {
        assert_eq!(
            std::fs::metadata(root.0.join(made)).unwrap().permissions().mode() & 0o777,
            0o755,
            "{made}"
        );
    }
}

#[test]
fn the_outer_half_keeps_what_it_needs() {
    if !is_root() {
        return;
    }
    let root = Root::new("outer");
    let (host, started) = start(container("exec sleep 1000"), INIT, &root.0, &mut |_| vec![]);
    assert_eq!(started, Ok(()));
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid)).unwrap();
    for line in [
        "CapPrm:\t0000000000000020",
        "CapEff:\t0000000000000020",
        "CapInh:\t0000000000000000",
    ] {
        assert!(status.contains(line), "{line}: {status}");
    }
    // Its root is the container's tree, and nothing of the host is mounted where it is.
    let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", host.pid)).unwrap();
    assert!(!mounts.contains(" /sys/fs/cgroup/unified "), "{mounts}");
}

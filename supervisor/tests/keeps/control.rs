//! Who may use the control socket, what is answered, and what garbage does: end its own conversation.

use crate::kept::{CLIENT, Client, Kept, Wish, namespaces, pidfd, stand_in};
use rustix::fs::fstat;
use rustix::net::{SendFlags, send};
use rustix::process::{Gid, Uid};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use sys::channel::{Channel, ChannelError};
use wire::frame::encode;
use wire::init::Reply;
use wire::supervisor::{Control, Report};

/// Connects as a user and asks who is there.
fn ask_as(uid: u32, path: PathBuf) -> (Report, Option<Report>) {
    let asking = std::thread::spawn(move || {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(uid));
        rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        let client = Client::new(&path);
        let first = client.next_if_any(&Control::Identify).unwrap();
        rustix::net::shutdown(&client.0, rustix::net::Shutdown::Write).unwrap();
        (first, client.next().ok())
    });
    asking.join().unwrap()
}

impl Client {
    /// Asks, unless it has been turned away already, and takes what comes.
    fn next_if_any(&self, control: &Control) -> Option<Report> {
        let _ = self.0.send(control, &[]);
        self.next().ok()
    }
}

#[test]
fn says_who_it_is_to_its_client_and_to_root() {
    tests::need_root!();
    let kept = Kept::new(Wish {
        fused: true,
        ..Wish::default()
    });
    let state = kept.client().ask(&Control::Identify);
    let Report::State {
        name,
        pid1,
        init,
        fused,
        restarts,
    } = &state
    else {
        unreachable!("{state:?}")
    };
    assert_eq!((name.as_str(), *restarts), ("kept", 0));
    assert_eq!(
        [*pid1, *init, *fused],
        [kept.first.id(), kept.outer.id(), kept.fused.as_ref().unwrap().id()]
    );
    assert_eq!(ask_as(CLIENT, kept.path()).0, state);
}

#[test]
fn keeps_rules_for_root_alone_and_lets_them_go() {
    tests::need_root!();
    let kept = Kept::new(Wish::default());
    let (rules, there) = rustix::pipe::pipe().unwrap();
    let root = kept.client();
    let [link, other] = ["lzv1", "lzv2"].map(|name| wire::LinkName::new(name).unwrap());
    let unwall = Control::Unwall(link.clone());
    let wall = |client: &Client| {
        client
            .0
            .send(&Control::Wall(link.clone()), &[there.as_fd(), there.as_fd()])
            .unwrap();
        client.next().unwrap()
    };
    assert_eq!(wall(&root), Report::Done);
    assert!(matches!(wall(&root), Report::Refused(_)), "it has some already");
    let (path, theirs) = (kept.path(), unwall.clone());
    let asked = std::thread::spawn(move || {
        let id = Uid::from_raw(CLIENT);
        rustix::thread::set_thread_res_uid(id, id, id).unwrap();
        Client::new(&path).ask(&theirs)
    });
    assert!(matches!(asked.join().unwrap(), Report::Refused(_)));
    drop(there);
    // As long as one end for writing is open there is no end to be read.
    let left = || {
        let mut look = [rustix::event::PollFd::new(&rules, rustix::event::PollFlags::IN)];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut look, Some(&now)).unwrap() == 0
    };
    assert!(left(), "the supervisor has it");
    let another = root.ask(&Control::Unwall(other.clone()));
    assert!(matches!(another, Report::Refused(_)), "they are another link's");
    assert!(left(), "the supervisor has it still");
    assert_eq!(root.ask(&unwall), Report::Done);
    assert!(!left());
    for none in [unwall, Control::Unwall(other)] {
        assert_eq!(root.ask(&none), Report::Done);
    }
}

#[test]
fn refuses_another_user() {
    tests::need_root!();
    let kept = Kept::new(Wish::default());
    for uid in [1, CLIENT + 5, crate::kept::KEEPER] {
        let (report, then) = ask_as(uid, kept.path());
        assert!(matches!(report, Report::Refused(_)), "{report:?}");
        assert_eq!(then, None);
    }
    kept.client().settle();
}

#[test]
fn refuses_a_crowd_and_takes_the_next_when_one_leaves() {
    tests::need_root!();
    let kept = Kept::new(Wish::default());
    let mut clients: Vec<Client> = (0..32).map(|_| kept.client()).collect();
    clients.iter().for_each(Client::settle);
    assert!(matches!(kept.client().next(), Ok(Report::Refused(_))));
    drop(clients.pop());
    // Events of different sources have no order among each other.
    while !matches!(
        kept.client().next_if_any(&Control::Identify),
        Some(Report::State { .. })
    ) {}
}

#[test]
fn hands_out_the_namespaces_in_order() {
    tests::need_root!();
    let kept = Kept::new(Wish::default());
    let client = kept.client();
    client.send(&Control::Namespaces);
    let (report, descriptors) = client.0.receive().unwrap();
    assert_eq!((report, descriptors.len()), (Report::Namespaces, 7));
    for (given, expected) in descriptors.iter().zip(namespaces()) {
        assert_eq!(fstat(given).unwrap().st_ino, fstat(&expected).unwrap().st_ino);
    }
}

#[test]
fn garbage_ends_its_own_conversation_and_no_other() {
    tests::need_root!();
    let kept = Kept::new(Wish {
        consoles: 1,
        ..Wish::default()
    });
    let good = kept.client();
    let frame = encode(&Control::Signal(15)).unwrap();
    let mut trailing = frame.clone();
    trailing.push(0);
    let mut version = frame.clone();
    version[4] = 9;
    let mut variant = frame.clone();
    variant[12] = 99;
    for garbage in [
        b"x".as_slice(),
        &frame[..13],
        &trailing,
        &version,
        &variant,
        &[0; 70_000],
    ] {
        let bad = kept.client();
        bad.settle();
        send(&bad.0, garbage, SendFlags::empty()).unwrap();
        assert!(matches!(bad.next(), Err(ChannelError::Closed)), "{:?}", &garbage[..1]);
        good.settle();
    }
    // Descriptors that were not asked for are closed with the conversation.
    let bad = kept.client();
    let with: Channel<WithDescriptor, Report> = Channel::new(bad.0.into());
    with.send(&WithDescriptor, &[with.as_fd()]).unwrap();
    assert!(matches!(with.receive(), Err(ChannelError::Closed)));
    good.settle();
}

#[derive(serde::Serialize, serde::Deserialize)]
struct WithDescriptor;

impl wire::Message for WithDescriptor {
    fn descriptors(&self) -> usize {
        1
    }
}

#[test]
fn a_client_that_does_not_read_is_let_go_of() {
    tests::need_root!();
    let kept = Kept::new(Wish::default());
    let (deaf, good) = (kept.client(), kept.client());
    let mut asked = 0;
    while deaf.0.send(&Control::Identify, &[]).is_ok() {
        good.settle();
        asked += 1;
        assert!(asked < 100_000);
    }
}

#[test]
fn refuses_signals_and_consoles_that_do_not_exist() {
    tests::need_root!();
    let kept = Kept::new(Wish {
        consoles: 1,
        ..Wish::default()
    });
    let client = kept.client();
    for control in [
        Control::Signal(0),
        Control::Signal(65),
        Control::Signal(-1),
        Control::Attach {
            console: 1,
            replay: true,
            lossless: true,
        },
        Control::Resize {
            console: 255,
            rows: 1,
            columns: 1,
        },
    ] {
        assert!(matches!(client.ask(&control), Report::Refused(_)), "{control:?}");
    }
    let _viewers: Vec<_> = (0..32).map(|_| client.attach(0, true, false)).collect();
    assert!(matches!(
        client.ask(&Control::Attach {
            console: 0,
            replay: true,
            lossless: true
        }),
        Report::Refused(_)
    ));
}

#[test]
fn passes_signals_to_pid_1() {
    tests::need_root!();
    let mut kept = Kept::new(Wish::default());
    assert_eq!(kept.client().ask(&Control::Signal(37)), Report::Done);
    assert_eq!(kept.first.wait().unwrap().signal(), Some(37));
}

#[test]
fn knows_when_fused_has_died() {
    tests::need_root!();
    let mut kept = Kept::new(Wish {
        fused: true,
        ..Wish::default()
    });
    let mut fused = kept.fused.take().unwrap();
    fused.kill().unwrap();
    fused.wait().unwrap();
    let client = kept.client();
    // Events of different sources have no order among each other.
    while !matches!(client.ask(&Control::Identify), Report::State { fused: 0, .. }) {}
}

#[test]
fn a_restart_brings_a_new_pid_1_and_new_namespaces() {
    tests::need_root!();
    let mut kept = Kept::new(Wish::default());
    kept.first.kill().unwrap();
    kept.first.wait().unwrap();
    let mut anew = stand_in();
    let others = ["net", "user", "mnt", "pid"].map(|n| std::fs::File::open(format!("/proc/self/ns/{n}")).unwrap());
    let first = pidfd(&anew);
    let mut descriptors: Vec<_> = others.iter().map(AsFd::as_fd).collect();
    descriptors.push(first.as_fd());
    kept.say(&Reply::Restarted { pid1: anew.id() }, &descriptors);
    let client = kept.client();
    while !matches!(client.ask(&Control::Identify), Report::State { restarts: 1, .. }) {}
    let state = client.ask(&Control::Identify);
    assert!(matches!(state, Report::State { pid1, .. } if pid1 == anew.id()));
    client.send(&Control::Namespaces);
    let inodes: Vec<u64> = client
        .0
        .receive()
        .unwrap()
        .1
        .iter()
        .map(|n| fstat(n).unwrap().st_ino)
        .collect();
    let old: Vec<u64> = namespaces().iter().map(|n| fstat(n).unwrap().st_ino).collect();
    let new: Vec<u64> = others.iter().map(|n| fstat(n).unwrap().st_ino).collect();
    assert_eq!(inodes, [old[0], new[0], new[1], old[3], new[2], new[3], old[6]]);
    assert_eq!(client.ask(&Control::Signal(9)), Report::Done);
    assert_eq!(anew.wait().unwrap().signal(), Some(9));
}

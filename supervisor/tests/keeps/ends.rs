//! However a container ends, its output, its record and those who wait get what is true, and the supervisor ends with it.

use crate::kept::{Kept, Wish, pidfd, stand_in, start};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use sys::channel::pair;
use wire::init::Reply;
use wire::supervisor::{Control, Report, Request};

#[test]
fn tells_the_status_writes_the_record_and_keeps_the_last_words() {
    tests::need_root!();
    let mut kept = Kept::new(Wish {
        consoles: 1,
        log_pipe: false,
        fused: true,
    });
    assert!(kept.locked());
    let (waiting, asking) = (kept.client(), kept.client());
    waiting.send(&Control::Wait);
    waiting.settle();
    assert_eq!(kept.record(), None);
    let mut viewer = asking.attach(0, false, false);
    (&kept.slaves[0]).write_all(b"last words").unwrap();
    kept.slaves.clear();
    kept.say(&Reply::Ended(0x300), &[]);
    assert_eq!(waiting.next(), Ok(Report::Ended(0x300)));
    assert!(kept.gone().success());
    assert!(waiting.next().is_err());
    assert_eq!(kept.log(), (10, b"last words".to_vec()));
    assert_eq!(crate::kept::take(&mut viewer, 10), b"last words");
    let record = kept.record().unwrap();
    assert_eq!(record.status, 0x300);
    assert!(record.at > 1_700_000_000);
    assert!(!kept.locked());
}

#[test]
fn a_container_that_started_too_often_has_that_said_in_its_log_after_its_own_last_words() {
    tests::need_root!();
    for (consoles, log_pipe) in [(1, false), (0, true), (0, false)] {
        let mut kept = Kept::new(Wish {
            consoles,
            log_pipe,
            fused: false,
        });
        for mut output in kept.slaves.drain(..).chain(kept.output.take()) {
            output.write_all(b"last words").unwrap();
        }
        kept.say(&Reply::EndedTooOften(0x300), &[]);
        assert!(kept.gone().success());
        let record = kept.looped().unwrap();
        assert_eq!((record.status, record.starts, kept.record()), (0x300, 1, None));
        let said = String::from_utf8(kept.log().1).unwrap();
        let expected = "last words\r\nlazaret: kept is not started again: it was started 5 times within 10 s\r\n";
        let logged = consoles > 0 || log_pipe;
        assert_eq!(said, if logged { expected } else { "" }, "{consoles} {log_pipe}");
    }
}

#[test]
fn kills_at_once() {
    tests::need_root!();
    let mut kept = Kept::new(Wish::default());
    let client = kept.client();
    assert_eq!(client.ask(&Control::Kill), Report::Done);
    assert_eq!(kept.first.wait().unwrap().signal(), Some(9));
    // What init does then.
    kept.say(&Reply::Ended(9), &[]);
    assert!(kept.gone().success());
    assert_eq!(kept.record().unwrap().status, 9);
}

#[test]
fn ends_the_container_when_the_client_that_it_is_tied_to_is_gone() {
    tests::need_root!();
    let mut kept = Kept::new(Wish::default());
    let (tied, other) = (kept.client(), kept.client());
    tied.send(&Control::WaitTied);
    other.send(&Control::Wait);
    drop(kept.client());
    other.settle();
    assert!(kept.first.try_wait().unwrap().is_none(), "that was not the one");
    drop(tied);
    assert_eq!(kept.first.wait().unwrap().signal(), Some(9));
    kept.say(&Reply::Ended(9), &[]);
    assert_eq!(other.next(), Ok(Report::Ended(9)));
    assert!(kept.gone().success());
    // Who is tied is told like who waits.
    let mut kept = Kept::new(Wish::default());
    let tied = kept.client();
    tied.send(&Control::WaitTied);
    tied.settle();
    kept.say(&Reply::Ended(0), &[]);
    assert_eq!(tied.next(), Ok(Report::Ended(0)));
    assert!(kept.gone().success());
}

#[test]
fn a_kill_wins_over_a_restart() {
    tests::need_root!();
    let mut kept = Kept::new(Wish::default());
    let client = kept.client();
    client.send(&Control::Wait);
    assert_eq!(client.ask(&Control::Kill), Report::Done);
    let mut anew = stand_in();
    let namespace = std::fs::File::open("/proc/self/ns/uts").unwrap();
    let first = pidfd(&anew);
    let descriptors = [
        namespace.as_fd(),
        namespace.as_fd(),
        namespace.as_fd(),
        namespace.as_fd(),
        first.as_fd(),
    ];
    kept.say(&Reply::Restarted { pid1: anew.id() }, &descriptors);
    assert_eq!(anew.wait().unwrap().signal(), Some(9));
    assert_eq!(client.next(), Ok(Report::Ended(9)));
    assert!(kept.gone().success());
}

/// Whatever happened to init: PID 1 is ended, and that is what is said.
fn ends_as_killed(mut kept: Kept) {
    assert_eq!(kept.first.wait().unwrap().signal(), Some(9));
    assert!(kept.gone().success());
    assert_eq!(kept.record().unwrap().status, 9);
}

#[test]
fn ends_the_container_when_init_closes_its_socket() {
    tests::need_root!();
    let mut kept = Kept::new(Wish {
        consoles: 1,
        ..Wish::default()
    });
    kept.init = None;
    ends_as_killed(kept);
}

#[test]
fn ends_the_container_when_init_dies() {
    tests::need_root!();
    let mut kept = Kept::new(Wish::default());
    kept.outer.kill().unwrap();
    ends_as_killed(kept);
}

#[test]
fn ends_the_container_when_init_speaks_out_of_turn() {
    tests::need_root!();
    let kept = Kept::new(Wish::default());
    kept.say(&Reply::Refused(wire::Failure::bug("x")), &[]);
    ends_as_killed(kept);
}

#[test]
fn what_init_said_before_it_died_counts() {
    tests::need_root!();
    let mut kept = Kept::new(Wish::default());
    // Both become true while the supervisor is stopped.
    let supervisor = pidfd(&kept.supervisor);
    sys::process::signal(&supervisor, 19).unwrap();
    kept.say(&Reply::Ended(0x700), &[]);
    kept.init = None;
    kept.outer.kill().unwrap();
    kept.outer.wait().unwrap();
    sys::process::signal(&supervisor, 18).unwrap();
    assert!(kept.gone().success());
    assert_eq!(kept.record().unwrap().status, 0x700);
}

#[test]
fn a_kill_also_ends_the_wait_for_a_viewer_that_does_not_read() {
    tests::need_root!();
    let mut kept = Kept::new(Wish {
        consoles: 1,
        ..Wish::default()
    });
    let client = kept.client();
    let _viewer = client.attach(0, false, true);
    (&kept.slaves[0]).write_all(&[b'x'; 1 << 20]).unwrap();
    kept.say(&Reply::Ended(0), &[]);
    assert_eq!(client.ask(&Control::Wait), Report::Ended(0));
    assert!(kept.locked());
    assert!(matches!(
        client.ask(&Control::Attach {
            console: 0,
            replay: true,
            lossless: true
        }),
        Report::Refused(_)
    ));
    assert_eq!(client.ask(&Control::Wait), Report::Ended(0));
    client.send(&Control::Kill);
    assert!(kept.gone().success());
}

#[test]
fn refuses_to_keep_a_container_whose_log_cannot_be_written() {
    tests::need_root!();
    let refused = Kept::asked(
        Wish {
            consoles: 1,
            ..Wish::default()
        },
        |_| std::fs::File::open("/dev/null").unwrap(),
    );
    assert!(refused.is_err());
}

#[test]
fn ends_when_the_launcher_is_gone_or_breaks_the_protocol() {
    tests::need_root!();
    let (launcher, theirs) = pair::<Request, wire::supervisor::Reply>().unwrap();
    let mut supervisor = start(theirs);
    drop(launcher);
    assert_eq!(supervisor.wait().unwrap().code(), Some(0));
    let (launcher, theirs) = pair::<Request, wire::supervisor::Reply>().unwrap();
    let mut supervisor = start(theirs);
    rustix::net::send(&launcher, b"garbage", rustix::net::SendFlags::empty()).unwrap();
    assert_eq!(supervisor.wait().unwrap().code(), Some(100));
}

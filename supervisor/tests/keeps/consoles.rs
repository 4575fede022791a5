//! What is printed is kept and shown, what is typed arrives, and nobody who watches can hold the container up unasked.

use crate::kept::{Kept, Wish, pattern, take};
use rustix::termios::tcgetwinsize;
use std::io::{Read, Write};
use wire::init::Reply;
use wire::supervisor::{Control, RING, Report};

const RING_SIZE: usize = RING as usize;

fn one_console() -> Kept {
    Kept::new(Wish {
        consoles: 1,
        ..Wish::default()
    })
}

#[test]
fn shows_what_was_printed_before_and_after_and_passes_on_what_is_typed() {
    tests::need_root!();
    let kept = Kept::new(Wish {
        consoles: 2,
        ..Wish::default()
    });
    let (mut first, mut second) = (&kept.slaves[0], &kept.slaves[1]);
    first.write_all(b"before ").unwrap();
    let client = kept.client();
    let mut all = client.attach(0, true, false);
    assert_eq!(take(&mut all, 7), b"before ");
    let mut new = client.attach(0, false, false);
    first.write_all(b"after").unwrap();
    assert_eq!(take(&mut all, 5), b"after");
    assert_eq!(take(&mut new, 5), b"after");
    all.write_all(b"typed").unwrap();
    assert_eq!(take(&mut first, 5), b"typed");

    let mut other = client.attach(1, true, false);
    second.write_all(b"second").unwrap();
    assert_eq!(take(&mut other, 6), b"second");
    other.write_all(b"x").unwrap();
    assert_eq!(take(&mut second, 1), b"x");
    assert_eq!(kept.log().1, b"before after");
}

#[test]
fn output_that_nobody_watches_is_drained_into_a_bounded_log() {
    tests::need_root!();
    let kept = one_console();
    let all = pattern(64 << 20);
    (&kept.slaves[0]).write_all(&all).unwrap();
    // What is still under way is waited for, by a viewer that sees the end.
    let mut end = kept.client().attach(0, false, false);
    (&kept.slaves[0]).write_all(b"THE END.").unwrap();
    let mut tail = vec![];
    while !tail.ends_with(b"THE END.") {
        tail.extend(take(&mut end, 1));
    }
    let (count, mut ring) = kept.log();
    assert_eq!((count, ring.len()), (all.len() as u64 + 8, RING_SIZE));
    ring.rotate_left(count as usize % RING_SIZE);
    assert!(ring[..RING_SIZE - 8] == all[all.len() + 8 - RING_SIZE..] && ring.ends_with(b"THE END."));
    assert!(kept.status("VmHWM") < 4096, "{} kB", kept.status("VmHWM"));
}

#[test]
fn a_viewer_that_does_not_read_loses_the_oldest_and_holds_nobody_up() {
    tests::need_root!();
    let kept = one_console();
    let mut viewer = kept.client().attach(0, true, false);
    let all = pattern(8 << 20);
    (&kept.slaves[0]).write_all(&all).unwrap();
    (&kept.slaves[0]).write_all(b"THE END.").unwrap();
    let mut seen = vec![];
    let mut bytes = vec![0; 1 << 16];
    while !seen.ends_with(b"THE END.") {
        let length = viewer.read(&mut bytes).unwrap();
        assert!(length > 0);
        seen.extend_from_slice(&bytes[..length]);
    }
    assert!(seen.len() < all.len());
    let kept_back = RING_SIZE / 2;
    assert!(seen[seen.len() - kept_back..seen.len() - 8] == all[all.len() + 8 - kept_back..]);
}

#[test]
fn a_lossless_viewer_gets_every_byte_even_after_the_end() {
    tests::need_root!();
    let mut kept = one_console();
    let client = kept.client();
    let mut viewer = client.attach(0, false, true);
    let all = pattern(8 << 20);
    let (mut slave, text) = (kept.slaves[0].try_clone().unwrap(), all.clone());
    let printing = std::thread::spawn(move || slave.write_all(&text));
    let mut seen = take(&mut viewer, 4 << 20);
    seen.extend(take(&mut viewer, 3 << 20));
    printing.join().unwrap().unwrap();
    kept.say(&Reply::Ended(0), &[]);
    assert_eq!(client.ask(&Control::Wait), Report::Ended(0));
    assert!(kept.locked(), "it lives until the viewer has read");
    viewer.read_to_end(&mut seen).unwrap();
    assert!(seen == all);
    assert!(kept.gone().success());
}

#[test]
fn a_lossless_viewer_that_stops_reading_holds_the_container_up_until_it_dies() {
    tests::need_root!();
    let kept = one_console();
    let viewer = kept.client().attach(0, false, true);
    let mut slave = kept.slaves[0].try_clone().unwrap();
    let printing = std::thread::spawn(move || slave.write_all(&pattern(8 << 20)));
    // The ring is full: nothing more is taken.
    let client = kept.client();
    while kept.log().0 < RING {
        client.settle();
    }
    client.settle();
    assert!(kept.log().0 <= RING + (1 << 20) && !printing.is_finished());
    drop(viewer);
    printing.join().unwrap().unwrap();
}

#[test]
fn a_killed_viewer_disturbs_nobody() {
    tests::need_root!();
    let kept = one_console();
    let client = kept.client();
    for _ in 0..100 {
        let mut viewer = client.attach(0, true, false);
        viewer.write_all(b"x").unwrap();
        drop(viewer);
        (&kept.slaves[0]).write_all(b"on and on").unwrap();
    }
    let mut viewer = client.attach(0, false, false);
    (&kept.slaves[0]).write_all(b"alive").unwrap();
    let mut seen = vec![];
    while !seen.ends_with(b"alive") {
        seen.extend(take(&mut viewer, 1));
    }
}

#[test]
fn a_viewer_that_types_no_more_still_sees() {
    tests::need_root!();
    let kept = one_console();
    let mut viewer = kept.client().attach(0, false, false);
    viewer.write_all(b"last words").unwrap();
    viewer.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(take(&mut &kept.slaves[0], 10), b"last words");
    (&kept.slaves[0]).write_all(b"answer").unwrap();
    assert_eq!(take(&mut viewer, 6), b"answer");
}

#[test]
fn input_that_nobody_reads_is_held_back_at_the_viewer() {
    tests::need_root!();
    let kept = one_console();
    let mut viewer = kept.client().attach(0, false, false);
    viewer.set_nonblocking(true).unwrap();
    let (all, mut sent) = (pattern(4 << 20), 0);
    while let Ok(length) = viewer.write(&all[sent..]) {
        sent += length;
        kept.client().settle();
        assert!(sent < all.len(), "all of it was taken");
    }
    assert!(kept.status("VmRSS") < 4096);
    let mut slave = &kept.slaves[0];
    assert!(take(&mut slave, sent) == all[..sent]);
}

#[test]
fn a_terminal_that_nobody_has_open_comes_back() {
    tests::need_root!();
    let mut kept = one_console();
    let path = std::fs::read_link(format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&kept.slaves[0])
    ))
    .unwrap();
    (&kept.slaves[0]).write_all(b"one ").unwrap();
    kept.slaves.clear();
    let client = kept.client();
    let mut viewer = client.attach(0, true, false);
    assert_eq!(take(&mut viewer, 4), b"one ");
    let switches = kept.status("voluntary_ctxt_switches");
    client.settle();
    assert!(
        kept.status("voluntary_ctxt_switches") - switches < 20,
        "it does not spin on a terminal that is closed"
    );
    let mut slave = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    slave.write_all(b"two").unwrap();
    // A terminal forgets its settings with its last user.
    assert_eq!(take(&mut viewer, 3), b"two");
    viewer.write_all(b"back\n").unwrap();
    assert_eq!(take(&mut slave, 5), b"back\n");
}

#[test]
fn the_window_of_the_viewer_is_the_window_of_the_console() {
    tests::need_root!();
    let kept = one_console();
    let client = kept.client();
    client.send(&Control::Resize {
        console: 0,
        rows: 33,
        columns: 101,
    });
    client.settle();
    let size = tcgetwinsize(&kept.slaves[0]).unwrap();
    assert_eq!((size.ws_row, size.ws_col), (33, 101));
    assert!(matches!(
        client.ask(&Control::Resize {
            console: 1,
            rows: 1,
            columns: 1
        }),
        Report::Refused(_)
    ));
}

#[test]
fn a_log_pipe_is_logged_and_can_be_watched_but_not_typed_on() {
    tests::need_root!();
    let mut kept = Kept::new(Wish {
        log_pipe: true,
        ..Wish::default()
    });
    let client = kept.client();
    kept.output.as_ref().unwrap().write_all(b"said").unwrap();
    let mut viewer = client.attach(0, true, false);
    assert_eq!(take(&mut viewer, 4), b"said");
    assert_eq!(kept.log(), (4, b"said".to_vec()));
    assert!(viewer.write_all(b"x").is_err());
    kept.output = None;
    client.settle();
    kept.say(&Reply::Ended(0), &[]);
    assert!(kept.gone().success());
    assert_eq!(viewer.read(&mut [0; 9]).unwrap(), 0);
}

//! The console shows what was printed, forwards the window's size, outlives its viewers, and never holds a container up.

use tests::{Host, capture, need_root};

fn running(host: &Host, shell: &str) -> String {
    let name = host.name("vm");
    host.run(&["create", &host.domain_file(&name, shell, "", "")]).ok();
    name
}

#[test]
fn it_shows_what_was_printed_before_one_attached_and_is_left_with_its_key() {
    need_root!();
    let host = Host::new();
    let name = running(&host, "echo printed before; read x; echo got $x; exec sleep 1000");
    assert!(capture::until(capture::DEADLINE, || host
        .run(&["logs", &name])
        .stdout
        .contains("printed before")));
    let mut terminal = host.terminal(&["console", &name]);
    terminal.expect("printed before");
    terminal.send("typed\r");
    terminal.expect("got typed");
    terminal.send("\u{1d}");
    assert_eq!(terminal.wait().code(), Some(0));
    assert!(host.runs(&name));
}

#[test]
fn it_survives_a_viewer_that_is_killed() {
    need_root!();
    let host = Host::new();
    let name = running(&host, "while read x; do echo got $x; done");
    for round in ["one", "two", "three"] {
        let mut terminal = host.terminal(&["console", &name]);
        // The first may have to wait until the shell reads.
        terminal.send(&format!("{round}\r"));
        terminal.expect(&format!("got {round}"));
        terminal.kill();
        assert!(host.runs(&name), "after viewer {round}");
    }
}

#[test]
fn it_forwards_the_windows_size() {
    need_root!();
    let host = Host::new();
    let name = running(
        &host,
        "trap 'stty size' WINCH; echo ready; while :; do sleep 1 & wait $!; done",
    );
    let mut terminal = host.terminal(&["console", &name]);
    terminal.expect("ready");
    terminal.resize(33, 99);
    terminal.expect("33 99");
    terminal.send("\u{1d}");
    terminal.wait();
}

#[test]
fn a_container_that_nobody_watches_is_never_held_up() {
    need_root!();
    let host = Host::new();
    // Far more than a pty or the ring holds.
    let name = running(
        &host,
        "yes 0123456789012345678901234567890123456789 | head -n 100000; echo done > /var/tmp/done; exec sleep 1000",
    );
    assert!(capture::until(capture::DEADLINE, || host
        .image()
        .join("var/tmp/done")
        .exists()));
    let log = host.run(&["logs", &name]).ok().stdout;
    assert!(
        log.len() <= 2 * 1024 * 1024,
        "the buffer is bounded: {} bytes",
        log.len()
    );
}

#[test]
fn a_viewer_that_does_not_read_holds_nobody_up() {
    need_root!();
    let host = Host::new();
    let name = running(
        &host,
        "read x; yes 0123456789012345678901234567890123456789 | head -n 100000; echo done > /var/tmp/done; exec sleep 1000",
    );
    let mut terminal = host.terminal(&["console", &name]);
    terminal.send("go\r");
    // The terminal's buffer fills up, and nobody reads it.
    assert!(capture::until(capture::DEADLINE, || host
        .image()
        .join("var/tmp/done")
        .exists()));
}

#[test]
fn several_consoles_have_several_terminals() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let second = "<console type='pty'><target type='lxc' port='1'/></console>";
    host.run(&[
        "create",
        &host.domain_file(
            &name,
            "echo on the second > /dev/tty2; echo on the first; exec sleep 1000",
            "",
            second,
        ),
    ])
    .ok();
    let mut terminal = host.terminal(&["console", &name, "--devname", "console1"]);
    terminal.expect("on the second");
    terminal.send("\u{1d}");
    terminal.wait();
    let mut terminal = host.terminal(&["console", &name]);
    terminal.expect("on the first");
}

#[test]
fn text_from_inside_cannot_drive_the_callers_terminal_in_a_listing() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let xml = host.domain(&name, "exec sleep 1000", "", "");
    host.run(&["create", &host.file("vm.xml", xml)]).ok();
    // A process of the container names itself with an escape sequence.
    let rename = "printf '\\033]0;owned\\007' > /proc/self/comm; exec 3</dev/null; while :; do read x < /dev/null; sleep 1; done";
    let mut child = host
        .lazaret(&["enter", &name, "--", "sh", "-c", rename])
        .spawn()
        .unwrap();
    let mut said = String::new();
    let seen = capture::until(capture::DEADLINE, || {
        said = host.run(&["privileges", &name]).ok().stdout;
        said.contains("owned")
    });
    assert!(seen, "{said:?}");
    assert!(!said.contains('\u{1b}') && !said.contains('\u{7}'), "{said:?}");
    host.run(&["destroy", &name]).ok();
    let _ = capture::wait(&mut child, capture::DEADLINE);
}

#[test]
fn it_is_left_when_its_input_ends_and_what_was_typed_before_is_typed() {
    need_root!();
    let host = Host::new();
    let name = running(&host, "while read x; do echo got $x; done; echo ended; exec sleep 1000");
    host.run_with(&["console", &name], b"").ok();
    host.run_with(&["console", &name], b"one\n").ok();
    host.run_with(&["console", &name], b"two\n\x1dthree\n").ok();
    let log = || host.run(&["logs", &name]).ok().stdout;
    assert!(capture::until(capture::DEADLINE, || log().contains("got two")));
    let log = log();
    assert!(
        log.contains("got one") && !log.contains("three") && !log.contains("ended"),
        "{log}"
    );
    assert!(host.runs(&name));
}

//! A socket on which a manager of the host's listens is served by a container that starts when somebody connects: systemd-socket-activate listens,
//! and starts the container with `--pass-fds`; what is in it is no systemd, and answers on the socket that it was passed, as sd_listen_fds(3) tells it.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use tests::capture::{DEADLINE, until, wait};
use tests::skip::have;
use tests::{Host, need_root, programs, skip};

/// Takes the one connection that waits on descriptor 3, and answers what it was told and what else it has open.
const SERVICE: &str = r#"
use Socket;
open(my $listener, "+<&=", 3) or die "descriptor 3: $!";
accept(my $client, $listener) or die "accept: $!";
my @told = map { "$_=$ENV{$_}\n" } grep { exists $ENV{$_} } qw(LISTEN_FDS LISTEN_FDNAMES LISTEN_PID);
my @open = map { m{/(\d+)$} ? $1 : () } grep { -S $_ } glob("/proc/self/fd/*");
syswrite($client, join("", @told, "pid=$$\n", "sockets=@open\n"));
close($client);
sleep 1000 while 1;
"#;

/// Who listens on the host; it ends with the test, which may fail before anybody connects.
struct Manager(Child);

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_service_inside_answers_on_the_socket_that_a_manager_listens_on() {
    need_root!();
    if !have("systemd-socket-activate") {
        skip!("systemd-socket-activate is not there");
    }
    if !have("perl") {
        skip!("perl, which serves in the container, is not there");
    }
    let host = Host::new();
    let name = host.name("web");
    let script = SERVICE.replace('&', "&amp;").replace('<', "&lt;");
    // The host's own root, read-only: what serves is a program of the host's.
    let text = format!(
        "<domain type='lxc'><name>{name}</name><memory unit='MiB'>64</memory><os><type>exe</type><init>/usr/bin/perl</init>\
         <initarg>-e</initarg><initarg>{script}</initarg></os><features><privnet/></features><devices><console type='pty'/></devices></domain>"
    );
    host.policy("root /");
    host.run(&["define", &host.file("web.xml", text)]).ok();
    let socket = host.directory().join("files/web.sock");
    let mut manager = host.command("systemd-socket-activate");
    manager
        .arg(format!("--listen={}", socket.display()))
        .arg("--fdname=web");
    for directory in ["LAZARET_RUN_DIR", "LAZARET_CONFIG_DIR", "LAZARET_DATA_DIR"] {
        manager.arg(format!("--setenv={directory}"));
    }
    manager
        .arg(programs::path(wire::Program::Lazaret))
        .args(["start", "--pass-fds", "3", &name]);
    let mut manager = Manager(manager.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    assert!(until(DEADLINE, || socket.exists()), "nobody listens");
    assert!(host.pid_1(&name).is_none(), "it started before anybody connected");
    // The socket is there before it is listened on.
    let mut client = None;
    let connected = until(DEADLINE, || {
        client = UnixStream::connect(&socket).ok();
        client.is_some()
    });
    assert!(connected, "nobody takes a connection");
    let mut client = client.unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    // Descriptor 3 is the listener; 4, which the service opened itself, the connection.
    assert_eq!(
        answer,
        "LISTEN_FDS=1\nLISTEN_FDNAMES=web\nLISTEN_PID=1\npid=1\nsockets=3 4\n"
    );
    assert!(wait(&mut manager.0, DEADLINE).is_some_and(|s| s.success()));
    assert!(host.runs(&name) && host.pid_1(&name).is_some());
    host.run(&["destroy", &name]).ok();
    // By itself it is not passed what nobody passes: it ends, since descriptor 3 is not there.
    host.run(&["start", &name]).ok();
    assert!(until(DEADLINE, || !host.runs(&name)));
    host.run(&["undefine", &name]).ok();
    host.nothing_is_left();
}

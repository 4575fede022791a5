//! Plays systemd for a socket unit with `Accept=yes`: listens on an `AF_UNIX` `SOCK_SEQPACKET` socket that everybody may connect to, and starts
//! the words for each connection, which they have as descriptor 3. Says `ready` once it listens; ends with its standard input.
//!
//! usage: accept SOCKET MOST WORD... (of which so many run at once; who comes then is refused)

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, listen, socket};
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (path, most) = (&words[0], words[1].parse::<usize>().expect("a number"));
    let listener = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    bind(listener.as_raw_fd(), &UnixAddr::new(path.as_str()).expect("a path")).expect("bind");
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("open it to all");
    listen(&listener, Backlog::MAXCONN).expect("listen");
    println!("ready");
    let mut running: Vec<Child> = Vec::new();
    loop {
        let stdin = std::io::stdin();
        let mut look = [
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut look, PollTimeout::NONE).expect("poll");
        if look[1].revents().is_some_and(|r| !r.is_empty()) {
            break;
        }
        let Ok(raw) = accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) else {
            continue;
        };
        let connection = sys::process::inherited(raw).expect("it is open");
        running.retain_mut(|child| child.try_wait().is_ok_and(|ended| ended.is_none()));
        if running.len() >= most {
            continue;
        }
        // A shell lays it out where systemd does.
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$@\" 3<&0 0</dev/null", "sh"])
            .args(&words[2..]);
        command.stdin(Stdio::from(connection));
        running.push(command.spawn().expect("start it"));
    }
    for mut child in running {
        let _ = child.wait();
    }
}

//! What an ordinary user has here. May touch: `/proc`, control groups, `/etc` and the files of the user's transient units, to read.

use super::{Finding, Verdict, finding};
use crate::user;
use crate::user::delegation::{self, CONTROLLERS};
use crate::user::obstacle::{self, Obstacle};
use std::os::unix::fs::PermissionsExt;

/// What `pasta` makes its links by.
const TUN: &str = "/dev/net/tun";

/// What is so, if nothing is in the way, or what is, with its mend.
fn unless(what: &'static str, obstacle: Option<Obstacle>, otherwise: Verdict, found: String) -> Finding {
    match obstacle {
        None => finding(what, true, otherwise, found, ""),
        Some(o) => finding(what, false, otherwise, o.what, &o.mend),
    }
}

/// All of it.
pub fn findings() -> Vec<Finding> {
    let uid = nix::unistd::getuid().as_raw();
    let maps = user::places(uid).and_then(|(name, _)| user::make::maps(&name));
    let found = match &maps {
        Ok(maps) => format!(
            "enough for {} containers, as long as no other program of yours (podman) uses them",
            maps.containers
        ),
        Err(_) => String::new(),
    };
    let forbidden = obstacle::forbidden();
    let mut findings = vec![
        unless(
            "user namespaces",
            forbidden,
            Verdict::Missing,
            "allowed to you".to_owned(),
        ),
        unless("ids", maps.err(), Verdict::Missing, found),
    ];
    findings.extend(limits(uid));
    findings.push(outward());
    findings.push(broker());
    findings
}

/// What the network `user` takes.
fn outward() -> Finding {
    let pasta = wire::user::PASTA
        .into_iter()
        .find(|p| std::fs::exists(p).unwrap_or(false));
    let tun = std::fs::metadata(TUN).map(|m| m.permissions().mode());
    let (good, found, mend) = match (pasta, tun) {
        (None, _) => (
            false,
            "no pasta, and so no network user".to_owned(),
            "sudo apt-get install passt",
        ),
        (_, Err(_)) => (false, format!("no {TUN}, and so no network user"), "sudo modprobe tun"),
        (Some(pasta), Ok(mode)) if mode & 0o6 == 0o6 => (true, format!("user, by {pasta}"), ""),
        _ => (
            false,
            format!("{TUN} is closed to you, and so is the network user"),
            "sudo chmod 666 /dev/net/tun",
        ),
    };
    finding("network", good, Verdict::Warning, found, mend)
}

/// Whether somebody lends ordinary users links; on which bridges, the host's file says.
fn broker() -> Finding {
    use std::os::unix::fs::FileTypeExt;
    let there = std::fs::metadata(wire::broker::SOCKET).is_ok_and(|m| m.file_type().is_socket());
    let found = if there {
        "links on bridges of the host's are lent, as far as /etc/lazaret.usernet gives you any"
    } else {
        "nobody lends links on bridges of the host's"
    };
    let mend = "sudo systemctl enable --now lazaret-broker.socket";
    finding("bridges", there, Verdict::Warning, found.to_owned(), mend)
}

/// The control group that is the user's, and each controller that it has not.
fn limits(uid: u32) -> Vec<Finding> {
    let own = match delegation::own(uid) {
        Ok(own) => own,
        Err(none) => return vec![unless("limits", Some(none), Verdict::Warning, String::new())],
    };
    let has = own.controllers.join(" ");
    let found = match has.as_str() {
        "" => format!("none in {}, which is yours", own.place),
        has => format!("{has} in {}, which is yours", own.place),
    };
    let mut findings = vec![unless("limits", None, Verdict::Warning, found)];
    if own.controllers.contains(&"memory") {
        findings.push(fuse());
    }
    for controller in CONTROLLERS.iter().filter(|c| !own.controllers.contains(c)) {
        findings.push(finding(
            "controller",
            false,
            Verdict::Warning,
            format!("{controller} is not delegated to you"),
            &delegation::mend(&own, controller),
        ));
    }
    findings
}

/// Whether everybody may open `/dev/fuse`: a container whose memory is limited has a meminfo of its own.
fn fuse() -> Finding {
    let mode = std::fs::metadata("/dev/fuse").map(|m| m.permissions().mode());
    let (good, found, mend) = match mode {
        Err(_) => (false, "no /dev/fuse", "sudo modprobe fuse"),
        Ok(mode) if mode & 0o6 == 0o6 => (true, "/dev/fuse", ""),
        Ok(_) => (false, "/dev/fuse is closed to you", "sudo chmod 666 /dev/fuse"),
    };
    finding("FUSE", good, Verdict::Missing, found.to_owned(), mend)
}

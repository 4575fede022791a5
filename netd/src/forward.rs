//! Turns the host's forwarding on where it is off, and says where that was. May touch: the two settings' descriptors that came along.

use crate::decode;
use crate::netlink::{Denied, Netlink};
use crate::request;
use nix::errno::Errno;
use std::os::fd::AsFd;
use wire::Failure;

/// Turns both on, or neither; each is true where it was off.
pub fn forward(host: &mut Netlink, v4: impl AsFd, v6: impl AsFd) -> Result<(bool, bool), Failure> {
    let (v4_on, v6_on) = (is_on(&v4, "IPv4")?, is_on(&v6, "IPv6")?);
    if !v6_on {
        keeps_its_default_route(host)?;
    }
    if !v4_on {
        write(&v4, b"1\n", "turn on IPv4 forwarding")?;
    }
    if !v6_on {
        let written = write(&v6, b"1\n", "turn on IPv6 forwarding");
        if written.is_err() && !v4_on {
            write(&v4, b"0\n", "turn off IPv4 forwarding again")?;
        }
        written?;
    }
    Ok((!v4_on, !v6_on))
}

fn is_on(setting: &impl AsFd, family: &str) -> Result<bool, Failure> {
    let what = format!("read whether {family} is forwarded");
    let mut buffer = [0u8; 16];
    let length = rustix::io::pread(setting, &mut buffer, 0)
        .map_err(|e| Failure::kernel(&what, sys::process::errno(e) as i32))?;
    let text = std::str::from_utf8(buffer.get(..length).unwrap_or_default()).unwrap_or_default();
    match text.trim_end().parse::<u8>() {
        Ok(value) => Ok(value != 0),
        Err(_) => Err(Failure::protocol(&format!("{what}: the setting is no number"))),
    }
}

fn write(setting: &impl AsFd, value: &[u8], what: &str) -> Result<(), Failure> {
    match rustix::io::pwrite(setting, value, 0) {
        Ok(length) if length == value.len() => Ok(()),
        Ok(_) => Err(Failure::kernel(what, Errno::EIO as i32)),
        Err(e) => Err(Failure::kernel(what, sys::process::errno(e) as i32)),
    }
}

/// A host that forwards ignores router advertisements where `accept_ra` is 1, and so loses the default route that it has from them
/// (the kernel's ip-sysctl document).
fn keeps_its_default_route(host: &mut Netlink) -> Result<(), Failure> {
    let what = "look for IPv6 routes that were advertised";
    let fail = |denied: Denied| denied.during(what);
    let routes = match host.ask(&request::get_v6_routes()) {
        Ok(routes) => routes,
        // A host without IPv6 has no such route.
        Err(Denied::Kernel(Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP)) => return Ok(()),
        Err(denied) => return Err(fail(denied)),
    };
    for route in &routes {
        let Some(index) = decode::advertised_default(route).map_err(|e| fail(e.into()))? else {
            continue;
        };
        let bodies = host.ask(&request::get_link_by_index(index)).map_err(fail)?;
        let body = bodies.first().ok_or_else(|| fail(Denied::Garbled))?;
        if decode::accept_ra(body).map_err(|e| fail(e.into()))? == Some(1) {
            let name = decode::link(body).map_err(|e| fail(e.into()))?.name;
            return Err(Failure::caller(&format!(
                "turn on IPv6 forwarding: {name} would lose the default route that routers advertise to it; \
                 `sysctl net.ipv6.conf.{name}.accept_ra=2` keeps it"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::SockProtocol;
    use std::fs::File;
    use std::io::Write;

    fn setting(value: &str) -> File {
        let mut file = File::from(rustix::fs::memfd_create("setting", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
        file.write_all(value.as_bytes()).unwrap();
        file
    }

    #[test]
    fn writes_only_where_it_is_off() {
        let mut host = Netlink::open(SockProtocol::NetlinkRoute).unwrap();
        let (v4, v6) = (setting("0\n"), setting("1\n"));
        assert_eq!(forward(&mut host, &v4, &v6), Ok((true, false)));
        assert!(is_on(&v4, "IPv4").unwrap());
        assert_eq!(forward(&mut host, &v4, &v6), Ok((false, false)));
    }

    #[test]
    fn refuses_what_is_no_setting() {
        let mut host = Netlink::open(SockProtocol::NetlinkRoute).unwrap();
        assert!(forward(&mut host, setting("yes"), setting("1")).is_err());
        assert!(forward(&mut host, setting("1"), setting("")).is_err());
    }
}

//! What the network's files say inside: `/etc/resolv.conf` and `/etc/hosts`. Pure.

use super::super::{Host, fit};
use super::Wiring;
use crate::error::Outcome;
use std::net::IpAddr;
use wire::Text;

/// The content of `/etc/resolv.conf` for a container behind NAT: the host's name servers that can be reached from there (not those on
/// a loopback), from the first file that has any, and its search domains, or the one of the container's network (resolv.conf(5)).
pub fn resolv_conf(host: &Host, shares_network: bool, domain: Option<&str>) -> Text<4096> {
    let servers = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|l| l.strip_prefix("nameserver")).map(str::trim);
        let address = |s: &str| s.split('%').next().and_then(|s| s.parse::<IpAddr>().ok());
        let reachable = |s: &&str| match address(s) {
            Some(a) => shares_network || !(a.is_loopback() || is_link_local(a)),
            None => false,
        };
        lines.filter(reachable).take(3).map(ToOwned::to_owned).collect()
    };
    let Some((text, found)) = host.resolv.iter().map(|t| (t, servers(t))).find(|(_, s)| !s.is_empty()) else {
        return Text::cut("# the host has no name server that can be reached from here\n");
    };
    let mut out: String = found.iter().map(|s| format!("nameserver {s}\n")).collect();
    if let Some(domain) = domain {
        out.push_str(&format!("search {domain}\n"));
    }
    let plain = |l: &&str| (domain.is_none() && l.starts_with("search ")) || l.starts_with("options ");
    for line in text
        .lines()
        .filter(plain)
        .filter(|l| l.len() < 1024 && !l.chars().any(char::is_control))
    {
        out.push_str(line);
        out.push('\n');
    }
    Text::cut(&out)
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    }
}

/// The content of `/etc/hosts`: the loopback, the container's own name and addresses, and what its network calls others (hosts(5)).
pub fn hosts(hostname: &Text<64>, wiring: &Wiring) -> Outcome<Text<4096>> {
    let own = &wiring.own;
    let whole = wiring.domain.as_ref().map(|domain| format!("{hostname}.{domain} "));
    let whole = whole.unwrap_or_default();
    let mut out = String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    if own.is_empty() {
        out.push_str(&format!("127.0.1.1\t{whole}{hostname}\n"));
    }
    for address in own {
        out.push_str(&format!("{address}\t{whole}{hostname}\n"));
    }
    for (address, names) in &wiring.others {
        out.push_str(&format!("{address}\t{}\n", names.join(" ")));
    }
    let what = match wiring.naming.as_slice() {
        [] => "/etc/hosts".to_owned(),
        networks => format!("/etc/hosts with the names of the network {}", networks.join(" and ")),
    };
    fit(&what, &out)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::host;
    use super::*;

    #[test]
    fn name_servers_on_a_loopback_are_left_out() {
        let text = resolv_conf(&host(), false, None);
        assert_eq!(text.as_str(), "nameserver 192.0.2.1\nsearch example.org\n");
        assert_eq!(resolv_conf(&host(), true, None).as_str(), "nameserver 127.0.0.53\n");
        let nothing = Host {
            resolv: vec!["nameserver ::1\n".into()],
            ..host()
        };
        assert!(resolv_conf(&nothing, false, None).as_str().starts_with('#'));
    }
    #[test]
    fn a_network_has_a_domain_and_names_for_others() {
        let text = resolv_conf(&host(), false, Some("quay.example"));
        assert_eq!(text.as_str(), "nameserver 192.0.2.1\nsearch quay.example\n");
        let ip = |text: &str| text.parse().unwrap();
        let wiring = Wiring {
            own: vec![ip("192.168.5.2")],
            others: vec![(ip("192.168.5.9"), vec!["db".into(), "db.quay".into()])],
            domain: Some("quay.example".into()),
            ..Wiring::default()
        };
        let text = hosts(&Text::cut("web"), &wiring).unwrap();
        let much = Wiring {
            others: vec![(ip("192.168.5.9"), vec!["n".repeat(63)]); 64],
            naming: vec!["quay".into()],
            ..Wiring::default()
        };
        let why = hosts(&Text::cut("web"), &much).unwrap_err().to_string();
        assert!(why.contains("the names of the network quay is refused"), "{why}");
        let last = "192.168.5.2\tweb.quay.example web\n192.168.5.9\tdb db.quay\n";
        assert!(text.as_str().ends_with(last), "{text}");
    }
}

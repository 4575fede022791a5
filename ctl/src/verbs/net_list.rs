//! `net-list`: the networks, which is the default one. May touch: `/proc/net/dev`, to look; the store.

use crate::error::{Error, Outcome};
use crate::output::{print, print_json, table};
use crate::plan::network::DEFAULT;
use crate::session::Session;
use wire::launcher::{Plan, Step};
use wire::network::{BRIDGE, GATEWAY_V4, GATEWAY_V6};

fn is_on_it(plan: &Plan) -> bool {
    plan.steps.iter().any(|s| matches!(s, Step::Protect { .. }))
}

/// Whether `/proc/net/dev` (proc_pid_net(5)) of the caller's network shows that link.
fn has_link(dev: &str, name: &str) -> bool {
    dev.lines()
        .any(|line| line.split_once(':').is_some_and(|(link, _)| link.trim() == name))
}

/// Lists.
pub fn net_list(session: &Session, json: bool) -> Outcome<()> {
    let links = std::fs::read_to_string("/proc/net/dev").map_err(|e| {
        let errno = nix::errno::Errno::from_raw(e.raw_os_error().unwrap_or(0));
        Error::kernel("read /proc/net/dev", errno)
    })?;
    let active = has_link(&links, BRIDGE);
    let state = if active { "active" } else { "inactive" };
    if json {
        let mut members = Vec::new();
        for name in session.store.names()? {
            let Some(place) = session.store.place(&name)? else {
                continue;
            };
            if place.record()?.is_some_and(|r| r.occupies()) && is_on_it(&place.plan()?) {
                members.push(name.to_string());
            }
        }
        return print_json(&serde_json::json!([{
            "name": DEFAULT,
            "state": state,
            "bridge": BRIDGE,
            "addresses": [format!("{}/{}", GATEWAY_V4.0, GATEWAY_V4.1), format!("{}/{}", GATEWAY_V6.0, GATEWAY_V6.1)],
            "containers": members,
        }]));
    }
    let row = [DEFAULT, state, "yes", "yes"].map(str::to_owned).to_vec();
    print(&table(&["Name", "State", "Autostart", "Persistent"], &[row]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_found_by_its_whole_name() {
        let dev = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n    lo:  10 1 0\nlazaret0: 0 0 0\n";
        assert!(has_link(dev, "lo") && has_link(dev, "lazaret0"));
        assert!(!has_link(dev, "lazaret") && !has_link(dev, "face"));
    }
}

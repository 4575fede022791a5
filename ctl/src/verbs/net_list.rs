//! `net-list`: the networks, which is the default one. May touch: `/sys/class/net`, to look; the store.

use crate::error::Outcome;
use crate::output::{print, print_json, table};
use crate::plan::network::DEFAULT;
use crate::session::Session;
use crate::state::record::Record;
use wire::launcher::Step;
use wire::network::{BRIDGE, GATEWAY_V4, GATEWAY_V6};

fn on_it(record: &Record) -> bool {
    record.occupies() && record.plan.steps.iter().any(|s| matches!(s, Step::Protect { .. }))
}

/// Lists.
pub fn net_list(session: &Session, json: bool) -> Outcome<()> {
    let active = std::path::Path::new(&format!("/sys/class/net/{BRIDGE}")).exists();
    let state = if active { "active" } else { "inactive" };
    if json {
        let mut members = Vec::new();
        for place in session.store.places()? {
            if place.record()?.as_ref().is_some_and(on_it) {
                members.push(place.name().to_string());
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

//! Reads what the host's network has already, for the planner to judge. May touch: `/proc/net`.

use crate::error::{Error, Outcome};
use crate::plan::existing;
use nix::errno::Errno;
use std::io::ErrorKind;
use wire::launcher::Plan;
use wire::netd::Bridge;

/// Refuses a plan that would be laid over what the host's network has, or needs what it has not.
pub fn check(plan: &Plan) -> Outcome<()> {
    existing::check(plan, &read)
}

/// Refuses a network that the host reaches otherwise.
pub fn network(bridge: &Bridge) -> Outcome<()> {
    existing::network_is_free(bridge, &read)
}

fn read(name: &str) -> Outcome<String> {
    let path = format!("/proc/net/{name}");
    match std::fs::read_to_string(&path) {
        // A kernel without IPv6 has none of its files.
        Err(e) if e.kind() == ErrorKind::NotFound && name.contains('6') => Ok(String::new()),
        read => read.map_err(|e| Error::kernel(format!("read {path}"), Errno::from_raw(e.raw_os_error().unwrap_or(0)))),
    }
}

//! `version`. May touch: standard output.

use crate::error::Outcome;
use crate::output::{print, print_json};

/// Prints the version.
pub fn version(json: bool) -> Outcome<()> {
    let version = env!("CARGO_PKG_VERSION");
    if json {
        return print_json(&serde_json::json!({"version": version, "protocol": wire::frame::VERSION}));
    }
    print(&format!("lazaret {version}\n"))
}

//! `version`. May touch: standard output.

use crate::error::Outcome;
use crate::manner::manner;
use crate::options::Version;
use crate::output::{gap, print, print_json};

/// Prints the version, and below it what virsh tells: no library but its own, and the kernel, which runs the containers.
pub fn version(options: &Version) -> Outcome<()> {
    let version = env!("CARGO_PKG_VERSION");
    let system = rustix::system::uname();
    let release = system.release().to_string_lossy();
    // virsh has three numbers and nothing behind them.
    let kernel = release
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next()
        .unwrap_or_default();
    if options.json {
        return print_json(&serde_json::json!({
            "version": version, "protocol": wire::frame::VERSION, "kernel": kernel,
        }));
    }
    let own = if manner().virsh {
        String::new()
    } else {
        format!("lazaret {version}\n")
    };
    let daemon = if options.daemon {
        "Running against daemon: none\n"
    } else {
        ""
    };
    print(&format!(
        "{own}Compiled against library: lazaret {version}\nUsing library: lazaret {version}\nUsing API: LXC {version}\n\
         Running hypervisor: LXC {kernel}\n{daemon}{}",
        gap()
    ))
}

//! `schedinfo`. May touch: what `tune` touches.

use super::{Tuning, target};
use crate::error::Outcome;
use crate::options::{Schedinfo, Share};
use crate::output::{print, print_json};
use crate::session::Session;

/// Sets and prints how processors are shared out.
pub fn schedinfo(session: &Session, options: &Schedinfo) -> Outcome<()> {
    let asked: Vec<Share> = options.values.iter().chain(&options.set).copied().collect();
    let mut which = target(session, &options.container, options.affect)?;
    if !asked.is_empty() {
        let change = |mut t: Tuning| {
            for share in &asked {
                match *share {
                    Share::Shares(n) => t.cputune.shares = Some(n),
                    Share::Period(n) => t.cputune.period = Some(n),
                    Share::Quota(n) => t.cputune.quota = Some(n),
                }
            }
            t
        };
        which.change(session, change, change)?;
        which = target(session, &options.container, options.affect)?;
    }
    let tune = which.tuning()?.cputune;
    if options.json {
        return print_json(&serde_json::json!({
            "scheduler": "posix",
            "cpu_shares": tune.shares,
            "vcpu_period": tune.period,
            "vcpu_quota": tune.quota,
        }));
    }
    // What a definition does not say is 0, as virsh has it.
    let shown = [
        ("Scheduler", "posix".to_owned()),
        ("cpu_shares", tune.shares.unwrap_or(0).to_string()),
        ("vcpu_period", tune.period.unwrap_or(0).to_string()),
        ("vcpu_quota", tune.quota.unwrap_or(0).to_string()),
    ];
    print(&shown.map(|(name, value)| format!("{name:<15}: {value}\n")).concat())
}

//! `setmem`, `setmaxmem`, `memtune`. May touch: what `tune` touches.

use super::{Tuning, target};
use crate::domain::units::MOST_KIB;
use crate::error::{Error, Needed, Outcome};
use crate::manner::manner;
use crate::options::{self, Affect, Limit, SetMemory};
use crate::output::{print, print_json};
use crate::session::Session;

/// Sets how much memory a container gets.
pub fn setmem(session: &Session, options: &SetMemory) -> Outcome<()> {
    let memory = options.kib();
    let live = |mut t: Tuning| {
        t.memory = memory;
        t.memtune.hard_limit = Some(memory);
        t
    };
    let config = |t: Tuning| Tuning { memory, ..t };
    let target = target(session, options.container(), options.affect)?;
    let Affect {
        live: l,
        config: c,
        current,
    } = options.affect;
    // virsh without a word on what is meant means what runs.
    if manner().virsh && !(l || c || current || target.live) {
        return Err(Error::Container(Needed::Running, target.found.name.to_string()));
    }
    target.change(session, live, config)
}

/// Sets the most that `setmem` may set.
pub fn setmaxmem(session: &Session, options: &SetMemory) -> Outcome<()> {
    let target = target(session, options.container(), options.affect)?;
    if target.live {
        return Err(Error::caller(format!(
            "{} runs, and its maximum is what it was started with; --config changes it for the next start",
            target.found.name
        )));
    }
    let most = options.kib();
    let config = |t: Tuning| Tuning {
        most,
        memory: t.memory.min(most),
        ..t
    };
    target.change(session, |t| t, config)
}

/// Sets or prints limits on memory.
pub fn memtune(session: &Session, options: &options::Memtune) -> Outcome<()> {
    let target = target(session, &options.container, options.affect)?;
    if options.min_guarantee.is_some() {
        return Err(Error::caller(
            "argument unsupported: parameter 'min_guarantee' not supported",
        ));
    }
    let asked = [options.hard_limit, options.soft_limit, options.swap_hard_limit];
    if asked.iter().all(Option::is_none) {
        return show(&target.tuning()?, options.json);
    }
    let laid = |limit: Option<Limit>, old: Option<u64>| limit.map_or(old, |Limit(new)| new);
    let config = |mut t: Tuning| {
        let [hard, soft, swap] = asked;
        t.memtune.hard_limit = laid(hard, t.memtune.hard_limit);
        t.memtune.soft_limit = laid(soft, t.memtune.soft_limit);
        t.memtune.swap_hard_limit = laid(swap, t.memtune.swap_hard_limit);
        t
    };
    let live = |t: Tuning| {
        let mut t = config(t);
        t.memtune.hard_limit = t.memtune.hard_limit.or(Some(t.most));
        t
    };
    target.change(session, live, config)
}

fn show(tuning: &Tuning, json: bool) -> Outcome<()> {
    let limits = tuning.memtune;
    if json {
        return print_json(&serde_json::json!({
            "hard_limit_kib": limits.hard_limit,
            "soft_limit_kib": limits.soft_limit,
            "swap_hard_limit_kib": limits.swap_hard_limit,
        }));
    }
    let all = [
        ("hard_limit", limits.hard_limit),
        ("soft_limit", limits.soft_limit),
        ("swap_hard_limit", limits.swap_hard_limit),
    ];
    let line = |(name, value): (&str, Option<u64>)| {
        let value = value.filter(|kib| *kib < MOST_KIB);
        let value = value.map_or_else(|| "unlimited".to_owned(), |v| v.to_string());
        format!("{name:<15}: {value}\n")
    };
    print(&all.map(line).concat())
}

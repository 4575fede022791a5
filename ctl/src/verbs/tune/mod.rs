//! Limits of a container that runs, and of its definition. May touch: the store, and through the launcher the container's groups.

mod blkio;
mod memory;
mod schedule;

pub use blkio::blkiotune;
pub use memory::{memtune, setmaxmem, setmem};
pub use schedule::schedinfo;

use crate::domain::model::{Cputune, Memtune};
use crate::domain::{self, Domain};
use crate::error::{Error, Outcome};
use crate::lookup::{Found, find};
use crate::options::Affect;
use crate::session::Session;
use crate::state::Place;
use crate::verbs::amend::meant;
use wire::cgroupd::Limits;
use wire::launcher::{Plan, Step};

/// What the kernel takes for no limit on memory: the highest multiple of a page below 2^63 (`mm/page_counter.c`).
const UNLIMITED: u64 = 9_223_372_036_854_771_712;
/// The kernel's own values (`kernel/sched/core.c`).
const USUAL: Cputune = Cputune {
    shares: Some(1024),
    period: Some(100_000),
    quota: Some(-1),
};

/// The limits that the verbs here change. Sizes are in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tuning {
    /// `memory`
    most: u64,
    /// `currentMemory`
    memory: u64,
    /// `memtune`; of what runs, `hard_limit` is always there.
    memtune: Memtune,
    /// `cputune`; of what runs, everything is there.
    cputune: Cputune,
}

impl Tuning {
    const fn of_domain(domain: &Domain) -> Self {
        Self {
            most: domain.memory,
            memory: domain.current_memory,
            memtune: domain.memtune,
            cputune: domain.cputune,
        }
    }

    /// What is in force. A container of `run` has no definition, and what it was given is its maximum.
    fn in_force(limits: &Limits, domain: Option<&Domain>) -> Self {
        let kib = |bytes: u64| bytes.div_ceil(1024);
        let hard = limits.memory.map(kib);
        Self {
            most: domain.map(|d| d.memory).or(hard).unwrap_or(0),
            memory: domain.map(|d| d.current_memory).or(hard).unwrap_or(0),
            memtune: Memtune {
                hard_limit: hard,
                soft_limit: limits.memory_soft.filter(|l| *l < UNLIMITED).map(kib),
                swap_hard_limit: limits.memory_and_swap.filter(|l| *l < UNLIMITED).map(kib),
            },
            cputune: Cputune {
                shares: limits.cpu_shares.or(USUAL.shares),
                period: limits.cpu_period.or(USUAL.period),
                quota: limits.cpu_quota.or(USUAL.quota),
            },
        }
    }

    fn into_domain(self, domain: Domain) -> Domain {
        Domain {
            memory: self.most,
            current_memory: self.memory,
            memtune: self.memtune,
            cputune: self.cputune,
            ..domain
        }
    }

    /// The definition of what runs, which says no more than it has to.
    fn into_live(self, mut domain: Domain) -> Domain {
        let usual = |now: Option<u64>, before: Option<u64>, usual: Option<u64>| {
            now.filter(|_| before.is_some() || now != usual)
        };
        let before = (domain.memtune, domain.cputune);
        domain.current_memory = self.memory;
        domain.memtune = Memtune {
            hard_limit: usual(self.memtune.hard_limit, before.0.hard_limit, Some(domain.memory)),
            ..self.memtune
        };
        domain.cputune = Cputune {
            shares: usual(self.cputune.shares, before.1.shares, USUAL.shares),
            period: usual(self.cputune.period, before.1.period, USUAL.period),
            quota: self
                .cputune
                .quota
                .filter(|q| before.1.quota.is_some() || Some(*q) != USUAL.quota),
        };
        domain
    }

    /// What is to be written so that these limits are in force where `before` was. Version 2 has one value for memory with swap and memory,
    /// and one for a period and its quota: what belongs together is written together.
    fn since(&self, before: &Self) -> Outcome<Limits> {
        let bytes = |kib: u64| kib.checked_mul(1024).map_or(UNLIMITED, |b| b.min(UNLIMITED));
        let (now, was) = (self.memtune, before.memtune);
        let mut limits = Limits::default();
        if (now.hard_limit, now.swap_hard_limit) != (was.hard_limit, was.swap_hard_limit) {
            let hard = now.hard_limit.map(bytes).unwrap_or(UNLIMITED);
            limits.memory = Some(crate::values::check_memory(hard).map_err(Error::caller)?);
            limits.memory_and_swap = match (now.swap_hard_limit, was.swap_hard_limit) {
                (Some(both), _) => Some(bytes(both)),
                (None, Some(_)) => Some(UNLIMITED),
                (None, None) => None,
            };
        }
        if now.soft_limit != was.soft_limit {
            limits.memory_soft = Some(now.soft_limit.map_or(UNLIMITED, bytes));
        }
        if self.cputune.shares != before.cputune.shares {
            limits.cpu_shares = self.cputune.shares;
        }
        if (self.cputune.period, self.cputune.quota) != (before.cputune.period, before.cputune.quota) {
            limits.cpu_period = self.cputune.period.or(USUAL.period);
            limits.cpu_quota = self.cputune.quota.or(USUAL.quota);
        }
        Ok(limits)
    }
}

/// Refuses what no definition may say.
fn checked(tuning: Tuning) -> Outcome<Tuning> {
    let hard = tuning.memtune.hard_limit.unwrap_or(tuning.most);
    if tuning.memory > tuning.most {
        return Err(Error::caller(format!(
            "{} KiB is more than its maximum, {} KiB (lazaret setmaxmem changes that)",
            tuning.memory, tuning.most
        )));
    }
    match tuning.memtune.swap_hard_limit {
        Some(both) if both < hard => Err(Error::caller(format!(
            "memory and swap together, {both} KiB, would be less than memory, {hard} KiB"
        ))),
        _ => Ok(tuning),
    }
}

/// A container, and which of its two sets of limits is meant.
struct Target {
    found: Found,
    live: bool,
    config: bool,
}

fn target(session: &Session, address: &str, affect: Affect) -> Outcome<Target> {
    let found = find(&session.store, address)?;
    let (live, config) = meant(&found, affect)?;
    Ok(Target { found, live, config })
}

fn limits(plan: &Plan) -> Option<&Limits> {
    plan.steps
        .iter()
        .find_map(|s| if let Step::Groups(l) = s { Some(l) } else { None })
}

/// The definition of what runs.
pub fn live_domain(place: &Place) -> Outcome<Option<Domain>> {
    let text = place.live_definition()?;
    let parsed = text.map(|text| domain::parse(&text, "domain.xml")).transpose();
    parsed.map_err(|e| Error::caller(e.to_string()))
}

impl Target {
    /// The limits that are meant; those in force where both are.
    fn tuning(&self) -> Outcome<Tuning> {
        if self.live {
            let (place, _) = self.found.running()?;
            let plan = place.plan()?;
            let limits = limits(&plan).ok_or_else(|| Error::Bug("the plan has no limits".into()))?;
            return Ok(Tuning::in_force(limits, live_domain(place)?.as_ref()));
        }
        let kept = self.found.definition.as_ref();
        let kept = kept.ok_or_else(|| self.found.undefined())?;
        Ok(Tuning::of_domain(kept))
    }

    /// Changes them. Both are looked at before either is changed, and what runs is changed first: where that fails, nothing is kept.
    fn change(
        &self,
        session: &Session,
        live: impl Fn(Tuning) -> Tuning,
        config: impl Fn(Tuning) -> Tuning,
    ) -> Outcome<()> {
        if let Some(domain) = self.found.definition.as_ref().filter(|_| self.config) {
            checked(config(Tuning::of_domain(domain)))?;
        }
        if self.live {
            self.change_live(session, live)?;
        }
        if self.config {
            self.keep(session, |kept| {
                Ok(checked(config(Tuning::of_domain(&kept)))?.into_domain(kept))
            })?;
        }
        Ok(())
    }

    /// Changes the kept definition.
    fn keep(&self, session: &Session, change: impl FnOnce(Domain) -> Outcome<Domain>) -> Outcome<()> {
        let lock = session.store.lock()?;
        let kept = crate::lookup::definition(&session.store, &self.found.name)?;
        let kept = kept.ok_or_else(|| self.found.undefined())?;
        session
            .store
            .define(&lock, &self.found.name, &domain::format(&change(kept)?))
    }

    fn change_live(&self, session: &Session, change: impl Fn(Tuning) -> Tuning) -> Outcome<()> {
        let before = self.tuning()?;
        let after = checked(change(before))?;
        self.enforce(session, &after.since(&before)?, |domain| after.into_live(domain))
    }

    /// Puts limits in force, and writes down that they are.
    fn enforce(&self, session: &Session, limits: &Limits, amend: impl FnOnce(Domain) -> Domain) -> Outcome<()> {
        let (place, record) = self.found.running()?;
        if *limits != Limits::default() {
            session.launcher.limit(&self.found.name, limits.clone())?;
        }
        let _lock = session.store.lock()?;
        // Another command may have ended it since, and started it again.
        if place.record()?.is_none_or(|r| r.id != record.id) {
            return Ok(());
        }
        let mut plan = place.plan()?;
        for step in &mut plan.steps {
            if let Step::Groups(all) = step {
                lay_over(all, limits);
            }
        }
        if let Some(domain) = live_domain(place)? {
            place.write_live_definition(&domain::format(&amend(domain)))?;
        }
        place.write_plan(&plan)
    }
}

/// Writes the limits that were changed over those that there were.
fn lay_over(all: &mut Limits, changed: &Limits) {
    let put = |to: &mut Option<u64>, from: Option<u64>| *to = from.or(*to);
    put(&mut all.memory, changed.memory);
    put(&mut all.memory_soft, changed.memory_soft);
    put(&mut all.memory_and_swap, changed.memory_and_swap);
    put(&mut all.cpu_shares, changed.cpu_shares);
    put(&mut all.cpu_period, changed.cpu_period);
    all.cpu_quota = changed.cpu_quota.or(all.cpu_quota);
    all.io_weight = changed.io_weight.or(all.io_weight);
    blkio::lay_over(&mut all.io, &changed.io);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuning() -> Tuning {
        let limits = Limits {
            memory: Some(64 << 20),
            ..Limits::default()
        };
        Tuning::in_force(&limits, None)
    }

    #[test]
    fn only_what_changes_is_written_and_with_it_what_belongs_to_it() {
        let before = tuning();
        assert_eq!(before.since(&before).unwrap(), Limits::default());
        let mut after = before;
        after.memtune.swap_hard_limit = Some(128 << 10);
        let limits = after.since(&before).unwrap();
        assert_eq!(
            (limits.memory, limits.memory_and_swap),
            (Some(64 << 20), Some(128 << 20))
        );
        assert_eq!(before.since(&after).unwrap().memory_and_swap, Some(UNLIMITED));
        after = before;
        after.cputune.quota = Some(50_000);
        let limits = after.since(&before).unwrap();
        assert_eq!(
            (limits.cpu_period, limits.cpu_quota, limits.cpu_shares),
            (Some(100_000), Some(50_000), None)
        );
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        let mut bad = tuning();
        bad.memtune.swap_hard_limit = Some(1);
        assert!(checked(bad).is_err());
        let mut bad = tuning();
        bad.memory = bad.most + 1;
        assert!(checked(bad).is_err());
        let mut small = tuning();
        small.memtune.hard_limit = Some(1);
        assert!(small.since(&tuning()).is_err());
    }
}

//! Reads what the kernel counts of one container. May touch: its control groups' files, `/proc/PID/net` of its first process, and
//! `/proc/net/dev` and `/proc/net/arp`, to read.

use super::groups::{self, Cpu, Devices, Hierarchy, Memory};
use super::links::{self, Counters};
use super::machine::text;
use crate::error::{Error, Outcome};
use crate::lookup::Found;
use std::net::IpAddr;
use wire::netd::Link;
use wire::user::{SCOPE, within};

/// The control groups of one container.
#[derive(Debug)]
pub struct Groups {
    hierarchies: Vec<Hierarchy>,
    /// Where they are below the root of each hierarchy.
    below: String,
}

fn untold(what: &str) -> Error {
    Error::caller(format!("the kernel does not tell {what}"))
}

impl Groups {
    /// Those of a container that runs. An ordinary user's that was started without is refused.
    pub fn of(found: &Found) -> Outcome<Self> {
        let none = || {
            format!(
                "{0} has no control group, and nothing counts what it takes ({SCOPE} lazaret start {0}, or call lazaret as root)",
                found.name
            )
        };
        Self::if_any(found)?.ok_or_else(|| Error::caller(none()))
    }

    /// The same, where it has any: root's are `lazaret/NAME` in each hierarchy, an ordinary user's where `init` is.
    pub fn if_any(found: &Found) -> Outcome<Option<Self>> {
        let mut hierarchies = groups::mounted(&text("/proc/self/mountinfo")?);
        if crate::user::here().is_none() {
            let partition = found.record.as_ref().and_then(|r| r.partition.as_ref());
            let below = match partition {
                Some(partition) => format!("/lazaret/{}/{}", partition.below(), found.name),
                None => format!("/lazaret/{}", found.name),
            };
            return Ok(Some(Self { hierarchies, below }));
        }
        hierarchies.retain(|h| h.unified);
        let Some(init) = found.record.as_ref().and_then(|r| r.pids).map(|p| p.init) else {
            return Ok(None);
        };
        // It has ended if it is not there.
        let cgroup = text(&format!("/proc/{init}/cgroup")).unwrap_or_default();
        let place = within(&cgroup).and_then(|path| path.strip_suffix("/keep"));
        let of_it = |p: &&str| {
            let above = p.strip_suffix(found.name.as_str()).and_then(|p| p.strip_suffix('/'));
            above.is_some_and(|above| above.ends_with("/lazaret") || above.contains("/lazaret/.partition/"))
        };
        let below = place.filter(of_it);
        Ok(below.map(|below| Self {
            hierarchies,
            below: below.to_owned(),
        }))
    }

    /// Whether its group counts for a controller: an ordinary user's has those that are delegated.
    pub fn counts(&self, controller: &str) -> bool {
        let has = |place: String| {
            let controllers = text(&format!("{place}/cgroup.controllers"));
            controllers.is_ok_and(|all| all.split_whitespace().any(|c| c == controller))
        };
        crate::user::here().is_none() || self.place(controller).is_ok_and(|(place, _)| has(place))
    }

    /// Where a controller counts, and whether that is the unified hierarchy.
    fn place(&self, controller: &str) -> Outcome<(String, bool)> {
        let hierarchy = groups::counting(&self.hierarchies, controller);
        let hierarchy = hierarchy.ok_or_else(|| untold(&format!("of {controller}: it is in no hierarchy")))?;
        Ok((format!("{}{}", hierarchy.place, self.below), hierarchy.unified))
    }

    /// Its processor time.
    pub fn cpu(&self) -> Outcome<Cpu> {
        let (place, unified) = self.place("cpuacct")?;
        let cpu = if unified {
            groups::cpu_version2(&text(&format!("{place}/cpu.stat"))?)
        } else {
            let usage = text(&format!("{place}/cpuacct.usage"))?;
            groups::cpu_version1(&usage, &text(&format!("{place}/cpuacct.stat"))?)
        };
        cpu.ok_or_else(|| untold("its processor time"))
    }

    /// Its processor time by processor, in nanoseconds; none where version 2 counts it, which does not tell them apart.
    pub fn by_processor(&self) -> Outcome<Option<Vec<u64>>> {
        let (place, unified) = self.place("cpuacct")?;
        if unified {
            return Ok(None);
        }
        Ok(Some(groups::by_processor(&text(&format!(
            "{place}/cpuacct.usage_percpu"
        ))?)))
    }

    /// Its memory.
    pub fn memory(&self) -> Outcome<Memory> {
        if !self.counts("memory") {
            return Err(untold(
                "its memory: that controller is not delegated to you (lazaret check)",
            ));
        }
        let (place, unified) = self.place("memory")?;
        let file = |name: &str| text(&format!("{place}/{name}"));
        // Neither version has the file where swap is not counted.
        let memory = if unified {
            let swap = file("memory.swap.current").ok();
            groups::memory_version2(&file("memory.current")?, swap.as_deref(), &file("memory.stat")?)
        } else {
            let both = file("memory.memsw.usage_in_bytes").ok();
            groups::memory_version1(&file("memory.usage_in_bytes")?, both.as_deref(), &file("memory.stat")?)
        };
        memory.ok_or_else(|| untold("its memory"))
    }

    /// How many processes and threads it has.
    pub fn tasks(&self) -> Outcome<u64> {
        let (place, _) = self.place("pids")?;
        groups::number(&text(&format!("{place}/pids.current"))?).ok_or_else(|| untold("its tasks"))
    }

    /// The part of the last ten seconds, in percent, in which a task of its waited for processors, memory or input and output, whichever is
    /// the most; only version 2 counts it, and not every kernel.
    pub fn pressure(&self) -> Option<f64> {
        let unified = self.hierarchies.iter().find(|h| h.unified)?;
        let of = |what: &str| {
            let file = format!("{}{}/{what}.pressure", unified.place, self.below);
            groups::pressure(&text(&file).ok()?)
        };
        ["cpu", "memory", "io"].into_iter().filter_map(of).reduce(f64::max)
    }

    /// What went to and came from block devices.
    pub fn devices(&self) -> Outcome<Devices> {
        let (place, unified) = self.place("blkio")?;
        if unified && !self.counts("io") {
            return Err(untold(
                "what it reads and writes: the io controller is not delegated to you (lazaret check)",
            ));
        }
        if unified {
            return Ok(groups::io_version2(&text(&format!("{place}/io.stat"))?));
        }
        let file = |name: &str| text(&format!("{place}/blkio.throttle.{name}_recursive"));
        Ok(groups::io_version1(&file("io_serviced")?, &file("io_service_bytes")?))
    }
}

/// What the container received and sent by one of its links, as its host's end has counted, the other way round.
pub fn counters(host_link: &str) -> Outcome<Counters> {
    let dev = text("/proc/net/dev")?;
    links::counters(&dev, host_link)
        .map(Counters::turned)
        .ok_or_else(|| Error::caller(format!("the host has no link {host_link}")))
}

/// What the container received and sent by one of its links, as it has counted itself.
pub fn counters_inside(pid1: u32, guest: &str) -> Outcome<Counters> {
    let dev = text(&format!("/proc/{pid1}/net/dev"))?;
    links::counters(&dev, guest).ok_or_else(|| Error::caller(format!("the container has no link {guest}")))
}

/// The addresses that a container has now, by the name of the link inside, with the length of their prefixes.
pub fn addresses(pid1: u32, given: &[Link]) -> Outcome<Vec<(String, IpAddr, u8)>> {
    let file = |name: &str| text(&format!("/proc/{pid1}/net/{name}"));
    let near = links::near(&file("route")?);
    let mut found = Vec::new();
    for own in links::own_v4(&file("fib_trie")?) {
        let address = IpAddr::V4(own);
        let as_given = given.iter().find_map(|link| {
            let same = link.addresses.iter().find(|a| a.address == address)?;
            Some((link.guest.to_string(), same.prefix))
        });
        let by_route = || near.iter().find(|n| n.holds(own)).map(|n| (n.link.clone(), n.prefix));
        if let Some((link, prefix)) = as_given.or_else(by_route) {
            found.push((link, address, prefix));
        }
    }
    // A kernel without IPv6 has no such file.
    for (link, address, prefix) in links::own_v6(&file("if_inet6").unwrap_or_default()) {
        found.push((link, IpAddr::V6(address), prefix));
    }
    Ok(found)
}

/// The addresses that the host has heard a hardware address answer for.
pub fn neighbours(mac: &str) -> Outcome<Vec<IpAddr>> {
    Ok(links::neighbours(&text("/proc/net/arp")?, mac))
}

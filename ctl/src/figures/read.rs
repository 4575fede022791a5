//! Reads what the kernel counts of one container. May touch: its control groups' files, `/proc/PID/net` of its first process, and
//! `/proc/net/dev` and `/proc/net/arp`, to read.

use super::groups::{self, Cpu, Devices, Hierarchy, Memory};
use super::links::{self, Counters};
use super::machine::text;
use crate::error::{Error, Outcome};
use std::net::IpAddr;
use wire::ContainerName;
use wire::netd::Link;

/// The control groups of one container.
#[derive(Debug)]
pub struct Groups {
    hierarchies: Vec<Hierarchy>,
    name: ContainerName,
}

fn untold(what: &str) -> Error {
    Error::caller(format!("the kernel does not tell {what}"))
}

impl Groups {
    /// Those of this name, where the launcher makes them: `lazaret/NAME` in each hierarchy. On an ordinary user's host a refusal.
    pub fn of(name: &ContainerName) -> Outcome<Self> {
        let none = "an ordinary user's container has no control group, and nothing counts what it takes (call lazaret as root)";
        Self::if_any(name)?.ok_or_else(|| Error::caller(none))
    }

    /// The same; none on an ordinary user's host, where the group of that name would be another container's, root's.
    pub fn if_any(name: &ContainerName) -> Outcome<Option<Self>> {
        if crate::user::here().is_some() {
            return Ok(None);
        }
        Ok(Some(Self {
            hierarchies: groups::mounted(&text("/proc/self/mountinfo")?),
            name: name.clone(),
        }))
    }

    /// Where a controller counts, and whether that is the unified hierarchy.
    fn place(&self, controller: &str) -> Outcome<(String, bool)> {
        let hierarchy = groups::counting(&self.hierarchies, controller);
        let hierarchy = hierarchy.ok_or_else(|| untold(&format!("of {controller}: it is in no hierarchy")))?;
        Ok((format!("{}/lazaret/{}", hierarchy.place, self.name), hierarchy.unified))
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
            let file = format!("{}/lazaret/{}/{what}.pressure", unified.place, self.name);
            groups::pressure(&text(&file).ok()?)
        };
        ["cpu", "memory", "io"].into_iter().filter_map(of).reduce(f64::max)
    }

    /// What went to and came from block devices.
    pub fn devices(&self) -> Outcome<Devices> {
        let (place, unified) = self.place("blkio")?;
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

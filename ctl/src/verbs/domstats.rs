//! `domstats`: the figures of containers, one in a line, under virsh's keys. May touch: the store; what `figures/read.rs` reads.

use super::dominfo::{memory, plan};
use super::identity::reason;
use super::interfaces::{called, links};
use super::list::{asked, in_state};
use super::statistics::{counters, flows, traffic};
use crate::error::Outcome;
use crate::escape::escape;
use crate::figures::machine::text;
use crate::figures::read::Groups;
use crate::lookup::{Found, all, find};
use crate::options::Domstats;
use crate::output::{gap, print, print_json, say};
use crate::session::Session;
use serde_json::{Map, Value, json};

/// Keys and values of one container.
#[derive(Debug, Default)]
struct Figures(Vec<(String, Value)>);

impl Figures {
    fn add(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.0.push((key.into(), value.into()));
    }
}

/// Which groups are shown.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    state: bool,
    cpu: bool,
    balloon: bool,
    vcpu: bool,
    interface: bool,
    block: bool,
}

fn wanted(o: &Domstats) -> Wanted {
    let none = !(o.state || o.cpu_total || o.balloon || o.vcpu || o.interface || o.block);
    Wanted {
        state: o.state || none,
        cpu: o.cpu_total || none,
        balloon: o.balloon || none,
        vcpu: o.vcpu || none,
        interface: o.interface || none,
        block: o.block || none,
    }
}

fn add_interfaces(figures: &mut Figures, found: &Found) -> Outcome<()> {
    let links = plan(found)?.as_ref().map(links).unwrap_or_default();
    figures.add("net.count", links.len());
    for (number, link) in links.iter().enumerate() {
        figures.add(format!("net.{number}.name"), called(link));
        for (key, value) in flows(&counters(found, link)?) {
            // virsh abbreviates the packets here.
            let key = key.replace('_', ".").replace("packets", "pkts");
            figures.add(format!("net.{number}.{key}"), value);
        }
    }
    Ok(())
}

/// The name of a device in `/proc/partitions`, or its numbers.
fn device_name(partitions: &str, number: &str) -> String {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [major, minor, _, name] = words.as_slice() else {
            return None;
        };
        (format!("{major}:{minor}") == number).then(|| (*name).to_owned())
    };
    partitions.lines().find_map(line).unwrap_or_else(|| number.to_owned())
}

fn add_blocks(figures: &mut Figures, groups: &Groups) -> Outcome<()> {
    let devices = groups.devices()?;
    let partitions = text("/proc/partitions")?;
    figures.add("block.count", devices.len());
    for (number, (device, t)) in devices.iter().enumerate() {
        figures.add(format!("block.{number}.name"), device_name(&partitions, device));
        for (key, value) in traffic(t) {
            let key = match key {
                "rd_req" => "rd.reqs",
                "rd_bytes" => "rd.bytes",
                "wr_req" => "wr.reqs",
                _ => "wr.bytes",
            };
            figures.add(format!("block.{number}.{key}"), value);
        }
    }
    Ok(())
}

fn gather(found: &Found, wanted: Wanted) -> Outcome<Figures> {
    let mut figures = Figures::default();
    if wanted.state {
        let reason = reason(found.record.as_ref());
        figures.add("state.state", reason.state);
        figures.add("state.reason", reason.number);
    }
    let (runs, domain) = (found.running().is_ok(), found.domain());
    // What nobody counts, of an ordinary user's container, is left out.
    let groups = Groups::if_any(found)?.filter(|_| runs);
    if let (true, Some(groups)) = (wanted.cpu, &groups) {
        let cpu = groups.cpu()?;
        figures.add("cpu.time", cpu.total);
        figures.add("cpu.user", cpu.user);
        figures.add("cpu.system", cpu.system);
    }
    if wanted.balloon {
        if let Some((most, now)) = memory(domain.as_ref(), plan(found)?.as_ref()) {
            figures.add("balloon.current", now);
            figures.add("balloon.maximum", most);
        }
        if let Some(groups) = groups.as_ref().filter(|g| g.counts("memory")) {
            let used = groups.memory()?;
            if let Some(swap) = used.swap {
                figures.add("balloon.swap_in", swap / 1024);
            }
            figures.add("balloon.major_fault", used.major_faults);
            figures.add("balloon.minor_fault", used.minor_faults);
            figures.add("balloon.rss", used.usage / 1024);
            figures.add("balloon.disk_caches", used.cache / 1024);
        }
    }
    if let (true, Some(domain)) = (wanted.vcpu, &domain) {
        figures.add("vcpu.current", domain.vcpu.count);
        figures.add("vcpu.maximum", domain.vcpu.count);
    }
    if wanted.interface && runs {
        add_interfaces(&mut figures, found)?;
    }
    if let (true, Some(groups)) = (wanted.block, groups.as_ref().filter(|g| g.counts("io"))) {
        add_blocks(&mut figures, groups)?;
    }
    Ok(figures)
}

fn chosen(found: &Found, o: &Domstats) -> bool {
    let (active, persistent) = (found.id().is_some(), found.persistent);
    asked(&[(o.list_active, active), (o.list_inactive, !active)])
        && asked(&[(o.list_persistent, persistent), (o.list_transient, !persistent)])
        && in_state(found, [o.list_running, o.list_paused, o.list_shutoff, o.list_other])
}

fn lines(name: &str, figures: &Figures) -> String {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), escape);
    let line = |(key, value): &(String, Value)| format!("  {key}={}\n", shown(value));
    let lines: String = figures.0.iter().map(line).collect();
    format!("Domain: '{}'\n{lines}\n", escape(name))
}

/// Whether it has ended since it was found. To look is to hold its lock for a moment, which nobody else may do meanwhile.
fn has_ended(session: &Session, found: &Found) -> Outcome<bool> {
    let _lock = session.store.lock()?;
    Ok(!session.store.lives(&found.name)?)
}

/// Shows them.
pub fn domstats(session: &Session, options: &Domstats) -> Outcome<()> {
    let mut containers = if options.containers.is_empty() {
        all(&session.store)?
    } else {
        let each = options.containers.iter().map(|address| find(&session.store, address));
        each.collect::<Outcome<Vec<_>>>()?
    };
    containers.retain(|f| chosen(f, options));
    let wanted = wanted(options);
    let mut shown = Vec::new();
    for found in &containers {
        match gather(found, wanted) {
            Ok(figures) => shown.push((found.name.to_string(), figures)),
            // Of those that nobody named, one may have ended since they were looked for.
            Err(e) if options.containers.is_empty() && has_ended(session, found)? => {
                say(&format!("{} is left out: {e}", found.name))
            }
            Err(e) => return Err(e),
        }
    }
    if options.json {
        let one = |(name, figures): (String, Figures)| {
            let figures: Map<String, Value> = figures.0.into_iter().collect();
            json!({"name": name, "figures": figures})
        };
        return print_json(&shown.into_iter().map(one).collect::<Vec<_>>());
    }
    let paragraphs: Vec<String> = shown.iter().map(|(name, figures)| lines(name, figures)).collect();
    let text = paragraphs.concat();
    // What follows the last paragraph follows the answer.
    let text = text.strip_suffix('\n').map(|t| format!("{t}{}", gap()));
    print(&text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_container_is_one_paragraph() {
        let mut figures = Figures::default();
        figures.add("state.state", 1);
        figures.add("net.0.name", "lzv0");
        assert_eq!(
            lines("a", &figures),
            "Domain: 'a'\n  state.state=1\n  net.0.name=lzv0\n\n"
        );
    }

    #[test]
    fn a_device_without_a_name_is_its_numbers() {
        let text = "major minor  #blocks  name\n\n 254        0   10485760 vda\n";
        assert_eq!(device_name(text, "254:0"), "vda");
        assert_eq!(device_name(text, "7:0"), "7:0");
    }
}

//! `capabilities`: what the host has and what can run on it, as libvirt's document. May touch: what `figures/machine.rs` reads, and
//! `/etc/machine-id`.

use crate::domain::Uuid;
use crate::error::Outcome;
use crate::figures::machine::{caches, cells};
use crate::figures::topology::{Cache, Cell, Processor};
use crate::handover::libexec;
use crate::output::{gap, print, print_json};
use serde_json::json;
use wire::Program;

/// Architectures that a domain may name, with the bits of a word.
const ARCHITECTURES: [(&str, u8); 2] = [("x86_64", 64), ("i686", 32)];

/// The host's uuid: the number that machine-id(5) gives it.
fn uuid() -> Option<String> {
    let text = std::fs::read_to_string("/etc/machine-id").ok()?;
    Uuid::parse(text.trim()).map(|u| u.to_string())
}

/// What in a text of the kernel's or of this host's would be markup.
fn quoted(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&apos;")
}

fn processor(p: &Processor) -> String {
    format!(
        "            <cpu id='{}' socket_id='{}' die_id='{}' core_id='{}' siblings='{}'/>\n",
        p.id,
        p.socket,
        p.die,
        p.core,
        quoted(&p.siblings)
    )
}

fn cell(c: &Cell) -> String {
    let pages = c
        .pages
        .iter()
        .map(|p| format!("          <pages unit='KiB' size='{}'>{}</pages>\n", p.kib, p.count));
    let siblings = c
        .distances
        .iter()
        .enumerate()
        .map(|(id, far)| format!("            <sibling id='{id}' value='{far}'/>\n"));
    let distances = if c.distances.is_empty() {
        String::new()
    } else {
        let siblings = siblings.collect::<String>();
        format!("          <distances>\n{siblings}          </distances>\n")
    };
    format!(
        "        <cell id='{}'>\n          <memory unit='KiB'>{}</memory>\n{}{distances}          <cpus num='{}'>\n{}          </cpus>\n        </cell>\n",
        c.id,
        c.memory,
        pages.collect::<String>(),
        c.processors.len(),
        c.processors.iter().map(processor).collect::<String>(),
    )
}

fn cache(c: &Cache) -> String {
    let (size, unit) = if c.kib.is_multiple_of(1024) {
        (c.kib / 1024, "MiB")
    } else {
        (c.kib, "KiB")
    };
    format!(
        "      <bank id='{}' level='{}' type='{}' size='{size}' unit='{unit}' cpus='{}'/>\n",
        c.id,
        c.level,
        c.kind,
        quoted(&c.processors)
    )
}

fn guest((name, bits): &(&str, u8), emulator: &str) -> String {
    format!(
        "  <guest>\n    <os_type>exe</os_type>\n    <arch name='{name}'>\n      <wordsize>{bits}</wordsize>\n      <emulator>{}</emulator>\n      \
         <domain type='lxc'/>\n    </arch>\n  </guest>\n\n",
        quoted(emulator)
    )
}

/// The document.
fn document(uuid: Option<&str>, cells: &[Cell], caches: &[Cache], emulator: &str) -> String {
    let uuid = uuid.map(|u| format!("    <uuid>{u}</uuid>\n")).unwrap_or_default();
    let sizes = cells.first().map(|c| c.pages.iter()).into_iter().flatten();
    let sizes = sizes.map(|p| format!("      <pages unit='KiB' size='{}'/>\n", p.kib));
    let banks = if caches.is_empty() {
        String::new()
    } else {
        let banks = caches.iter().map(cache).collect::<String>();
        format!("    <cache>\n{banks}    </cache>\n")
    };
    format!(
        "<capabilities>\n\n  <host>\n{uuid}    <cpu>\n      <arch>x86_64</arch>\n{}    </cpu>\n    <topology>\n      <cells num='{}'>\n{}      \
         </cells>\n    </topology>\n{banks}    <secmodel>\n      <model>none</model>\n      <doi>0</doi>\n    </secmodel>\n  </host>\n\n{}</capabilities>\n",
        sizes.collect::<String>(),
        cells.len(),
        cells.iter().map(cell).collect::<String>(),
        ARCHITECTURES.iter().map(|a| guest(a, emulator)).collect::<String>(),
    )
}

/// Prints it. What keeps a container, as an emulator does, is the supervisor.
pub fn capabilities(json: bool) -> Outcome<()> {
    let (uuid, cells, caches) = (uuid(), cells()?, caches()?);
    let executable = std::fs::read_link("/proc/self/exe").ok();
    let emulator = libexec(executable.as_deref()).join(Program::Supervisor.name());
    let emulator = emulator.to_string_lossy();
    if json {
        let guests = ARCHITECTURES.map(|(arch, bits)| json!({"os_type": "exe", "arch": arch, "wordsize": bits}));
        return print_json(&json!({
            "uuid": uuid, "arch": "x86_64", "cells": cells, "caches": caches, "emulator": emulator, "guests": guests,
        }));
    }
    let document = document(uuid.as_deref(), &cells, &caches, &emulator);
    print(&format!("{document}\n{}", gap()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::topology::Pages;

    #[test]
    fn the_document_is_as_libvirt_writes_it() {
        let cells = [Cell {
            id: 0,
            memory: 8,
            free: 1,
            pages: vec![Pages { kib: 4, count: 2 }],
            distances: vec![10],
            processors: vec![Processor {
                id: 0,
                socket: 0,
                die: 0,
                core: 0,
                siblings: "0".into(),
            }],
        }];
        let caches = [Cache {
            level: 3,
            id: 0,
            kind: "both",
            kib: 32768,
            processors: "0-1".into(),
        }];
        let expected = "<capabilities>

  <host>
    <uuid>u</uuid>
    <cpu>
      <arch>x86_64</arch>
      <pages unit='KiB' size='4'/>
    </cpu>
    <topology>
      <cells num='1'>
        <cell id='0'>
          <memory unit='KiB'>8</memory>
          <pages unit='KiB' size='4'>2</pages>
          <distances>
            <sibling id='0' value='10'/>
          </distances>
          <cpus num='1'>
            <cpu id='0' socket_id='0' die_id='0' core_id='0' siblings='0'/>
          </cpus>
        </cell>
      </cells>
    </topology>
    <cache>
      <bank id='0' level='3' type='both' size='32' unit='MiB' cpus='0-1'/>
    </cache>
    <secmodel>
      <model>none</model>
      <doi>0</doi>
    </secmodel>
  </host>

  <guest>
    <os_type>exe</os_type>
    <arch name='x86_64'>
      <wordsize>64</wordsize>
      <emulator>/a&amp;b</emulator>
      <domain type='lxc'/>
    </arch>
  </guest>

  <guest>
    <os_type>exe</os_type>
    <arch name='i686'>
      <wordsize>32</wordsize>
      <emulator>/a&amp;b</emulator>
      <domain type='lxc'/>
    </arch>
  </guest>

</capabilities>
";
        assert_eq!(document(Some("u"), &cells, &caches, "/a&b"), expected);
    }
}

//! The canonical form of what only a hypervisor reads, and a container keeps: processors, their features and places, and sizes of memory. Pure.

use super::cpuset::CpuSet;
use super::error::shown;
use super::units::{kib, number};
use super::xml::Tree;

/// Features that are on where nothing is said.
const ON: &str = "hap pvspinlock pmu vmport vmcoreinfo";

/// What is not printed where it says nothing.
const NOTHING: &str = "memoryBacking perf driver panic min_guarantee iothreads on_lockfailure global_period emulator_period iothread_period global_quota \
    emulator_quota iothread_quota";
/// Least and most period and quota of processors, in microseconds.
const PERIOD: (i64, i64) = (1000, 1_000_000);
const QUOTA: (i64, i64) = (1000, 17_592_186_044_415);

/// Whether nothing is left of an element of this kind that says nothing.
pub fn is_nothing(tree: &Tree) -> bool {
    let empty = tree.attributes.is_empty() && tree.children.is_empty() && tree.text.is_empty();
    empty && super::schema::lists(NOTHING, &tree.name)
}

/// Puts one element into its canonical form.
pub fn element(tree: &mut Tree) -> Result<(), String> {
    match tree.name.as_str() {
        "min_guarantee" if tree.text.trim_ascii().is_empty() => {
            tree.attributes.clear();
            Ok(())
        }
        "min_guarantee" => {
            size(tree)?;
            if tree.text == "0" {
                *tree = Tree::new("min_guarantee");
            }
            Ok(())
        }
        "global_period" | "emulator_period" | "iothread_period" => slice(tree, PERIOD),
        "global_quota" | "emulator_quota" | "iothread_quota" => slice(tree, QUOTA),
        "iothreads" => {
            let count =
                number(&tree.text, 0, u32::MAX).filter(|_| !tree.text.ends_with(|c: char| c.is_ascii_whitespace()));
            let count = count.ok_or_else(|| format!("<iothreads> is {:?}, not a number", shown(&tree.text, 40)))?;
            tree.text = if count == 0 { String::new() } else { count.to_string() };
            Ok(())
        }
        "on_lockfailure" => match tree.text.as_str() {
            "" | "poweroff" | "restart" | "pause" | "ignore" => Ok(()),
            other => Err(format!(
                "<on_lockfailure> is {:?}, not poweroff, restart, pause or ignore",
                shown(other, 40)
            )),
        },
        "tb-cache" => size(tree),
        "page" => attribute_size(tree),
        name if super::schema::lists(ON, name) => {
            tree.add_missing("state", "on");
            Ok(())
        }
        "hyperv" => {
            tree.add_missing("mode", "custom");
            Ok(())
        }
        "cpu" => {
            let model = tree.children.iter_mut().find(|c| c.name == "model");
            if let Some(model) = model {
                model.add_missing("fallback", "allow");
                tree.add_missing("mode", "custom");
                tree.add_missing("match", "exact");
            }
            Ok(())
        }
        "topology" => {
            tree.add_missing("dies", "1");
            Ok(())
        }
        "shmem" => {
            if tree.children.iter().all(|c| c.name != "model") {
                tree.children.push(Tree::new("model").with("type", "ivshmem"));
            }
            Ok(())
        }
        "vcpupin" | "emulatorpin" | "iothreadpin" => pin(tree),
        "genid" => {
            tree.text.make_ascii_lowercase();
            Ok(())
        }
        "address" if tree.attribute("type") == Some("pci") => pci(tree),
        _ => Ok(()),
    }
}

/// A slice of a processor's time, in microseconds: none where it is 0; a quota may be none by being negative.
fn slice(tree: &mut Tree, (least, most): (i64, i64)) -> Result<(), String> {
    let said = tree.text.trim_ascii_start();
    if said.is_empty() {
        tree.text.clear();
        return Ok(());
    }
    let quota = most == QUOTA.1;
    let value: Option<i64> = said.parse().ok();
    match value {
        Some(0) => tree.text.clear(),
        Some(value) if (least..=most).contains(&value) || quota && value < 0 => tree.text = value.to_string(),
        _ => {
            let said = shown(said, 40);
            return Err(format!(
                "<{}> is {said:?}, not a number from {least} to {most}",
                tree.name
            ));
        }
    }
    Ok(())
}

/// A size, in KiB.
fn size(tree: &mut Tree) -> Result<(), String> {
    let size = kib(&tree.text, tree.attribute("unit")).map_err(|why| format!("<{}>: {why}", tree.name))?;
    tree.text = size.to_string();
    tree.attributes.retain(|(name, _)| name != "unit");
    tree.attributes.push(("unit".to_owned(), "KiB".to_owned()));
    Ok(())
}

/// A size that is an attribute, in KiB.
fn attribute_size(tree: &mut Tree) -> Result<(), String> {
    let Some(given) = tree.attribute("size") else {
        return Ok(());
    };
    let size = kib(given, tree.attribute("unit")).map_err(|why| format!("<{}>: {why}", tree.name))?;
    let rest = tree
        .attributes
        .drain(..)
        .filter(|(name, _)| name != "size" && name != "unit");
    let rest: Vec<_> = rest.collect();
    tree.attributes.push(("size".to_owned(), size.to_string()));
    tree.attributes.push(("unit".to_owned(), "KiB".to_owned()));
    tree.attributes.extend(rest);
    Ok(())
}

/// Which processors one of them is on.
fn pin(tree: &mut Tree) -> Result<(), String> {
    let name = tree.name.clone();
    let given = tree.attributes.iter_mut().find(|(name, _)| name == "cpuset");
    let (_, list) = given.ok_or_else(|| format!("<{name}> has no attribute cpuset"))?;
    let read = CpuSet::parse(list);
    let wrong = || {
        format!(
            "attribute cpuset of <{name}> is {:?}, not a list of processors",
            shown(list, 40)
        )
    };
    let set = read.ok_or_else(wrong)?;
    *list = set.to_string();
    Ok(())
}

/// The address on a PCI bus, whose numbers are hexadecimal.
fn pci(tree: &mut Tree) -> Result<(), String> {
    for (name, value) in &mut tree.attributes {
        let width: usize = match name.as_str() {
            "domain" => 4,
            "bus" | "slot" => 2,
            "function" => 1,
            _ => continue,
        };
        let read = match value.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => number(value, 0, u32::MAX),
        };
        let wrong = || format!("attribute {name} of <address> is {:?}, not a number", shown(value, 40));
        let read = read.ok_or_else(wrong)?;
        *value = format!("0x{read:0width$x}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::xml::{Element, Tree, read};
    use super::element;

    fn made(text: &str) -> Result<String, String> {
        fn tree(e: &Element) -> Tree {
            let attributes = e.attributes.iter().map(|a| (a.name.clone(), a.value.clone()));
            let mut made = Tree::new(&e.name).holding(e.children.iter().map(tree));
            made.attributes.extend(attributes);
            made.text.clone_from(&e.text);
            made
        }
        let mut one = tree(&read(text.as_bytes()).unwrap());
        element(&mut one).map(|()| one.document().lines().map(str::trim).collect())
    }

    #[test]
    fn each_is_printed_as_libvirt_has_it() {
        for (said, shown) in [
            (
                "<min_guarantee unit='MiB'>1</min_guarantee>",
                "<min_guarantee unit='KiB'>1024</min_guarantee>",
            ),
            ("<page size='2' unit='M'/>", "<page size='2048' unit='KiB'/>"),
            ("<pmu/>", "<pmu state='on'/>"),
            ("<pmu state='off'/>", "<pmu state='off'/>"),
            (
                "<cpu><model>x</model></cpu>",
                "<cpu mode='custom' match='exact'><model fallback='allow'>x</model></cpu>",
            ),
            ("<cpu mode='host-model'/>", "<cpu mode='host-model'/>"),
            (
                "<vcpupin vcpu='0' cpuset='0-3,^1'/>",
                "<vcpupin vcpu='0' cpuset='0,2-3'/>",
            ),
            (
                "<address type='pci' domain='0' bus='10' slot='0x3' function='0'/>",
                "<address type='pci' domain='0x0000' bus='0x0a' slot='0x03' function='0x0'/>",
            ),
            ("<address type='drive' bus='3'/>", "<address type='drive' bus='3'/>"),
        ] {
            assert_eq!(made(said).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn what_is_no_number_or_list_is_refused() {
        for bad in [
            "<min_guarantee>x</min_guarantee>",
            "<page size='2' unit='q'/>",
            "<vcpupin vcpu='0' cpuset='x'/>",
            "<vcpupin vcpu='0'/>",
            "<address type='pci' bus='x'/>",
        ] {
            assert!(made(bad).is_err(), "{bad}");
        }
        let long = "x".repeat(1000);
        for bad in [
            format!("<vcpupin vcpu='0' cpuset='{long}'/>"),
            format!("<address type='pci' bus='{long}'/>"),
        ] {
            let said = made(&bad).unwrap_err();
            assert!(said.len() < 200, "{said}");
        }
    }
}

//! `virtualport`: what a switch other than the kernel's bridge is told of a port. Kept; nothing starts with it. Pure.

use crate::domain::Uuid;
use crate::domain::error::Fault;
use crate::domain::units::number;
use crate::domain::xml::{Parts, Tree};

/// The types, and what a port of each may be told.
const TYPES: [(&str, &str); 4] = [
    ("802.1Qbg", "managerid typeid typeidversion instanceid"),
    ("802.1Qbh", "profileid"),
    ("openvswitch", "interfaceid profileid"),
    ("midonet", "interfaceid"),
];

/// Reads it, as it is printed.
pub fn read(parts: &mut Parts) -> Result<Tree, Fault> {
    let kind = parts.required("type")?;
    let row = |word: &str| TYPES.iter().find(|(name, _)| *name == word);
    let (name, told) = kind.read("\"802.1Qbg\", \"802.1Qbh\", \"openvswitch\" or \"midonet\"", row)?;
    let tree = Tree::new("virtualport").with("type", name);
    let Some(element) = parts.child("parameters")? else {
        return Ok(tree);
    };
    let parameters = element.read(|parts| parameters(parts, told))?;
    Ok(if parameters.attributes.is_empty() {
        tree
    } else {
        tree.holding([parameters])
    })
}

fn parameters(parts: &mut Parts, told: &str) -> Result<Tree, Fault> {
    let mut tree = Tree::new("parameters");
    for name in told.split(' ') {
        let Some(given) = parts.attribute(name) else { continue };
        let most = match name {
            "managerid" | "typeidversion" => Some(0xff),
            "typeid" => Some(0x00ff_ffff),
            _ => None,
        };
        let value = match (most, name) {
            (Some(most), _) => given
                .read(&format!("a number to {most}"), |v| number(v, 0u32, most))?
                .to_string(),
            (None, "profileid") => given.value,
            (None, _) => given.read("a uuid", Uuid::parse)?.to_string(),
        };
        tree = tree.with(name, value);
    }
    Ok(tree)
}

//! Id maps, capabilities, the private network and the security label. Pure.

use crate::domain::capability::{Capabilities, Capability, Policy};
use crate::domain::error::{Fault, shown_name};
use crate::domain::model::{IdMap, Seclabel};
use crate::domain::units::number;
use crate::domain::xml::{Element, Parts};
use wire::ids::check_map;
use wire::{Context, IdRange, ProfileName};

/// `idmap`. Whether host id 0 may be mapped is for the host's policy to say, not for the document's reader.
pub fn idmap(element: Element) -> Result<Option<IdMap>, Fault> {
    element.read(|parts| {
        let uid = ranges(parts.children("uid"))?;
        let gid = ranges(parts.children("gid"))?;
        if uid.is_empty() && gid.is_empty() {
            return Ok(None);
        }
        if uid.is_empty() || gid.is_empty() {
            return Err(parts.fault("<idmap> needs both <uid> and <gid>"));
        }
        for (kind, map) in [("uid", &uid), ("gid", &gid)] {
            check_map(map, true).map_err(|e| parts.fault(format!("<{kind}> in <idmap>: {e}")))?;
        }
        Ok(Some(IdMap { uid, gid }))
    })
}

fn ranges(elements: Vec<Element>) -> Result<Vec<IdRange>, Fault> {
    let mut ranges = elements
        .into_iter()
        .map(|e| e.read(range))
        .collect::<Result<Vec<_>, _>>()?;
    ranges.sort_by_key(|r| r.inside);
    Ok(ranges)
}

fn range(parts: &mut Parts) -> Result<IdRange, Fault> {
    let mut id = |name| {
        parts
            .required(name)?
            .read("a number below 4294967296", |v| number(v, 0, u32::MAX))
    };
    Ok(IdRange {
        inside: id("start")?,
        outside: id("target")?,
        count: id("count")?,
    })
}

/// `features`: `privnet`, and `capabilities`.
pub fn features(parts: &mut Parts) -> Result<(bool, Capabilities), Fault> {
    let privnet = parts.flag("privnet")?;
    let capabilities = parts.child("capabilities")?.map(|e| e.read(capabilities)).transpose()?;
    Ok((privnet, capabilities.unwrap_or_default()))
}

fn capabilities(parts: &mut Parts) -> Result<Capabilities, Fault> {
    let policy = parts
        .attribute("policy")
        .map(|v| v.read("\"default\", \"allow\" or \"deny\"", policy))
        .transpose()?;
    let mut all = Capabilities {
        policy: policy.unwrap_or_default(),
        ..Capabilities::default()
    };
    for element in parts.all_children() {
        let (line, name) = (element.line, shown_name(&element.name));
        let Some(capability) = Capability::named(&element.name) else {
            return Err(Fault::new(line, format!("<{name}> in <capabilities> is no capability")));
        };
        let on = element.read(|parts| {
            let given = parts.attribute("state");
            given.map_or(Ok(true), |given| given.read("\"on\" or \"off\"", state))
        })?;
        if all.states.insert(capability, on).is_some() {
            return Err(Fault::new(line, format!("<{name}> comes twice in <capabilities>")));
        }
    }
    Ok(all)
}

fn policy(word: &str) -> Option<Policy> {
    [Policy::Default, Policy::Allow, Policy::Deny]
        .into_iter()
        .find(|p| p.name() == word)
}

fn state(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// `seclabel`: none, or an AppArmor profile or an SELinux context that is named. What else there is of it was taken out before.
pub fn seclabel(parts: &mut Parts) -> Result<Seclabel, Fault> {
    let Some(element) = parts.child("seclabel")? else {
        return Ok(Seclabel::Unsaid);
    };
    element.read(|parts| {
        let kind = parts.required("type")?;
        let named = kind.read("\"none\" or \"static\", which alone are supported", |v| match v {
            "none" => Some(false),
            "static" => Some(true),
            _ => None,
        })?;
        if !named {
            return Ok(Seclabel::None);
        }
        let model = parts.required("model")?;
        let apparmor = model.read("\"apparmor\" or \"selinux\", which alone are supported", |v| match v {
            "apparmor" => Some(true),
            "selinux" => Some(false),
            _ => None,
        })?;
        if let Some(relabel) = parts.attribute("relabel") {
            relabel.only("no")?;
        }
        let label = parts.leaf("label")?.ok_or_else(|| parts.lacks("label"))?;
        Ok(if apparmor {
            Seclabel::AppArmor(label.try_read(ProfileName::new)?)
        } else {
            Seclabel::Selinux(label.try_read(Context::new)?)
        })
    })
}

//! Id maps, capabilities, shared namespaces and the security label. Pure.

use super::IdmapOrder;
use super::config::lost;
use super::lines::Setting;
use crate::domain::Capability;
use crate::domain::error::{ParseError, shown};
use crate::domain::units::number;
use crate::domain::xml::Tree;
use std::collections::BTreeSet;
use wire::ids::check_map;
use wire::{Context, IdRange, ProfileName};

/// The most ranges of one map that the kernel takes (user_namespaces(7)).
const MAX_RANGES: usize = 340;
/// The namespaces that a domain may share, in the order in which they are printed.
const SHARED: [&str; 3] = ["net", "ipc", "uts"];

/// What was said.
#[derive(Debug)]
pub struct Security {
    order: IdmapOrder,
    uid: Vec<IdRange>,
    gid: Vec<IdRange>,
    map: Option<Setting>,
    dropped: BTreeSet<Capability>,
    drop: Option<Setting>,
    kept: BTreeSet<Capability>,
    keep: Option<Setting>,
    profile: Option<ProfileName>,
    context: Option<(Context, Setting)>,
    shared: [Option<(&'static str, String)>; SHARED.len()],
}

impl Security {
    /// Nothing yet.
    pub const fn new(order: IdmapOrder) -> Self {
        Self {
            order,
            uid: Vec::new(),
            gid: Vec::new(),
            map: None,
            dropped: BTreeSet::new(),
            drop: None,
            kept: BTreeSet::new(),
            keep: None,
            profile: None,
            context: None,
            shared: [None, None, None],
        }
    }

    /// Whether a key is one of those that [`Self::take`] takes.
    pub fn knows(key: &str) -> bool {
        matches!(key, "lxc.idmap" | "lxc.id_map" | "lxc.cap.drop" | "lxc.cap.keep")
            || matches!(key, "lxc.apparmor.profile" | "lxc.aa_profile")
            || matches!(key, "lxc.selinux.context" | "lxc.se_context")
            || key.starts_with("lxc.namespace.share.")
    }

    /// Takes one setting.
    pub fn take(&mut self, warnings: &mut Vec<ParseError>, s: &Setting) -> Result<(), ParseError> {
        match s.key.as_str() {
            "lxc.cap.drop" if s.value.is_empty() => (self.dropped, self.drop) = (BTreeSet::new(), None),
            "lxc.cap.drop" => {
                self.dropped.extend(capabilities(s)?);
                self.drop = Some(s.clone());
            }
            "lxc.cap.keep" if s.value.is_empty() => (self.kept, self.keep) = (BTreeSet::new(), None),
            "lxc.cap.keep" if s.value == "none" => (self.kept, self.keep) = (BTreeSet::new(), Some(s.clone())),
            "lxc.cap.keep" => {
                self.kept.extend(capabilities(s)?);
                self.keep = Some(s.clone());
            }
            "lxc.idmap" | "lxc.id_map" => self.range(s)?,
            "lxc.apparmor.profile" | "lxc.aa_profile" => self.profile = profile(warnings, s),
            "lxc.selinux.context" | "lxc.se_context" => self.context = context(warnings, s),
            _ => self.share(warnings, s),
        }
        Ok(())
    }

    /// `TYPE INSIDE HOST COUNT`, in LXC's own order.
    fn range(&mut self, s: &Setting) -> Result<(), ParseError> {
        if s.value.is_empty() {
            (self.uid, self.gid, self.map) = (Vec::new(), Vec::new(), None);
            return Ok(());
        }
        let wanted = || s.not("u or g, the first id inside, the first id of the host's, and how many");
        let words: Vec<&str> = s.value.split_ascii_whitespace().collect();
        let [kind, first, second, count] = words.as_slice() else {
            return Err(wanted());
        };
        let id = |word: &str| number(word, 0, u32::MAX).ok_or_else(wanted);
        let (inside, outside) = match self.order {
            IdmapOrder::Lxc => (id(first)?, id(second)?),
            IdmapOrder::Libvirt => (id(second)?, id(first)?),
        };
        let map = match *kind {
            "u" => &mut self.uid,
            "g" => &mut self.gid,
            _ => return Err(wanted()),
        };
        if map.len() >= MAX_RANGES {
            return Err(s.refused(&format!("is one of more than {MAX_RANGES} ranges")));
        }
        map.push(IdRange {
            inside,
            outside,
            count: id(count)?,
        });
        self.map = Some(s.clone());
        Ok(())
    }

    fn share(&mut self, warnings: &mut Vec<ParseError>, s: &Setting) {
        let which = s.key.strip_prefix("lxc.namespace.share.").unwrap_or_default();
        let at = SHARED.iter().position(|n| *n == which);
        let Some(slot) = at.and_then(|at| self.shared.get_mut(at)) else {
            return lost(warnings, s, "only net, ipc and uts can be shared");
        };
        *slot = match s.value.as_str() {
            "" => None,
            value if value.contains('/') => return lost(warnings, s, "it is a path"),
            value if value.bytes().all(|b| b.is_ascii_digit()) => Some(("pid", value.to_owned())),
            value => Some(("name", value.to_owned())),
        };
    }

    /// Whether a namespace of somebody else's is used.
    pub fn shares_anything(&self) -> bool {
        self.shared.iter().any(Option::is_some)
    }

    /// Whether the network is somebody else's.
    pub fn shares_network(&self) -> bool {
        matches!(&self.shared, [Some(_), ..])
    }

    /// `idmap`, with a warning if define would refuse it.
    pub fn idmap(&mut self, warnings: &mut Vec<ParseError>) -> Option<Tree> {
        let said = self.map.as_ref()?;
        self.uid.sort_by_key(|r| r.inside);
        self.gid.sort_by_key(|r| r.inside);
        for (kind, map) in [("uid", &self.uid), ("gid", &self.gid)] {
            let Err(why) = check_map(map, true) else { continue };
            let turned = map.iter().all(|r| r.inside != 0) && map.iter().any(|r| r.outside == 0);
            let hint = if turned && self.order == IdmapOrder::Lxc {
                "; --libvirt-idmap reads the two ids the other way round"
            } else {
                ""
            };
            let what = format!(
                "completes a map of {kind}s that define refuses: {}{hint}",
                shown(&why.to_string(), 200)
            );
            warnings.push(said.refused(&what));
        }
        let range = |kind: &'static str| {
            move |r: &IdRange| {
                let tree = Tree::new(kind).with("start", r.inside).with("target", r.outside);
                tree.with("count", r.count)
            }
        };
        let all = self
            .uid
            .iter()
            .map(range("uid"))
            .chain(self.gid.iter().map(range("gid")));
        Some(Tree::new("idmap").holding(all))
    }

    /// `features`
    pub fn features(&self, privnet: bool) -> Result<Tree, ParseError> {
        let (policy, named, state) = match (&self.drop, &self.keep) {
            (Some(s), Some(_)) => {
                return Err(s.refused("and lxc.cap.keep are both given, of which LXC takes one"));
            }
            (None, Some(_)) => ("deny", &self.kept, "on"),
            (_, None) => ("allow", &self.dropped, "off"),
        };
        let named = named.iter().map(|c| Tree::new(c.name()).with("state", state));
        let capabilities = Tree::new("capabilities").with("policy", policy).holding(named);
        Ok(Tree::new("features")
            .holding(privnet.then(|| Tree::new("privnet")))
            .holding([capabilities]))
    }

    /// `seclabel`: one, though LXC takes of both kinds the one that the host has.
    pub fn seclabel(&self, warnings: &mut Vec<ParseError>) -> Option<Tree> {
        let (model, label) = match (&self.profile, &self.context) {
            (Some(profile), also) => {
                if let Some((_, s)) = also {
                    lost(
                        warnings,
                        s,
                        "an AppArmor profile is named too, and a domain has one label",
                    );
                }
                ("apparmor", profile.as_str())
            }
            (None, Some((context, _))) => ("selinux", context.as_str()),
            (None, None) => return None,
        };
        let kinds = [("type", "static"), ("model", model), ("relabel", "no")];
        let element = kinds
            .iter()
            .fold(Tree::new("seclabel"), |tree, (name, value)| tree.with(name, value));
        Some(element.holding([Tree::leaf("label", label)]))
    }

    /// `lxc:namespace`
    pub fn namespaces(&self) -> Option<Tree> {
        let one = |(name, shared): (&&str, &Option<(&'static str, String)>)| {
            let (kind, value) = shared.as_ref()?;
            Some(
                Tree::new(&format!("lxc:share{name}"))
                    .with("type", kind)
                    .with("value", value),
            )
        };
        let all: Vec<Tree> = SHARED.iter().zip(&self.shared).filter_map(one).collect();
        (!all.is_empty()).then(|| Tree::new("lxc:namespace").holding(all))
    }
}

/// A profile that is loaded by its name. `unconfined` and `unchanged` are to have none of one's own, which a domain has without a word.
fn profile(warnings: &mut Vec<ParseError>, s: &Setting) -> Option<ProfileName> {
    if matches!(s.value.as_str(), "" | "unconfined" | "unchanged") {
        return None;
    }
    if s.value == "generated" {
        lost(warnings, s, "no profile is made for a container");
        return None;
    }
    let named = ProfileName::new(&s.value);
    if let Err(why) = &named {
        lost(warnings, s, &why.to_string());
    }
    named.ok()
}

/// A context that a policy may know; to have an empty one is to have none of one's own.
fn context(warnings: &mut Vec<ParseError>, s: &Setting) -> Option<(Context, Setting)> {
    if matches!(s.value.as_str(), "" | "unchanged") {
        return None;
    }
    let named = Context::new(&s.value);
    if let Err(why) = &named {
        lost(warnings, s, &why.to_string());
    }
    Some((named.ok()?, s.clone()))
}

/// Capabilities by name or number.
fn capabilities(s: &Setting) -> Result<Vec<Capability>, ParseError> {
    let one = |word: &str| {
        let by_number = || number::<u8>(word, 0, 63).and_then(|bit| Capability::all().find(|c| c.bit() == bit));
        let found = Capability::named(word).or_else(by_number);
        found.ok_or_else(|| s.refused(&format!("names {}, which is no capability", shown(word, 40))))
    };
    s.value.split_ascii_whitespace().map(one).collect()
}

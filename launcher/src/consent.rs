//! Is a container confined as its profile says, or has the host's administrator consented to less? Pure.

use crate::policy::{FILE, Policy};
use policies::facts::CAPABILITIES;
use policies::texts;
use wire::init::{Command, Container};
use wire::{ContainerName, Failure, LinkName, Node, node};

/// How many capabilities a refusal names: it is one line, and what mends it is in it.
const NAMED: usize = 3;

/// Judges what a command of this container may do.
pub fn command(policy: &Policy, name: &ContainerName, command: &Command) -> Result<(), Failure> {
    let profile = texts::profile(command.profile);
    let of_profile = policies::payload(command.profile);
    let beyond = command.capabilities & !of_profile.capabilities & !policy.capabilities_of(name);
    if beyond != 0 {
        let names = named(beyond);
        let first: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
        let lines = first.join(&format!(" {name}`, `capability "));
        let (more, each) = match names.len().saturating_sub(NAMED) {
            0 => (String::new(), ""),
            more => (format!(" and {more} more"), ", and one for each of the others,"),
        };
        let beyond = format!("{}{more}", first.join(" "));
        let mend = format!("a line `capability {lines} {name}`{each} in {FILE} would allow it");
        return Err(Failure::caller(&format!(
            "keep {beyond}, which the profile {profile} lacks: {}",
            policy.missing(&mend)
        )));
    }
    if of_profile.no_new_privileges && !command.no_new_privileges {
        return Err(Failure::caller(&format!(
            "go without no-new-privileges: the profile {profile} has it"
        )));
    }
    if command.filter.as_ref().is_some_and(|f| f.in_place) && !policy.own_filter.contains(name) {
        return Err(Failure::caller(&format!(
            "replace the filter of the profile {profile}: {}",
            policy.missing(&format!("a line `seccomp {name}` in {FILE} would allow it"))
        )));
    }
    Ok(())
}

/// Judges a whole container.
pub fn container(policy: &Policy, container: &Container) -> Result<(), Failure> {
    command(policy, &container.name, &container.command)?;
    nodes(policy, &container.name, &container.nodes)?;
    let shown = |path: &str| policy.unmasked.iter().any(|(p, n)| p == path && *n == container.name);
    match container.unmasked.iter().find(|p| !shown(p.as_str())) {
        None => Ok(()),
        Some(path) => Err(Failure::caller(&format!(
            "leave {path} as it is: {}",
            policy.missing(&format!(
                "a line `unmask {path} {}` in {FILE} would allow it",
                container.name
            ))
        ))),
    }
}

/// Judges device nodes that this container is to be given.
pub fn nodes(policy: &Policy, name: &ContainerName, nodes: &[Node]) -> Result<(), Failure> {
    if nodes.len() > node::MOST {
        return Err(Failure::caller(&format!("give more than {} device nodes", node::MOST)));
    }
    for (at, node) in nodes.iter().enumerate() {
        if nodes.iter().skip(at.saturating_add(1)).any(|n| n.name == node.name) {
            return Err(Failure::caller(&format!(
                "give two devices the name /dev/{}",
                node.name
            )));
        }
        if !policy.gives_device(name, node.from.as_str(), node.writable) {
            let (how, readonly) = if node.writable {
                ("", "")
            } else {
                (" to be read", " readonly")
            };
            let mend = format!(
                "a line `device {} {name}{readonly}` in {FILE} would allow it",
                node.from
            );
            return Err(Failure::caller(&format!(
                "give {}{how}: {}",
                node.from,
                policy.missing(&mend)
            )));
        }
    }
    Ok(())
}

/// Judges links of the host's that this container is to have.
pub fn links<'a>(
    policy: &Policy,
    name: &ContainerName,
    links: impl IntoIterator<Item = &'a LinkName>,
) -> Result<(), Failure> {
    for link in links {
        if !policy.lends(name, link) {
            let mend = format!("a line `lend {link} {name}` in {FILE} would allow it");
            return Err(Failure::caller(&format!(
                "lend the link {link}: {}",
                policy.missing(&mend)
            )));
        }
    }
    Ok(())
}

/// Judges whether this container may have the file system mounted that is on a disk: the host's kernel believes what stands there.
pub fn file_system(policy: &Policy, name: &ContainerName, path: &str, writable: bool) -> Result<(), Failure> {
    if policy.gives_file_system(name, path, writable) {
        return Ok(());
    }
    let (how, readonly) = if writable {
        ("", "")
    } else {
        (" to be read", " readonly")
    };
    let mend = format!("a line `filesystem {path} {name}{readonly}` in {FILE} would allow it");
    Err(Failure::caller(&format!(
        "mount the file system on {path}{how}: {}",
        policy.missing(&mend)
    )))
}

/// The names of capabilities, by number where there is none.
fn named(set: u64) -> Vec<String> {
    let held = (0..64u32).filter(|bit| set & 1u64.checked_shl(*bit).unwrap_or(0) != 0);
    let name = |bit: u32| {
        let known = usize::try_from(bit).ok().and_then(|at| CAPABILITIES.get(at));
        known.map_or_else(|| format!("capability {bit}"), |name| (*name).to_owned())
    };
    held.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::plan;
    use crate::policy::parse;
    use wire::filter::{OwnFilter, Rule};
    use wire::init::{Path, Profile};

    fn asked() -> Container {
        let mut container = plan().container().unwrap().clone();
        container.command.capabilities = policies::payload(Profile::App).capabilities;
        container
    }

    fn judged(statements: &str, asked: &Container) -> Result<(), String> {
        let policy = parse(statements, &[], &[]).unwrap();
        container(&policy, asked).map_err(|f| f.what.as_str().to_owned())
    }

    const NET_RAW: u64 = 1 << 13;

    #[test]
    fn a_profile_needs_no_consent_and_less_than_it_neither() {
        let mut asked = asked();
        assert_eq!(judged("", &asked), Ok(()));
        asked.command.capabilities = 1;
        assert_eq!(judged("", &asked), Ok(()));
        asked.command.profile = Profile::System;
        asked.command.no_new_privileges = false;
        asked.command.capabilities = policies::payload(Profile::System).capabilities;
        assert_eq!(judged("", &asked), Ok(()));
    }

    #[test]
    fn refuses_a_capability_beyond_the_profile_unless_the_policy_names_it_and_the_container() {
        let mut asked = asked();
        asked.command.capabilities |= NET_RAW | 1 << 12;
        let refusal = judged("", &asked).unwrap_err();
        assert!(refusal.contains("NET_ADMIN NET_RAW"), "{refusal}");
        let refusal = judged("capability NET_RAW a", &asked).unwrap_err();
        assert!(
            refusal.starts_with("keep NET_ADMIN, which the profile app lacks: "),
            "{refusal}"
        );
        assert!(
            refusal.contains(&format!("a line `capability NET_ADMIN a` in {FILE} ")),
            "{refusal}"
        );
        assert!(!refusal.contains("NET_RAW"), "{refusal}");
        let held = std::mem::replace(&mut asked.command.capabilities, u64::MAX);
        let refusal = judged("", &asked).unwrap_err();
        assert!(
            refusal.contains(" more, which the profile app lacks: a line `capability "),
            "{refusal}"
        );
        assert!(refusal.ends_with("would allow it"), "it is cut: {refusal}");
        asked.command.capabilities = held;
        assert!(judged("capability all b", &asked).is_err());
        assert_eq!(
            judged("capability CAP_NET_RAW a\ncapability net_admin a", &asked),
            Ok(())
        );
        assert_eq!(judged("capability all a", &asked), Ok(()));
        asked.command.capabilities = 1 << 50;
        assert!(
            judged("capability all a", &asked)
                .unwrap_err()
                .contains("capability 50")
        );
    }

    #[test]
    fn an_ordinary_user_is_not_sent_to_a_file_that_consents_to_nothing() {
        let user = wire::user::User { uid: 7, blocks: 2 };
        let policy = crate::user::policy(user).unwrap();
        let refused = |change: fn(&mut Container)| {
            let mut asked = asked();
            change(&mut asked);
            container(&policy, &asked).unwrap_err().what.as_str().to_owned()
        };
        let rule = |call| Rule {
            call,
            answer: None,
            condition: vec![],
        };
        let mut filtered = asked();
        filtered.command.filter = Some(OwnFilter {
            filter: vec![rule(59), rule(231), rule(101)].try_into().unwrap(),
            in_place: true,
        });
        let node = Node {
            kind: wire::node::NodeKind::Misc,
            from: Path::new("/dev/fuse").unwrap(),
            name: wire::node::NodeName::new("fuse").unwrap(),
            writable: true,
        };
        let refusals = [
            refused(|c| c.command.capabilities |= NET_RAW),
            refused(|c| c.unmasked = vec![Path::new("/proc/keys").unwrap()]),
            container(&policy, &filtered).unwrap_err().what.as_str().to_owned(),
            super::nodes(&policy, &asked().name, &[node])
                .unwrap_err()
                .what
                .as_str()
                .to_owned(),
        ];
        for refusal in refusals {
            assert!(refusal.contains(crate::policy::NOBODYS), "{refusal}");
            assert!(!refusal.contains("polic"), "{refusal}");
        }
    }

    #[test]
    fn refuses_an_app_that_may_gain_privileges() {
        let mut asked = asked();
        asked.command.no_new_privileges = false;
        assert!(judged("capability all a\nseccomp a", &asked).is_err());
    }

    #[test]
    fn refuses_a_filter_in_the_place_of_the_profiles_unless_the_policy_names_the_container() {
        let rule = |call| Rule {
            call,
            answer: None,
            condition: vec![],
        };
        let filter: wire::filter::Filter = vec![rule(59), rule(231), rule(101)].try_into().unwrap();
        let mut asked = asked();
        let mut with = |in_place| {
            asked.command.filter = Some(OwnFilter {
                filter: filter.clone(),
                in_place,
            });
            asked.clone()
        };
        assert_eq!(judged("", &with(false)), Ok(()));
        assert!(judged("seccomp b", &with(true)).is_err());
        assert_eq!(judged("seccomp a", &with(true)), Ok(()));
    }

    #[test]
    fn refuses_to_leave_a_place_as_it_is_unless_the_policy_names_it_and_the_container() {
        let mut asked = asked();
        asked.unmasked = vec![Path::new("/proc/kallsyms").unwrap()];
        for statements in ["", "unmask /proc/kallsyms b", "unmask /proc/keys a"] {
            assert!(judged(statements, &asked).is_err(), "{statements}");
        }
        assert_eq!(judged("unmask /proc/kallsyms a", &asked), Ok(()));
    }
}

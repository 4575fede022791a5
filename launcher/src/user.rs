//! Whose host this is: root's, or an ordinary user's, which the kernel tells by the maps of the user namespace; and then what of it is the
//! user's. May touch: `/proc/self/uid_map` and `gid_map`, `/etc/passwd`.

use crate::policy::{Policy, PolicyError, parse};
use rustix::fs::{Mode, OFlags};
use std::sync::OnceLock;
use wire::ids::{BLOCK, OWN_FIRST};
use wire::launcher::Directory;
use wire::user::{Places, User, account};

fn text(path: &str) -> Option<String> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    crate::open::text(file).ok()
}

/// The user whose host this is; `None` if it is root's.
pub fn here() -> Option<User> {
    // The kernel takes each map once.
    static HERE: OnceLock<Option<User>> = OnceLock::new();
    *HERE.get_or_init(|| User::of_maps(&text("/proc/self/uid_map")?, &text("/proc/self/gid_map")?))
}

/// Where this user's state lies, by the variables of whoever called.
fn places(user: User) -> Option<Places> {
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    // What HOME names is as many homes as there are sessions.
    let (_, home) = account(&text("/etc/passwd")?, user.uid)?;
    home.starts_with('/').then(|| Places::new(&home, variable))
}

/// Directories that are the usual ones here, beside root's.
pub fn directories() -> Vec<(Directory, String)> {
    let places = here().and_then(places);
    places.map_or_else(Vec::new, |p| p.directories.into())
}

/// Where ids are claimed: for a whole host of root's in one place, for each user's in one of the user's.
pub fn claims() -> String {
    let places = here().and_then(places);
    places.map_or_else(|| crate::claim::FILE.to_owned(), |p| p.ids())
}

/// Where it is noted in which control group each container of the user's is.
pub fn groups() -> String {
    here().and_then(places).map_or_else(String::new, |p| p.groups())
}

/// What a user's host allows: the blocks that the user has, and what the command line names or lies where the user keeps root file systems, as far as the
/// kernel lets the user have it. A definition may be somebody else's, who is not to be shown what the user can open. Nothing
/// beyond a profile, and no network but what the broker of this host lends. The host's policy file is about root's containers.
pub fn policy(user: User) -> Result<Policy, PolicyError> {
    let count = user.blocks.saturating_mul(BLOCK);
    if count == 0 {
        return Err(PolicyError {
            file: "/etc/subuid",
            line: 0,
            what: format!(
                "it gives you fewer than the {} ids that one container takes",
                BLOCK.saturating_add(1)
            ),
        });
    }
    let statements =
        format!("ids {OWN_FIRST} {count}\nroot named\nforwarding no\nhost-network yes\nnetwork none\npublish none\n");
    let mut policy = parse(&statements, &[], &[])?;
    policy.users = true;
    if let Some(places) = places(user) {
        policy.audit.file = places.log();
        policy.roots.push(places.machines);
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Named;
    use crate::judge::{self, Way};

    #[test]
    fn a_user_has_the_ids_that_are_mapped_and_no_consent() {
        let policy = policy(User { uid: 7, blocks: 2 }).unwrap();
        assert_eq!((policy.first, policy.blocks), (OWN_FIRST, 2));
        assert!(!policy.forwarding && policy.host_root.is_empty() && policy.capabilities.is_empty());
        assert!(policy.named && policy.users && policy.root_of("/home/me/box").is_none());
        assert!(super::policy(User { uid: 7, blocks: 0 }).is_err());
    }

    #[test]
    fn a_definition_names_what_lies_among_the_users_machines_and_the_command_line_anything() {
        let user = User { uid: 0, blocks: 2 };
        let policy = policy(user).unwrap();
        let machines = places(user).unwrap().machines;
        let (within, beyond) = (format!("{machines}/box"), "/etc/box");
        let none = Named::default();
        assert_eq!(
            judge::way(&policy, &none, &within, true).unwrap(),
            Way::Below(&machines, "/box")
        );
        let refused = judge::way(&policy, &none, beyond, false).unwrap_err().what;
        assert!(refused.as_str().contains(&format!("below {machines}")), "{refused}");
        let words = ["run", "--rootfs", beyond, "--read-only", "--", "x"].map(str::to_owned);
        let named = Named::new(&words, vec![], Some("/"));
        assert_eq!(judge::way(&policy, &named, beyond, false).unwrap(), Way::Named);
        assert!(judge::way(&policy, &named, beyond, true).is_err());
    }

    #[test]
    fn roots_host_is_no_users() {
        assert!(here().is_none() && claims() == crate::claim::FILE && directories().is_empty());
    }
}

//! Whose host this is: root's, or an ordinary user's, which the kernel tells by the maps of the user namespace; and then what of it is the
//! user's. May touch: `/proc/self/uid_map` and `gid_map`, `/etc/passwd`.

use crate::policy::{Policy, PolicyError, parse};
use rustix::fs::{Mode, OFlags};
use wire::ids::{BLOCK, OWN_FIRST};
use wire::launcher::Directory;
use wire::user::{Places, User, account};

fn text(path: &str) -> Option<String> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    crate::open::text(file).ok()
}

/// The user whose host this is; `None` if it is root's.
pub fn here() -> Option<User> {
    User::of_maps(&text("/proc/self/uid_map")?, &text("/proc/self/gid_map")?)
}

/// Where this user's state lies, by the variables of whoever called.
fn places(user: User) -> Option<Places> {
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let home = match account(&text("/etc/passwd").unwrap_or_default(), user.uid) {
        Some((_, home)) => home,
        None => variable("HOME")?,
    };
    let runtime = format!("/run/user/{}", user.uid);
    let runtime = std::path::Path::new(&runtime).is_dir().then_some(runtime);
    home.starts_with('/').then(|| Places::new(&home, variable, runtime))
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

/// What a user's host allows: the blocks that the user has, and every path, for what the user may do with it is for the kernel to say. Nothing
/// beyond a profile, and no network but none. The host's policy file is about root's containers.
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
    let statements = format!(
        "ids {OWN_FIRST} {count}\nroot /\nforwarding no\nbridge none\nhost-network no\nnetwork none\npublish none\n"
    );
    let mut policy = parse(&statements, &[], &[])?;
    policy.users = true;
    if let Some(places) = places(user) {
        policy.audit.file = places.log();
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_ids_that_are_mapped_and_no_consent() {
        let policy = policy(User { uid: 7, blocks: 2 }).unwrap();
        assert_eq!((policy.first, policy.blocks), (OWN_FIRST, 2));
        assert!(!policy.forwarding && !policy.named && policy.host_root.is_empty() && policy.capabilities.is_empty());
        assert_eq!(policy.root_of("/home/me/box"), Some(("/", "/home/me/box")));
        assert!(super::policy(User { uid: 7, blocks: 0 }).is_err());
    }

    #[test]
    fn roots_host_is_no_users() {
        assert!(here().is_none() && claims() == crate::claim::FILE && directories().is_empty());
    }
}

//! What keeps an ordinary user from having containers on this host, and the command that mends it. May touch: `/proc`, to read.

use nix::errno::Errno;
use wire::ids::BLOCK;

/// Something that is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What is so.
    pub what: String,
    /// The command that mends it.
    pub mend: String,
}

impl Obstacle {
    fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            mend: mend.into(),
        }
    }

    /// Both in one line.
    pub fn told(&self) -> String {
        format!("{} ({})", self.what, self.mend)
    }
}

fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// What is known to forbid user namespaces to ordinary users here, before any is made.
pub fn forbidden() -> Option<Obstacle> {
    let clone = number("/proc/sys/kernel/unprivileged_userns_clone");
    let most = number("/proc/sys/user/max_user_namespaces");
    let restricted = number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    let profile = std::fs::read_to_string("/proc/self/attr/apparmor/current").unwrap_or_default();
    judged(clone, most, restricted, profile.trim())
}

/// The same, from what those files say.
fn judged(clone: Option<u64>, most: Option<u64>, restricted: Option<u64>, profile: &str) -> Option<Obstacle> {
    if clone == Some(0) {
        return Some(Obstacle::new(
            "this host forbids user namespaces to ordinary users",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ));
    }
    match most {
        None => Some(Obstacle::new(
            "this kernel has no user namespaces",
            "boot a kernel with CONFIG_USER_NS",
        )),
        // The user's host, and the two of a container.
        Some(n) if n < 3 => Some(Obstacle::new(
            format!("this host allows {n} user namespaces to a user, and a container takes 3"),
            "sudo sysctl -w user.max_user_namespaces=15000",
        )),
        // A program with a profile of its own may have been allowed them.
        Some(_) if restricted == Some(1) && profile == "unconfined" => Some(Obstacle::new(
            "AppArmor forbids user namespaces to programs of ordinary users that have no profile which allows them",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        )),
        Some(_) => None,
    }
}

/// The kernel refuses a user namespace, or a mount namespace in it.
pub fn unshared(e: Errno) -> Obstacle {
    match e {
        Errno::ENOSPC | Errno::EUSERS => Obstacle::new(
            "this host allows no more user or mount namespaces to you",
            "sudo sysctl -w user.max_user_namespaces=15000 user.max_mnt_namespaces=15000",
        ),
        e => Obstacle::new(
            format!("the kernel refuses you a user namespace: {}", e.desc()),
            "lazaret check",
        ),
    }
}

/// The user is in no file of the host's.
pub fn account(uid: u32) -> Obstacle {
    Obstacle::new(
        format!("the user {uid} has no line in /etc/passwd with a home, where it is kept which ids are in use"),
        format!("getent passwd {uid} | sudo tee -a /etc/passwd"),
    )
}

/// A program that writes maps is not there.
pub fn tool(name: &str) -> Obstacle {
    Obstacle::new(format!("{name} is not installed"), "sudo apt-get install uidmap")
}

/// It is there and refuses.
pub fn refused(program: &str, why: &str) -> Obstacle {
    let bound = nix::sys::prctl::get_no_new_privs() == Ok(true);
    if bound {
        return Obstacle::new(
            format!("{program} has no power in this session, which has no-new-privileges set"),
            "call lazaret from a session without it",
        );
    }
    Obstacle::new(format!("{program} does not map your ids: {why}"), "lazaret check")
}

/// The user has too few subordinate ids for one container. What would mend it gives ids that nobody has, for 16.
pub fn ranges(name: Option<&str>, uid: u32, users: &str, groups: &str) -> Obstacle {
    let who = name.map_or_else(|| uid.to_string(), str::to_owned);
    let first = free(users).max(free(groups));
    let last = first.saturating_add(u64::from(BLOCK).saturating_mul(16));
    Obstacle::new(
        format!(
            "a container takes {} subordinate ids, and {who} has fewer in /etc/subuid or /etc/subgid",
            BLOCK.saturating_add(1)
        ),
        format!("sudo usermod --add-subuids {first}-{last} --add-subgids {first}-{last} {who}"),
    )
}

/// The first id beyond all that a file gives to anybody, and beyond those of users; a round number.
fn free(file: &str) -> u64 {
    let end = |line: &str| {
        let mut fields = line.split(':').skip(1);
        let (first, count): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.trim().parse().ok()?);
        first.checked_add(count)
    };
    let most = file.lines().filter_map(end).max().unwrap_or(0).max(100_000);
    most.div_ceil(100_000).saturating_mul(100_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_forbids_user_namespaces_comes_with_its_mend() {
        let mend = |clone, most, restricted, profile| judged(clone, most, restricted, profile).map(|o| o.mend);
        assert_eq!(mend(None, Some(1000), None, ""), None);
        assert_eq!(mend(Some(1), Some(1000), Some(0), "unconfined"), None);
        assert_eq!(mend(None, Some(1000), Some(1), "lazaret (unconfined)"), None);
        assert!(mend(Some(0), Some(1000), None, "").unwrap().contains("userns_clone=1"));
        assert!(mend(None, Some(0), None, "").unwrap().contains("max_user_namespaces"));
        assert!(mend(None, Some(9), Some(1), "unconfined").unwrap().contains("apparmor"));
        assert!(mend(None, None, None, "").unwrap().contains("CONFIG_USER_NS"));
    }

    #[test]
    fn ids_that_would_mend_it_are_nobodys() {
        let told = ranges(Some("me"), 1000, "a:100000:65536\nb:165536:65536\n", "a:500000:1\n").told();
        assert!(
            told.contains("--add-subuids 600000-1648832 --add-subgids 600000-1648832 me"),
            "{told}"
        );
        assert_eq!(free(""), 100_000);
    }
}

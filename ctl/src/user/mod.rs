//! An ordinary user's host: the user namespace in which Lazaret's programs run for somebody who is not root, as they run for root on the host
//! itself. This process, the user's own, without a capability, joins the one that is there or makes one, and from then on is root of that and
//! of nothing else: what it then does is what root's does. May touch: `/proc`, `newuidmap` and `newgidmap`, the user's directories.

pub mod delegation;
mod find;
pub mod make;
pub mod obstacle;

use obstacle::Obstacle;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs::DirBuilder;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use sys::namespace::{self, Kind};
use wire::ids::{BLOCK, IdBlock};
use wire::user::{Places, User, account, outside};

/// Verbs that need no launcher, whoever asks.
const BARE: [&str; 15] = [
    "check",
    "wire",
    "version",
    "generate",
    "domxml-from-native",
    "help",
    "nodeinfo",
    "nodecpustats",
    "nodecpumap",
    "nodememstats",
    "freecell",
    "freepages",
    "hostname",
    "uri",
    "capabilities",
];

/// Whether these words may be of a verb that needs a launcher. A mistake costs some time, or a refusal.
pub fn is_needed(words: &[String]) -> bool {
    let verb = crate::compose::verb_at(words).and_then(|at| words.get(at));
    verb.is_some_and(|verb| !BARE.contains(&verb.as_str()))
}

/// The user whose host this process is in, if it is in one.
pub fn here() -> Option<User> {
    let read = |file: &str| std::fs::read_to_string(file).ok();
    User::of_maps(&read("/proc/self/uid_map")?, &read("/proc/self/gid_map")?)
}

/// The ids of a block as the host has them, in one range or several: of an ordinary user's container those that the user was given for it.
pub fn on_host(block: IdBlock) -> Vec<(u32, u32)> {
    if here().is_none() {
        return vec![(block.first(), BLOCK)];
    }
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    outside(&map, block.first(), BLOCK)
}

/// Name and places of the user with this id. Where ids are claimed is one place for each user, whatever a session says: what HOME names would be
/// as many as there are sessions.
pub fn places(uid: u32) -> Result<(String, Places), Obstacle> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let account = account(&passwd, uid).filter(|(_, home)| home.starts_with('/'));
    let (name, home) = account.ok_or_else(|| obstacle::account(uid))?;
    Ok((name, Places::new(&home, variable)))
}

/// Makes the user's directories as far as they are the user's own, each closed to others.
fn prepare(places: &Places) -> Result<(), String> {
    let above = places
        .directories
        .iter()
        .filter_map(|(_, path)| Path::new(path).parent());
    for directory in above.chain([Path::new(&places.state), Path::new(&places.claims)]) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|e| format!("cannot make the directory {}: {e}", directory.display()))?;
    }
    Ok(())
}

/// Whoever joins or makes a host waits here for others of the same user, so that there is one for each.
fn turn(places: &Places) -> Result<OwnedFd, String> {
    let said = |e: rustix::io::Errno| format!("cannot lock {}: {e}", places.claims);
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(&*places.claims, how, Mode::empty()).map_err(said)?;
    rustix::fs::flock(&directory, FlockOperation::LockExclusive).map_err(said)?;
    Ok(directory)
}

/// Has this process become root of the user's host, in a mount namespace of its own. The error is why it has not, with what mends it; this
/// process is then of no use for anything that needs a launcher.
pub fn enter() -> Result<(), String> {
    let uid = nix::unistd::getuid().as_raw();
    let (name, places) = places(uid).map_err(|o| o.told())?;
    if let Some(obstacle) = obstacle::forbidden() {
        return Err(obstacle.told());
    }
    prepare(&places)?;
    let turn = turn(&places)?;
    let said = |what: &'static str| move |e: nix::errno::Errno| format!("cannot {what}: {}", e.desc());
    match find::find(uid)? {
        Some(host) => namespace::join(&host, Kind::User).map_err(said("join your user namespace"))?,
        None => make::make(&name)?,
    }
    if here().is_none_or(|user| user.uid != uid) {
        return Err("cannot join your user namespace: it has vanished meanwhile; try again".to_owned());
    }
    namespace::unshare(&[Kind::Mount]).map_err(|e| obstacle::unshared(e).told())?;
    // From here on others see this process in it.
    drop(turn);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_account_has_no_places() {
        // uids end below this one.
        let told = places(u32::MAX - 1).unwrap_err().told();
        assert!(
            told.contains("/etc/passwd") && told.contains("getent passwd 4294967294"),
            "{told}"
        );
        assert_eq!(places(0).unwrap().0, "root");
    }

    #[test]
    fn what_needs_no_launcher_needs_no_user_namespace() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for bare in ["check", "--run-dir /x check --json", "--help", "wire encode init"] {
            assert!(!is_needed(&words(bare)), "{bare}");
        }
        assert!(is_needed(&words("run -- sh")) && is_needed(&words("--run-dir check list")));
    }
}

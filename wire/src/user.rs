//! The host of an ordinary user: a user namespace of the user's own, in which Lazaret's programs have the ids that they have on a host of
//! root's, and root's is the user. What its maps are, and which directories are used there. Pure.
//!
//! ```text
//! inside          on the host
//! 0               the user
//! LAZARET         the first subordinate id
//! OWN_FIRST ...   all that follow, range after range
//! ```

use crate::ids::{BLOCK, HIGHEST, LAZARET, OWN_FIRST};
use crate::launcher::Directory;

/// Most lines that a map may have (user_namespaces(7)).
const LINES: usize = 340;

/// Where `pasta` (passt(1)) is looked for, by which a user's container has the network `user`. PATH is not asked.
pub const PASTA: [&str; 3] = ["/usr/bin/pasta", "/usr/local/bin/pasta", "/bin/pasta"];

/// One line of a map: the first id inside, the first outside, how many.
pub type Line = (u32, u32, u32);

/// An ordinary user, and what the user's host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub uid: u32,
    /// Number of blocks of ids for containers.
    pub blocks: u32,
}

impl User {
    /// Who has the user namespace with these two maps, as /proc shows them in the namespace itself or above it; `None` if it is no ordinary
    /// user's host.
    pub fn of_maps(uids: &str, gids: &str) -> Option<Self> {
        let uids: Vec<Line> = uids.lines().map(line).collect::<Option<_>>()?;
        let gids: Vec<Line> = gids.lines().map(line).collect::<Option<_>>()?;
        let count = given(&uids)?.min(given(&gids)?);
        let (_, uid, _) = uids.iter().find(|(inside, _, _)| *inside == 0)?;
        Some(Self {
            uid: *uid,
            blocks: count.checked_div(BLOCK)?,
        })
    }
}

fn line(text: &str) -> Option<Line> {
    let mut numbers = text.split_whitespace().map(|n| n.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// Where ids from `first` on are outside of the user namespace whose map this is: from where on how many, in the order of the ids inside.
pub fn outside(map: &str, first: u32, count: u32) -> Vec<(u32, u32)> {
    let mut lines: Vec<Line> = map.lines().filter_map(line).collect();
    lines.sort_unstable();
    let end = first.saturating_add(count);
    let common = |(inside, outside, count): Line| {
        let from = inside.max(first);
        let to = inside.saturating_add(count).min(end);
        let outside = outside.checked_add(from.checked_sub(inside)?)?;
        to.checked_sub(from)
            .filter(|count| *count > 0)
            .map(|count| (outside, count))
    };
    lines.into_iter().filter_map(common).collect()
}

/// Ids from [`OWN_FIRST`] on, without a gap, of a map that has just 0 and [`LAZARET`] beside them.
fn given(map: &[Line]) -> Option<u32> {
    let one = |wanted: u32| map.iter().any(|(inside, _, count)| (*inside, *count) == (wanted, 1));
    if !one(0) || !one(LAZARET) {
        return None;
    }
    let mut rest: Vec<&Line> = map
        .iter()
        .filter(|(inside, ..)| !matches!(*inside, 0 | LAZARET))
        .collect();
    rest.sort();
    rest.into_iter().try_fold(0u32, |all, (inside, _, count)| {
        (OWN_FIRST.checked_add(all)? == *inside).then_some(all.checked_add(*count)?)
    })
}

/// The map of a user, or a user's group, who has these ranges of subordinate ids (first, count); `None` if there is not even one of them for
/// `lazaret` itself.
pub fn layout(own: u32, ranges: &[(u32, u32)]) -> Option<Vec<Line>> {
    let mut lines = vec![(0, own, 1)];
    let mut next = OWN_FIRST;
    for (first, count) in ranges.iter().filter(|(_, count)| *count > 0) {
        let (mut first, mut count) = (*first, *count);
        if lines.len() == 1 {
            lines.push((LAZARET, first, 1));
            (first, count) = (first.checked_add(1)?, count.checked_sub(1)?);
        }
        count = count.min(HIGHEST.saturating_sub(next));
        if count > 0 && lines.len() < LINES {
            lines.push((next, first, count));
            next = next.checked_add(count)?;
        }
    }
    (lines.len() > 1).then_some(lines)
}

/// The ranges of subordinate ids that a file (subuid(5), subgid(5)) gives a user, by name or by number. Lines of another form give nobody any.
pub fn ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let uid = uid.to_string();
    let own = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let (first, count): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let whole = fields.next().is_none() && first.checked_add(count).is_some();
        (whole && (Some(owner) == name || owner == uid)).then_some((first, count))
    };
    text.lines().filter_map(own).collect()
}

/// A user's name and home, by the lines of passwd(5).
pub fn account(passwd: &str, uid: u32) -> Option<(String, String)> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, number, _, _, home, ..] = fields.as_slice() else {
            return None;
        };
        (number.parse() == Ok(uid)).then(|| ((*name).to_owned(), (*home).to_owned()))
    })
}

/// Where a user's state lies (the XDG base directory specification, <https://specifications.freedesktop.org/basedir-spec/latest/>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Runtime state, definitions and data: `lazaret`'s own.
    pub directories: [(Directory, String); 3],
    /// Where the user keeps root file systems, as root does in `/var/lib/machines`.
    pub machines: String,
    /// Where the log of deeds lies: the user's.
    pub state: String,
    /// Where it is written down which ids are in use, whatever the variables of a session say: the user's.
    pub claims: String,
}

impl Places {
    /// Those of a user with this home, by the variables of the session. Runtime state is in none of the session's: `XDG_RUNTIME_DIR` goes when the
    /// user leaves, and a container that runs on is still to be found.
    pub fn new(home: &str, variable: impl Fn(&str) -> Option<String>) -> Self {
        // A path that is not absolute is to be ignored, the specification says.
        let set = |name: &str| variable(name).filter(|v| v.starts_with('/'));
        let home = home.trim_end_matches('/');
        let of = |name: &str, usual: &str| set(name).unwrap_or_else(|| format!("{home}/{usual}"));
        let state = format!("{}/lazaret", of("XDG_STATE_HOME", ".local/state"));
        let claims = format!("{home}/.local/state/lazaret");
        let data = of("XDG_DATA_HOME", ".local/share");
        let directories = [
            (Directory::Run, format!("{claims}/run")),
            (
                Directory::Definitions,
                format!("{}/lazaret", of("XDG_CONFIG_HOME", ".config")),
            ),
            (Directory::Data, format!("{data}/lazaret")),
        ];
        Self {
            directories,
            machines: format!("{data}/machines"),
            state,
            claims,
        }
    }

    /// The log of deeds.
    pub fn log(&self) -> String {
        format!("{}/audit.log", self.state)
    }

    /// The file in which ids are claimed.
    pub fn ids(&self) -> String {
        format!("{}/ids", self.claims)
    }

    /// The directory in which it is noted where each container's control groups lie.
    pub fn groups(&self) -> String {
        format!("{}/groups", self.claims)
    }
}

/// What gives a user a control group for one command and all that it starts, where systemd keeps the user's session.
pub const SCOPE: &str = "systemd-run --user --scope -p Delegate=yes";

/// The group, below `lazaret` in one that was delegated to a user, in which the user's own processes are that were in that one.
pub const CALLERS: &str = ".caller";

/// The group of version 2 in which a process has found itself, by `/proc/PID/cgroup` (cgroups(7)), from the root of what it sees; whose callers' group it
/// is, if it is one. `None`: it sees none, or is outside of what it sees.
pub fn within(cgroup: &str) -> Option<&str> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let path = path
        .strip_suffix(CALLERS)
        .and_then(|p| p.strip_suffix("/lazaret/"))
        .unwrap_or(path);
    let path = path.strip_suffix(" (deleted)").map_or(Some(path), |_| None)?;
    let outside = path.split('/').any(|part| part == "..");
    (!outside && (path.is_empty() || path.starts_with('/'))).then(|| path.trim_end_matches('/'))
}

/// The unit of a user's service manager (`user@UID.service`, whose groups are the user's one and all) in whose group, by such a path, a process is. That
/// one keeps for itself the groups of units to which it delegates nothing (systemd's documentation, "Control Group APIs and Delegation").
pub fn unit(path: &str) -> Option<&str> {
    let is_manager = |part: &str| part.starts_with("user@") && part.ends_with(".service");
    let mut parts = path.split('/').skip_while(|part| !is_manager(part));
    let manager = parts.next()?;
    let is_unit = |part: &&str| part.ends_with(".scope") || part.ends_with(".service");
    // What lies below a unit's is whatever runs in that has made of it.
    Some(parts.find(is_unit).unwrap_or(manager))
}

/// Where such a manager writes down what a unit is that it was asked for by its name alone, as by `systemd-run`. On the group itself a user's manager
/// leaves no mark of what it delegates (`user.delegate` is the system's alone).
pub fn transient(uid: u32, unit: &str) -> String {
    format!("/run/user/{uid}/systemd/transient/{unit}")
}

/// Whether a unit's file says that its group is given to what runs in it: a truth, or controllers, if perhaps none (systemd.resource-control(5)).
pub fn delegates(file: &str) -> bool {
    let mut said = file.lines().filter_map(|line| line.trim().strip_prefix("Delegate="));
    said.next_back().is_some_and(|value| {
        !["no", "n", "false", "f", "off", "0"].contains(&value.trim().to_ascii_lowercase().as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_user_namespace_are_told_as_they_are_outside_of_it() {
        let map = "  0 1000 1\n 65536 100000 65536\n 131072 500000 100\n1879048192 165536 1\n";
        assert_eq!(outside(map, 65536, 65536), [(100_000, 65536)]);
        assert_eq!(outside(map, 65546, 65626), [(100_010, 65526), (500_000, 100)]);
        assert_eq!(outside(map, 0, 1), [(1000, 1)]);
        assert_eq!(outside(map, 7, 3), []);
        let all = "0 0 4294967295\n";
        assert_eq!(outside(all, 1_879_048_192, 65536), [(1_879_048_192, 65536)]);
    }

    #[test]
    fn a_group_of_a_users_manager_is_a_units_and_given_away_by_that_units_file() {
        let slice = "/user.slice/user-7.slice";
        let below = |path: &str| unit(&format!("{slice}/{path}")).map(str::to_owned);
        assert_eq!(below("session-2.scope"), None);
        assert_eq!(unit("/system.slice/mine.service"), None);
        assert_eq!(unit("/given.scope"), None);
        assert_eq!(below("user@7.service").as_deref(), Some("user@7.service"));
        assert_eq!(below("user@7.service/init.scope").as_deref(), Some("init.scope"));
        assert_eq!(below("user@7.service/app.slice").as_deref(), Some("user@7.service"));
        assert_eq!(
            below("user@7.service/app.slice/run-r1.scope").as_deref(),
            Some("run-r1.scope")
        );
        assert_eq!(
            below("user@7.service/app.slice/a.service/mine").as_deref(),
            Some("a.service")
        );
        assert_eq!(
            transient(7, "run-r1.scope"),
            "/run/user/7/systemd/transient/run-r1.scope"
        );
        for given in [
            "[Scope]\nDelegate=yes\n",
            "Delegate=cpu memory",
            "Delegate=",
            "Delegate=no\nDelegate=yes\n",
        ] {
            assert!(delegates(given), "{given}");
        }
        for kept in [
            "",
            "[Scope]\nSlice=app.slice\n",
            "Delegate=no",
            "Delegate=yes\nDelegate=False\n",
            "#Delegate=yes",
        ] {
            assert!(!delegates(kept), "{kept}");
        }
    }

    #[test]
    fn a_callers_group_is_that_which_was_delegated() {
        let of = |path: &str| within(&format!("1:cpu:/x\n0::{path}\n")).map(str::to_owned);
        assert_eq!(of("/").as_deref(), Some(""));
        assert_eq!(of("/a/b.scope").as_deref(), Some("/a/b.scope"));
        assert_eq!(of("/a/lazaret/.caller").as_deref(), Some("/a"));
        assert_eq!(of("/lazaret/.caller").as_deref(), Some(""));
        assert_eq!(of("/a/.caller").as_deref(), Some("/a/.caller"));
        assert_eq!((of("/../a"), of("/a (deleted)")), (None, None));
        assert_eq!(within("1:cpu:/x\n"), None);
    }

    fn text(lines: &[Line]) -> String {
        lines
            .iter()
            .map(|(a, b, c)| format!("{a:10} {b:10} {c:10}\n"))
            .collect()
    }

    #[test]
    fn a_map_that_was_laid_out_is_recognised() {
        let uids = layout(1000, &[(100_000, 65536), (300_000, 200_000)]).unwrap();
        assert_eq!(
            uids,
            [
                (0, 1000, 1),
                (LAZARET, 100_000, 1),
                (OWN_FIRST, 100_001, 65535),
                (OWN_FIRST + 65535, 300_000, 200_000)
            ]
        );
        let gids = layout(1000, &[(100_000, 65536 + 17)]).unwrap();
        let found = User::of_maps(&text(&uids), &text(&gids)).unwrap();
        assert_eq!((found.uid, found.blocks), (1000, 1));
        assert_eq!(User::of_maps(&text(&uids), &text(&uids)).unwrap().blocks, 4);
    }

    #[test]
    fn other_maps_are_nobodys_host() {
        let whole = "         0          0 4294967295\n";
        assert_eq!(User::of_maps(whole, whole), None);
        for other in [
            "",
            "0 1000 1",
            "0 1000 1\n1 100000 65536",
            "0 1000 x",
            "0 1000",
            "0 1000 1\n1879048192 100000 2",
            "0 1000 1\n1879048192 100000 1\n1879113729 100001 70000",
        ] {
            assert_eq!(User::of_maps(other, other), None, "{other}");
        }
    }

    #[test]
    fn few_ids_are_none_for_containers() {
        assert_eq!(layout(1000, &[]), None);
        assert_eq!(layout(1000, &[(5, 0)]), None);
        let one = text(&layout(1000, &[(100_000, 1)]).unwrap());
        assert_eq!(User::of_maps(&one, &one).unwrap().blocks, 0);
        let most = layout(1, &[(0, u32::MAX)]).unwrap();
        assert_eq!(most[2], (OWN_FIRST, 1, HIGHEST - OWN_FIRST));
    }

    #[test]
    fn ranges_are_a_users_by_name_or_number() {
        let file = "# none\nother:1:2\nme:100000:65536\n1000:300000:10\nme:1\nme:1:2:3\nme:4294967295:2\nme:x:1\n";
        assert_eq!(ranges(file, Some("me"), 1000), [(100_000, 65536), (300_000, 10)]);
        assert_eq!(ranges(file, None, 1000), [(300_000, 10)]);
        assert_eq!(ranges(file, Some("m"), 7), []);
    }

    #[test]
    fn an_account_is_found_by_its_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\ntorn\nme:x:1000:1000:Me:/home/me:/bin/sh\n";
        assert_eq!(account(passwd, 1000), Some(("me".to_owned(), "/home/me".to_owned())));
        assert_eq!(account(passwd, 1), None);
    }

    #[test]
    fn directories_are_those_of_the_session_or_the_usual_ones() {
        let paths = |places: &Places| places.directories.clone().map(|(_, path)| path);
        let usual = Places::new("/home/me/", |_| None);
        let expected = [
            "/home/me/.local/state/lazaret/run",
            "/home/me/.config/lazaret",
            "/home/me/.local/share/lazaret",
        ];
        assert_eq!(paths(&usual), expected);
        assert_eq!(usual.machines, "/home/me/.local/share/machines");
        assert_eq!(usual.log(), "/home/me/.local/state/lazaret/audit.log");
        let set = |name: &str| match name {
            "XDG_RUNTIME_DIR" => Some("/run/user/1000".to_owned()),
            "XDG_STATE_HOME" => Some("/s".to_owned()),
            "XDG_CONFIG_HOME" => Some("relative".to_owned()),
            _ => None,
        };
        let chosen = Places::new("/home/me", set);
        assert_eq!(
            paths(&chosen)[..2],
            ["/home/me/.local/state/lazaret/run", "/home/me/.config/lazaret"]
        );
        assert_eq!(
            (chosen.log(), chosen.ids()),
            (
                "/s/lazaret/audit.log".to_owned(),
                "/home/me/.local/state/lazaret/ids".to_owned()
            )
        );
    }
}

//! A new host of the user's: this process leaves for a new user namespace, and a child that has stayed behind has its maps written, by
//! `newuidmap` and `newgidmap`, which look at what /etc/subuid and /etc/subgid give the user. May touch: those programs and files.

use super::obstacle::{self, Obstacle};
use nix::fcntl::OFlag;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use sys::namespace::{Kind, unshare};
use sys::process::Fork;
use wire::user::{Line, User, layout, ranges};

/// Where set-user-ID programs are looked for. PATH is not asked.
const PLACES: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin"];

/// The file of a program.
pub fn program(name: &str) -> Option<String> {
    let at = PLACES.map(|place| format!("{place}/{name}"));
    at.into_iter().find(|path| std::path::Path::new(path).is_file())
}

/// What both maps are to be.
pub struct Maps {
    /// The program that writes it, and the map, of users and then of groups.
    maps: [(String, Vec<Line>); 2],
    /// For how many containers there are ids.
    pub containers: u32,
}

/// The maps that this host allows a user of this name; the obstacle is what is missing.
pub fn maps(name: &str) -> Result<Maps, Obstacle> {
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let (users, groups) = (read("/etc/subuid"), read("/etc/subgid"));
    let tool = |name: &str| program(name).ok_or_else(|| obstacle::tool(name));
    let (newuidmap, newgidmap) = (tool("newuidmap")?, tool("newgidmap")?);
    let name = Some(name);
    let few = || obstacle::ranges(name, uid, &users, &groups);
    let uids = layout(uid, &ranges(&users, name, uid)).ok_or_else(few)?;
    let gids = layout(gid, &ranges(&groups, name, uid)).ok_or_else(few)?;
    let text = |lines: &[Line]| {
        lines
            .iter()
            .map(|(a, b, c)| format!("{a} {b} {c}\n"))
            .collect::<String>()
    };
    match User::of_maps(&text(&uids), &text(&gids)) {
        Some(user) if user.blocks > 0 => Ok(Maps {
            maps: [(newuidmap, uids), (newgidmap, gids)],
            containers: user.blocks,
        }),
        _ => Err(few()),
    }
}

/// Makes it.
pub fn make(name: &str) -> Result<(), String> {
    let maps = maps(name).map_err(|o| o.told())?;
    let said = |e: nix::errno::Errno| format!("cannot make your user namespace: {}", e.desc());
    let (wait, go) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(said)?;
    let (hear, tell) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(said)?;
    let own = std::process::id();
    match sys::process::fork().map_err(said)? {
        Fork::Child => {
            drop((go, hear));
            let told = File::from(tell).write_all(stay_behind(File::from(wait), own, &maps).as_bytes());
            sys::process::exit_now(i32::from(told.is_err()))
        }
        Fork::Parent(child) => {
            drop((wait, tell));
            let unshared = unshare(&[Kind::User]);
            let mut answer = String::new();
            if unshared.is_ok() {
                // Should the child be gone, its answer is missing.
                let _ = File::from(go).write_all(b"!");
            } else {
                drop(go);
            }
            let heard = File::from(hear).read_to_string(&mut answer);
            let _ = sys::process::wait(child);
            unshared.map_err(|e| obstacle::unshared(e).told())?;
            match (heard.is_ok(), answer.as_str()) {
                (true, "done") => Ok(()),
                (true, why) if !why.is_empty() => Err(why.to_owned()),
                _ => Err("cannot have your ids mapped: who was to do it has ended".to_owned()),
            }
        }
    }
}

/// What the child does, and says of it.
fn stay_behind(mut wait: File, process: u32, maps: &Maps) -> String {
    let mut signal = [0u8];
    if wait.read_exact(&mut signal).is_err() {
        return String::new();
    }
    for (program, lines) in &maps.maps {
        let numbers = lines.iter().flat_map(|(a, b, c)| [a, b, c]).map(u32::to_string);
        let done = Command::new(program)
            .arg(process.to_string())
            .args(numbers)
            .env_clear()
            .stdin(Stdio::null())
            .output();
        match done {
            Ok(done) if done.status.success() => {}
            Ok(done) => {
                let why = String::from_utf8_lossy(&done.stderr);
                let why: Vec<&str> = why.split_whitespace().collect();
                return obstacle::refused(program, &why.join(" ")).told();
            }
            Err(e) => return format!("cannot execute {program}: {e}"),
        }
    }
    "done".to_owned()
}

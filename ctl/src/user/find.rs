//! The user's host, if there is one: it is there as long as something runs in it, and is found by that. May touch: `/proc`, to read.

use std::fs::{File, read_dir, read_to_string};
use sys::namespace;
use wire::user::User;

/// The user namespace that this user made in this one and that has the maps of a user's host.
pub fn find(uid: u32) -> Result<Option<File>, String> {
    let said = |e: std::io::Error| format!("cannot look for your user namespace in /proc: {e}");
    let own = File::open("/proc/self/ns/user").map_err(said)?;
    for entry in read_dir("/proc").map_err(said)? {
        // What ends meanwhile is none.
        let Ok(entry) = entry else { continue };
        let name = entry.file_name();
        let Some(pid) = name.to_str().filter(|n| n.bytes().all(|b| b.is_ascii_digit())) else {
            continue;
        };
        // That of another user's process is not opened.
        let Ok(its) = File::open(format!("/proc/{pid}/ns/user")) else {
            continue;
        };
        let made_here = namespace::owner(&its) == Ok(uid)
            && namespace::parent(&its).is_ok_and(|parent| namespace::same(&parent, &own) == Ok(true));
        let read = |file: &str| read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        if made_here && User::of_maps(&read("uid_map"), &read("gid_map")).is_some_and(|user| user.uid == uid) {
            return Ok(Some(its));
        }
    }
    Ok(None)
}

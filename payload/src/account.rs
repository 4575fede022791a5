//! Who the command runs as: numbers are numbers, names are looked up in the container's own passwd(5) and group(5), which are untrusted.
//! May touch: these two files below the root it is given.

use crate::Step;
use nix::errno::Errno;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use std::ffi::CStr;
use std::io::Read;
use std::os::fd::BorrowedFd;
use wire::failure::Failure;
use wire::init::User;

/// The most bytes that are read of either file.
const MOST: u64 = 1024 * 1024;
/// The highest id: `(uid_t) -1` means "unchanged" to the kernel.
const HIGHEST: u32 = u32::MAX - 1;

/// The ids that a command runs under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
    /// Its supplementary groups, all of them.
    pub groups: Vec<u32>,
}

impl Account {
    /// The container's root.
    pub const ROOT: Self = Self {
        uid: 0,
        gid: 0,
        groups: Vec::new(),
    };
}

/// One line of passwd(5), as far as it matters.
struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

/// Finds the account below `root`. A name has the groups that list it; a number has none but its own.
pub fn find(root: BorrowedFd<'_>, user: &User) -> Result<Account, Failure> {
    let mut account = match &user.user {
        None => Account::ROOT,
        Some(text) => {
            let passwd = || read(root, c"etc/passwd", "/etc/passwd");
            match number(text.as_str()) {
                Some(0) => Account::ROOT,
                Some(uid) => by_number(uid, user, passwd)?,
                None => by_name(text.as_str(), &passwd()?, &read(root, c"etc/group", "/etc/group")?)?,
            }
        }
    };
    if let Some(text) = &user.group {
        account.gid = match number(text.as_str()) {
            Some(gid) => gid,
            None => group(text.as_str(), &read(root, c"etc/group", "/etc/group")?)?,
        };
    }
    Ok(account)
}

/// A number that passwd(5) does not know has the group of the same number: the group of root would be a gift.
fn by_number(uid: u32, user: &User, passwd: impl Fn() -> Result<String, Failure>) -> Result<Account, Failure> {
    let known = |text: String| entries(&text).find(|e| e.uid == uid).map(|e| e.gid);
    let gid = match &user.group {
        Some(_) => None,
        None => known(passwd()?),
    };
    Ok(Account {
        uid,
        gid: gid.unwrap_or(uid),
        groups: Vec::new(),
    })
}

fn by_name(name: &str, passwd: &str, groups: &str) -> Result<Account, Failure> {
    let entry = entries(passwd)
        .find(|e| e.name == name)
        .ok_or_else(|| Failure::caller(&format!("find the user {name:?} in the container's /etc/passwd")))?;
    let mut supplementary: Vec<u32> = lines(groups)
        .filter(|fields| {
            fields
                .get(3)
                .is_some_and(|members| members.split(',').any(|m| m == name))
        })
        .filter_map(|fields| fields.get(2).and_then(|gid| number(gid)))
        .collect();
    supplementary.sort_unstable();
    supplementary.dedup();
    Ok(Account {
        uid: entry.uid,
        gid: entry.gid,
        groups: supplementary,
    })
}

fn group(name: &str, groups: &str) -> Result<u32, Failure> {
    lines(groups)
        .find(|fields| fields.first() == Some(&name))
        .and_then(|fields| fields.get(2).and_then(|gid| number(gid)))
        .ok_or_else(|| Failure::caller(&format!("find the group {name:?} in the container's /etc/group")))
}

/// A decimal number in its one way of being written: no sign, no space, no leading zero, nothing after it.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|n| canonical && *n <= HIGHEST)
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

/// Lines with a name that is no number, and two numbers; others are no accounts.
fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    lines(text).filter_map(|fields| {
        let name = fields
            .first()
            .copied()
            .filter(|n| !n.is_empty() && number(n).is_none())?;
        let (uid, gid) = (number(fields.get(2)?)?, number(fields.get(3)?)?);
        Some(Entry { name, uid, gid })
    })
}

/// Reads a regular file of at most [`MOST`] bytes, following no link. A file that is not there is empty.
fn read(root: BorrowedFd<'_>, path: &CStr, shown: &str) -> Result<String, Failure> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    let what = format!("read the container's {shown}");
    let file = match sys::mount::open_beneath(root, path, flags, Mode::empty(), resolve) {
        Err(Errno::ENOENT) => return Ok(String::new()),
        other => other.to(&what)?,
    };
    if FileType::from_raw_mode(rustix::fs::fstat(&file).to(&what)?.st_mode) != FileType::RegularFile {
        return Err(Failure::caller(&format!("{what}: it is not a regular file")));
    }
    let mut text = Vec::new();
    let io = |e: std::io::Error| Failure::kernel(&what, e.raw_os_error().unwrap_or(0));
    std::fs::File::from(file)
        .take(MOST.saturating_add(1))
        .read_to_end(&mut text)
        .map_err(io)?;
    if u64::try_from(text.len()).is_ok_and(|n| n > MOST) {
        return Err(Failure::caller(&format!("{what}: it is larger than {MOST} bytes")));
    }
    String::from_utf8(text).map_err(|_| Failure::caller(&format!("{what}: it is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use wire::name::Text;

    const PASSWD: &str =
        "root:x:0:0::/:/bin/sh\n0:x:7:7::/:\nweb:x:33:33::/:\n1000:x:0:0::/:\nbad:x:+5:5::/:\nann:x:1000:100::/:\n";
    const GROUP: &str = "root:x:0:\nwww:x:33:web\naudio:x:29:ann,web\nodd:x:x:web\n";

    fn find_in(user: Option<&str>, group: Option<&str>) -> Result<Account, Failure> {
        let directory = std::env::temp_dir()
            .join(format!("account-{}-{user:?}-{group:?}", std::process::id()).replace(['"', '/'], ""));
        std::fs::create_dir_all(directory.join("etc")).unwrap();
        std::fs::write(directory.join("etc/passwd"), PASSWD).unwrap();
        std::fs::write(directory.join("etc/group"), GROUP).unwrap();
        let text = |t: Option<&str>| t.map(|t| Text::new(t).unwrap());
        let root = std::fs::File::open(&directory).unwrap();
        let user = User {
            user: text(user),
            group: text(group),
        };
        let found = find(root.as_fd(), &user);
        std::fs::remove_dir_all(&directory).unwrap();
        found
    }

    fn account(uid: u32, gid: u32, groups: &[u32]) -> Account {
        Account {
            uid,
            gid,
            groups: groups.to_vec(),
        }
    }

    #[test]
    fn names_have_just_the_groups_that_list_them() {
        assert_eq!(find_in(Some("web"), None), Ok(account(33, 33, &[29, 33])));
        assert_eq!(find_in(Some("ann"), Some("www")), Ok(account(1000, 33, &[29])));
        assert_eq!(find_in(None, None), Ok(Account::ROOT));
        assert_eq!(find_in(None, Some("audio")), Ok(account(0, 29, &[])));
    }

    #[test]
    fn numbers_are_numbers_whatever_the_image_says() {
        assert_eq!(find_in(Some("0"), None), Ok(Account::ROOT));
        assert_eq!(find_in(Some("1000"), None), Ok(account(1000, 100, &[])));
        assert_eq!(find_in(Some("4242"), None), Ok(account(4242, 4242, &[])));
        assert_eq!(find_in(Some("4242"), Some("7")), Ok(account(4242, 7, &[])));
    }

    #[test]
    fn refuses_what_is_neither_a_number_nor_a_name() {
        for odd in [
            "+1",
            " 1",
            "1 ",
            "1\n",
            "",
            "01",
            "-1",
            "4294967295",
            "99999999999",
            "1:",
            "bad",
            "nobody",
        ] {
            assert!(find_in(Some(odd), None).is_err(), "{odd:?}");
            assert!(find_in(None, Some(odd)).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn refuses_a_fifo_and_a_link_for_passwd() {
        let directory = std::env::temp_dir().join(format!("account-fifo-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("etc")).unwrap();
        nix::unistd::mkfifo(&directory.join("etc/passwd"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("/etc/shadow", directory.join("etc/group")).unwrap();
        let root = std::fs::File::open(&directory).unwrap();
        assert!(read(root.as_fd(), c"etc/passwd", "/etc/passwd").is_err());
        assert_eq!(
            read(root.as_fd(), c"etc/group", "/etc/group").map_err(|f| f.errno),
            Err(Errno::ELOOP as i32)
        );
        assert_eq!(read(root.as_fd(), c"etc/none", "/etc/none"), Ok(String::new()));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}

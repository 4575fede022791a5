//! The values that options of `run` take, and how they are written. Pure: each is checked whole, before anything is done.

pub mod audit;
pub mod network;
pub mod uri;

pub use network::Network;

use std::str::FromStr;
use wire::init::Rlimit;

/// A number of bytes: at least 1 MiB, at most 2^62.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(pub u64);

/// The least memory that a container can be given.
pub const LEAST_MEMORY: u64 = 1024 * 1024;
/// The most, far above what any machine has and below what the kernel rounds.
pub const MOST_MEMORY: u64 = 1 << 62;

/// Reads a number of bytes: digits, then nothing or one of `KMGT` (with or without `iB` or `B`), powers of 1024.
pub fn size(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let shift = match unit.to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err("it is not a size such as 65536, 64M or 1G".into()),
    };
    if digits.is_empty() {
        return Err("it is not a size such as 65536, 64M or 1G".into());
    }
    let number: u64 = digits.parse().map_err(|_| "it is too large".to_owned())?;
    number
        .checked_mul(1 << shift)
        .filter(|n| *n <= MOST_MEMORY)
        .ok_or_else(|| "it is too large".to_owned())
}

/// Refuses an amount of memory in which no container can run, or that no machine has.
pub fn check_memory(bytes: u64) -> Result<u64, String> {
    match bytes {
        0 => Err("no container runs without memory".into()),
        n if n < LEAST_MEMORY => Err(format!(
            "a container needs at least {} KiB of memory",
            LEAST_MEMORY / 1024
        )),
        n if n > MOST_MEMORY => Err("it is too large".into()),
        n => Ok(n),
    }
}

impl FromStr for Memory {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        check_memory(size(text)?).map(Self)
    }
}

/// Processors' worth of time, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub u32);

impl FromStr for Rate {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it is not a number of processors such as 2 or 1.5, at least 0.01".to_owned();
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |s: &str| !s.is_empty() && s.len() <= 6 && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 3 {
            return Err(wrong());
        }
        let whole: u32 = whole.parse().map_err(|_| wrong())?;
        let part: u32 = format!("{part:0<3}").parse().map_err(|_| wrong())?;
        let rate = whole
            .checked_mul(1000)
            .and_then(|w| w.checked_add(part))
            .ok_or_else(wrong)?;
        if (10..=8_192_000).contains(&rate) {
            Ok(Self(rate))
        } else {
            Err(wrong())
        }
    }
}

/// An absolute path inside a container, without `..`: it names the same place whatever links there are.
pub fn inside(path: &str) -> Result<String, String> {
    if !path.starts_with('/') {
        return Err(format!("{path:?} is not an absolute path"));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(format!("{path:?} contains '..'"));
    }
    if path.len() > 4096 || path.contains('\0') {
        return Err("the path is too long, or contains NUL".into());
    }
    let kept: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    Ok(format!("/{}", kept.join("/")))
}

/// A file or directory of the host that is shown inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Path on the host, absolute or relative to the working directory.
    pub source: String,
    /// Path inside.
    pub target: String,
    /// Whether it is read-only.
    pub read_only: bool,
}

impl FromStr for Bind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, read_only) = match parts.as_slice() {
            [source, target] | [source, target, "rw"] => (source, target, false),
            [source, target, "ro"] => (source, target, true),
            _ => return Err("a bind is SRC:DST or SRC:DST:ro".into()),
        };
        if source.is_empty() {
            return Err("a bind is SRC:DST or SRC:DST:ro".into());
        }
        let target = inside(target)?;
        if target == "/" {
            return Err("the root is chosen with --rootfs".into());
        }
        Ok(Self {
            source: (*source).to_owned(),
            target,
            read_only,
        })
    }
}

/// An empty file system in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// Path inside.
    pub target: String,
    /// Most bytes; `None` is half of the container's memory.
    pub size: Option<u64>,
}

impl FromStr for Tmpfs {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (target, bytes) = match text.split_once(':') {
            Some((target, bytes)) => (target, Some(size(bytes)?)),
            None => (text, None),
        };
        if bytes == Some(0) {
            return Err("a size of 0 would be without limit".into());
        }
        let target = inside(target)?;
        if target == "/" {
            return Err("the root is chosen with --rootfs".into());
        }
        Ok(Self { target, size: bytes })
    }
}

/// One resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit(pub Rlimit);

/// Names of the resources, at their numbers (`include/uapi/asm-generic/resource.h`).
pub const RESOURCES: [&str; 16] = [
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
];

impl FromStr for Ulimit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "a limit is NAME=SOFT[:HARD], where NAME is one of {}",
                RESOURCES.join(", ")
            )
        };
        let (name, values) = text.split_once('=').ok_or_else(wrong)?;
        let number = RESOURCES
            .iter()
            .position(|r| *r == name)
            .and_then(|n| u8::try_from(n).ok())
            .ok_or_else(wrong)?;
        let value = |s: &str| match s {
            "unlimited" | "-1" => Ok(u64::MAX),
            _ => s.parse::<u64>().map_err(|_| wrong()),
        };
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let (soft, hard) = (value(soft)?, value(hard)?);
        if soft > hard {
            return Err("the soft limit is above the hard one".into());
        }
        Ok(Self(Rlimit {
            resource: number,
            soft,
            hard,
        }))
    }
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl FromStr for Environment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("a variable is NAME=VALUE")?;
        if name.is_empty() {
            return Err("a variable needs a name".into());
        }
        if text.len() > 32768 {
            return Err("a variable has at most 32768 bytes".into());
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// A user and a group, by name or number, as the container's own files know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSpec {
    /// The user.
    pub user: String,
    /// The group, if it is not the user's own.
    pub group: Option<String>,
}

/// Accepts a user's or group's name, or a number below 2^32-1; nothing that only looks like a number.
pub fn identity(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is neither a name nor a number");
    if text.is_empty() || text.len() > 256 {
        return Err(wrong());
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text
            .parse::<u32>()
            .ok()
            .filter(|n| *n != u32::MAX)
            .map(|n| n.to_string())
            .ok_or_else(wrong);
    }
    let good = |c: char| c.is_ascii_alphanumeric() || "_.-$@".contains(c);
    if text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') || !text.chars().all(good) {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

impl FromStr for UserSpec {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None => Ok(Self {
                user: identity(text)?,
                group: None,
            }),
            Some((user, group)) => Ok(Self {
                user: identity(user)?,
                group: Some(identity(group)?),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_a_size_that_a_container_can_have() {
        assert_eq!("64M".parse(), Ok(Memory(64 << 20)));
        assert_eq!("1GiB".parse(), Ok(Memory(1 << 30)));
        assert_eq!("2097152".parse(), Ok(Memory(2 << 20)));
        for bad in [
            "0",
            "1",
            "1K",
            "",
            "M",
            "-1",
            "64X",
            "1e9",
            "1000000000000000000000000000000",
            "99999999T",
            "64 M",
        ] {
            assert!(bad.parse::<Memory>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_decimal_numbers() {
        assert_eq!("1.5".parse(), Ok(Rate(1500)));
        assert_eq!("2".parse(), Ok(Rate(2000)));
        assert_eq!("0.05".parse(), Ok(Rate(50)));
        for bad in ["0", "", ".", "1.", "-1", "1.2345", "inf", "9999999"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn binds_and_tmpfs_have_absolute_targets() {
        let bind = Bind {
            source: "a".into(),
            target: "/b/c".into(),
            read_only: true,
        };
        assert_eq!("a:/b//./c/:ro".parse(), Ok(bind));
        for bad in ["/a", "/a:b", ":/b", "/a:/b:rx", "/a:/../b", "/a:/", "/a:/b:ro:x"] {
            assert!(bad.parse::<Bind>().is_err(), "{bad}");
        }
        assert_eq!(
            "/t:1M".parse(),
            Ok(Tmpfs {
                target: "/t".into(),
                size: Some(1 << 20)
            })
        );
        assert!("/t:0".parse::<Tmpfs>().is_err() && "/".parse::<Tmpfs>().is_err() && "t".parse::<Tmpfs>().is_err());
    }

    #[test]
    fn limits_variables_and_users_are_read_whole() {
        let l = |s: &str| s.parse::<Ulimit>().map(|l| l.0);
        assert_eq!(
            l("nofile=10:20"),
            Ok(Rlimit {
                resource: 7,
                soft: 10,
                hard: 20
            })
        );
        assert_eq!(
            l("core=unlimited"),
            Ok(Rlimit {
                resource: 4,
                soft: u64::MAX,
                hard: u64::MAX
            })
        );
        assert!(l("nofile=20:10").is_err() && l("nope=1").is_err() && l("nofile").is_err());
        assert!("K".parse::<Environment>().is_err() && "=v".parse::<Environment>().is_err());
        assert_eq!(
            "1000:www-data".parse(),
            Ok(UserSpec {
                user: "1000".into(),
                group: Some("www-data".into())
            })
        );
        for bad in ["", "1:", ":1", "+1", " 1", "4294967295", "1\n", "1x", "a:b:c", "-x"] {
            assert!(bad.parse::<UserSpec>().is_err(), "{bad:?}");
        }
    }
}

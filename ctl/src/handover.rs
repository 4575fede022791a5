//! The first act of `lazaret`: whoever holds power hands it to the launcher, before a single argument is looked at.
//! May touch: `/proc/self/status`, `/proc/self/exe`, execve(2).

use rustix::fs::{Mode, OFlags};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

/// Where `make install` puts the pieces.
pub const LIBEXEC: &str = match option_env!("LAZARET_LIBEXEC") {
    Some(directory) => directory,
    None => "/usr/local/libexec/lazaret",
};
/// The variable by which the launcher tells where its channel is.
pub const VARIABLE: &str = "LAZARET_LAUNCHER";
/// The variable by which the launcher is told where this program's own file is open.
pub const EXECUTABLE: &str = "LAZARET_EXE";
/// The number of the launcher's channel.
pub const CHANNEL: i32 = 3;

/// Who this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Started by the launcher, without power: its channel is descriptor [`CHANNEL`].
    Launched,
    /// It holds power, which it is to hand over.
    Powerful,
    /// An ordinary user, without power and without a launcher.
    Ordinary,
}

/// Judges who this process is from `/proc/self/status` and the variable.
pub fn standing(status: &str, variable: Option<&str>) -> Standing {
    if powerful(status) {
        return Standing::Powerful;
    }
    if variable == Some("3") {
        Standing::Launched
    } else {
        Standing::Ordinary
    }
}

/// Whether a `/proc/PID/status` shows uid 0 or any capability. One that cannot be understood counts as powerful.
fn powerful(status: &str) -> bool {
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name));
    let Some(uids) = field("Uid:") else { return true };
    let root = uids.split_whitespace().any(|u| u == "0");
    let capable = ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"]
        .iter()
        .any(|set| field(set).is_none_or(|v| u64::from_str_radix(v.trim(), 16) != Ok(0)));
    root || capable
}

/// Reads who this process is. Power that comes together with the variable is no launcher's doing.
pub fn read_standing() -> Standing {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    standing(&status, std::env::var(VARIABLE).ok().as_deref())
}

/// The directory of the pieces: where this binary was built, if it lies in a directory that cargo builds in, or else [`LIBEXEC`].
pub fn libexec(executable: Option<&Path>) -> PathBuf {
    let built = executable.and_then(Path::parent).filter(|d| {
        matches!(d.file_name().and_then(|n| n.to_str()), Some("debug" | "release")) && d.join(".cargo-lock").exists()
    });
    built.map_or_else(|| PathBuf::from(LIBEXEC), Path::to_path_buf)
}

/// Executes the launcher in place of this process, with every argument as it is, and with this program's own file open, so that it
/// can be executed again under a uid that may not be able to find it. Comes back only with the reason why it could not.
pub fn become_launcher() -> String {
    let executable = std::fs::read_link("/proc/self/exe").ok();
    let launcher = libexec(executable.as_deref()).join("launcher");
    // Not close-on-exec: that is the point. Should it become one of the standard streams, the next number is taken.
    let own = rustix::fs::open("/proc/self/exe", OFlags::PATH, Mode::empty());
    let own = own
        .and_then(|fd| rustix::io::fcntl_dupfd_cloexec(&fd, 3))
        .and_then(|fd| {
            rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty())?;
            Ok(fd)
        });
    let own = match own {
        Ok(own) => own,
        Err(e) => return format!("cannot open its own file: {e}"),
    };
    let error = std::process::Command::new(&launcher)
        .arg0("lazaret")
        .args(std::env::args_os().skip(1))
        .env(EXECUTABLE, own.as_raw_fd().to_string())
        .exec();
    format!("cannot start {}: {error}", launcher.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "Uid:\t7\t7\t7\t7\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n";

    #[test]
    fn whoever_has_power_hands_it_over() {
        assert_eq!(standing(PLAIN, None), Standing::Ordinary);
        assert_eq!(standing(PLAIN, Some("3")), Standing::Launched);
        assert_eq!(
            standing(&PLAIN.replace("Uid:\t7", "Uid:\t0"), Some("3")),
            Standing::Powerful
        );
        let one = PLAIN.replace("CapPrm:\t0000000000000000", "CapPrm:\t0000000000001000");
        assert_eq!(standing(&one, None), Standing::Powerful);
        assert_eq!(standing("", None), Standing::Powerful);
    }

    #[test]
    fn pieces_are_found_where_they_were_installed() {
        assert_eq!(libexec(Some(Path::new("/usr/bin/lazaret"))), PathBuf::from(LIBEXEC));
        assert_eq!(libexec(None), PathBuf::from(LIBEXEC));
    }
}

//! What of /proc and /sys a container does not see, and what it sees but cannot write. `init` lays these masks, and `lazaret policy` shows them.
//! Pure data.

/// Hidden in both profiles: what tells of the host, or reaches it. A file becomes `/dev/null`, a directory an empty one.
pub const HIDDEN: [&str; 34] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/bus",
    "/proc/config.gz",
    "/proc/driver",
    "/proc/fs",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/locks",
    "/proc/pressure",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/tty/driver",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/bpf",
    "/sys/fs/fuse",
    "/sys/fs/selinux",
    "/sys/hypervisor",
    "/sys/kernel",
    "/sys/module",
    "/sys/power",
    "/sys/dev/block",
];
/// Read-only in both profiles.
pub const READ_ONLY: [&str; 3] = ["/proc/sys", "/proc/irq", "/sys"];
/// Writable again for a system that has a network namespace of its own: there the kernel shows only settings of that namespace. It does not
/// keep to that everywhere below `/proc/sys/net`: `netfilter/nf_hooks_lwtunnel` is one for all namespaces, whose roots can all write it. So these
/// are named, and the rest stays read-only. In the host's own namespace all are the host's.
pub const SYSTEM_WRITES: [&str; 4] = [
    "/proc/sys/net/core",
    "/proc/sys/net/ipv4",
    "/proc/sys/net/ipv6",
    "/proc/sys/net/unix",
];
/// Where each processor has a directory, in which [`THROTTLE`], hidden too, tells what the others have made it do.
pub const PROCESSORS: &str = "/sys/devices/system/cpu";
/// See [`PROCESSORS`].
pub const THROTTLE: &str = "thermal_throttle";

/// Whether a container can be left as it is at this place: `/sys` is read-only by its own mount, not by one that is laid over it.
pub fn covers(path: &str) -> bool {
    path != "/sys" && (HIDDEN.contains(&path) || READ_ONLY.contains(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_are_in_order_and_once() {
        let places: Vec<_> = HIDDEN.iter().filter(|p| p.starts_with("/proc")).collect();
        let mut sorted = places.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted, places);
    }

    #[test]
    fn the_profile_that_is_installed_denies_by_name_what_is_hidden() {
        let profile = include_str!("../apparmor/lazaret-container");
        let denied: Vec<_> = profile
            .lines()
            .filter_map(|l| l.trim().strip_prefix("deny ")?.strip_suffix("{,/**} rwklx,"))
            .collect();
        assert_eq!(denied, HIDDEN);
    }

    #[test]
    fn only_what_is_laid_over_a_place_can_be_left_out() {
        assert!(covers("/proc/keys") && covers("/proc/sys"));
        assert!(!covers("/sys") && !covers("/proc") && !covers("/proc/sys/net/core"));
    }
}

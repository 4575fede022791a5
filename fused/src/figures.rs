//! The memory figures of one control group at one moment, and how they are read out of the text of its files. Pure.
//! Formats: kernel documents `admin-guide/cgroup-v1/memory.rst` and `admin-guide/cgroup-v2.rst`.

/// Swap, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap {
    /// How much the group may use.
    pub total: u64,
    /// How much of that it does not use.
    pub free: u64,
}

/// One sample, in bytes. What is `None` the group's files do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// The limit.
    pub total: u64,
    /// What is charged to the group, caches included.
    pub used: u64,
    /// Swap, where it is accounted and limited.
    pub swap: Option<Swap>,
    /// Page cache.
    pub cached: u64,
    /// Anonymous memory that was used lately.
    pub active_anon: u64,
    /// Anonymous memory that was not.
    pub inactive_anon: u64,
    /// Page cache that was used lately.
    pub active_file: u64,
    /// Page cache that was not.
    pub inactive_file: u64,
    /// Memory that cannot be reclaimed.
    pub unevictable: u64,
    /// Page cache to be written to disk.
    pub dirty: Option<u64>,
    /// Page cache being written.
    pub writeback: Option<u64>,
    /// Anonymous memory mapped into processes.
    pub anonymous: Option<u64>,
    /// Page cache mapped into processes.
    pub mapped: Option<u64>,
    /// tmpfs and shared anonymous memory.
    pub shmem: Option<u64>,
    /// Kernel objects that can be reclaimed. Version 1 does not charge them to the group's memory: 0.
    pub slab_reclaimable: Option<u64>,
    /// Kernel objects that cannot.
    pub slab_unreclaimable: Option<u64>,
    /// Kernel stacks.
    pub kernel_stack: Option<u64>,
    /// Page tables.
    pub page_tables: Option<u64>,
}

/// The text of a group's files.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// `memory.limit_in_bytes` or `memory.max`. On version 1 `None` if `memory.stat` [tells](tells_limits) what binds.
    pub limit: Option<&'a str>,
    /// `memory.usage_in_bytes` or `memory.current`.
    pub usage: &'a str,
    /// `memory.stat`.
    pub stat: &'a str,
    /// `memory.memsw.limit_in_bytes` and `memory.memsw.usage_in_bytes`, or `memory.swap.max` and `memory.swap.current`;
    /// the first as `limit`.
    pub swap: Option<(Option<&'a str>, &'a str)>,
}

/// From here on a version 1 limit means none: the kernel shows the highest multiple of a page below 2^63.
const UNLIMITED: u64 = 1 << 62;

fn number(text: &str) -> Option<u64> {
    text.trim_end().parse().ok()
}

/// The figures of these keys, in one pass: there is a sample for each read.
fn keys<const N: usize>(stat: &str, names: [&str; N]) -> [Option<u64>; N] {
    let mut found = [None; N];
    for (name, value) in stat.lines().filter_map(|line| line.split_once(' ')) {
        if let Some(place) = names
            .iter()
            .zip(&mut found)
            .find_map(|(n, place)| (*n == name).then_some(place))
        {
            *place = number(value);
        }
    }
    found
}

/// What both versions count in `memory.stat`, in the order in which each names it: what there must be, then what there may be.
type Counted = [Option<u64>; 11];

/// The figures that both versions have; those of the kernel's own memory are not among them.
fn common(counted: Counted, total: u64, used: u64, swap: Option<Swap>) -> Option<Figures> {
    let [
        cached,
        active_anon,
        inactive_anon,
        active_file,
        inactive_file,
        unevictable,
        rest @ ..,
    ] = counted;
    let [dirty, writeback, anonymous, mapped, shmem] = rest;
    Some(Figures {
        total,
        used,
        swap,
        cached: cached?,
        active_anon: active_anon?,
        inactive_anon: inactive_anon?,
        active_file: active_file?,
        inactive_file: inactive_file?,
        unevictable: unevictable?,
        dirty,
        writeback,
        anonymous,
        mapped,
        shmem,
        slab_reclaimable: None,
        slab_unreclaimable: None,
        kernel_stack: None,
        page_tables: None,
    })
}

/// Whether the `memory.stat` of version 1 tells the limits that bind, the group's own among them; every kernel's does that this is made for.
pub fn tells_limits(stat: &str) -> bool {
    stat.contains("\nhierarchical_memory_limit ") && stat.contains("\nhierarchical_memsw_limit ")
}

/// Version 1: the `total_` keys, which count the groups below, and the limit that binds, which may be one further up.
/// `None` if a file does not read as it should, or if there is no limit at all: then there is no figure to show.
pub fn version1(texts: &Texts<'_>) -> Option<Figures> {
    const KEYS: [&str; 13] = [
        "hierarchical_memory_limit",
        "hierarchical_memsw_limit",
        "total_cache",
        "total_active_anon",
        "total_inactive_anon",
        "total_active_file",
        "total_inactive_file",
        "total_unevictable",
        "total_dirty",
        "total_writeback",
        "total_rss",
        "total_mapped_file",
        "total_shmem",
    ];
    let [above, above_with_swap, counted @ ..] = keys(texts.stat, KEYS);
    let binding = |own: Option<&str>, above: Option<u64>| match own {
        Some(own) => Some(number(own)?.min(above.unwrap_or(u64::MAX))),
        None => above,
    };
    let total = binding(texts.limit, above)?;
    if total >= UNLIMITED {
        return None;
    }
    let used = number(texts.usage)?;
    let swap = match texts.swap {
        None => None,
        Some((limit, usage)) => {
            let (limit, usage) = (binding(limit, above_with_swap)?, number(usage)?);
            // Both count memory and swap together.
            let total = limit.saturating_sub(total);
            let used = usage.saturating_sub(used);
            (limit < UNLIMITED).then_some(Swap {
                total,
                free: total.saturating_sub(used),
            })
        }
    };
    Some(Figures {
        slab_reclaimable: Some(0),
        slab_unreclaimable: Some(0),
        ..common(counted, total, used, swap)?
    })
}

/// Version 2, whose swap files count swap alone. `None` as for version 1.
pub fn version2(texts: &Texts<'_>) -> Option<Figures> {
    const KEYS: [&str; 15] = [
        "slab_reclaimable",
        "slab_unreclaimable",
        "kernel_stack",
        "pagetables",
        "file",
        "active_anon",
        "inactive_anon",
        "active_file",
        "inactive_file",
        "unevictable",
        "file_dirty",
        "file_writeback",
        "anon",
        "file_mapped",
        "shmem",
    ];
    let [
        slab_reclaimable,
        slab_unreclaimable,
        kernel_stack,
        page_tables,
        counted @ ..,
    ] = keys(texts.stat, KEYS);
    let total = number(texts.limit?)?;
    let swap = match texts.swap {
        None => None,
        Some((Some(limit), _)) if limit.trim_end() == "max" => None,
        Some((limit, usage)) => {
            let total = number(limit?)?;
            Some(Swap {
                total,
                free: total.saturating_sub(number(usage)?),
            })
        }
    };
    Some(Figures {
        slab_reclaimable,
        slab_unreclaimable,
        kernel_stack,
        page_tables,
        ..common(counted, total, number(texts.usage)?, swap)?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT1: &str = "cache 1\nactive_anon 1\nhierarchical_memory_limit 67108864\nhierarchical_memsw_limit 134217728\n\
        total_cache 4096\ntotal_rss 8192\ntotal_inactive_anon 1\ntotal_active_anon 2\ntotal_inactive_file 3\n\
        total_active_file 4\ntotal_unevictable 5\n";
    const STAT2: &str = "anon 8192\nfile 4096\nfile_mapped 12\ninactive_anon 1\nactive_anon 2\ninactive_file 3\nactive_file 4\n\
        unevictable 5\nslab_reclaimable 6\nslab_unreclaimable 7\nslab 13\n";

    fn texts<'a>(limit: &'a str, usage: &'a str, stat: &'a str, swap: Option<(&'a str, &'a str)>) -> Texts<'a> {
        Texts {
            limit: Some(limit),
            usage,
            stat,
            swap: swap.map(|(limit, usage)| (Some(limit), usage)),
        }
    }

    #[test]
    fn version_1_counts_the_groups_below() {
        let figures = version1(&texts("67108864\n", "1048576\n", STAT1, None)).unwrap();
        assert_eq!(
            (figures.total, figures.used, figures.cached),
            (67_108_864, 1_048_576, 4096)
        );
        assert_eq!((figures.active_anon, figures.dirty, figures.swap), (2, None, None));
    }

    #[test]
    fn version_1_shows_the_limit_that_binds() {
        let figures = version1(&texts("9223372036854771712\n", "0\n", STAT1, None)).unwrap();
        assert_eq!(figures.total, 67_108_864);
        let unlimited = STAT1.replace("67108864", "9223372036854771712");
        assert_eq!(version1(&texts("9223372036854771712\n", "0\n", &unlimited, None)), None);
    }

    #[test]
    fn version_1_needs_no_limit_that_its_statistics_tell() {
        let told = Texts {
            limit: None,
            usage: "1000\n",
            stat: STAT1,
            swap: Some((None, "3000\n")),
        };
        assert!(tells_limits(STAT1));
        let read = texts("67108864\n", "1000\n", STAT1, Some(("134217728\n", "3000\n")));
        assert_eq!(version1(&told), version1(&read));
        let untold = STAT1.replace("hierarchical_memsw_limit", "another");
        assert!(!tells_limits(&untold));
        assert_eq!(version1(&Texts { stat: &untold, ..told }), None);
        // Version 2 tells no limit there.
        assert_eq!(version2(&Texts { stat: STAT2, ..told }), None);
    }

    #[test]
    fn version_1_swap_is_what_memory_and_swap_exceed_memory_by() {
        let swap = |limit, usage| version1(&texts("67108864\n", "1000\n", STAT1, Some((limit, usage)))).map(|f| f.swap);
        let total = 67_108_864;
        assert_eq!(
            swap("134217728\n", "3000\n"),
            Some(Some(Swap {
                total,
                free: total - 2000
            }))
        );
        assert_eq!(
            swap("9223372036854771712\n", "1000\n"),
            Some(Some(Swap { total, free: total }))
        );
        // Read at different moments, usage with swap may seem to be less than without.
        assert_eq!(swap("134217728\n", "10\n"), Some(Some(Swap { total, free: total })));
        assert_eq!(swap("67108864\n", "99999999\n"), Some(Some(Swap { total: 0, free: 0 })));
        assert_eq!(swap("many\n", "1\n"), None);
    }

    #[test]
    fn version_2_swap_stands_alone() {
        let swap =
            |limit, usage| version2(&texts("67108864\n", "60000000\n", STAT2, Some((limit, usage)))).map(|f| f.swap);
        assert_eq!(
            swap("4096\n", "1024\n"),
            Some(Some(Swap {
                total: 4096,
                free: 3072
            }))
        );
        assert_eq!(swap("0\n", "0\n"), Some(Some(Swap { total: 0, free: 0 })));
        assert_eq!(swap("1024\n", "4096\n"), Some(Some(Swap { total: 1024, free: 0 })));
        assert_eq!(swap("max\n", "0\n"), Some(None));
        assert_eq!(swap("4096\n", "\n"), None);
    }

    #[test]
    fn a_group_without_a_limit_has_no_figures() {
        assert_eq!(version2(&texts("max\n", "1\n", STAT2, None)), None);
    }

    #[test]
    fn malformed_files_give_nothing() {
        for bad in ["", "\n", "-1\n", "1 2\n", "x\n", "99999999999999999999\n"] {
            assert_eq!(version1(&texts(bad, "1\n", STAT1, None)), None, "{bad:?}");
            assert_eq!(version1(&texts("1\n", bad, STAT1, None)), None, "{bad:?}");
            assert_eq!(version2(&texts("1\n", bad, STAT2, None)), None, "{bad:?}");
            assert_eq!(
                version2(&texts("1\n", "1\n", &STAT2.replace("file 4096\n", bad), None)),
                None,
                "{bad:?}"
            );
        }
        assert_eq!(version1(&texts("1\n", "1\n", STAT2, None)), None);
    }

    #[test]
    fn a_key_is_matched_whole() {
        assert_eq!(keys(STAT2, ["act", "file", "anon"]), [None, Some(4096), Some(8192)]);
    }
}

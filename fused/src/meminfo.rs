//! `/proc/meminfo` as one function from a sample to text. Pure.
//! Format: proc_meminfo(5), and the kernel's `fs/proc/meminfo.c` for widths and order. A line that the sample has no figure for is
//! left out; no line ever carries a figure of the host.

use crate::figures::Figures;

/// Columns of a name, and of a number.
const NAME: usize = 16;
const NUMBER: usize = 8;

/// Writes one line, in kB of 1024 bytes; nothing if there is no figure. By hand, since each read has more than twenty.
fn line(text: &mut String, name: &str, bytes: Option<u64>) {
    let Some(bytes) = bytes else { return };
    let mut digits = [b' '; 20];
    let mut rest = bytes >> 10;
    let mut used = 0usize;
    for place in digits.iter_mut().rev() {
        *place = b'0'.wrapping_add(u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
        used = used.saturating_add(1);
        if rest == 0 {
            break;
        }
    }
    let shown = digits.len().saturating_sub(used.max(NUMBER));
    let number = digits.get(shown..).and_then(|d| std::str::from_utf8(d).ok());
    text.push_str(name);
    text.extend(std::iter::repeat_n(' ', NAME.saturating_sub(name.len())));
    text.push_str(number.unwrap_or_default());
    text.push_str(" kB\n");
}

/// What could be used without swapping, as the kernel reckons it (`si_mem_available`): free memory, the page cache and the kernel
/// objects that can be reclaimed. The kernel subtracts what its low watermarks keep back; a group has none.
fn available(f: &Figures, free: u64) -> u64 {
    [f.active_file, f.inactive_file, f.slab_reclaimable.unwrap_or(0)]
        .into_iter()
        .fold(free, u64::saturating_add)
        .min(f.total)
}

/// The file's whole text.
pub fn text(f: &Figures) -> String {
    let mut text = String::with_capacity(1024);
    let free = f.total.saturating_sub(f.used);
    let slab = f
        .slab_reclaimable
        .zip(f.slab_unreclaimable)
        .map(|(a, b)| a.saturating_add(b));
    let mut put = |name, bytes| line(&mut text, name, bytes);
    put("MemTotal:", Some(f.total));
    put("MemFree:", Some(free));
    put("MemAvailable:", Some(available(f, free)));
    // A group's buffers are part of its page cache.
    put("Buffers:", Some(0));
    put("Cached:", Some(f.cached));
    put("Active:", Some(f.active_anon.saturating_add(f.active_file)));
    put("Inactive:", Some(f.inactive_anon.saturating_add(f.inactive_file)));
    put("Active(anon):", Some(f.active_anon));
    put("Inactive(anon):", Some(f.inactive_anon));
    put("Active(file):", Some(f.active_file));
    put("Inactive(file):", Some(f.inactive_file));
    put("Unevictable:", Some(f.unevictable));
    put("SwapTotal:", f.swap.map(|s| s.total));
    put("SwapFree:", f.swap.map(|s| s.free));
    put("Dirty:", f.dirty);
    put("Writeback:", f.writeback);
    put("AnonPages:", f.anonymous);
    put("Mapped:", f.mapped);
    put("Shmem:", f.shmem);
    put("KReclaimable:", f.slab_reclaimable);
    put("Slab:", slab);
    put("SReclaimable:", f.slab_reclaimable);
    put("SUnreclaim:", f.slab_unreclaimable);
    put("KernelStack:", f.kernel_stack);
    put("PageTables:", f.page_tables);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Swap;

    const MIB: u64 = 1 << 20;

    fn figures() -> Figures {
        Figures {
            total: 64 * MIB,
            used: 16 * MIB,
            swap: None,
            cached: 8 * MIB,
            active_anon: MIB,
            inactive_anon: 2 * MIB,
            active_file: 3 * MIB,
            inactive_file: 4 * MIB,
            unevictable: 0,
            dirty: None,
            writeback: None,
            anonymous: None,
            mapped: None,
            shmem: None,
            slab_reclaimable: Some(0),
            slab_unreclaimable: Some(0),
            kernel_stack: None,
            page_tables: None,
        }
    }

    #[test]
    fn a_line_has_the_columns_of_the_kernel_whatever_the_number() {
        for kib in [0, 9, 10, 99_999_999, 100_000_000, u64::MAX >> 10] {
            let mut written = String::new();
            line(&mut written, "Name:", Some(kib << 10));
            assert_eq!(written, format!("{:<16}{kib:>8} kB\n", "Name:"));
        }
        let mut written = String::new();
        line(&mut written, "Name:", None);
        assert!(written.is_empty());
    }

    #[test]
    fn the_text_is_that_of_the_kernel() {
        let expected = "\
MemTotal:          65536 kB
MemFree:           49152 kB
MemAvailable:      56320 kB
Buffers:               0 kB
Cached:             8192 kB
Active:             4096 kB
Inactive:           6144 kB
Active(anon):       1024 kB
Inactive(anon):     2048 kB
Active(file):       3072 kB
Inactive(file):     4096 kB
Unevictable:           0 kB
KReclaimable:          0 kB
Slab:                  0 kB
SReclaimable:          0 kB
SUnreclaim:            0 kB
";
        assert_eq!(text(&figures()), expected);
    }

    #[test]
    fn what_the_group_tells_is_shown_and_nothing_else() {
        let swap = Some(Swap {
            total: 2 * MIB,
            free: MIB,
        });
        let all = text(&Figures {
            swap,
            dirty: Some(MIB),
            slab_reclaimable: None,
            ..figures()
        });
        assert!(
            all.contains("\nSwapTotal:          2048 kB\nSwapFree:           1024 kB\nDirty:              1024 kB\n")
        );
        assert!(!all.contains("Slab:") && !all.contains("SReclaimable:") && !all.contains("Writeback:"));
        assert!(!text(&figures()).contains("Swap"));
    }

    #[test]
    fn usage_above_the_limit_leaves_nothing_free() {
        let over = text(&Figures {
            used: 65 * MIB,
            ..figures()
        });
        assert!(over.contains("MemFree:               0 kB\n"));
    }

    #[test]
    fn available_memory_never_exceeds_the_limit() {
        let most = text(&Figures {
            used: 0,
            active_file: u64::MAX,
            ..figures()
        });
        assert!(most.contains("MemAvailable:      65536 kB\n"));
    }
}

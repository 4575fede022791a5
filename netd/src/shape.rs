//! How much a link carries, as requests to the kernel's traffic control (tc(8), tc-htb(8), tc-police(8), linux/pkt_sched.h,
//! linux/pkt_cls.h). Pure.
//!
//! What goes to a container waits in a class of HTB; what comes from it and is too much is dropped where it enters the host.

use crate::encode::{Attributes, CREATE, EXCLUSIVE, Message};
use wire::netd::Rate;

const NEW_QUEUE: u16 = 36;
const NEW_CLASS: u16 = 40;
const NEW_FILTER: u16 = 44;

const KIND: u16 = 1;
const OPTIONS: u16 = 2;

/// Where a link's own queue hangs, and where what enters by it is looked at.
const ROOT: u32 = 0xffff_ffff;
const INGRESS: u32 = 0xffff_fff1;
/// The numbers of what is hung there.
const QUEUE: u32 = 0x0001_0000;
const CLASS: u32 = 0x0001_0001;
const ENTRANCE: u32 = 0xffff_0000;

/// Bytes that a peak lets through at once: a longest frame with its headers, as tc(8) has it.
const LEAST: u32 = 1600;
/// Bytes of the longest packet that an entrance knows, and that a peak lets through there at once: several that the kernel has put
/// together are one.
const TOGETHER: u32 = 0x0002_0000;

/// `struct tcmsg`.
fn fixed(index: u32, handle: u32, parent: u32, info: u32) -> [u8; 20] {
    let mut fixed = [0; 20];
    let words = [0, index, handle, parent, info];
    for (at, word) in fixed.chunks_exact_mut(4).zip(words) {
        at.copy_from_slice(&word.to_ne_bytes());
    }
    fixed
}

/// How long `bytes` take, in the kernel's ticks of 64 nanoseconds.
fn ticks(bytes: u32, rate: u32) -> u32 {
    let nanoseconds = u64::from(bytes).saturating_mul(1_000_000_000);
    let ticks = nanoseconds.checked_div(u64::from(rate)).unwrap_or(0) >> 6;
    u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
}

/// `struct tc_ratespec`, of Ethernet.
fn rate_spec(rate: u32, cell: u8) -> Vec<u8> {
    let mut bytes = vec![cell, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend(rate.to_ne_bytes());
    bytes
}

fn words(words: &[u32]) -> impl Iterator<Item = u8> {
    words.iter().flat_map(|w| w.to_ne_bytes())
}

/// What goes out by the link waits in one class.
pub fn queue(index: u32) -> Message {
    let glob: Vec<u8> = words(&[3, 10, CLASS & 0xffff, 0, 0]).collect();
    let attributes = Attributes::new()
        .text(KIND, "htb")
        .nest(OPTIONS, Attributes::new().bytes(2, &glob));
    Message::new(NEW_QUEUE, CREATE | EXCLUSIVE, &fixed(index, QUEUE, ROOT, 0), attributes).acknowledged()
}

/// That class, which sends as fast as this.
pub fn class(index: u32, rate: &Rate) -> Message {
    let ceiling = rate.peak.unwrap_or(rate.average);
    let at_once = if rate.peak.is_some() { LEAST } else { rate.burst };
    let mut options = rate_spec(rate.average, 0);
    options.extend(rate_spec(ceiling, 0));
    options.extend(words(&[
        ticks(rate.burst, rate.average),
        ticks(at_once, ceiling),
        LEAST,
        0,
        0,
    ]));
    let attributes = Attributes::new()
        .text(KIND, "htb")
        .nest(OPTIONS, Attributes::new().bytes(1, &options));
    Message::new(
        NEW_CLASS,
        CREATE | EXCLUSIVE,
        &fixed(index, CLASS, QUEUE, 0),
        attributes,
    )
    .acknowledged()
}

/// What enters the host by the link is looked at.
pub fn entrance(index: u32) -> Message {
    let attributes = Attributes::new().text(KIND, "ingress");
    Message::new(
        NEW_QUEUE,
        CREATE | EXCLUSIVE,
        &fixed(index, ENTRANCE, INGRESS, 0),
        attributes,
    )
    .acknowledged()
}

/// Whatever enters there and is more than this is dropped.
pub fn police(index: u32, rate: &Rate) -> Message {
    const CELL: u8 = 16;
    const DROP: u32 = 2;
    const EVERYTHING: u32 = 0x0003;
    let mut police: Vec<u8> = words(&[0, DROP, 0, ticks(rate.burst, rate.average), TOGETHER]).collect();
    police.extend(rate_spec(rate.average, CELL));
    police.extend(rate_spec(
        rate.peak.unwrap_or(0),
        if rate.peak.is_some() { CELL } else { 0 },
    ));
    police.extend(words(&[0, 0, 0]));
    // How long a packet of each length takes: kernels of today work it out, and want the table nevertheless.
    let table = |rate: u32| -> Vec<u8> {
        let lengths = (1u32..=256).map(|n| ticks(n.saturating_mul(1 << CELL), rate));
        lengths.flat_map(u32::to_ne_bytes).collect()
    };
    let options = Attributes::new()
        .bytes(1, &police)
        .bytes(2, &table(rate.average))
        .maybe(rate.peak, |a, peak| a.bytes(3, &table(peak)));
    let action = Attributes::new().text(KIND, "police").nest(OPTIONS, options);
    // `struct tc_u32_sel` with one key that everything has.
    let mut selector = vec![1, 0, 1, 0];
    selector.resize(32, 0);
    let options = Attributes::new()
        .bytes(5, &selector)
        .nest(7, Attributes::new().nest(1, action));
    let attributes = Attributes::new().text(KIND, "u32").nest(OPTIONS, options);
    let protocol = u32::from(u16::try_from(EVERYTHING).unwrap_or(0).to_be());
    let info = (1 << 16) | protocol;
    Message::new(
        NEW_FILTER,
        CREATE | EXCLUSIVE,
        &fixed(index, 0, ENTRANCE, info),
        attributes,
    )
    .acknowledged()
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        average: 1_000_000,
        peak: Some(2_000_000),
        burst: 102_400,
    };

    #[test]
    #[rustfmt::skip]
    fn a_class_says_its_rate_its_peak_and_its_burst() {
        assert_eq!(class(7, &RATE).bytes(1).unwrap()[16..], [
            0, 0, 0, 0,  7, 0, 0, 0,  1, 0, 1, 0,  0, 0, 1, 0,  0, 0, 0, 0,
            8, 0, 1, 0,  b'h', b't', b'b', 0,
            52, 0, 2, 0x80,
                48, 0, 1, 0,
                    0, 1, 0, 0, 0, 0, 0, 0, 0x40, 0x42, 0x0f, 0,
                    0, 1, 0, 0, 0, 0, 0, 0, 0x80, 0x84, 0x1e, 0,
                    0, 0x6a, 0x18, 0,  0xd4, 0x30, 0, 0,  0x40, 6, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
        ]);
    }

    #[test]
    fn time_is_counted_in_ticks_and_never_none() {
        assert_eq!(ticks(1_000_000, 1_000_000), 15_625_000);
        assert_eq!((ticks(1, u32::MAX), ticks(u32::MAX, 1), ticks(1, 0)), (1, u32::MAX, 1));
    }
}

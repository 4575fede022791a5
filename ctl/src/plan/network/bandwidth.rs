//! How much a link carries: from kilobytes in a second to bytes. Pure.

use crate::domain::{self, Interface};
use crate::error::{Error, Outcome};
use crate::network::PortGroup;
use wire::netd::{Bandwidth, Rate};

/// Refuses what could not be held as it is said.
pub fn bandwidth(interface: &Interface, group: Option<&PortGroup>) -> Outcome<Bandwidth> {
    let own = Some(interface.bandwidth).filter(|b| b.said);
    let given = own.or_else(|| group.map(|g| g.bandwidth)).unwrap_or_default();
    let domain::Bandwidth { inbound, outbound, .. } = given;
    if (inbound.is_some() || outbound.is_some()) && !interface.attached.has_end() {
        return Err(Error::caller(
            "<bandwidth> is for an interface with an end on the host, and one of type direct has none",
        ));
    }
    Ok(Bandwidth {
        inbound: inbound.map(rate).transpose()?,
        outbound: outbound.map(rate).transpose()?,
    })
}

/// Seconds of a rate that a burst may have at most: what the kernel can count.
const BURST: u32 = 274;

/// Kilobytes of 1000 bytes a second, and kibibytes at once: as much as a second brings where nothing is said, as libvirt has it.
fn rate(rate: domain::Rate) -> Outcome<Rate> {
    if rate.floor.is_some() {
        return Err(Error::caller(
            "<bandwidth> with a floor needs a network that shares out a bandwidth of its own, and none here does",
        ));
    }
    let average = rate.average.ok_or_else(|| Error::Bug("a rate has no average".into()))?;
    let bytes = |n: u32, unit: u32| {
        n.checked_mul(unit).ok_or_else(|| {
            Error::caller(format!(
                "<bandwidth> of {n} is more than the {} that can be held",
                u32::MAX.checked_div(unit).unwrap_or(0)
            ))
        })
    };
    if rate.peak.is_some_and(|peak| peak < average) {
        return Err(Error::caller(format!(
            "<bandwidth> has a peak below its average of {average}"
        )));
    }
    let rate = Rate {
        average: bytes(average, 1000)?,
        peak: rate.peak.map(|peak| bytes(peak, 1000)).transpose()?,
        burst: bytes(rate.burst.unwrap_or(average), 1024)?,
    };
    if rate.burst > rate.average.saturating_mul(BURST) {
        return Err(Error::caller(format!(
            "<bandwidth> has a burst of {} bytes: more than its average of {average} lets through in {BURST} s cannot be held",
            rate.burst
        )));
    }
    Ok(rate)
}

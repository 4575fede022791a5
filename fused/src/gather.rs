//! Gathers a sample from the group's files. May touch: the descriptors that came with the request, by pread(2).

use crate::figures::{Figures, Texts, tells_limits, version1, version2};
use rustix::buffer::spare_capacity;
use rustix::io::pread;
use std::os::fd::OwnedFd;
use wire::fused::Source;

/// More than `memory.stat` has, which is about two thousand bytes.
const STAT: usize = 16 * 1024;
/// More than each of the other files has: a number, or `max`.
const NUMBER: usize = 64;

/// A group's files, open for reading.
#[derive(Debug)]
pub struct Files {
    source: Source,
    files: Vec<OwnedFd>,
}

impl Files {
    /// The files of `source`, in its order.
    pub fn new(source: Source, files: Vec<OwnedFd>) -> Self {
        Self { source, files }
    }

    /// A sample as of now. `None` if a figure without which there is no meminfo cannot be had.
    pub fn sample(&self) -> Option<Figures> {
        let [limit, usage, stat, swap @ ..] = self.files.as_slice() else {
            return None;
        };
        // What binds, version 1 tells in `memory.stat` too: there is a sample for each read, and each file is a call.
        let stat = read(stat, STAT)?;
        let told = matches!(self.source, Source::Version1 { .. }) && tells_limits(&stat);
        let bound = |file| if told { Some(None) } else { read(file, NUMBER).map(Some) };
        let swap = match swap {
            [] => None,
            [most, used] => Some((bound(most)?, read(used, NUMBER)?)),
            _ => return None,
        };
        let (limit, usage) = (bound(limit)?, read(usage, NUMBER)?);
        let texts = Texts {
            limit: limit.as_deref(),
            usage: &usage,
            stat: &stat,
            swap: swap.as_ref().map(|(most, used)| (most.as_deref(), used.as_str())),
        };
        match self.source {
            Source::Version1 { .. } => version1(&texts),
            Source::Version2 { .. } => version2(&texts),
        }
    }
}

/// The whole of a file that the kernel generates: it gives all of it at once to whoever has room for it.
fn read(file: &OwnedFd, most: usize) -> Option<String> {
    let mut bytes = Vec::with_capacity(most);
    let length = pread(file, spare_capacity(&mut bytes), 0).ok()?;
    (length < most).then(|| String::from_utf8(bytes).ok())?
}

//! Gathers a sample from the group's files. May touch: the descriptors that came with the request, by pread(2).

use crate::figures::{Figures, Texts, version1, version2};
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
        let swap = match swap {
            [] => None,
            [most, used] => Some((read(most, NUMBER)?, read(used, NUMBER)?)),
            _ => return None,
        };
        let (limit, usage, stat) = (read(limit, NUMBER)?, read(usage, NUMBER)?, read(stat, STAT)?);
        let texts = Texts {
            limit: &limit,
            usage: &usage,
            stat: &stat,
            swap: swap.as_ref().map(|(most, used)| (most.as_str(), used.as_str())),
        };
        match self.source {
            Source::Version1 { .. } => version1(&texts),
            Source::Version2 { .. } => version2(&texts),
        }
    }
}

/// The whole of a file that the kernel generates: it gives all of it at once to whoever has room for it.
fn read(file: &OwnedFd, most: usize) -> Option<String> {
    let mut bytes = vec![0; most];
    let length = pread(file, bytes.as_mut_slice(), 0).ok().filter(|n| *n < most)?;
    bytes.truncate(length);
    String::from_utf8(bytes).ok()
}

//! Gathers a sample from the group's files. May touch: the descriptors that came with the request, by pread(2).

use crate::figures::{Figures, Texts, version1, version2};
use rustix::io::pread;
use std::os::fd::OwnedFd;
use wire::fused::Source;

/// More than any of the files has: `memory.stat` has about two thousand bytes.
const MOST: usize = 16 * 1024;

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
        let texts = self.files.iter().map(read).collect::<Option<Vec<String>>>()?;
        let (limit, usage, stat, swap) = match texts.as_slice() {
            [limit, usage, stat] => (limit, usage, stat, None),
            [limit, usage, stat, most, used] => (limit, usage, stat, Some((most.as_str(), used.as_str()))),
            _ => return None,
        };
        let texts = Texts {
            limit,
            usage,
            stat,
            swap,
        };
        match self.source {
            Source::Version1 { .. } => version1(&texts),
            Source::Version2 { .. } => version2(&texts),
        }
    }
}

/// The whole of a file that the kernel generates: it gives all of it at once to whoever has room for it.
fn read(file: &OwnedFd) -> Option<String> {
    let mut bytes = vec![0; MOST];
    let length = pread(file, bytes.as_mut_slice(), 0).ok().filter(|n| *n < MOST)?;
    bytes.truncate(length);
    String::from_utf8(bytes).ok()
}

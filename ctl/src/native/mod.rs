//! LXC's own configuration (lxc.container.conf(5)) as a libvirt domain: what `domxml-from-native lxc-tools` prints. Pure: bytes in, a
//! document and warnings or a refusal with file and line out.
//!
//! What the two can both say is carried over with LXC's meaning. What a domain cannot say is a warning with its line and key, unless the
//! container would then have more of the host than was asked for: that is refused.

mod cgroup;
mod config;
mod export;
mod lines;
mod mounts;
mod network;
mod security;

#[cfg(test)]
mod tests;

pub use export::export;
pub use lines::{File, Includes, MAX_BYTES};

use crate::domain::Uuid;
use crate::domain::error::ParseError;
use config::Config;
use lines::Settings;

/// Which of two orders the fields of `lxc.idmap` are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdmapOrder {
    /// LXC's own: first id inside, first id of the host's, count.
    #[default]
    Lxc,
    /// The one in which libvirt 9.0 reads them: first id of the host's, first id inside, count.
    Libvirt,
}

/// A document, and what it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The domain's canonical text.
    pub text: String,
    /// One line for each thing that is lost.
    pub warnings: Vec<String>,
}

/// Reads a configuration called `file` and what it includes, and makes the domain of it.
pub fn convert(
    file: &str,
    bytes: &[u8],
    includes: Includes<'_>,
    order: IdmapOrder,
    uuid: Uuid,
) -> Result<Converted, ParseError> {
    let Settings { all, warnings, .. } = Settings::read(file, bytes, includes)?;
    let mut config = Config::new(file, order, warnings);
    for setting in all {
        config.take(setting)?;
    }
    let domain = config.domain(uuid)?;
    Ok(Converted {
        text: domain.document(),
        warnings: config.warnings.iter().map(ToString::to_string).collect(),
    })
}

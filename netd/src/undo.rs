//! The reverse of what was made, best effort: every error is kept. May touch: the links and bridges that it was told of.

use crate::bridge;
use crate::netlink::{Denied, Netlink};
use crate::request;
use nix::errno::Errno;
use wire::{Failure, LinkName};

/// What was made so far.
#[derive(Debug, Default)]
pub struct Made {
    links: Vec<(LinkName, u32)>,
    bridges: Vec<LinkName>,
}

impl Made {
    /// Remembers a link.
    pub fn link(&mut self, name: &LinkName, index: u32) {
        self.links.push((name.clone(), index));
    }

    /// Remembers a bridge.
    pub fn bridge(&mut self, name: &LinkName) {
        self.bridges.push(name.clone());
    }

    /// Takes everything back because of `failure`, and returns it with what could not be taken back. A bridge that has got another
    /// container's port meanwhile stays.
    pub fn take_back(self, host: &mut Netlink, failure: Failure) -> Failure {
        let mut errors = Vec::new();
        for (name, index) in self.links.iter().rev() {
            match host.ask(&request::remove_link(*index)) {
                Ok(_) | Err(Denied::Kernel(Errno::ENODEV)) => {}
                Err(denied) => errors.push(denied.during(&format!("remove {name}"))),
            }
        }
        for name in self.bridges.iter().rev() {
            errors.extend(bridge::remove_unused(host, name).err());
        }
        let mut what = failure.what.as_str().to_owned();
        for error in errors {
            what.push_str(&format!("; nor {} (error {})", error.what, error.errno));
        }
        Failure {
            what: wire::Text::cut(&what),
            ..failure
        }
    }
}

//! What an ordinary user's launcher asks of the broker of links, and what that answers: the one conversation in which an ordinary user's
//! program speaks with one of root's. One request, one answer.

use crate::failure::Failure;
use crate::frame::Message;
use crate::name::LinkName;
use crate::netd::Link;
use serde::{Deserialize, Serialize};

/// Where it listens.
pub const SOCKET: &str = "/run/lazaret-broker";

/// A request to the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Makes a link, whose end on the host is a port of a bridge that must be there (two descriptors: a network namespace, which must belong to a
    /// user namespace of the asker's, and an rtnetlink socket in it). The name that it is to have on the host counts for nothing.
    Connect(Link),
}

/// The broker's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The link is there, as long as the namespace is. It is called this on the host.
    Connected(LinkName),
    /// It was not done.
    Refused(Failure),
}

impl Message for Request {
    fn descriptors(&self) -> usize {
        match self {
            Self::Connect(_) => 2,
        }
    }
}

impl Message for Reply {
    fn descriptors(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HEADER, decode, encode};
    use crate::netd::{Bandwidth, HostSide};

    fn name(name: &str) -> LinkName {
        LinkName::new(name).unwrap()
    }

    #[test]
    fn bytes_are_frozen() {
        let request = Request::Connect(Link {
            host: name("v"),
            guest: name("e"),
            mac: [2, 0, 0, 0, 0, 9],
            side: HostSide::Bridge(name("b")),
            addresses: vec![],
            routes: vec![],
            up: true,
            mtu: None,
            isolated: false,
            bandwidth: Bandwidth::default(),
            vlans: vec![],
            outside: vec![],
        });
        let bytes = encode(&request).unwrap();
        assert_eq!(
            bytes[HEADER..],
            [
                0, 1, b'v', 1, b'e', 2, 0, 0, 0, 0, 9, 1, 1, b'b', 0, 0, 1, 0, 0, 0, 0, 0, 0
            ]
        );
        assert_eq!(decode::<Request>(&bytes, 2), Ok(request));
        assert!(decode::<Request>(&bytes, 1).is_err());
        let reply = |r: &Reply| encode(r).unwrap()[HEADER..].to_vec();
        assert_eq!(reply(&Reply::Connected(name("v"))), [0, 1, b'v']);
        assert_eq!(reply(&Reply::Refused(Failure::kernel("x", 17))), [1, 1, 1, b'x', 34]);
    }
}

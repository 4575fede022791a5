//! A bridge's port as a member of VLANs (bridge(8), linux/if_bridge.h). Pure.

use crate::encode::{Attributes, Message};
use wire::netd::Membership;

const REMOVE_LINK: u16 = 17;
const SET_LINK: u16 = 19;
const AF_BRIDGE: u8 = 7;
const AF_SPEC: u16 = 26;
const VLAN_INFO: u16 = 2;
const NATIVE: u16 = 2;
const UNTAGGED: u16 = 4;

fn message(kind: u16, port: u32, flags: u16, id: u16) -> Message {
    let [i, j, k, l] = port.to_ne_bytes();
    let fixed = [AF_BRIDGE, 0, 0, 0, i, j, k, l, 0, 0, 0, 0, 0, 0, 0, 0];
    let [a, b] = flags.to_ne_bytes();
    let [c, d] = id.to_ne_bytes();
    let attributes = Attributes::new().nest(AF_SPEC, Attributes::new().bytes(VLAN_INFO, &[a, b, c, d]));
    Message::new(kind, 0, &fixed, attributes).acknowledged()
}

/// The port is a member of this VLAN.
pub fn join(port: u32, vlan: &Membership) -> Message {
    let native = if vlan.native { NATIVE } else { 0 };
    let untagged = if vlan.untagged { UNTAGGED } else { 0 };
    message(SET_LINK, port, native | untagged, vlan.id)
}

/// The port is none of this VLAN's.
pub fn leave(port: u32, id: u16) -> Message {
    message(REMOVE_LINK, port, 0, id)
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_member_is_told_of_with_its_flags() {
        let vlan = Membership { id: 300, native: true, untagged: true };
        assert_eq!(join(9, &vlan).bytes(1).unwrap()[4..], [
            19, 0, 5, 0,  1, 0, 0, 0,  0, 0, 0, 0,
            7, 0, 0, 0,  9, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
            12, 0, 26, 0x80,  8, 0, 2, 0,  6, 0, 44, 1,
        ]);
        assert_eq!(leave(9, 1).bytes(1).unwrap()[4..6], [17, 0]);
    }
}

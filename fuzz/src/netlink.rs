//! What comes back over netlink, as `netd` takes it apart. Every part lies within the whole, the parts do not overlap, and after an error
//! there are no more.

use netd::decode::{accept_ra, advertised_default, answer, attributes, link, messages};
use netd::encode;

fn within(part: &[u8], whole: &[u8]) -> bool {
    let (whole, part) = (whole.as_ptr_range(), part.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}

/// Runs one datagram.
pub fn run(input: &[u8]) {
    let (mut bytes, mut failed) = (0, false);
    for message in messages(input) {
        assert!(!failed, "there is something behind an error");
        let Ok(message) = message else {
            failed = true;
            continue;
        };
        assert!(within(message.body, input));
        bytes += encode::HEADER + message.body.len();
        body(message.body);
    }
    assert!(bytes <= input.len(), "the parts are more than the whole");
    // A body alone, as if its header had been right.
    body(input);
}

fn body(body: &[u8]) {
    if let Ok(errno) = answer(body) {
        assert!((0..4096).contains(&errno));
    }
    if let Ok(link) = link(body) {
        assert!(!link.name.contains('\0') && !link.kind.contains('\0'));
        // A byte that is not UTF-8 becomes three.
        assert!(link.name.len() <= 3 * body.len() && link.mac.len() <= body.len());
        assert!(link.peer_namespace.is_none_or(|id| id <= i32::MAX.cast_unsigned()));
    }
    let _ = (advertised_default(body), accept_ra(body));
    let mut failed = false;
    for attribute in attributes(body) {
        assert!(!failed, "there is something behind an error");
        match attribute {
            Ok((kind, value)) => assert!(kind <= 0x3fff && within(value, body)),
            Err(_) => failed = true,
        }
    }
}

/// Panics unless these bytes, which are ours, are one message that can be taken apart to its end.
pub fn whole(datagram: &[u8]) {
    let parts: Vec<_> = messages(datagram).collect();
    assert!(
        matches!(parts.as_slice(), [Ok(_)]),
        "what is sent is not one message: {parts:?}"
    );
}

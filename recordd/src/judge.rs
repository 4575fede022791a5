//! May this be part of a record, or be told to the kernel? Pure.

use wire::Failure;
use wire::recordd::MAX_BODY;

/// `AUDIT_VIRT_CONTROL`, `AUDIT_VIRT_RESOURCE` and `AUDIT_VIRT_MACHINE_ID` of `linux/audit.h`: a container was started or stopped, was given
/// something, or has this label.
const KINDS: [u16; 3] = [2500, 2501, 2502];

/// A message for the kernel's audit system; only [`message`] makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type.
    pub kind: u16,
    /// Its text.
    pub text: String,
}

/// Judges a message: no other type than those of virtual machines, and one line of printable ASCII, which is what the kernel prints.
pub fn message(kind: u16, text: &str) -> Result<Message, Failure> {
    if !KINDS.contains(&kind) {
        return Err(Failure::caller(&format!(
            "tell the kernel's audit system a message of type {kind}"
        )));
    }
    if text.len() < 2 || !text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(Failure::caller(
            "tell the kernel's audit system what is not a line of ASCII",
        ));
    }
    Ok(Message {
        kind,
        text: text.to_owned(),
    })
}

/// Adds bytes to the body of the next record.
pub fn grow(body: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Failure> {
    if body.len().saturating_add(bytes.len()) > MAX_BODY {
        body.clear();
        return Err(Failure::caller(&format!(
            "write a record of more than {MAX_BODY} bytes"
        )));
    }
    body.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_messages_of_other_types_and_what_is_no_line() {
        assert!(
            message(2500, "virt=lxc op=start").is_ok() && message(2501, "ok").is_ok() && message(2502, "ok").is_ok()
        );
        for kind in [0, 1100, 1107, 2499, 2503, 2999, u16::MAX] {
            assert!(message(kind, "text").is_err(), "{kind}");
        }
        for text in ["", "x", "two\nlines", "nul\0", "h\u{e4}fen", "\x1b[2J"] {
            assert!(message(2500, text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn refuses_a_record_that_is_too_long_and_forgets_it() {
        let mut body = Vec::new();
        assert!(grow(&mut body, &vec![0; MAX_BODY]).is_ok());
        assert!(grow(&mut body, &[0]).is_err() && body.is_empty());
    }
}

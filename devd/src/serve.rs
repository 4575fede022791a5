//! Receive, judge, act, reply: the only place that knows every request.

use crate::attach::attach;
use crate::judge::judge;
use policies::{Confined, Ended};
use std::os::fd::{AsFd, OwnedFd};
use sys::channel::Channel;
use wire::Failure;
use wire::devd::{Reply, Request};

/// Answers until the peer closes its end.
pub fn serve(_confined: &Confined, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    loop {
        let (request, descriptors) = channel.receive()?;
        let reply = match answer(request, descriptors) {
            Ok(()) => Reply::InForce,
            Err(failure) => Reply::Refused(failure),
        };
        channel.send(&reply, &[])?;
    }
}

fn answer(request: Request, descriptors: Vec<OwnedFd>) -> Result<(), Failure> {
    let mut descriptors = descriptors.into_iter();
    let Request::Attach(rules) = request;
    match (descriptors.next(), descriptors.next()) {
        (Some(group), None) => attach(&judge(rules)?, group.as_fd()),
        _ => Err(Failure::protocol("take a request with another number of descriptors")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::devd::Rule;

    const NOTHING: Rule = Rule {
        block: false,
        major: None,
        minor: None,
        read: false,
        write: false,
        make: false,
    };

    fn descriptors(n: usize) -> Vec<OwnedFd> {
        (0..n)
            .map(|_| std::fs::File::open("/dev/null").unwrap().into())
            .collect()
    }

    #[test]
    fn refuses_to_attach_what_is_not_judged_well() {
        assert!(answer(Request::Attach(vec![NOTHING]), descriptors(1)).is_err());
    }

    #[test]
    fn refuses_other_numbers_of_descriptors() {
        assert!(answer(Request::Attach(vec![]), descriptors(2)).is_err());
        assert!(answer(Request::Attach(vec![]), descriptors(0)).is_err());
    }
}

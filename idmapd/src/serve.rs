//! Receive, judge, act, reply: the only place that knows every request.

use crate::judge::judge;
use crate::write::write;
use policies::{Confined, Ended};
use std::os::fd::{AsFd, OwnedFd};
use sys::channel::Channel;
use wire::Failure;
use wire::idmapd::{Reply, Request};

/// Answers until the peer closes its end.
pub fn serve(_confined: &Confined, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    loop {
        let (request, descriptors) = channel.receive()?;
        let reply = match answer(&request, &descriptors) {
            Ok(()) => Reply::Mapped,
            Err(failure) => Reply::Refused(failure),
        };
        channel.send(&reply, &[])?;
    }
}

fn answer(request: &Request, descriptors: &[OwnedFd]) -> Result<(), Failure> {
    match (request, descriptors) {
        (Request::WriteMaps { uid, gid }, [process]) => write(&judge(uid, gid, false)?, process.as_fd()),
        (Request::WriteConsentedMaps { uid, gid }, [process]) => write(&judge(uid, gid, true)?, process.as_fd()),
        (Request::WriteMaps { .. } | Request::WriteConsentedMaps { .. }, _) => {
            Err(Failure::protocol("take maps for more or less than one process"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_to_write_maps_that_are_not_judged_well() {
        let process = vec![std::fs::File::open("/proc/self").unwrap().into()];
        let failure = answer(
            &Request::WriteMaps {
                uid: vec![],
                gid: vec![],
            },
            &process,
        )
        .unwrap_err();
        assert_eq!(failure.kind, wire::Kind::Caller);
        let consented = Request::WriteConsentedMaps {
            uid: vec![],
            gid: vec![],
        };
        assert_eq!(answer(&consented, &process).unwrap_err().kind, wire::Kind::Caller);
        let failure = answer(
            &Request::WriteMaps {
                uid: vec![],
                gid: vec![],
            },
            &[],
        )
        .unwrap_err();
        assert_eq!(failure.kind, wire::Kind::Protocol);
    }
}

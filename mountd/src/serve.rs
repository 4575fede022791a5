//! Receive, judge, act, reply: the only place that knows every request.

use crate::devices::write;
use crate::judge::{judge, judge_rules};
use crate::make::make;
use policies::{Confined, Ended};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::Channel;
use wire::Failure;
use wire::mountd::{Reply, Request};

/// Answers until the peer closes its end.
pub fn serve(_confined: &Confined, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    loop {
        let (request, descriptors) = channel.receive()?;
        match answer(&request, descriptors) {
            Ok(made) => {
                let borrowed: Vec<BorrowedFd<'_>> = made.iter().map(AsFd::as_fd).collect();
                let number = u16::try_from(borrowed.len()).map_err(|_| Ended::Bug)?;
                channel.send(&Reply::Made(number), &borrowed)?;
            }
            Err(failure) => channel.send(&Reply::Refused(failure), &[])?,
        }
    }
}

fn answer(request: &Request, descriptors: Vec<OwnedFd>) -> Result<Vec<OwnedFd>, Failure> {
    match request {
        Request::Make(mounts) => make(judge(mounts, descriptors)?),
        Request::Allow(rules) => write(&judge_rules(rules, true, descriptors)?).map(|()| Vec::new()),
        Request::Change(rules) => write(&judge_rules(rules, false, descriptors)?).map(|()| Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::mountd::{Device, Mount};

    #[test]
    fn refuses_to_make_what_is_not_judged_well() {
        assert!(answer(&Request::Make(vec![]), vec![]).is_err());
        assert!(answer(&Request::Allow(vec![]), vec![]).is_err());
        assert!(answer(&Request::Change(vec![]), vec![]).is_err());
        let wrong = std::fs::File::open("/dev/zero").unwrap().into();
        assert!(answer(&Request::Make(vec![Mount::Node(Device::Null)]), vec![wrong]).is_err());
    }
}

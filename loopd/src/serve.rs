//! Receive, judge, act, reply: the only place that knows every request.

use crate::attach::{attach, find};
use crate::judge::{Order, judge};
use crate::look::look;
use policies::{Confined, Ended};
use std::os::fd::OwnedFd;
use sys::channel::Channel;
use wire::Failure;
use wire::loopd::{Reply, Request};

/// Answers until the peer closes its end.
pub fn serve(_confined: &Confined, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    loop {
        let (request, descriptors) = channel.receive()?;
        channel.send(&answer(&request, descriptors).unwrap_or_else(Reply::Refused), &[])?;
    }
}

fn answer(request: &Request, descriptors: Vec<OwnedFd>) -> Result<Reply, Failure> {
    match judge(request, descriptors)? {
        Order::Find(control) => find(control).map(Reply::Free),
        Order::Attach(device, file, read_only) => attach(device, &file, read_only),
        Order::Look(disk) => look(&disk).map(Reply::Found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn refuses_what_is_no_loop_device_and_holds_no_file_system() {
        assert!(answer(&Request::Find, vec![null()]).is_err());
        assert!(answer(&Request::Attach { read_only: true }, vec![null(), null()]).is_err());
        assert!(answer(&Request::Look, vec![null()]).is_err());
    }
}

//! Which descriptor is for what? Pure.

use std::os::fd::OwnedFd;
use wire::Failure;
use wire::loopd::Request;

/// A request with what it is done with; only [`judge`] makes them.
#[derive(Debug)]
pub enum Order {
    /// A free loop device, by this `/dev/loop-control`.
    Find(OwnedFd),
    /// This loop device, this file behind it, and whether nobody may write.
    Attach(OwnedFd, OwnedFd, bool),
    /// The file system on this.
    Look(OwnedFd),
}

/// Judges one request.
pub fn judge(request: &Request, descriptors: Vec<OwnedFd>) -> Result<Order, Failure> {
    let mut rest = descriptors.into_iter();
    match (request, rest.next(), rest.next(), rest.next()) {
        (Request::Find, Some(control), None, None) => Ok(Order::Find(control)),
        (Request::Attach { read_only }, Some(device), Some(file), None) => Ok(Order::Attach(device, file, *read_only)),
        (Request::Look, Some(disk), None, None) => Ok(Order::Look(disk)),
        _ => Err(Failure::protocol("take a request with another number of descriptors")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_other_numbers_of_descriptors() {
        let some = |n: usize| -> Vec<OwnedFd> {
            let one = |_| std::fs::File::open("/dev/null").unwrap().into();
            (0..n).map(one).collect()
        };
        for (request, right) in [
            (Request::Find, 1),
            (Request::Attach { read_only: true }, 2),
            (Request::Look, 1),
        ] {
            for n in 0..5 {
                assert_eq!(judge(&request, some(n)).is_ok(), n == right, "{request:?} with {n}");
            }
        }
    }
}

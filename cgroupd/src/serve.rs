//! Receive, judge, act, reply: the only place that knows every request.

use crate::freeze::freeze;
use crate::judge::{limits, place};
use crate::limit::limit;
use crate::make::make;
use crate::remove::remove;
use crate::wait::Patience;
use policies::{Confined, Ended};
use std::os::fd::BorrowedFd;
use std::time::Duration;
use sys::channel::Channel;
use wire::Failure;
use wire::cgroupd::{Reply, Request};

/// How long the processes of a container that was ended may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers until the peer closes its end.
pub fn serve(confined: &Confined, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    let directories: Vec<BorrowedFd<'_>> = confined.beneath().collect();
    loop {
        let (request, _) = channel.receive()?;
        channel.send(&answer(request, &directories).unwrap_or_else(Reply::Refused), &[])?;
    }
}

fn answer(request: Request, directories: &[BorrowedFd<'_>]) -> Result<Reply, Failure> {
    match request {
        Request::Make {
            name,
            hierarchies,
            limits: asked,
        } => {
            let place = place(&name, hierarchies, directories.len())?;
            make(&place, &limits(asked)?, directories).map(|()| Reply::Made)
        }
        Request::Remove { name, hierarchies } => {
            let place = place(&name, hierarchies, directories.len())?;
            remove(&place, directories, Patience::of(PATIENCE)).map(|()| Reply::Removed)
        }
        Request::RemoveEmpty { name, hierarchies } => {
            let place = place(&name, hierarchies, directories.len())?;
            remove(&place, directories, Patience::none()).map(|()| Reply::Removed)
        }
        Request::Freeze {
            name,
            hierarchies,
            frozen,
        } => {
            let place = place(&name, hierarchies, directories.len())?;
            freeze(&place, frozen, directories).map(|()| Reply::Frozen(frozen))
        }
        Request::Limit {
            name,
            hierarchies,
            limits: asked,
        } => {
            let place = place(&name, hierarchies, directories.len())?;
            limit(&place, &limits(asked)?, directories).map(|()| Reply::Limited)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use wire::cgroupd::{Hierarchy, Limits};
    use wire::name::ContainerName;

    fn name() -> ContainerName {
        ContainerName::new("c").unwrap()
    }

    #[test]
    fn refuses_to_make_where_nothing_was_inherited_or_a_limit_is_wrong() {
        let hierarchies = vec![Hierarchy {
            unified: false,
            controllers: vec![],
        }];
        let request = Request::Make {
            name: name(),
            hierarchies: hierarchies.clone(),
            limits: Limits::default(),
        };
        assert_eq!(answer(request, &[]).unwrap_err().kind, wire::Kind::Protocol);
        let limits = Limits {
            tasks: Some(0),
            ..Limits::default()
        };
        let here = std::fs::File::open("/").unwrap();
        let request = Request::Make {
            name: name(),
            hierarchies,
            limits,
        };
        assert_eq!(answer(request, &[here.as_fd()]).unwrap_err().kind, wire::Kind::Caller);
    }

    #[test]
    fn refuses_to_remove_where_nothing_was_inherited() {
        let (name, hierarchies) = (name(), vec![]);
        let again = Request::RemoveEmpty {
            name: name.clone(),
            hierarchies: hierarchies.clone(),
        };
        for request in [Request::Remove { name, hierarchies }, again] {
            assert_eq!(answer(request, &[]).unwrap_err().kind, wire::Kind::Protocol);
        }
    }

    #[test]
    fn refuses_to_freeze_where_no_hierarchy_can() {
        let hierarchies = vec![Hierarchy {
            unified: false,
            controllers: vec![],
        }];
        let here = std::fs::File::open("/").unwrap();
        let request = Request::Freeze {
            name: name(),
            hierarchies,
            frozen: true,
        };
        assert_eq!(answer(request, &[here.as_fd()]).unwrap_err().kind, wire::Kind::Caller);
    }
}

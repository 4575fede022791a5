//! Receive, judge, act, reply: the only place that knows every request. There is one; after it, the kernel alone is answered.

use crate::filesystem::Meminfo;
use crate::gather::Files;
use crate::judge::{Connection, judge};
use crate::unsent;
use fuser::{Config, Session, SessionACL};
use nix::errno::Errno;
use policies::{Confined, Ended};
use std::os::fd::OwnedFd;
use sys::channel::Channel;
use wire::Failure;
use wire::fused::{Reply, Request};

/// Serves one connection until it ends, which is when the last of its mounts is gone.
pub fn serve(_confined: &Confined, channel: &Channel<Reply, Request>) -> Result<(), Ended> {
    let (request, descriptors) = channel.receive()?;
    match answer(request, descriptors) {
        Ok(session) => {
            channel.send(&Reply::Serving, &[])?;
            session.run().map_err(|e| Ended::System(errno(&e)))
        }
        Err(failure) => Ok(channel.send(&Reply::Refused(failure), &[])?),
    }
}

fn answer(request: Request, descriptors: Vec<OwnedFd>) -> Result<Session<Meminfo>, Failure> {
    let Request::Serve { source, uid, gid } = request;
    let mut descriptors = descriptors.into_iter();
    let connection = descriptors
        .next()
        .ok_or_else(|| Failure::protocol("serve without a connection"))?;
    let stat =
        rustix::fs::fstat(&connection).map_err(|e| Failure::kernel("look at the connection", e.raw_os_error()))?;
    let judged = judge(&stat)?;
    let files = Files::new(source, descriptors.collect());
    if files.sample().is_none() {
        return Err(Failure::caller(
            "show a memory limit: the container's group has none, or its files do not read as they should",
        ));
    }
    open(judged, connection, Meminfo::new(files, uid, gid))
}

/// Takes up the connection and answers the kernel's first request.
fn open(_judged: Connection, connection: OwnedFd, meminfo: Meminfo) -> Result<Session<Meminfo>, Failure> {
    let refused = |e: Errno| Failure::kernel("answer the first request of the connection", e as i32);
    unsent::notice();
    // The kernel decides who may read, by the mount's own options.
    let session = Session::from_fd(meminfo, connection, SessionACL::All, Config::default());
    let session = session.map_err(|e| refused(errno(&e)))?;
    unsent::before_serving().map_err(refused)?;
    Ok(session)
}

fn errno(e: &std::io::Error) -> Errno {
    e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use wire::Kind;
    use wire::fused::Source;

    const SERVE: Request = Request::Serve {
        source: Source::Version1 { swap: false },
        uid: 0,
        gid: 0,
    };

    fn opened(path: &str) -> OwnedFd {
        File::open(path).unwrap().into()
    }

    fn kind(answer: Result<Session<Meminfo>, Failure>) -> Kind {
        answer.map(drop).unwrap_err().kind
    }

    #[test]
    fn refuses_to_serve_what_is_not_a_connection() {
        assert_eq!(kind(answer(SERVE, vec![])), Kind::Protocol);
        assert_eq!(kind(answer(SERVE, vec![opened("/dev/null")])), Kind::Protocol);
    }

    #[test]
    fn refuses_to_serve_figures_that_do_not_read() {
        if std::path::Path::new("/dev/fuse").exists() {
            let descriptors = ["/dev/fuse", "/dev/null", "/dev/null", "/dev/null"].map(opened);
            assert_eq!(kind(answer(SERVE, descriptors.into())), Kind::Caller);
        }
    }
}

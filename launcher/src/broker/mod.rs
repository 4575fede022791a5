//! The broker of links for ordinary users: the launcher, started by a socket for one request. It starts `netd` and `recordd`, gives up every
//! capability and root's uid, puts a filter in force, and only then reads what the user sent. May touch, before that: the host's policy
//! and the file of quotas, who is being served, the names of the host's links; after that: the two programs' channels.

mod quota;
mod turn;
mod whose;

use crate::ledger::{Asked, Ledger};
use crate::piece::{Piece, Programs};
use crate::policy;
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::TimeVal;
use quota::{Asker, Quota};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use sys::birth::Birth;
use sys::channel::{Channel, ChannelError};
use sys::process::Power;
use wire::broker::{Reply, Request};
use wire::ids::IdBlock;
use wire::netd;
use wire::recordd::{Caller, Deed, Outcome};
use wire::{Failure, LinkName, Program};

/// The word by which it is started as this.
pub const WORD: &str = "--broker";
/// Where the connection is handed over (sd_listen_fds(3)).
const CONNECTION: i32 = 3;
/// What starting the two takes, until then: SETGID, SETUID, SETPCAP, NET_ADMIN.
const STARTING: [u8; 4] = [6, 7, 8, 12];
/// Seconds for which a user may take to ask, and to hear the answer.
const PATIENCE: i64 = 20;
/// Most bytes of a request: it stands in root's log of deeds.
const MOST: usize = 4096;
/// How many names are tried that others have taken meanwhile.
const ATTEMPTS: usize = 8;

type Connection = Channel<Reply, Request>;
type Netd = Piece<netd::Request, netd::Reply>;

/// Serves the connection that it was started with, and ends.
pub fn serve() -> ExitCode {
    let closed = sys::process::close_from(CONNECTION.unsigned_abs().saturating_add(1));
    let socket = match closed.and_then(|()| sys::process::inherited(CONNECTION)) {
        Ok(socket) => socket,
        Err(e) => return complain(&format!("no connection was handed over: {}", e.desc())),
    };
    let connection: Connection = Channel::new(socket);
    match ready(connection.as_fd()) {
        Ok(broker) => broker.answer(&connection),
        Err(failure) => {
            let told = complain(failure.what.as_str());
            // Whoever is gone is not told.
            let _ = connection.send(&Reply::Refused(failure), &[]);
            told
        }
    }
}

fn complain(what: &str) -> ExitCode {
    use std::io::Write;
    // Nobody is left to tell if standard error is gone too.
    let _ = writeln!(std::io::stderr(), "launcher: cannot {what}");
    ExitCode::FAILURE
}

fn kernel(what: &'static str) -> impl Fn(Errno) -> Failure {
    move |e| Failure::kernel(what, e as i32)
}

/// What it has when it begins to read.
struct Broker {
    asker: Asker,
    quota: Quota,
    links: Vec<String>,
    own: File,
    block: IdBlock,
    programs: Programs,
    ledger: Ledger,
    netd: Netd,
    /// Until it ends, one fewer of the same user's is served.
    _turn: OwnedFd,
}

/// Does all that takes power, and gives it up. Nothing has been read of what the user sent.
fn ready(connection: BorrowedFd<'_>) -> Result<Broker, Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Failure::caller("start the broker: lazaret-broker.socket does, as root"));
    }
    sys::process::limit_power(&STARTING).map_err(kernel("give up power"))?;
    nix::unistd::chdir("/").map_err(kernel("go to /"))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let patience = TimeVal::new(PATIENCE, 0);
    setsockopt(&connection, sockopt::ReceiveTimeout, &patience).map_err(kernel("limit how long is waited"))?;
    setsockopt(&connection, sockopt::SendTimeout, &patience).map_err(kernel("limit how long is waited"))?;

    let (asker, by) = asker(connection)?;
    let policy = policy::read().map_err(crate::unfollowed)?;
    let read = |file| policy::contents(file).map_err(crate::unfollowed);
    let quota = Quota::parse(&read(quota::FILE)?, &read("/etc/passwd")?, &read("/etc/group")?);
    let quota = quota.map_err(crate::unfollowed)?;
    // A user's subordinate ids keep his groups, and each would have turns of its own.
    let subordinate = policy::subordinates("/etc/subuid", &read("/etc/subuid")?).map_err(crate::unfollowed)?;
    if subordinate.iter().any(|range| range.has(asker.uid)) {
        return Err(Failure::caller(
            "lend a link to a subordinate id: ask as the user whose it is",
        ));
    }
    // Who is given nothing has nothing started, and nothing put on record.
    quota.gives(&asker)?;
    let turn = turn::take(asker.uid)?;
    let links = names_of_links()?;
    let own = File::open("/proc/self/ns/user")
        .map_err(|e| Failure::kernel("open /proc/self/ns/user", e.raw_os_error().unwrap_or(0)))?;
    let block = IdBlock::new(policy.first).ok_or_else(|| Failure::bug("choose an id"))?;

    let programs = Programs::of_the_host()?;
    let ledger = Ledger::new(by, policy.audit, None);
    ledger.ready(&programs, block)?;
    let power = policies::power(Program::Netd, true);
    let netd = programs.start(Program::Netd, block, power, &[], Birth::default())?;
    let none = Power {
        id: block.broker(),
        groups: Vec::new(),
        capabilities: Vec::new(),
        no_new_privileges: true,
    };
    sys::process::become_power(&none).map_err(kernel("give up power"))?;
    sys::process::set_dumpable(false).map_err(kernel("refuse to be traced"))?;
    policies::steady(policies::State::LauncherBrokering).map_err(kernel("install the filter of a broker"))?;
    Ok(Broker {
        asker,
        quota,
        links,
        own,
        block,
        programs,
        ledger,
        netd,
        _turn: turn,
    })
}

/// Who made the connection, as the kernel noted it then (unix(7), `SO_PEERCRED`). The pid is for the record alone: who has it now may be somebody else.
fn asker(connection: BorrowedFd<'_>) -> Result<(Asker, Caller), Failure> {
    let made = getsockopt(&connection, sockopt::PeerCredentials).map_err(kernel("ask who is there"))?;
    let mut gids = sys::peer::groups(connection).map_err(kernel("ask which groups who is there is in"))?;
    gids.push(made.gid());
    let by = Caller {
        uid: made.uid(),
        login: None,
        session: None,
        terminal: None,
        pid: u32::try_from(made.pid()).unwrap_or(0),
        parent: 0,
    };
    Ok((Asker { uid: made.uid(), gids }, by))
}

/// The names of the host's links, of which none has a colon (proc_pid_net(5)).
fn names_of_links() -> Result<Vec<String>, Failure> {
    const FILE: &str = "/proc/self/net/dev";
    let failed = |e: std::io::Error| Failure::kernel(&format!("read {FILE}"), e.raw_os_error().unwrap_or(0));
    let text = String::from_utf8_lossy(&std::fs::read(FILE).map_err(failed)?).into_owned();
    let name = |line: &str| line.split_once(':').map(|(name, _)| name.trim().to_owned());
    Ok(text.lines().filter_map(name).collect())
}

impl Broker {
    /// One request, one answer; then the two programs end, and this one.
    fn answer(self, connection: &Connection) -> ExitCode {
        let reply = match connection.receive_frame() {
            Ok((_, _, frame)) if frame.len() > MOST => {
                self.asked(Deed::Lend, Vec::new());
                Err(Failure::caller(&format!(
                    "lend a link that takes more than {MOST} bytes to describe"
                )))
            }
            Ok((request, given, frame)) => {
                self.asked(Deed::Lend, frame);
                self.lend(request, given)
            }
            Err(ChannelError::Frame(e)) => {
                self.asked(Deed::Unreadable, Vec::new());
                Err(Failure::protocol(&e.to_string()))
            }
            // Who says nothing is told nothing.
            Err(ChannelError::Closed | ChannelError::Kernel(_)) => return self.end(),
        };
        let reply = match reply {
            Ok(name) => Reply::Connected(name),
            Err(why) => {
                self.ledger.refused(&self.programs, Ok(self.block), &why);
                Reply::Refused(why)
            }
        };
        // Whoever is gone is not told; the link goes with the namespace.
        let _ = connection.send(&reply, &[]);
        self.end()
    }

    fn end(self) -> ExitCode {
        self.ledger.close();
        drop(self.netd);
        self.programs.collect();
        // Not by way of the end of main, at which the standard and the C library tidy up by calls that no filter allows.
        sys::process::exit_now(0)
    }

    fn asked(&self, deed: Deed, request: Vec<u8>) {
        let container = None;
        self.ledger.asked(
            &self.programs,
            Asked {
                deed,
                container,
                request,
            },
        );
    }

    fn lend(&self, request: Request, given: Vec<OwnedFd>) -> Result<LinkName, Failure> {
        let Request::Connect(link) = request;
        let two: Result<[OwnedFd; 2], _> = given.try_into();
        let [network, inside] = two.map_err(|_| Failure::bug("count the descriptors of a request"))?;
        whose::belongs(&network, &self.own, self.asker.uid)?;
        whose::speaks_of_links(&inside)?;
        let bridge = quota::judge(&link)?;
        let names = self.quota.names(&self.asker, &bridge, &self.links)?;
        self.ledger.begin(&self.programs, self.block)?;
        self.ledger.written()?;
        let mut taken = Failure::bug("find a name for a link");
        for name in names.into_iter().take(ATTEMPTS) {
            // What was refused made nothing: on record is the last frame.
            drop(self.programs.sent());
            let link = wire::netd::Link {
                host: name.clone(),
                ..link.clone()
            };
            let connect = netd::Request::Connect(vec![link]);
            self.netd.send(&connect, &[network.as_fd(), inside.as_fd()])?;
            match self.netd.receive()?.0 {
                netd::Reply::Connected => return self.lent(name),
                // Another request of the same user's was faster, or the name inside is taken.
                netd::Reply::Refused(failure) if failure.errno == Errno::EEXIST as i32 => taken = failure,
                netd::Reply::Refused(failure) => return Err(failure),
                _ => return Err(self.netd.confused()),
            }
        }
        Err(taken)
    }

    /// The link is there: it stays if that is on record.
    fn lent(&self, name: LinkName) -> Result<LinkName, Failure> {
        let ended = self.ledger.ended(&self.programs, self.block, Outcome::Done);
        if let Err(why) = ended {
            self.netd.send(&netd::Request::RemoveLink(name), &[])?;
            self.netd.receive()?;
            return Err(why);
        }
        Ok(name)
    }
}

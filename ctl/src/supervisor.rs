//! The client of a container's supervisor, on its control socket. May touch: that socket, and the working directory, because a
//! socket's address is short and so has to be relative (unix(7): 108 bytes).

use crate::error::{Error, Outcome};
use crate::first::ready;
use crate::state::Place;
use crate::state::record::Pids;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;
use sys::channel::{Channel, ChannelError};
use wire::supervisor::{Control, Report};

const CONTROL: &str = "control";
/// How long a container that is killed may take to end, in milliseconds, before it is cleared away with more power. It takes a few.
const PATIENCE: u16 = 3000;

/// One conversation with a supervisor.
#[derive(Debug)]
pub struct Supervisor {
    channel: Channel<Control, Report>,
}

fn kernel(what: &'static str) -> impl FnOnce(Errno) -> Error {
    move |e| Error::kernel(what, e)
}

fn go_to(place: &Place) -> Outcome<UnixAddr> {
    rustix::process::fchdir(place.directory())
        .map_err(|e| Error::kernel("enter the state directory", Errno::from_raw(e.raw_os_error())))?;
    UnixAddr::new(CONTROL).map_err(kernel("name the control socket"))
}

fn new_socket() -> Outcome<OwnedFd> {
    socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).map_err(kernel("make a socket"))
}

/// Makes the control socket of a container that is about to start.
pub fn make_control(place: &Place) -> Outcome<OwnedFd> {
    let socket = new_socket()?;
    let address = go_to(place)?;
    bind(socket.as_raw_fd(), &address).map_err(kernel("make the control socket"))?;
    let backlog = Backlog::new(128).map_err(kernel("make the control socket"))?;
    listen(&socket, backlog).map_err(kernel("make the control socket"))?;
    Ok(socket)
}

impl Supervisor {
    /// Connects to the supervisor of a container; `None` if it is gone. One that is about to start finds what is asked until then.
    pub fn connect(place: &Place) -> Outcome<Option<Self>> {
        let socket = new_socket()?;
        let address = go_to(place)?;
        match connect(socket.as_raw_fd(), &address) {
            Ok(()) => Ok(Some(Self {
                channel: Channel::new(socket),
            })),
            Err(Errno::ECONNREFUSED | Errno::ENOENT) => Ok(None),
            Err(e) => Err(Error::kernel("connect to the supervisor", e)),
        }
    }

    /// Connects to a supervisor that has to be there.
    pub fn reach(place: &Place) -> Outcome<Self> {
        Self::connect(place)?.ok_or_else(|| Error::caller(format!("{} is not running", place.name())))
    }

    /// Says something, without waiting for an answer.
    pub fn say(&self, control: &Control) -> Outcome<()> {
        self.channel
            .send(control, &[])
            .map_err(|e| Error::channel("supervisor", e))
    }

    /// Waits for an answer that is no refusal; `None` if the supervisor has ended.
    pub fn hear(&self) -> Outcome<Option<(Report, Vec<OwnedFd>)>> {
        match self.channel.receive() {
            Ok((Report::Refused(failure), _)) => Err(failure.into()),
            Ok(answer) => Ok(Some(answer)),
            Err(ChannelError::Closed) => Ok(None),
            Err(e) => Err(Error::channel("supervisor", e)),
        }
    }

    fn ask(&self, control: &Control) -> Outcome<(Report, Vec<OwnedFd>)> {
        self.say(control)?;
        self.hear()?
            .ok_or_else(|| Error::Peer("the supervisor ended without an answer".into()))
    }

    /// The container's processes; the supervisor's own number is not among what it tells.
    pub fn identify(&self) -> Outcome<Pids> {
        match self.ask(&Control::Identify)? {
            (Report::State { pid1, init, fused, .. }, _) => Ok(Pids {
                pid1,
                init,
                supervisor: 0,
                fused,
            }),
            _ => Err(unexpected()),
        }
    }

    /// How often its first process was started anew.
    pub fn restarts(&self) -> Outcome<u32> {
        match self.ask(&Control::Identify)? {
            (Report::State { restarts, .. }, _) => Ok(restarts),
            _ => Err(unexpected()),
        }
    }

    /// The container's namespaces: user, mnt, pid, net, ipc, uts, cgroup.
    pub fn namespaces(&self) -> Outcome<Vec<OwnedFd>> {
        match self.ask(&Control::Namespaces)? {
            (Report::Namespaces, descriptors) => Ok(descriptors),
            _ => Err(unexpected()),
        }
    }

    /// The same, if it answers within this time.
    pub fn namespaces_within(&self, patience: Duration) -> Outcome<Vec<OwnedFd>> {
        self.say(&Control::Namespaces)?;
        if !ready(self.as_fd(), PollFlags::POLLIN, patience)? {
            return Err(Error::Peer(format!(
                "the supervisor did not answer within {} s",
                patience.as_secs()
            )));
        }
        match self.hear()? {
            Some((Report::Namespaces, descriptors)) => Ok(descriptors),
            Some(_) => Err(unexpected()),
            None => Err(Error::Peer("the supervisor ended without an answer".into())),
        }
    }

    /// Sends a signal to PID 1.
    pub fn signal(&self, signal: i32) -> Outcome<()> {
        self.done(&Control::Signal(signal))
    }

    /// Sends a signal to the process behind a pidfd.
    pub fn signal_process(&self, signal: i32, pidfd: &OwnedFd) -> Outcome<()> {
        let said = self.channel.send(&Control::SignalProcess(signal), &[pidfd.as_fd()]);
        said.map_err(|e| Error::channel("supervisor", e))?;
        match self.hear()? {
            Some((Report::Done, _)) => Ok(()),
            Some(_) => Err(unexpected()),
            None => Err(Error::Peer("the supervisor ended without an answer".into())),
        }
    }

    /// Ends the container, and says whether it has ended within [`PATIENCE`]: it has not if its own root froze it, or if the supervisor
    /// is stopped.
    pub fn kill(&self) -> Outcome<bool> {
        self.say(&Control::Wait)?;
        self.say(&Control::Kill)?;
        loop {
            let mut look = [PollFd::new(self.channel.as_fd(), PollFlags::POLLIN)];
            match poll(&mut look, PollTimeout::from(PATIENCE)) {
                Ok(0) => return Ok(false),
                Err(Errno::EINTR) => continue,
                Err(e) => return Err(Error::kernel("wait for the supervisor", e)),
                Ok(_) => {}
            }
            match self.hear()? {
                Some((Report::Done, _)) => {}
                Some((Report::Ended(_), _)) => return Ok(true),
                // It may have ended without having heard: the container is not known to have.
                None => return Ok(false),
                Some(_) => return Err(unexpected()),
            }
        }
    }

    /// Whether the container ends within this time.
    pub fn ends_within(&self, patience: Duration) -> Outcome<bool> {
        match self.channel.send(&Control::Wait, &[]) {
            // It has ended already, and its supervisor with it.
            Err(ChannelError::Closed) => return Ok(true),
            said => said.map_err(|e| Error::channel("supervisor", e))?,
        }
        Ok(ready(self.as_fd(), PollFlags::POLLIN, patience)? && self.ended().map(|_| true)?)
    }

    fn done(&self, control: &Control) -> Outcome<()> {
        match self.ask(control)? {
            (Report::Done, _) => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// The stream of a console that was asked for with [`Control::Attach`].
    pub fn attached(&self) -> Outcome<OwnedFd> {
        match self.hear()? {
            Some((Report::Attached, descriptors)) => descriptors.into_iter().next().ok_or_else(unexpected),
            Some(_) => Err(unexpected()),
            None => Err(Error::Peer("the supervisor ended without an answer".into())),
        }
    }

    /// Attaches to a console.
    pub fn attach(&self, console: u8, replay: bool, lossless: bool) -> Outcome<OwnedFd> {
        self.say(&Control::Attach {
            console,
            replay,
            lossless,
        })?;
        self.attached()
    }

    /// Waits until the container has ended; gives the wait(2) status, or `None` if the supervisor ended without a word.
    pub fn wait(&self) -> Outcome<Option<i32>> {
        self.say(&Control::Wait)?;
        self.ended()
    }

    /// What has come after [`Control::Wait`] was said.
    pub fn ended(&self) -> Outcome<Option<i32>> {
        loop {
            match self.hear()? {
                Some((Report::Ended(status), _)) => return Ok(Some(status)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }
}

impl AsFd for Supervisor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

fn unexpected() -> Error {
    Error::Peer("the supervisor gave an answer that does not belong to the question".into())
}

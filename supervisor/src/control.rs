//! What clients ask on the control socket, and what is done about it: the only place that knows every such request.

use crate::console::Console;
use crate::end::Phase;
use crate::judge;
use crate::keeper::Keeper;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::os::fd::{AsFd, OwnedFd};
use sys::channel::ChannelError;
use wire::supervisor::{Control, Report};
use wire::{Failure, LinkName};

impl Keeper {
    /// Does what a client asks and answers. An error ends the conversation.
    pub(crate) fn answer(&mut self, id: u32, control: Control, descriptors: Vec<OwnedFd>) -> Result<(), ChannelError> {
        let done = match control {
            Control::Identify => return self.say(id, &self.state(), &[]),
            Control::Namespaces => {
                let namespaces: Vec<_> = self.namespaces.iter().map(AsFd::as_fd).collect();
                return self.say(id, &Report::Namespaces, &namespaces);
            }
            Control::Wait => return self.wait(id, false),
            Control::WaitTied => return self.wait(id, true),
            Control::Attach {
                console,
                replay,
                lossless,
            } => match self.view(console, replay, lossless) {
                Ok(theirs) => return self.say(id, &Report::Attached, &[theirs.as_fd()]),
                Err(failure) => Err(failure),
            },
            Control::Resize { console, rows, columns } => match self.resize(console, rows, columns) {
                Ok(()) => return Ok(()),
                Err(failure) => Err(failure),
            },
            Control::Signal(number) => self.signal(number),
            Control::SignalProcess(number) => self.signal_process(number, &descriptors),
            Control::Wall(link) => self.wall(id, link, descriptors),
            Control::Unwall(link) => self.unwall(id, &link),
            Control::Kill => self.kill().map_err(|e| Failure::kernel("kill PID 1", e)),
        };
        self.say(id, &done.map_or_else(Report::Refused, |()| Report::Done), &[])
    }

    /// Who keeps the rules decides whether a link is without: that is the launcher's to say, never `lazaret`'s.
    fn by_root(&self, id: u32) -> Result<(), Failure> {
        judge::by_root(self.clients.get(&id).is_some_and(|client| client.root))
    }

    fn wall(&mut self, id: u32, link: LinkName, descriptors: Vec<OwnedFd>) -> Result<(), Failure> {
        self.by_root(id)?;
        self.alive()?;
        if self.wall.is_some() {
            return Err(Failure::caller(
                "keep the rules of a second network: a container has one",
            ));
        }
        let wall = descriptors.try_into();
        let wall = wall.map_err(|_| Failure::protocol("keep rules that did not come"))?;
        self.wall = Some((link, wall));
        Ok(())
    }

    fn unwall(&mut self, id: u32, link: &LinkName) -> Result<(), Failure> {
        self.by_root(id)?;
        judge::let_go(self.wall.as_ref().map(|(kept, _)| kept), link)?;
        self.wall = None;
        Ok(())
    }

    fn state(&self) -> Report {
        let [pid1, init, fused] = self.pids;
        Report::State {
            name: self.name.clone(),
            pid1,
            init,
            fused,
            restarts: self.restarts,
        }
    }

    fn wait(&mut self, id: u32, tied: bool) -> Result<(), ChannelError> {
        if let Phase::Told(status) = self.phase {
            return self.say(id, &Report::Ended(status), &[]);
        }
        if let Some(client) = self.clients.get_mut(&id) {
            client.waits = true;
            client.tied = tied;
        }
        Ok(())
    }

    fn signal(&self, number: i32) -> Result<(), Failure> {
        let signal = judge::signal(number)?;
        self.alive()?;
        sys::process::signal(&self.first, signal.number()).map_err(|e| Failure::kernel("signal PID 1", e as i32))
    }

    /// Which process a pidfd means is the caller's choice; which it may reach is the kernel's.
    fn signal_process(&self, number: i32, descriptors: &[OwnedFd]) -> Result<(), Failure> {
        let signal = judge::signal(number)?;
        self.alive()?;
        let pidfd = descriptors
            .first()
            .ok_or_else(|| Failure::protocol("signal a process that is not there"))?;
        sys::process::signal(pidfd, signal.number()).map_err(|e| Failure::kernel("signal the process", e as i32))
    }

    fn alive(&self) -> Result<(), Failure> {
        match self.phase {
            Phase::Running | Phase::Dying => Ok(()),
            Phase::Ended(_) | Phase::Told(_) => Err(Failure::caller("reach the container: it has ended")),
        }
    }

    fn view(&mut self, console: u8, replay: bool, lossless: bool) -> Result<OwnedFd, Failure> {
        self.alive()?;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(|e| Failure::kernel("make a socket for the console", e.raw_os_error()))?;
        self.attach(console, ours, replay, lossless)?;
        Ok(theirs)
    }

    fn resize(&self, console: u8, rows: u16, columns: u16) -> Result<(), Failure> {
        let index = judge::console(console, self.consoles.len())?;
        let resized = self
            .consoles
            .get(index)
            .map_or(Err(Errno::NODEV), |c: &Console| c.resize(rows, columns));
        resized.map_err(|e| Failure::kernel("resize the console", e.raw_os_error()))
    }
}

//! The kept container and the one loop that serves it. Each event is handed to the file that knows what to do about it; nothing here
//! blocks but the wait for the next one, and without an event nothing runs.

use crate::client::Client;
use crate::console::{Console, Kind};
use crate::end::Phase;
use crate::hold::{Held, hold};
use crate::judge;
use crate::output::Output;
use crate::token::Token;
use crate::watch::{ARRIVALS, CHANGES, EventFlags, READABLE, Watch};
use policies::Steady;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use sys::channel::Channel;
use wire::supervisor::Request;
use wire::{ContainerName, Failure, LinkName, init};

/// Bytes of output that are taken at a time.
const TAKEN: usize = 64 * 1024;

/// One kept container.
#[derive(Debug)]
pub struct Keeper {
    pub(crate) name: ContainerName,
    pub(crate) client: u32,
    pub(crate) pids: [u32; 3],
    pub(crate) restarts: u32,
    pub(crate) phase: Phase,
    /// Whether a client has ended it: then nothing may start it anew.
    pub(crate) killed: bool,
    /// Whether it was not started anew because it had been too often.
    pub(crate) looped: bool,
    /// What the log is to say at its end.
    pub(crate) last_word: Option<String>,
    pub(crate) watch: Watch,
    pub(crate) consoles: Vec<Console>,
    pub(crate) clients: BTreeMap<u32, Client>,
    pub(crate) listener: OwnedFd,
    pub(crate) record: OwnedFd,
    pub(crate) init: Channel<init::Request, init::Reply>,
    pub(crate) init_process: OwnedFd,
    pub(crate) first: OwnedFd,
    pub(crate) namespaces: Vec<OwnedFd>,
    fused: Option<OwnedFd>,
    last_id: u32,
    room: Vec<u8>,
    /// Its link on a network, what the rules of that go with, and the claim of its addresses.
    pub(crate) wall: Option<(LinkName, [OwnedFd; 2])>,
    _held: [OwnedFd; 2],
}

impl Keeper {
    /// Takes a container over.
    pub fn new(request: Request, descriptors: Vec<OwnedFd>) -> Result<Self, Failure> {
        let Held {
            _lock,
            _claim,
            listener,
            record,
            log,
            init,
            first,
            init_process,
            namespaces,
            wall,
            log_pipe,
            fused,
            masters,
        } = hold(&request, descriptors)?;
        let Request::Keep {
            name,
            client,
            pid1,
            init: outer,
            fused: server,
            ..
        } = request;
        let refused = |what: &'static str| move |e: Errno| Failure::kernel(what, e.raw_os_error());
        let consoles = consoles(log, log_pipe, masters).map_err(refused("write the log"))?;
        let watch = Watch::new().map_err(refused("make an epoll instance"))?;
        let begin = || -> Result<(), Errno> {
            watch.add(&listener, Token::Listener, ARRIVALS)?;
            watch.add(&init, Token::Init, READABLE)?;
            watch.add(&init_process, Token::InitProcess, READABLE)?;
            if let Some(fused) = &fused {
                watch.add(fused, Token::Fused, READABLE)?;
            }
            for (number, console) in (0..).zip(&consoles) {
                watch.add(console, Token::Console(number), CHANGES)?;
            }
            Ok(())
        };
        begin().map_err(refused("wait for what happens to the container"))?;
        Ok(Self {
            name,
            client,
            pids: [pid1, outer, server],
            restarts: 0,
            phase: Phase::Running,
            killed: false,
            looped: false,
            last_word: None,
            watch,
            consoles,
            clients: BTreeMap::new(),
            listener,
            record,
            init,
            init_process,
            first,
            namespaces,
            fused,
            last_id: 0,
            room: vec![0; TAKEN],
            wall,
            // The lock goes last: who finds that the container has ended finds its ids, its name and its ports free.
            _held: [_claim, _lock],
        })
    }

    /// Serves until the container has ended and everybody has been told. Nothing that another than the launcher sent is read before.
    pub fn keep(&mut self, _steady: &Steady) -> Result<(), Errno> {
        // Whoever connected before this began is heard first, so that even the shortest container has the viewer that it was started with.
        self.arrivals();
        for id in self.clients.keys().copied().collect::<Vec<_>>() {
            self.client_speaks(id);
        }
        let mut events = Vec::new();
        while !self.over() {
            self.watch.wait(&mut events)?;
            for event in &events {
                if let Some(token) = Token::new(event.data.u64()) {
                    self.happen(token, event.flags);
                }
            }
            self.conclude();
        }
        Ok(())
    }

    fn happen(&mut self, token: Token, what: EventFlags) {
        match token {
            Token::Listener => self.arrivals(),
            Token::Init => self.init_speaks(),
            Token::InitProcess => self.init_died(),
            Token::First => self.first_died(),
            Token::Fused => self.fused_died(),
            Token::Console(number) => self.turn(number),
            Token::Client(id) => self.client_speaks(id),
            Token::Viewer { console, id } => self.viewer(console, id, what),
        }
    }

    /// Gives one console its turn.
    pub(crate) fn turn(&mut self, number: u8) {
        if let Some(console) = self.consoles.get_mut(usize::from(number)) {
            console.turn(&mut self.room);
        }
        self.ask_again(number);
    }

    /// Has the kernel say again that a console has output, if some was left.
    fn ask_again(&self, number: u8) {
        if let Some(console) = self.consoles.get(usize::from(number)).filter(|c| c.willing()) {
            // It is being waited for, so that nothing can fail here.
            let _ = self.watch.again(console, Token::Console(number), CHANGES);
        }
    }

    fn viewer(&mut self, number: u8, id: u32, what: EventFlags) {
        let Some(console) = self.consoles.get_mut(usize::from(number)) else {
            return;
        };
        if let Some(viewer) = console.viewer(id, what, &mut self.room) {
            let _ = self.watch.again(viewer, Token::Viewer { console: number, id }, CHANGES);
        }
        self.ask_again(number);
    }

    /// Adds a viewer to a console; the kernel says at once that there is room in its socket, which shows it the replay.
    pub(crate) fn attach(&mut self, number: u8, stream: OwnedFd, replay: bool, lossless: bool) -> Result<(), Failure> {
        judge::viewer(
            self.consoles
                .iter()
                .map(Console::viewers)
                .fold(0, usize::saturating_add),
        )?;
        let index = judge::console(number, self.consoles.len())?;
        let id = self.next_id();
        let console = self
            .consoles
            .get_mut(index)
            .ok_or_else(|| Failure::bug("find the console"))?;
        let viewer = console
            .attach(id, stream, replay, lossless)
            .ok_or_else(|| Failure::bug("find the viewer"))?;
        let added = self.watch.add(viewer, Token::Viewer { console: number, id }, CHANGES);
        added.map_err(|e| Failure::kernel("wait for a viewer", e.raw_os_error()))
    }

    /// A number that no client or viewer has had lately.
    pub(crate) const fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    fn fused_died(&mut self) {
        if let Some(fused) = self.fused.take() {
            self.watch.remove(fused);
        }
        self.pids[2] = 0;
    }
}

/// The first console's output goes to the log; where there is a log pipe, that does instead, and comes first if it is alone.
fn consoles(log: OwnedFd, pipe: Option<OwnedFd>, masters: Vec<OwnedFd>) -> Result<Vec<Console>, Errno> {
    let mut log = Some(Output::file(log)?);
    let pipe = pipe.map(|p| Console::new(p, Kind::Pipe, log.take().unwrap_or_else(Output::memory)));
    let terminal = |m| Console::new(m, Kind::Terminal, log.take().unwrap_or_else(Output::memory));
    let mut all: Vec<Console> = masters.into_iter().map(terminal).collect();
    all.extend(pipe);
    Ok(all)
}

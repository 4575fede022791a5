//! Every deed on record: what is about to be done before it is done, how it ended, and what was refused; through `recordd`, which is started
//! at the first deed of a command and stays to its end. May touch: the log of deeds and its head, to open them.

use crate::open;
use crate::piece::{Piece, Programs};
use crate::policy::Audit;
use crate::virt::{self, Message};
use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::birth::Birth;
use wire::ids::IdBlock;
use wire::recordd::{Caller, Deed, MAX_PART, Outcome, Record, Reply, Request, Told};
use wire::{Bytes, ContainerName, Failure, Program, Text};

type Writer = Piece<Request, Reply>;

/// What this command puts on record.
#[derive(Debug)]
pub struct Ledger {
    by: Caller,
    audit: Audit,
    /// The socket of the kernel's audit system, where that is enabled.
    kernel: Option<OwnedFd>,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    writer: Option<Writer>,
    asked: Option<Asked>,
    stage: Stage,
    /// Whether the intent has been sent, or could not be.
    begun: bool,
    /// Containers that are to be destroyed, as was announced.
    destroyed: Vec<ContainerName>,
    /// What the kernel's audit system was told of it, or would have been.
    told: Vec<Told>,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What.
    pub deed: Deed,
    /// For which container.
    pub container: Option<ContainerName>,
    /// The frame in which it was asked for.
    pub request: Vec<u8>,
}

/// How far a deed is on record.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not at all.
    #[default]
    Nothing,
    /// The writer has the intent, and has not answered.
    Sent,
    /// The intent is written, under this number.
    Written(u64),
}

impl Ledger {
    /// Nothing is on record yet, and no writer started.
    pub fn new(by: Caller, audit: Audit, kernel: Option<OwnedFd>) -> Self {
        Self {
            by,
            audit,
            kernel,
            state: RefCell::default(),
        }
    }

    /// Starts the writer before anything is asked for: while nobody waits for it, or for who will have no power to do so later.
    pub fn ready(&self, programs: &Programs, block: IdBlock) -> Result<(), Failure> {
        let started = self.start(programs, block);
        self.unless_required(started.map(|writer| self.state.borrow_mut().writer = Some(writer)))
    }

    /// Something was asked for. Nothing is put on record yet.
    pub fn asked(&self, programs: &Programs, asked: Asked) {
        let mut state = self.state.borrow_mut();
        state.asked = Some(asked);
        state.stage = Stage::Nothing;
        state.begun = false;
        state.told.clear();
        // What was sent before belongs to something else.
        drop(programs.sent());
    }

    /// Puts on record that it is about to be done, unless that was begun, and does not wait.
    pub fn begin(&self, programs: &Programs, block: IdBlock) -> Result<(), Failure> {
        let mut state = self.state.borrow_mut();
        if std::mem::replace(&mut state.begun, true) {
            return Ok(());
        }
        let Some(asked) = state.asked.clone() else {
            return Err(Failure::bug("put a deed on record that nobody asked for"));
        };
        let record = Record::Intent {
            deed: asked.deed,
            container: asked.container,
            by: self.by.clone(),
            request: Bytes(asked.request),
        };
        let sent = self.send(&mut state, programs, block, &record, self.audit.sync);
        self.unless_required(sent.map(|()| state.stage = Stage::Sent))
    }

    /// Waits until it is on record. Nothing is done for good before that.
    pub fn written(&self) -> Result<(), Failure> {
        let mut state = self.state.borrow_mut();
        if state.stage != Stage::Sent {
            return Ok(());
        }
        state.stage = Stage::Nothing;
        let number = self.hear(&mut state);
        self.unless_required(number.map(|number| state.stage = Stage::Written(number)))
    }

    /// Puts on record how it ended.
    pub fn ended(&self, programs: &Programs, block: IdBlock, outcome: Outcome) -> Result<(), Failure> {
        self.written()?;
        let mut state = self.state.borrow_mut();
        let Stage::Written(intent) = std::mem::take(&mut state.stage) else {
            return Ok(());
        };
        let sent = programs.sent();
        let told = std::mem::take(&mut state.told);
        let record = match told.is_empty() {
            true => Record::Ended { intent, outcome, sent },
            false => Record::Told {
                intent,
                outcome,
                sent,
                told,
            },
        };
        let sent = self.send(&mut state, programs, block, &record, false);
        self.unless_required(sent.and_then(|()| self.hear(&mut state)).map(drop))
    }

    /// Puts a record that stands alone on record, and waits.
    pub fn note(&self, programs: &Programs, block: IdBlock, record: &Record) -> Result<(), Failure> {
        let mut state = self.state.borrow_mut();
        let sent = self.send(&mut state, programs, block, record, self.audit.sync);
        self.unless_required(sent.and_then(|()| self.hear(&mut state)).map(drop))
    }

    /// Puts on record that what was asked for is refused. Where that fails too, there is nothing left to refuse.
    pub fn refused(&self, programs: &Programs, block: Result<IdBlock, Failure>, why: &Failure) {
        let Ok(block) = block else { return };
        // An intent that could not be written has no end.
        let _ = self.written();
        let stage = self.state.borrow().stage;
        if matches!(stage, Stage::Written(_)) {
            let _ = self.ended(programs, block, Outcome::Refused(why.clone()));
            return;
        }
        let asked = self.state.borrow_mut().asked.take();
        if let Some(asked) = asked {
            let _ = self.note(
                programs,
                block,
                &Record::Refused {
                    deed: asked.deed,
                    container: asked.container,
                    by: self.by.clone(),
                    request: Bytes(asked.request),
                    why: why.clone(),
                },
            );
        }
    }

    /// A container is to be destroyed, as was announced.
    pub fn destroys(&self, name: &ContainerName) {
        self.state.borrow_mut().destroyed.push(name.clone());
    }

    /// Whether it was announced that this container is to be destroyed.
    pub fn is_destroyed(&self, name: &ContainerName) -> bool {
        self.state.borrow().destroyed.contains(name)
    }

    /// Who asked.
    pub const fn by(&self) -> &Caller {
        &self.by
    }

    /// Begins a new file: the old one keeps its place, with the number of its last record.
    pub fn rotate(&self, programs: &Programs, block: IdBlock) -> Result<(), Failure> {
        let mut state = self.state.borrow_mut();
        let Stage::Written(intent) = state.stage else {
            return Err(Failure::caller("begin a new file of a log that is not kept"));
        };
        // As long as the head is locked by this open file, which the writer has too, nobody else appends.
        let head = open::log_rotated(&self.audit.file)?;
        state.stage = Stage::Nothing;
        let log = open::log(&self.audit.file)?;
        let record = Record::Rotated { intent };
        let writer = state.writer.as_ref().ok_or_else(|| Failure::bug("keep the writer"))?;
        self.give(writer, &log.0, &head, true)?;
        drop((log, head));
        self.send(&mut state, programs, block, &record, self.audit.sync)?;
        self.hear(&mut state).map(drop)
    }

    /// Tells the kernel's audit system, where that is enabled, and lays down what was told for the record of the deed's end, whether it is or not;
    /// `success` is what came of a start or stop, whatever of its resources.
    pub fn tell(
        &self,
        programs: &Programs,
        block: IdBlock,
        messages: &[Message],
        success: bool,
    ) -> Result<(), Failure> {
        let executable = std::env::current_exe().unwrap_or_default();
        let terminal = self.by.terminal.as_ref().map(Text::as_str);
        let whole = |message: &Message| {
            let text = virt::whole(message, &executable.to_string_lossy(), terminal, success);
            let text = Text::new(&text).map_err(|_| Failure::caller("tell the kernel's audit system as much"))?;
            Ok(Told { kind: message.0, text })
        };
        let whole: Vec<Told> = messages.iter().map(whole).collect::<Result<_, Failure>>()?;
        self.state.borrow_mut().told.clone_from(&whole);
        if self.kernel.is_none() {
            return Ok(());
        }
        self.written()?;
        let mut state = self.state.borrow_mut();
        let told = whole.into_iter().try_for_each(|Told { kind, text }| {
            let writer = match state.writer.take() {
                Some(writer) => writer,
                None => self.start(programs, block)?,
            };
            writer.send(&Request::Tell { kind, text }, &[])?;
            let reply = writer.receive()?.0;
            let confused = writer.confused();
            state.writer = Some(writer);
            match reply {
                Reply::Told => Ok(()),
                Reply::Refused(failure) => Err(failure),
                Reply::Recorded { .. } | Reply::Replaced => Err(confused),
            }
        });
        self.unless_required(told)
    }

    /// Lets the writer end.
    pub fn close(&self) {
        self.state.borrow_mut().writer = None;
    }

    fn unless_required(&self, done: Result<(), Failure>) -> Result<(), Failure> {
        if self.audit.required { done } else { Ok(()) }
    }

    fn send(
        &self,
        state: &mut State,
        programs: &Programs,
        block: IdBlock,
        record: &Record,
        sync: bool,
    ) -> Result<(), Failure> {
        let writer = match state.writer.take() {
            Some(writer) => writer,
            None => self.start(programs, block)?,
        };
        let body = record
            .encode()
            .ok_or_else(|| Failure::caller("put a deed on record that is too long for a record"))?;
        let mut parts = body.chunks(MAX_PART).peekable();
        while let Some(part) = parts.next() {
            let append = Request::Append {
                bytes: Bytes(part.to_vec()),
                more: parts.peek().is_some(),
                sync,
            };
            writer.send(&append, &[])?;
        }
        // One that could not be spoken to is not kept: the next record is another one's.
        state.writer = Some(writer);
        Ok(())
    }

    /// The number of the record that was sent last.
    fn hear(&self, state: &mut State) -> Result<u64, Failure> {
        let writer = state.writer.take().ok_or_else(|| Failure::bug("hear the writer"))?;
        // Each answer of this kind is one rotation, or a log that somebody put there meanwhile.
        for _ in 0..8 {
            match writer.receive()?.0 {
                Reply::Recorded { number } => {
                    state.writer = Some(writer);
                    return Ok(number);
                }
                Reply::Replaced => {
                    let (log, head) = open::log_locked(&self.audit.file)?;
                    self.give(&writer, &log, &head, true)?;
                    let again = Request::Append {
                        bytes: Bytes::default(),
                        more: false,
                        sync: self.audit.sync,
                    };
                    writer.send(&again, &[])?;
                }
                Reply::Refused(failure) => {
                    state.writer = Some(writer);
                    return Err(failure);
                }
                Reply::Told => return Err(writer.confused()),
            }
        }
        Err(Failure::caller(
            "put the deed on record: the log is replaced again and again",
        ))
    }

    fn start(&self, programs: &Programs, block: IdBlock) -> Result<Writer, Failure> {
        let (log, head) = open::log(&self.audit.file)?;
        let power = policies::power(Program::Recordd, self.kernel.is_none());
        let writer = programs.start(Program::Recordd, block, power, &[], Birth::default())?;
        self.give(&writer, &log, &head, false)?;
        Ok(writer)
    }

    /// The two files, which this process then lets go: a lock on the head must end with the writer.
    fn give(&self, writer: &Writer, log: &OwnedFd, head: &OwnedFd, replaced: bool) -> Result<(), Failure> {
        let kernel = self.kernel.is_some();
        let mut descriptors: Vec<BorrowedFd<'_>> = vec![log.as_fd(), head.as_fd()];
        descriptors.extend(self.kernel.iter().map(AsFd::as_fd));
        writer.send(&Request::Log { kernel, replaced }, &descriptors)
    }
}

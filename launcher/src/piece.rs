//! Starting the programs, each with its descriptors and its one power, and talking to them. May touch: the directory where they are
//! installed, by a read-only copy of its mount; its own children.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags};
use std::cell::RefCell;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};
use sys::birth::Birth;
use sys::channel::{Channel, ChannelError};
use sys::mount::{Attr, Change};
use sys::process::{Fork, Power, errno};
use wire::frame::{HEADER, Message};
use wire::ids::IdBlock;
use wire::recordd::Sent;
use wire::timing::{MOST, Moment, Step};
use wire::{Bytes, Failure, Program};

/// How long a program may take for one answer, in seconds. What it is asked takes milliseconds; one that is stopped or stuck must not
/// keep a start from being given up. It counts from when the program has been executed.
const PATIENCE: i64 = 60;

/// How long a program may take, in seconds, where the container's root can keep it waiting: among what is mounted there.
const INSIDE: i64 = 10;

/// How long programs that end with their container may take for it, before it is cleared away without them.
const ENDING: Duration = Duration::from_secs(2);

/// Those that last as long as a container.
pub const LASTING: [Program; 4] = [Program::Init, Program::Fused, Program::Supervisor, Program::Nsenter];

/// The directory of the programs, and `/dev/null`.
#[derive(Debug)]
pub struct Programs {
    directory: OwnedFd,
    null: OwnedFd,
    one_shot: RefCell<Vec<(Program, Pid)>>,
    lasting: RefCell<Vec<(IdBlock, Program, Pid)>>,
    sent: Frames,
    moments: Moments,
}

/// What happened when, the first of it.
pub type Moments = Rc<RefCell<Vec<Moment>>>;

fn happened(moments: &Moments, program: Program, step: Step) {
    let mut moments = moments.borrow_mut();
    if moments.len() < MOST {
        let at = sys::clock::now();
        moments.push(Moment { program, step, at });
    }
}

/// Every frame that was sent to a program and is not yet on record, in order.
pub type Frames = Rc<RefCell<Vec<Sent>>>;

/// A running program that answers `R` to requests `Q`.
#[derive(Debug)]
pub struct Piece<Q, R> {
    program: Program,
    /// Its pid.
    pub pid: Pid,
    /// The conversation with it.
    pub channel: Channel<Q, R>,
    sent: Frames,
    moments: Moments,
}

/// The directory in which this program lies.
fn own_directory() -> Result<OwnedFd, Failure> {
    let fail = |e: rustix::io::Errno| Failure::kernel("open the directory of Lazaret's programs", errno(e) as i32);
    let own = std::fs::read_link("/proc/self/exe").map_err(|_| Failure::bug("find the launcher's own file"))?;
    let place = own
        .parent()
        .ok_or_else(|| Failure::bug("find the launcher's own directory"))?;
    rustix::fs::open(place, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(fail)
}

impl Programs {
    /// Those that lie beside this one, on a mount of their own that is read-only and attached nowhere: what executes inside a container
    /// cannot be written through `/proc/PID/exe` there, not even by a root that is the host's.
    pub fn beside_this_one() -> Result<Self, Failure> {
        let directory = own_directory()?;
        let explain = |e: nix::errno::Errno| Failure::kernel("protect Lazaret's programs from writing", e as i32);
        let directory = sys::mount::clone_tree(directory.as_fd(), false).map_err(explain)?;
        let never_written = Change {
            set: Attr::MOUNT_ATTR_RDONLY | Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NODEV,
            ..Change::default()
        };
        sys::mount::set_attributes(directory.as_fd(), false, never_written).map_err(explain)?;
        Self::of(directory)
    }

    /// The same, for who starts none that executes inside a container: nothing has to be kept from being written.
    pub fn of_the_host() -> Result<Self, Failure> {
        Self::of(own_directory()?)
    }

    fn of(directory: OwnedFd) -> Result<Self, Failure> {
        Ok(Self {
            directory,
            null: crate::open::file("/dev/null", true)?,
            one_shot: RefCell::default(),
            lasting: RefCell::default(),
            sent: Frames::default(),
            moments: Moments::default(),
        })
    }

    /// `/dev/null`, for reading and writing.
    pub fn null(&self) -> BorrowedFd<'_> {
        self.null.as_fd()
    }

    /// Takes the frames that were sent since the last time.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.take()
    }

    /// Forgets what happened until now, but that somebody was started ahead.
    pub fn forget_moments(&self) {
        self.moments.borrow_mut().retain(|m| m.step == Step::Started);
    }

    /// What happened, and when.
    pub fn moments(&self) -> Vec<Moment> {
        self.moments.borrow().clone()
    }

    /// Waits for the programs that end with their channel, so that nobody else has to collect them.
    pub fn collect(&self) {
        for (_, pid) in self.one_shot.take() {
            let _ = sys::process::wait(pid);
        }
    }

    /// Waits for those of them that are such programs: their channels are closed, but they may still be at what they were asked last.
    pub fn settle(&self, programs: &[Program]) {
        let one_shot = self.one_shot.take().into_iter();
        let (such, others): (Vec<_>, Vec<_>) = one_shot.partition(|(program, _)| programs.contains(program));
        *self.one_shot.borrow_mut() = others;
        for (_, pid) in such {
            let _ = sys::process::wait(pid);
        }
    }

    /// Waits for those of a container's lasting programs that are among these, for [`ENDING`] in all: they are about to end.
    pub fn collect_lasting(&self, block: IdBlock, programs: &[Program]) {
        let end = Instant::now().checked_add(ENDING);
        let (such, others): (Vec<_>, Vec<_>) = self
            .lasting
            .take()
            .into_iter()
            .partition(|(of, program, _)| *of == block && programs.contains(program));
        *self.lasting.borrow_mut() = others;
        for (_, program, pid) in such {
            let left = end.map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()));
            if !sys::process::wait_for(pid, left).unwrap_or(true) {
                self.lasting.borrow_mut().push((block, program, pid));
            }
        }
    }

    /// Starts a program for the container with these ids, born where that says. `extra` descriptors follow from number 4.
    pub fn start<Q: Message, R: Message>(
        &self,
        program: Program,
        block: IdBlock,
        capabilities: &[u8],
        extra: &[BorrowedFd<'_>],
        birth: Birth<'_>,
    ) -> Result<Piece<Q, R>, Failure> {
        let name = program.name();
        let fail = |e: nix::errno::Errno| Failure::kernel(&format!("start {name}"), e as i32);
        let open = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, name, open, Mode::empty()).map_err(|e| fail(errno(e)))?;
        let (ours, theirs) = sys::channel::pair::<Q, R>().map_err(fail)?;
        setsockopt(&ours.as_fd(), sockopt::ReceiveTimeout, &TimeVal::new(PATIENCE, 0)).map_err(fail)?;
        let mut descriptors = vec![self.null.as_fd(), self.null.as_fd(), self.null.as_fd(), theirs.as_fd()];
        descriptors.extend_from_slice(extra);
        let mut words = vec![name.to_owned(), "--socket".to_owned(), "3".to_owned()];
        if !extra.is_empty() {
            let numbers: Vec<String> = (4usize..).take(extra.len()).map(|n| n.to_string()).collect();
            words.extend(["--beneath".to_owned(), numbers.join(",")]);
        }
        let words: Vec<CString> = words.into_iter().filter_map(|w| CString::new(w).ok()).collect();
        let words: Vec<&std::ffi::CStr> = words.iter().map(CString::as_c_str).collect();
        let hands_over_restrictions = matches!(program, Program::Init | Program::Nsenter);
        let power = Power {
            id: block.of(program),
            // By this group it may give birth in the container's own: see `cradle`.
            groups: if program == Program::Init {
                vec![block.keeper()]
            } else {
                Vec::new()
            },
            capabilities: capabilities.to_vec(),
            no_new_privileges: !hands_over_restrictions,
        };
        let pid = sys::birth::start_in(file.as_fd(), &words, &descriptors, &power, birth).map_err(fail)?;
        happened(&self.moments, program, Step::Started);
        if LASTING.contains(&program) {
            self.lasting.borrow_mut().push((block, program, pid));
        } else {
            self.one_shot.borrow_mut().push((program, pid));
        }
        Ok(Piece {
            program,
            pid,
            channel: ours,
            sent: Rc::clone(&self.sent),
            moments: Rc::clone(&self.moments),
        })
    }
}

impl<Q: Message, R: Message> Piece<Q, R> {
    /// Sends a request.
    pub fn send(&self, request: &Q, descriptors: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        let frame = self.channel.send_frame(request, descriptors);
        let frame = Bytes(frame.map_err(|e| self.explain(e))?);
        let number = frame.0.get(HEADER).copied().unwrap_or(u8::MAX);
        happened(&self.moments, self.program, Step::Asked(number));
        // What is put on record is not put on record.
        if self.program != Program::Recordd {
            let to = self.program;
            self.sent.borrow_mut().push(Sent { to, frame });
        }
        Ok(())
    }

    /// Waits for the answer.
    pub fn receive(&self) -> Result<(R, Vec<OwnedFd>), Failure> {
        let answer = self.channel.receive().map_err(|e| self.explain(e))?;
        happened(&self.moments, self.program, Step::Answered);
        Ok(answer)
    }

    /// Waits for the answer of one that walks where a file system of the container's own may keep it waiting (fuse(4)). `None`: none has come within
    /// [`INSIDE`] seconds, and it is ended, now or when that file system lets go of it, which nobody waits for.
    pub fn receive_inside(&self, block: IdBlock) -> Result<Option<R>, Failure> {
        setsockopt(&self.channel.as_fd(), sockopt::ReceiveTimeout, &TimeVal::new(INSIDE, 0))
            .map_err(|e| Failure::kernel(&format!("talk to {}", self.program.name()), e as i32))?;
        match self.channel.receive() {
            Err(ChannelError::Kernel(Errno::EAGAIN)) => end(block, self.pid).map(|()| None),
            answer => {
                let (answer, _) = answer.map_err(|e| self.explain(e))?;
                happened(&self.moments, self.program, Step::Answered);
                Ok(Some(answer))
            }
        }
    }

    /// The failure for an answer that does not fit the request.
    pub fn confused(&self) -> Failure {
        Failure::protocol(&format!(
            "understand {}: it gave another answer than the request has",
            self.program.name()
        ))
    }

    fn explain(&self, error: ChannelError) -> Failure {
        let name = self.program.name();
        match error {
            ChannelError::Closed => Failure::bug(&format!("go on: {name} ended before it answered")),
            ChannelError::Kernel(Errno::EAGAIN) => {
                Failure::bug(&format!("go on: {name} did not answer within {PATIENCE} s"))
            }
            ChannelError::Kernel(e) => Failure::kernel(&format!("talk to {name}"), e as i32),
            ChannelError::Frame(e) => Failure::protocol(&format!("understand {name}: {e}")),
        }
    }
}

/// Ends a child of this process's that has joined the container with these ids. A child becomes the keeper, who owns the namespaces that it is in,
/// and so may.
fn end(block: IdBlock, pid: Pid) -> Result<(), Failure> {
    let what = "end a program that does not answer";
    let failed = |e: Errno| Failure::kernel(what, e as i32);
    match sys::process::fork().map_err(failed)? {
        Fork::Parent(child) => match sys::process::wait(child).map_err(failed)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            _ => Err(Failure::bug(what)),
        },
        Fork::Child => {
            let power = Power {
                id: block.keeper(),
                groups: Vec::new(),
                capabilities: Vec::new(),
                no_new_privileges: true,
            };
            let done = sys::process::become_power(&power).and_then(|()| kill(pid, Signal::SIGKILL));
            sys::process::exit_now(i32::from(done.is_err()))
        }
    }
}

/// Turns a program's refusal into our own.
#[macro_export]
macro_rules! expect {
    ($piece:expr, $module:ident, $pattern:pat => $value:expr) => {
        match $piece.receive()? {
            $pattern => $value,
            (wire::$module::Reply::Refused(failure), _) => return Err(failure),
            #[allow(unreachable_patterns, reason = "a reply enum may have no third variant")]
            _ => return Err($piece.confused()),
        }
    };
}

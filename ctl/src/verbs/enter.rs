//! `enter`: a command inside a running container. May touch: the control socket, `nsenter`'s socket, the standard streams.

use crate::console::{Ended, Left, Peer, Proxy};
use crate::error::{Error, Outcome, status_of_wait};
use crate::launcher::unexpected;
use crate::lookup::find;
use crate::options::{Enter, EnterNamespace};
use crate::plan::command::{Asked, lay_over, of_asked, user};
use crate::plan::run::streams;
use crate::session::Session;
use crate::signals::{FORWARDED, Signals};
use crate::supervisor::Supervisor;
use crate::terminal::{terminals, window};
use crate::values::Environment;
use nix::errno::Errno;
use rustix::termios::{Winsize, tcsetwinsize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::channel::{Channel, ChannelError};
use wire::init::{Command, Container, Stream};
use wire::launcher::{Reply, Request};
use wire::nsenter;

type Nsenter = Channel<nsenter::Request, nsenter::Reply>;

/// The command, with the container's own environment, capabilities and limits.
fn command(options: &Enter, container: &Container, terminal: bool) -> Outcome<Command> {
    let own = &container.command;
    let mut asked = options.env.clone();
    let named = own.environment.iter().any(|v| v.as_str().starts_with("TERM="));
    if terminal && !named && !asked.iter().any(|e| e.name == "TERM") {
        asked.push(Environment {
            name: "TERM".into(),
            value: "linux".into(),
        });
    }
    let mut command = of_asked(Asked {
        command: &options.command,
        environment: lay_over(&own.environment, &asked)?,
        directory: options.workdir.as_deref().unwrap_or("/"),
        user: user(options.user.as_ref())?,
        capabilities: own.capabilities,
        profile: own.profile,
        limits: own.limits.clone(),
        window: if terminal { window() } else { None },
    })
    .map_err(Error::into_usage)?;
    command.no_new_privileges = own.no_new_privileges;
    command.linux32 = own.linux32;
    command.filter.clone_from(&own.filter);
    command.apparmor.clone_from(&own.apparmor);
    command.selinux.clone_from(&own.selinux);
    command.memory.clone_from(&own.memory);
    let profile = own.apparmor.iter().map(|p| format!("AppArmor profile {p}"));
    let mut labels = profile.chain(own.selinux.iter().map(|c| format!("SELinux context {c}")));
    match labels.next() {
        Some(label) if options.noseclabel => Err(Error::caller(format!(
            "--noseclabel would enter without the container's {label}, and nothing turns confinement off"
        ))),
        _ => Ok(command),
    }
}

/// Enters as virsh has it: with this command's own environment beside the container's.
pub fn enter_namespace(session: &Session, options: &EnterNamespace) -> Outcome<u8> {
    let own = |name: &str| name.starts_with("LAZARET_");
    let env = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        (!own(&name)).then_some(Environment { name, value })
    });
    let options = Enter {
        container: options.container.clone(),
        env: env.collect(),
        user: None,
        workdir: None,
        noseclabel: options.noseclabel,
        command: options.command.clone(),
    };
    enter(session, &options)
}

/// Enters, and gives the command's exit status.
pub fn enter(session: &Session, options: &Enter) -> Outcome<u8> {
    let found = find(&session.store, &options.container)?;
    let (place, record) = found.running()?;
    if record.paused {
        return Err(Error::caller(format!("{} is suspended: resume it first", found.name)));
    }
    let plan = place.plan()?;
    let container = plan
        .container()
        .ok_or_else(|| Error::Bug("the record has no container".into()))?;
    let streams = streams(terminals(), false, false);
    let terminal = streams.contains(&Stream::Console);
    let command = command(options, container, terminal)?;
    let namespaces = Supervisor::reach(place)?.namespaces()?;
    let signals = Signals::take(&FORWARDED)?;
    let standard = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let mut descriptors: Vec<BorrowedFd<'_>> = namespaces.iter().map(AsFd::as_fd).collect();
    descriptors.extend(
        streams
            .iter()
            .zip(standard)
            .filter(|(s, _)| **s == Stream::Passed)
            .map(|(_, fd)| fd),
    );
    let request = Request::Enter {
        name: found.name.clone(),
        block: record.block,
        command: Box::new(command),
        streams,
    };
    let (Reply::Entering, answer) = session.launcher.ask(&request, &descriptors)? else {
        return Err(unexpected());
    };
    drop(namespaces);
    let socket = answer.into_iter().next().ok_or_else(unexpected)?;
    session.launcher.leave();
    let [input, ..] = streams;
    stay(Channel::new(socket), input == Stream::Console, &signals)
}

fn stay(channel: Nsenter, input: bool, signals: &Signals) -> Outcome<u8> {
    let (reply, descriptors) = channel.receive().map_err(|e| Error::channel("nsenter", e))?;
    match reply {
        nsenter::Reply::Entered { .. } => {}
        nsenter::Reply::Refused(failure) => return Err(failure.into()),
        nsenter::Reply::Exited(status) => return Ok(status_of_wait(status)),
        nsenter::Reply::Placed
        | nsenter::Reply::Removed
        | nsenter::Reply::Opened
        | nsenter::Reply::Asked
        | nsenter::Reply::NoPipe => {
            return Err(Error::Peer(
                "nsenter gave an answer that does not belong to the question".into(),
            ));
        }
    }
    let stream = descriptors.into_iter().next();
    let copied = stream.as_ref().map(OwnedFd::try_clone).transpose();
    let window =
        copied.map_err(|e| Error::kernel("copy a descriptor", Errno::from_raw(e.raw_os_error().unwrap_or(0))))?;
    let mut entered = Entered { channel, window };
    let proxy = Proxy {
        stream,
        input,
        escape: None,
        signals,
    };
    match proxy.run(&mut entered)? {
        Left::Ended(Some(status)) => Ok(status_of_wait(status)),
        Left::Ended(None) | Left::Viewer => Err(Error::Peer("nsenter ended without the command's status".into())),
    }
}

struct Entered {
    channel: Nsenter,
    window: Option<OwnedFd>,
}

impl Peer for Entered {
    fn news(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    fn read_news(&mut self) -> Outcome<Option<Ended>> {
        match self.channel.receive() {
            Ok((nsenter::Reply::Exited(status), _)) => {
                // The terminal's end is seen only when its last holder is gone, and this is one.
                self.window = None;
                Ok(Some(Some(status)))
            }
            Ok((nsenter::Reply::Refused(failure), _)) => Err(failure.into()),
            Ok(_) => Ok(None),
            Err(ChannelError::Closed) => Ok(Some(None)),
            Err(e) => Err(Error::channel("nsenter", e)),
        }
    }

    fn signalled(&mut self, signal: i32) -> Outcome<bool> {
        // The command may have ended meanwhile; the news says so.
        let _ = self.channel.send(&nsenter::Request::Signal(signal), &[]);
        Ok(false)
    }

    fn resize(&mut self, rows: u16, columns: u16) -> Outcome<()> {
        if let Some(window) = &self.window {
            let size = Winsize {
                ws_row: rows,
                ws_col: columns,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            // A terminal whose other end is gone needs no size.
            let _ = tcsetwinsize(window, size);
        }
        Ok(())
    }
}

//! A container in the foreground: signals go to it, its terminal is the caller's, its status becomes ours. May touch: the control
//! socket, the standard streams, signals.

use crate::console::{Ended, Left, Peer, Proxy};
use crate::error::{Error, Outcome};
use crate::learner::Learner;
use crate::signals::Signals;
use crate::state::Place;
use crate::state::record::End;
use crate::supervisor::Supervisor;
use crate::terminal::size;
use std::os::fd::{AsFd, BorrowedFd};
use wire::supervisor::Control;

/// The conversations that are begun before the container runs, so that not even the shortest one is missed.
#[derive(Debug)]
pub struct Foreground {
    news: Supervisor,
    console: Option<Supervisor>,
    window: Option<Supervisor>,
}

impl Foreground {
    /// Asks to be told of the end and, if there is a terminal, for the console: both are answered once the container is kept.
    pub fn prepare(place: &Place, console: bool) -> Outcome<Self> {
        let news = Supervisor::reach(place)?;
        // If this process is killed, and whoever would clear away after it too, the supervisor still ends the container.
        news.say(&Control::WaitTied)?;
        let (mut viewer, mut window) = (None, None);
        if console {
            // A conversation each: the supervisor hears one request of each before anything else.
            let supervisor = Supervisor::reach(place)?;
            if let Some((rows, columns)) = size() {
                supervisor.say(&Control::Resize {
                    console: 0,
                    rows,
                    columns,
                })?;
            }
            window = Some(supervisor);
            let supervisor = Supervisor::reach(place)?;
            supervisor.say(&Control::Attach {
                console: 0,
                replay: true,
                lossless: true,
            })?;
            viewer = Some(supervisor);
        }
        Ok(Self {
            news,
            console: viewer,
            window,
        })
    }

    /// Stays until the container has ended, and gives the wait(2) status of its first process.
    pub fn stay(self, place: &Place, input: bool, signals: &Signals, learner: Option<&mut Learner>) -> Outcome<i32> {
        let stream = self.console.as_ref().map(Supervisor::attached).transpose()?;
        let mut kept = Kept {
            news: &self.news,
            window: self.window.as_ref(),
            place,
            learner,
        };
        let proxy = Proxy {
            stream,
            input,
            escape: None,
            signals,
        };
        let ended = match proxy.run(&mut kept)? {
            Left::Ended(status) => status,
            Left::Viewer => None,
        };
        // What a supervisor could not say before it died stands in its exit record.
        let recorded = || place.end().ok().and_then(End::status);
        ended
            .or_else(recorded)
            .ok_or_else(|| Error::Peer("the container's supervisor has died, and the container with it".into()))
    }
}

struct Kept<'a> {
    news: &'a Supervisor,
    window: Option<&'a Supervisor>,
    place: &'a Place,
    learner: Option<&'a mut Learner>,
}

impl Peer for Kept<'_> {
    fn news(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }

    fn read_news(&mut self) -> Outcome<Option<Ended>> {
        Ok(Some(self.news.ended()?))
    }

    fn other(&self) -> Option<BorrowedFd<'_>> {
        self.learner.as_ref()?.news()
    }

    fn read_other(&mut self) -> Outcome<()> {
        self.learner.as_mut().map_or(Ok(()), |learner| learner.hear())
    }

    fn signalled(&mut self, signal: i32) -> Outcome<bool> {
        // The container may have ended meanwhile; then there is nobody to be signalled, and the news says so.
        if let Some(supervisor) = Supervisor::connect(self.place)? {
            let _ = supervisor.signal(signal);
        }
        Ok(false)
    }

    fn resize(&mut self, rows: u16, columns: u16) -> Outcome<()> {
        if let Some(window) = self.window {
            // As above.
            let _ = window.say(&Control::Resize {
                console: 0,
                rows,
                columns,
            });
        }
        Ok(())
    }
}

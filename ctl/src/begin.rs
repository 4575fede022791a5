//! The start of a container, as every verb that starts one does it. May touch: the state store, the control socket, and through the
//! launcher everything that the plan names.

use crate::error::{Error, Outcome};
use crate::existing;
use crate::hooks;
use crate::launcher::{Answer, unexpected};
use crate::learner::Learner;
use crate::networks;
use crate::output::say;
use crate::plan::{Lot, dropping};
use crate::session::Session;
use crate::state::record::{Origin, Phase, Pids, Record, free_slot, ids, remains, whole};
use crate::state::{Global, Place};
use crate::supervisor::make_control;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};
use wire::ids::{IdBlock, IdRange};
use wire::init::Stream;
use wire::launcher::{HostPolicy, Plan, Reply, Request};
use wire::netd::Dropping;
use wire::{ContainerName, Hook};

/// What is to be started.
pub struct Start<'a> {
    /// Its name.
    pub name: &'a ContainerName,
    /// Its uuid.
    pub uuid: [u8; 16],
    /// How it came to be.
    pub origin: Origin,
    /// The definition that it is made from.
    pub definition: Option<&'a str>,
    /// Whether the caller's own streams are passed, rather than a pipe to the log.
    pub passed: bool,
    /// Whether the container ends when this process does.
    pub tied: bool,
    /// Output and error of the caller's that become the container's, after its input, where they are passed.
    pub output: [BorrowedFd<'a>; 2],
    /// Descriptors of the caller's that the container is to have beyond the three.
    pub beyond: &'a [OwnedFd],
    /// Namespaces of other containers that it is to share.
    pub shared: &'a [OwnedFd],
    /// Who learns which system calls its command makes.
    pub learner: Option<&'a mut Learner>,
    /// Makes the plan once ids and addresses are chosen.
    pub plan: &'a dyn Fn(&Lot) -> Outcome<Plan>,
    /// What is to be done once the control socket is there and before anything runs; again if the start is tried again.
    pub before: &'a mut dyn FnMut(&Place) -> Outcome<()>,
}

/// What is chosen for a container that is not started.
pub fn lot(session: &Session, policy: &HostPolicy, uuid: [u8; 16]) -> Outcome<Lot> {
    let _lock = session.store.lock()?;
    choose(session, policy, uuid, (None, &[]))
}

/// The container that is to start, and ids that are known to be busy.
type Spared<'a> = (Option<&'a ContainerName>, &'a [IdRange]);

/// Every id that a container of this state directory uses, and those that are known to be busy otherwise. Of those that lived when this command
/// looked, what their locks said then: if one has other ids by now, the launcher, where they are claimed, says that they are busy. What is kept for
/// the container that is to start is free.
fn taken(session: &Session, (own, busy): Spared<'_>) -> Outcome<Vec<IdRange>> {
    let living = session.living.borrow();
    let mut taken = busy.to_vec();
    for name in session.store.names()?.into_iter().filter(|name| Some(name) != own) {
        match living.get(&name).filter(|ids| !ids.is_empty()) {
            Some(ids) => taken.extend(ids),
            None => {
                let record = session.store.record(&name)?.filter(Record::occupies);
                taken.extend(record.into_iter().flat_map(|r| r.ids));
            }
        }
    }
    Ok(taken)
}

/// The lowest block that none of them reaches.
fn choose(session: &Session, policy: &HostPolicy, uuid: [u8; 16], spared: Spared<'_>) -> Outcome<Lot> {
    let mut taken = taken(session, spared)?;
    let mut free = free_slot(policy.first, policy.blocks, &taken);
    if free.is_none() {
        // One of those that lived may have ended meanwhile.
        session.living.borrow_mut().clear();
        taken = self::taken(session, spared)?;
        free = free_slot(policy.first, policy.blocks, &taken);
    }
    let (slot, block) = free.ok_or_else(|| {
        let mend = match crate::user::here() {
            None => "/etc/lazaret.policy or /etc/subuid can give more",
            Some(_) => "root can give you more in /etc/subuid and /etc/subgid, once none of your containers runs",
        };
        Error::caller(format!("all {} blocks of ids are in use; {mend}", policy.blocks))
    })?;
    Ok(Lot {
        slot,
        block,
        uuid,
        taken,
        networks: networks::all(&session.store)?.into_iter().map(|k| k.network).collect(),
    })
}

/// What came of asking the launcher for a start.
enum Asked {
    /// It runs, and that is noted.
    Runs(Record),
    /// Another container has its ids.
    Busy,
    /// Nothing of it is there: it was not asked for, or the launcher has cleared away what it made.
    Failed(Error),
    /// It may run, or something of it may be left.
    Unsure(Error),
    /// The same, and the launcher may be waiting for this process still.
    Unheard(Error),
}

/// Starts a container and gives its state directory and record. Blocks that a container of another state directory claims are passed
/// over: only the launcher knows of them.
pub fn begin(session: &Session, policy: &HostPolicy, start: &mut Start<'_>) -> Outcome<(Place, Record)> {
    let mut busy = Vec::new();
    let hooked = session.hooks && start.definition.is_some();
    let mut held = hooked.then(|| prepare(session, policy, start)).transpose()?;
    loop {
        let noted = note(session, policy, start, &busy, &mut held);
        let (Noted { record, plan }, Held { place, claim }) = match (noted, held.take()) {
            (Ok(noted), Some(held)) => (noted, held),
            (Err(e), Some(held)) => {
                give_up(session, held)?;
                return Err(e);
            }
            (Err(e), None) => return Err(e),
            (Ok(_), None) => return Err(Error::Bug("the container has no place".into())),
        };
        let (block, remains) = (plan.block, remains(&plan));
        let asked = run(session, start, &place, record, plan, &claim);
        // What cannot be cleared away keeps its record, and the next command does it.
        if let Asked::Runs(record) = asked {
            return Ok((place, record));
        }
        let cleared = match asked {
            Asked::Unsure(_) => session.launcher.clear(remains).is_ok(),
            Asked::Unheard(_) => false,
            _ => true,
        };
        let again = matches!(asked, Asked::Busy);
        held = cleared.then_some(Held { place, claim });
        if let Some(held) = held.take_if(|_| !(again && hooked)) {
            give_up(session, held)?;
        }
        if let Asked::Failed(e) | Asked::Unsure(e) | Asked::Unheard(e) = asked {
            return Err(e);
        }
        busy.push(whole(block));
    }
}

/// The place of a container that is to start; its life lock is ours.
struct Held {
    place: Place,
    claim: OwnedFd,
}

/// Takes it.
fn hold(session: &Session, lock: &Global, name: &ContainerName) -> Outcome<Held> {
    let place = session.store.make_place(lock, name)?;
    let claim = place
        .claim()?
        .ok_or_else(|| Error::caller(format!("{name} is already running")))?;
    Ok(Held { place, claim })
}

/// Leaves it, if nothing else is left of a start.
fn give_up(session: &Session, held: Held) -> Outcome<()> {
    for hook in [Hook::Stopped, Hook::Release] {
        hooks::end(session, &held.place, hook, &held.claim);
    }
    let lock = session.store.lock()?;
    session.store.remove_place(&lock, held.place.name())
}

/// Has the host's hook script prepare what is to be planned: it may be what makes the host have it. Where that is refused nothing is there to
/// be released.
fn prepare(session: &Session, policy: &HostPolicy, start: &Start<'_>) -> Outcome<Held> {
    let (lock, kept) = free_name(session, start.name, start.origin)?;
    let lot = choose(session, policy, start.uuid, (Some(start.name), &[]))?;
    drop(kept);
    let held = hold(session, &lock, start.name)?;
    let record = record(
        start,
        lot.slot,
        (lot.block, vec![whole(lot.block)]),
        Some(Hook::Prepare),
    );
    let written = write(&held.place, start, &record);
    drop(lock);
    let claim = Some(held.claim.as_fd());
    let prepared = written.and_then(|()| hooks::call(session, &held.place, Hook::Prepare, claim));
    if let Err(e) = prepared {
        let lock = session.store.lock()?;
        session.store.remove_place(&lock, start.name)?;
        return Err(e);
    }
    Ok(held)
}

/// What is about to start.
struct Noted {
    record: Record,
    plan: Plan,
}

/// The record of a container whose start is asked for.
fn record(start: &Start<'_>, slot: u32, (block, ids): (IdBlock, Vec<IdRange>), hook: Option<Hook>) -> Record {
    Record {
        uuid: crate::domain::Uuid(start.uuid).to_string(),
        id: std::process::id(),
        slot,
        origin: start.origin,
        phase: Phase::Starting,
        paused: false,
        resumed: false,
        pids: None,
        started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
        end: None,
        block,
        ids,
        forwarding_changed: false,
        hook,
        partition: None,
    }
}

/// Writes what it is started from, and its record, last.
fn write(place: &Place, start: &Start<'_>, record: &Record) -> Outcome<()> {
    if let Some(text) = start.definition {
        place.write_live_definition(text)?;
    }
    place.starting(&record.ids)?;
    place.write_record(record)
}

/// Chooses ids, plans, and notes what is about to start; its place is held from then on, unless it was before.
fn note(
    session: &Session,
    policy: &HostPolicy,
    start: &Start<'_>,
    busy: &[IdRange],
    held: &mut Option<Held>,
) -> Outcome<Noted> {
    let (lock, kept) = match held {
        Some(_) => (session.store.lock()?, None),
        None => free_name(session, start.name, start.origin)?,
    };
    let lot = choose(session, policy, start.uuid, (Some(start.name), busy))?;
    let plan = (start.plan)(&lot)?;
    existing::check(&plan)?;
    drop(kept);
    let held = match held {
        Some(held) => held,
        None => held.insert(hold(session, &lock, start.name)?),
    };
    held.place.renew()?;
    let hook = held.place.record()?.and_then(|r| r.hook);
    let record = Record {
        partition: plan.partition().cloned(),
        ..record(start, lot.slot, (plan.block, ids(&plan)), hook)
    };
    held.place.write_plan(&plan)?;
    write(&held.place, start, &record)?;
    Ok(Noted { record, plan })
}

/// Waits until nothing of that name is being cleared away, and refuses a name that is in use.
fn free_name(session: &Session, name: &ContainerName, origin: Origin) -> Outcome<(Global, Option<OwnedFd>)> {
    loop {
        let lock = session.store.lock()?;
        if origin != Origin::Defined && session.store.definitions()?.contains(name) {
            return Err(Error::caller(format!(
                "a container called {name} is defined (lazaret start {name})"
            )));
        }
        let Some(place) = session.store.place(name)? else {
            return Ok((lock, None));
        };
        let Some(claim) = place.claim()? else {
            if place.record()?.is_some_and(|r| r.phase == Phase::Clearing) {
                drop(lock);
                place.claim_when_ended()?;
                continue;
            }
            return Err(Error::caller(format!("a container called {name} is running")));
        };
        match place.record()? {
            None => return Ok((lock, Some(claim))),
            Some(r) if r.occupies() => {
                drop((lock, claim));
                crate::reconcile::finish(session, name, r.id)?;
            }
            Some(_) if origin == Origin::Defined => return Ok((lock, Some(claim))),
            Some(_) => {
                return Err(Error::caller(format!(
                    "a container called {name} has ended and is kept (lazaret undefine {name})"
                )));
            }
        }
    }
}

/// Has it started and notes what runs.
fn run(session: &Session, start: &mut Start<'_>, place: &Place, record: Record, plan: Plan, claim: &OwnedFd) -> Asked {
    let bridge = remains(&plan)
        .bridges
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    let reply = match ask(session, start, place, plan, claim) {
        Ok(answer) => answer.map(|(reply, _)| reply),
        Err(e) => return Asked::Failed(e),
    };
    let (pids, forwarding_changed, chains) = match reply {
        Ok(Reply::Started {
            pid1,
            init,
            supervisor,
            fused,
            forwarding_changed,
            dropping,
        }) => {
            let pids = Pids {
                pid1,
                init,
                supervisor,
                fused,
            };
            (Some(pids), forwarding_changed, dropping)
        }
        Ok(Reply::Busy) => return Asked::Busy,
        Ok(Reply::Refused(failure)) => return Asked::Failed(failure.into()),
        Ok(_) => return Asked::Unsure(unexpected()),
        Err(e) if start.learner.is_some() => return Asked::Unheard(e),
        Err(e) => return Asked::Unsure(e),
    };
    told(forwarding_changed, &chains, &bridge);
    // It is seen through once the host's hook script has had its say.
    let awaited = session.hooks && start.definition.is_some();
    let record = Record {
        phase: Phase::Running,
        pids,
        forwarding_changed,
        hook: if awaited { Some(Hook::Start) } else { record.hook },
        ..record
    };
    let write = || {
        let _lock = session.store.lock()?;
        place.write_record(&record)?;
        if awaited { Ok(()) } else { place.started(&record.ids) }
    };
    let written = write();
    written.map_or_else(Asked::Unsure, |()| Asked::Runs(record))
}

/// Says what became of the host for a network, and what is in its way.
pub fn told(forwarding: bool, chains: &[Dropping], bridge: &str) {
    if forwarding {
        say(
            "forwarding was turned on for the container's network (sysctl net.ipv4.ip_forward, net.ipv6.conf.all.forwarding)",
        );
    }
    for chain in chains {
        say(&dropping::told(chain, bridge));
    }
}

/// Asks the launcher for the start; the outer error: it was not asked.
fn ask(
    session: &Session,
    start: &mut Start<'_>,
    place: &Place,
    plan: Plan,
    claim: &OwnedFd,
) -> Outcome<Outcome<Answer>> {
    // Before there is a socket: who connects to that waits for a supervisor.
    hooks::start(session, place, claim)?;
    let control = make_control(place)?;
    let (exit, log) = place.make_records()?;
    (start.before)(place)?;
    let streams = plan.container().map_or([Stream::Null; 3], |c| c.streams);
    let [output, error] = start.output;
    let standard = [rustix::stdio::stdin(), output, error];
    let mut descriptors: Vec<BorrowedFd<'_>> = vec![claim.as_fd(), control.as_fd(), exit.as_fd(), log.as_fd()];
    descriptors.extend(start.shared.iter().map(AsFd::as_fd));
    let own = streams
        .iter()
        .zip(standard)
        .filter(|(stream, _)| start.passed && **stream == Stream::Passed);
    descriptors.extend(own.map(|(_, fd)| fd));
    descriptors.extend(start.beyond.iter().map(AsFd::as_fd));
    let learner = start.learner.as_deref_mut();
    let told = learner.as_ref().map(|l| l.theirs()).transpose()?;
    descriptors.extend(told.as_ref().map(AsFd::as_fd));
    let request = Request::Start {
        plan: Box::new(plan),
        passed: start.passed || !start.beyond.is_empty(),
        tied: start.tied,
    };
    session
        .clock
        .done("looks at what is there, plans, and notes what is to start");
    let answer = session.launcher.answer_while(&request, &descriptors, |answer| {
        learner.map_or(Ok(()), |learner| learner.serve_until(answer))
    });
    session.clock.done("has it started");
    Ok(answer)
}

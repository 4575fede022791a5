//! `audit replay`: the frames that each program was sent for one deed, exactly. May touch: the log of deeds, to read it.

use super::deeds::{Deeds, Done, Standing};
use super::files::walk;
use super::log::asked_of;
use crate::error::{Error, Outcome};
use crate::options::{AuditReplay, Peer};
use crate::output::{print_bytes, print_json_line, say};
use crate::session::Session;
use crate::verbs::wire::codec_of;
use serde_json::{Value, json};
use wire::frame;
use wire::recordd::{Deed, Sent};
use wire::{Bytes, Program};

/// Prints them.
pub fn replay(session: &Session, options: &AuditReplay) -> Outcome<()> {
    let mut deeds = Deeds::default();
    let mut found: Option<Done> = None;
    walk(session, &options.file, &mut |seen| {
        if let Some(done) = deeds.see(seen.item, seen.record).filter(|d| d.id == options.id) {
            found = Some(done);
        }
        Ok(())
    })?;
    let done = found.or_else(|| deeds.rest().find(|d| d.id == options.id));
    let done = done.ok_or_else(|| Error::caller(format!("no deed is on record under the number {}", options.id)))?;
    if done.standing == Standing::Open {
        say("no end is on record of it: what the programs were sent is not known, only what was asked for");
    }
    let lent = done.deed == Deed::Lend;
    let asked = Some(done.request).filter(|r| !r.is_empty()).map(|frame| Sent {
        to: Program::Launcher,
        frame: Bytes(frame),
    });
    let wanted = |sent: &Sent| options.program.as_ref().is_none_or(|p| sent.to.name() == p.as_str());
    for sent in asked.into_iter().chain(done.sent).filter(wanted) {
        if options.raw {
            print_bytes(&sent.frame.0)?;
        } else {
            let to = if lent && sent.to == Program::Launcher {
                asked_of(Deed::Lend)
            } else {
                peer(sent.to)?
            };
            print_json_line(&line(&sent, to)?)?;
        }
    }
    Ok(())
}

/// As `wire decode` prints it. On a socket descriptors have no numbers but their order.
fn line(sent: &Sent, to: Peer) -> Outcome<Value> {
    let frame = &sent.frame.0;
    let header = frame::header(frame).map_err(|e| Error::Bug(e.to_string()))?;
    let message = (codec_of(to, false)?.decode)(frame, header.descriptors)?;
    let descriptors: Vec<usize> = (0..header.descriptors).collect();
    Ok(json!({"program": sent.to.name(), "descriptors": descriptors, "message": message}))
}

fn peer(program: Program) -> Outcome<Peer> {
    Ok(match program {
        Program::Launcher => Peer::Launcher,
        Program::Supervisor => Peer::Supervisor,
        Program::Mountd => Peer::Mountd,
        Program::Netd => Peer::Netd,
        Program::Idmapd => Peer::Idmapd,
        Program::Cgroupd => Peer::Cgroupd,
        Program::Devd => Peer::Devd,
        Program::Fused => Peer::Fused,
        Program::Init => Peer::Init,
        Program::Nsenter => Peer::Nsenter,
        Program::Recordd => Peer::Recordd,
        Program::Loopd => Peer::Loopd,
        Program::Lazaret => return Err(Error::Bug("nobody sends requests to lazaret".into())),
    })
}

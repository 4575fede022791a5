//! `audit log`: every deed, who asked for it, and how it ended. May touch: the log of deeds, to read it.

use super::deeds::{Deeds, Done, Standing};
use super::files::walk;
use crate::error::{Error, Outcome};
use crate::instant::Instant;
use crate::options::{AuditLog, Peer};
use crate::output::{print, print_json_line, table};
use crate::session::Session;
use crate::values::audit::name_of;
use crate::verbs::wire::codec_of;
use serde_json::{Value, json};
use wire::frame;
use wire::recordd::{Caller, Deed, Outcome as Ended, Told};

/// Shows it.
pub fn log(session: &Session, options: &AuditLog) -> Outcome<()> {
    let mut deeds = Deeds::default();
    let mut rows: Vec<(u64, Vec<String>)> = Vec::new();
    let mut show = |done: Done| -> Outcome<()> {
        if !wanted(&done, options) {
            return Ok(());
        }
        if options.json {
            return print_json_line(&line(&done));
        }
        if options.virt {
            return print(&virt(&done));
        }
        rows.push((done.id, row(&done)));
        Ok(())
    };
    walk(session, &options.file, &mut |seen| {
        deeds.see(seen.item, seen.record).map_or(Ok(()), &mut show)
    })?;
    deeds.rest().try_for_each(&mut show)?;
    if options.json || options.virt {
        return Ok(());
    }
    rows.sort_by_key(|(id, _)| *id);
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    let head = [
        "Id",
        "Time",
        "Verb",
        "Container",
        "Uid",
        "Login",
        "Terminal",
        "Pid",
        "Ended",
    ];
    print(&table(&head, &rows))
}

fn wanted(done: &Done, options: &AuditLog) -> bool {
    options
        .container
        .as_ref()
        .is_none_or(|name| done.container.as_ref() == Some(name))
        && options.verb.is_none_or(|verb| done.deed == verb.0)
        && options.since.is_none_or(|since| done.time >= since.0)
        && options.until.is_none_or(|until| done.time < until.0)
}

/// How it ended, in a word or with the reason.
fn ended(standing: &Standing) -> String {
    match standing {
        Standing::Open => "not known: no end is on record".into(),
        Standing::Announced => "announced".into(),
        Standing::Ended(_, Ended::Done | Ended::Started { .. }) => "done".into(),
        Standing::Ended(_, Ended::Refused(failure)) => format!("refused: {}", Error::from(failure.clone())),
    }
}

/// What the kernel's audit log has of it, or would have: its form is that of `auditd`'s log, with the number of the deed.
fn virt(done: &Done) -> String {
    let Standing::Ended(at, _) = done.standing else {
        return String::new();
    };
    let (seconds, milliseconds) = (at / 1_000_000_000, at / 1_000_000 % 1000);
    let or_unset = |id: Option<u32>| id.unwrap_or(u32::MAX);
    let Caller {
        pid,
        uid,
        login,
        session,
        ..
    } = done.by;
    let line = |told: &Told| {
        format!(
            "type={} msg=audit({seconds}.{milliseconds:03}:{}): pid={pid} uid={uid} auid={} ses={} msg='{}'\n",
            kind_of(told.kind),
            done.id,
            or_unset(login),
            or_unset(session),
            told.text
        )
    };
    done.told.iter().map(line).collect()
}

/// A type of the kernel's audit system, as its programs call it.
fn kind_of(kind: u16) -> String {
    match kind {
        2500 => "VIRT_CONTROL".into(),
        2501 => "VIRT_RESOURCE".into(),
        2502 => "VIRT_MACHINE_ID".into(),
        other => format!("UNKNOWN[{other}]"),
    }
}

fn row(done: &Done) -> Vec<String> {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    vec![
        done.id.to_string(),
        Instant(done.time).to_string(),
        name_of(done.deed).into(),
        or_none(done.container.clone()),
        done.by.uid.to_string(),
        or_none(done.by.login.map(|n| n.to_string())),
        or_none(done.by.terminal.as_ref().map(ToString::to_string)),
        done.by.pid.to_string(),
        ended(&done.standing),
    ]
}

/// Whose message a deed is asked for in.
pub const fn asked_of(deed: Deed) -> Peer {
    match deed {
        Deed::Lend => Peer::Broker,
        _ => Peer::Launcher,
    }
}

/// What was asked for, as a message to the launcher.
fn request(done: &Done) -> Value {
    let message = || {
        let header = frame::header(&done.request).ok()?;
        let codec = codec_of(asked_of(done.deed), false).ok()?;
        (codec.decode)(&done.request, header.descriptors).ok()
    };
    message().unwrap_or(Value::Null)
}

fn line(done: &Done) -> Value {
    let (word, at, reason, pids) = match &done.standing {
        Standing::Open => ("unknown", None, None, None),
        Standing::Announced => ("announced", None, None, None),
        Standing::Ended(at, Ended::Done) => ("done", Some(*at), None, None),
        Standing::Ended(at, Ended::Started { pid1, supervisor }) => {
            ("done", Some(*at), None, Some((*pid1, *supervisor)))
        }
        Standing::Ended(at, Ended::Refused(failure)) => (
            "refused",
            Some(*at),
            Some(Error::from(failure.clone()).to_string()),
            None,
        ),
    };
    json!({
        "id": done.id,
        "time": Instant(done.time).to_string(),
        "nanoseconds": done.time,
        "verb": name_of(done.deed),
        "container": done.container,
        "uid": done.by.uid,
        "login_uid": done.by.login,
        "session": done.by.session,
        "terminal": done.by.terminal.as_ref().map(ToString::to_string),
        "pid": done.by.pid,
        "parent_pid": done.by.parent,
        "outcome": word,
        "reason": reason,
        "ended": at.map(|at| Instant(at).to_string()),
        "pid1": pids.map(|(pid1, _)| pid1),
        "supervisor": pids.map(|(_, supervisor)| supervisor),
        "told": done.told.iter().map(|t| json!({"type": kind_of(t.kind), "text": t.text.as_str()})).collect::<Vec<_>>(),
        "request": request(done),
    })
}

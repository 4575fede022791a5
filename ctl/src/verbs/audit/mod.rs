//! `audit`: what is on record of every deed. May touch: the log of deeds, which the launcher opens, to read it.

mod deeds;
mod files;
mod log;
mod replay;
mod verify;

use crate::error::Outcome;
use crate::options::AuditVerb;
use crate::output::print;
use crate::session::Session;

/// Does what the verb says.
pub fn audit(session: &Session, verb: &AuditVerb) -> Outcome<()> {
    match verb {
        AuditVerb::Log(options) => log::log(session, options),
        AuditVerb::Verify(options) => verify::verify(session, options),
        AuditVerb::Replay(options) => replay::replay(session, options),
        AuditVerb::Rotate => {
            session.launcher.rotate()?;
            print("The log of deeds has a new file\n\n")
        }
    }
}

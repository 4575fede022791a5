//! `policy learn`: runs a command and prints the smallest policy under which it runs as it has run. May touch: what `run` touches.

use super::run::conduct;
use crate::error::{Error, Outcome};
use crate::learner::Learner;
use crate::options::PolicyLearn;
use crate::output::print;
use crate::session::Session;

/// Runs it, prints, and gives the command's exit status.
pub fn learn(session: &Session, options: &PolicyLearn) -> Outcome<u8> {
    let run = &options.run;
    if run.detach || run.plan {
        return Err(Error::Usage(
            "--detach and --plan go with run: a policy is learned once the command has ended".into(),
        ));
    }
    let mut learner = Learner::new()?;
    let status = conduct(session, run, Some(&mut learner))?;
    print(&learner.into_learned().text(&run.command))?;
    Ok(status)
}

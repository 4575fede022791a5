//! `autostart`: marks a container to be started with the host. May touch: the store.

use crate::error::{Error, Needed, Outcome};
use crate::lookup::find;
use crate::manner::named;
use crate::options::Autostart;
use crate::output::{done, print};
use crate::session::Session;

/// Marks one, takes its mark away, or lists those that are marked.
pub fn autostart(session: &Session, options: &Autostart) -> Outcome<()> {
    let Some(address) = &options.container else {
        return list(session);
    };
    let lock = session.store.lock()?;
    let found = find(&session.store, address)?;
    if !found.persistent {
        return Err(Error::Container(Needed::Defined, found.name.to_string()));
    }
    session.store.mark(&lock, &found.name, !options.disable)?;
    drop(lock);
    let marked = if options.disable { "unmarked" } else { "marked" };
    let name = named(address, found.name.as_str());
    done(&format!("Domain '{name}' {marked} as autostarted"))
}

/// Those that are marked, are defined and do not run.
fn list(session: &Session) -> Outcome<()> {
    let mut names = String::new();
    for name in session.store.marked()? {
        let found = find(&session.store, name.as_str());
        if found.is_ok_and(|f| f.definition.is_some() && f.running().is_err()) {
            names.push_str(name.as_str());
            names.push('\n');
        }
    }
    print(&names)
}

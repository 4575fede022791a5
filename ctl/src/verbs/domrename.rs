//! `domrename`: gives a container that does not run another name. May touch: the store.

use crate::domain::format;
use crate::error::{Error, Outcome};
use crate::lookup::find;
use crate::options::Domrename;
use crate::output::done;
use crate::session::Session;
use wire::ContainerName;

/// Renames. The new definition is there before the old one goes: whoever is killed in between leaves both, and `undefine` takes one away.
pub fn domrename(session: &Session, options: &Domrename) -> Outcome<()> {
    let name = ContainerName::new(&options.new_name)
        .map_err(|e| Error::caller(format!("the name {:?} is refused: {e}", options.new_name)))?;
    let lock = session.store.lock()?;
    let found = find(&session.store, &options.container)?;
    if found
        .record
        .as_ref()
        .is_some_and(crate::state::record::Record::occupies)
    {
        return Err(Error::caller(
            "Requested operation is not valid: cannot rename active domain",
        ));
    }
    let mut domain = found.kept()?.clone();
    if name == found.name {
        return Err(Error::caller(format!("{name} is its name already")));
    }
    if session.store.definition(&name)?.is_some() || session.store.place(&name)?.is_some() {
        return Err(Error::caller(format!("a container called {name} is there already")));
    }
    let marked = session.store.marked()?.contains(&found.name);
    domain.name = name.clone();
    session.store.define(&lock, &name, &format(&domain))?;
    if marked {
        session.store.mark(&lock, &name, true)?;
    }
    session.store.undefine(&lock, &found.name)?;
    done("Domain successfully renamed")
}

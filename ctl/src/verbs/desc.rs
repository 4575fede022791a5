//! `desc`: a container's title and description. May touch: the store.

use super::amend::{amend, read};
use crate::error::{Error, Outcome};
use crate::manner::manner;
use crate::options::Desc;
use crate::output::{done, end, print};
use crate::session::Session;

/// Shows it, or puts another in its place.
pub fn desc(session: &Session, options: &Desc) -> Outcome<()> {
    if options.edit {
        return Err(Error::Bug(
            "an editor was to be started by a process that may not".into(),
        ));
    }
    let what = if options.title { "title" } else { "description" };
    if options.new_desc.is_empty() {
        let domain = read(session, &options.container, options.affect)?;
        let text = if options.title {
            domain.title
        } else {
            domain.description
        };
        return match text {
            Some(text) => print(&format!("{text}{}", end())),
            None if options.bare => Ok(()),
            None => print(&format!("No {what} for domain: {}{}", domain.name, end())),
        };
    }
    let text = options.new_desc.join(" ");
    if options.title && text.contains('\n') {
        return Err(Error::caller("metadata title can't contain newlines"));
    }
    let text = Some(text).filter(|t| !t.is_empty());
    amend(session, &options.container, options.affect, &|domain| {
        let place = if options.title {
            &mut domain.title
        } else {
            &mut domain.description
        };
        place.clone_from(&text);
        Ok(())
    })?;
    if manner().virsh && !manner().quiet {
        return print(&format!("Domain {what} updated successfully"));
    }
    done(&format!("Domain {what} updated successfully"))
}

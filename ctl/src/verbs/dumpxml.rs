//! `dumpxml`: the definition as XML, or a part of it. May touch: the store.

use crate::domain::xml::{Part, Tree, find as find_in};
use crate::domain::{self, Domain};
use crate::error::{Error, Outcome};
use crate::lookup::find;
use crate::manner::manner;
use crate::options::Dumpxml;
use crate::output::{gap, print};
use crate::session::Session;

/// Prints the definition that runs, or else the kept one.
pub fn dumpxml(session: &Session, options: &Dumpxml) -> Outcome<()> {
    if options.wrap && options.xpath.is_none() && !manner().virsh {
        return Err(Error::Usage("--wrap is of what --xpath names".to_owned()));
    }
    let found = find(&session.store, &options.container)?;
    let live = match (found.running(), options.inactive) {
        (Ok((place, record)), false) => place.live_definition()?.map(|bytes| (bytes, record.id)),
        _ => None,
    };
    let (domain, id): (Domain, Option<u32>) = match (live, &found.definition) {
        (Some((bytes, id)), _) => {
            let domain = domain::parse(&bytes, "domain.xml").map_err(|e| Error::caller(e.to_string()))?;
            (domain, Some(id))
        }
        (None, Some(domain)) => (domain.clone(), None),
        (None, None) => return Err(found.undefined()),
    };
    let tree = domain::tree(&domain, id);
    let text = match &options.xpath {
        None => tree.document(),
        Some(path) => part(&tree, path, options.wrap)?,
    };
    print(&format!("{text}{}", gap()))
}

/// What a path names, each by itself, or all in one element.
fn part(tree: &Tree, path: &str, wrap: bool) -> Outcome<String> {
    let found = find_in(tree, path).map_err(Error::Caller)?;
    let parts = found.into_iter().map(|p: Part<'_>| p.print(usize::from(wrap)));
    Ok(if wrap {
        let lines: String = parts.map(|p| format!("  {p}\n")).collect();
        format!("<nodes>\n{lines}</nodes>\n")
    } else {
        parts.map(|p| format!("{p}\n")).collect()
    })
}

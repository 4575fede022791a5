//! `undefine`: forgets a definition, or what is kept of a container that has ended. May touch: the store.

use super::disks::{Disk, disks};
use crate::error::{Error, Outcome};
use crate::lookup::{Found, find};
use crate::manner::named;
use crate::options::Undefine;
use crate::output::{done, fail};
use crate::session::Session;
use crate::state::record::{Origin, Phase, Record};

/// What virsh says of options that need others, or exclude them.
fn check(options: &Undefine) -> Outcome<()> {
    let storage = options.storage.is_some() || options.remove_all_storage;
    let wrong = match options {
        o if o.nvram && o.keep_nvram => "Options --nvram and --keep-nvram are mutually exclusive",
        o if o.tpm && o.keep_tpm => "Options --tpm and --keep-tpm are mutually exclusive",
        o if o.delete_storage_volume_snapshots && !o.remove_all_storage => {
            "Option --remove-all-storage is required by option --delete-storage-volume-snapshots"
        }
        o if o.wipe_storage && !storage => "'--wipe-storage' requires '--storage <string>' or '--remove-all-storage'",
        _ => return Ok(()),
    };
    Err(Error::Usage(wrong.to_owned()))
}

/// Says of each disk that was to go with the definition that it stays: none is a volume of a pool.
fn keep(found: &Found, options: &Undefine) -> Outcome<()> {
    let all = found.definition.as_ref().map(disks).unwrap_or_default();
    let mut kept = Vec::new();
    for named in options.storage.iter().flat_map(|names| names.split(',')) {
        let is = |d: &&Disk| d.target == named || d.source.as_deref() == Some(named);
        let disk = all.iter().find(is);
        kept.push(disk.ok_or_else(|| Error::Usage(format!("Volume '{named}' was not found in domain's definition.")))?);
    }
    if options.remove_all_storage {
        kept.extend(&all);
    }
    for disk in kept {
        let source = disk.source.as_deref().unwrap_or_default();
        let target = &disk.target;
        fail(&[&format!(
            "Storage volume '{target}'({source}) is not managed by libvirt. Remove it manually."
        )]);
    }
    Ok(())
}

/// Forgets. What runs goes on, and is gone when it ends.
pub fn undefine(session: &Session, options: &Undefine) -> Outcome<()> {
    check(options)?;
    let lock = session.store.lock()?;
    let found = find(&session.store, &options.container)?;
    keep(&found, options)?;
    if options.nvram {
        return Err(Error::caller(
            "unsupported flags (0x4) in function lxcDomainUndefineFlags",
        ));
    }
    let defined = session.store.undefine(&lock, &found.name)?;
    match (&found.place, found.record) {
        (Some(place), Some(record)) if record.occupies() && record.origin == Origin::Defined => {
            place.write_record(&Record {
                origin: Origin::Transient,
                ..record
            })?;
        }
        (Some(_), Some(record)) if record.phase == Phase::Ended => session.store.remove_place(&lock, &found.name)?,
        _ if !defined => {
            return Err(Error::caller(format!(
                "{} is running and has no definition",
                found.name
            )));
        }
        _ => {}
    }
    drop(lock);
    let name = named(&options.container, found.name.as_str());
    done(&format!("Domain '{name}' has been undefined"))
}

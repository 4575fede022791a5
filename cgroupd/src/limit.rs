//! Changes limits of a container that runs. Touches the inherited directories.

use crate::cpus;
use crate::group::Group;
use crate::judge::{Judged, Place};
use crate::settings::{Setting, settings};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use wire::Failure;
use wire::cgroupd::Controller;

/// A limit that has been changed, and what it was.
struct Changed<'a> {
    group: Group,
    setting: &'a Setting,
    before: String,
}

/// Changes all of them, or none: what was changed before one was refused gets its old value back.
pub fn limit(place: &Place, limits: &Judged, directories: &[BorrowedFd<'_>]) -> Result<(), Failure> {
    if limits.limits().cpu_period.is_some() != limits.limits().cpu_quota.is_some() {
        return Err(Failure::protocol(
            "change the CPU period without its quota, or the quota without its period",
        ));
    }
    let mut settings = settings(limits, &place.hierarchies)?;
    let mut changed: Vec<Changed<'_>> = Vec::new();
    if settings.is_empty() {
        return Err(Failure::protocol("change no limit"));
    }
    swap_first(place, directories, &mut settings);
    let done = settings.iter().try_for_each(|setting| {
        let one = one(place, setting, directories)?;
        changed.push(one);
        Ok(())
    });
    done.inspect_err(|_| {
        for Changed { group, setting, before } in changed.iter().rev() {
            // The reason to report is why the other could not be changed.
            let _ = group.write(setting.file, before);
        }
    })
}

fn group(place: &Place, setting: &Setting, directories: &[BorrowedFd<'_>]) -> Result<Group, Errno> {
    let directory = directories.get(setting.hierarchy).ok_or(Errno::NOENT)?;
    Group::open(*directory, &place.name)
}

fn one<'a>(place: &Place, setting: &'a Setting, directories: &[BorrowedFd<'_>]) -> Result<Changed<'a>, Failure> {
    let (file, value) = (setting.file.to_string_lossy(), &setting.value);
    let failed = |e: Errno| {
        let name = place.name.to_string_lossy();
        Failure::kernel(&format!("write {value} to {file} of {name}"), e.raw_os_error())
    };
    let group = group(place, setting, directories).map_err(failed)?;
    let before = group.read(setting.file).map_err(failed)?.trim_end().to_owned();
    group.write(setting.file, value).map_err(failed)?;
    let changed = Changed { group, setting, before };
    // Version 2 takes a list of processors that are not there, and then uses all.
    if setting.controller == Controller::Cpuset {
        let now = changed.group.read(setting.file).map_err(failed)?;
        if cpus::parse(&now) != cpus::parse(value) {
            let _ = changed.group.write(setting.file, &changed.before);
            return Err(Failure::caller(&format!("limit processors to {value}")));
        }
    }
    Ok(changed)
}

/// Version 1 never lets memory alone have more than memory and swap: where both grow, the sum grows first.
fn swap_first(place: &Place, directories: &[BorrowedFd<'_>], settings: &mut [Setting]) {
    let at = |file: &std::ffi::CStr| settings.iter().position(|s| s.file == file);
    let (Some(memory), Some(both)) = (at(c"memory.limit_in_bytes"), at(c"memory.memsw.limit_in_bytes")) else {
        return;
    };
    let number = |text: &str| text.trim_end().parse::<u64>().ok();
    let now = settings.get(both).and_then(|setting| {
        let group = group(place, setting, directories).ok()?;
        number(&group.read(setting.file).ok()?)
    });
    let asked = settings.get(memory).and_then(|s| number(&s.value));
    if asked > now && now.is_some() {
        settings.swap(memory, both);
    }
}

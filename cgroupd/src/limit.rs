//! Changes limits of a container that runs. Touches the inherited directories.

use crate::group::Group;
use crate::judge::{Judged, Place};
use crate::make::{put, verify};
use crate::settings::{Setting, settings};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use wire::Failure;

/// A limit that has been changed, and what it was.
struct Changed {
    group: Group,
    file: &'static CStr,
    before: String,
    /// What takes a device's limit away that had none.
    none: Option<String>,
}

impl Changed {
    /// Writes what was there. Files of limits by device read as lines, each of which is written by itself; a device that has none is not in them.
    fn take_back(&self) {
        // A list of version 2 that holds nothing is written as an empty line.
        let empty = (self.before.is_empty() && self.none.is_none()).then_some("\n");
        for line in self.before.lines().chain(self.none.as_deref()).chain(empty) {
            // The reason to report is why another limit could not be changed.
            let _ = self.group.write(self.file, line);
        }
    }
}

/// Changes all of them, or none: what was changed before one was refused gets its old value back.
pub fn limit(place: &Place, limits: &Judged, directories: &[BorrowedFd<'_>]) -> Result<(), Failure> {
    if limits.limits().cpu_period.is_some() != limits.limits().cpu_quota.is_some() {
        return Err(Failure::protocol(
            "change the CPU period without its quota, or the quota without its period",
        ));
    }
    let mut settings = settings(limits, &place.hierarchies)?;
    let mut changed: Vec<Changed> = Vec::new();
    if settings.is_empty() {
        return Err(Failure::protocol("change no limit"));
    }
    swap_first(place, directories, &mut settings);
    let done = settings.iter().try_for_each(|setting| {
        let one = one(place, setting, directories)?;
        let verified = place
            .hierarchies
            .get(setting.hierarchy)
            .map_or(Ok(()), |h| verify(&one.group, h, setting));
        changed.push(one);
        verified
    });
    done.inspect_err(|_| changed.iter().rev().for_each(Changed::take_back))
}

fn group(place: &Place, setting: &Setting, directories: &[BorrowedFd<'_>]) -> Result<Group, Errno> {
    let directory = directories.get(setting.hierarchy).ok_or(Errno::NOENT)?;
    Group::open(*directory, &place.name)
}

fn one(place: &Place, setting: &Setting, directories: &[BorrowedFd<'_>]) -> Result<Changed, Failure> {
    let (file, value) = (setting.file.to_string_lossy(), &setting.value);
    let failed = |e: Errno| {
        let name = place.name.to_string_lossy();
        Failure::kernel(&format!("write {value} to {file} of {name}"), e.raw_os_error())
    };
    let group = group(place, setting, directories).map_err(failed)?;
    let read = |file| group.read(file).map(|text| text.trim_end().to_owned());
    let before = match (read(setting.file), setting.instead) {
        (Err(Errno::NOENT), Some(instead)) => read(instead),
        (read, _) => read,
    };
    let before = before.map_err(failed)?;
    let file = put(&group, setting).map_err(failed)?;
    let none = none(file, value).filter(|(device, _)| before.lines().all(|l| l.split(' ').next() != Some(device)));
    Ok(Changed {
        group,
        file,
        none: none.map(|(device, none)| format!("{device} {none}")),
        before,
    })
}

/// Of a file of limits by device: the device that is written of, and what takes its limits away.
fn none<'a>(file: &CStr, value: &'a str) -> Option<(&'a str, &'static str)> {
    let (device, _) = value.split_once(' ')?;
    match file.to_bytes() {
        b"io.max" => Some((device, "rbps=max wbps=max riops=max wiops=max")),
        b"io.weight" | b"io.bfq.weight" if device != "default" => Some((device, "default")),
        name if name.ends_with(b"_device") => Some((device, "0")),
        _ => None,
    }
}

/// Version 1 never lets memory alone have more than memory and swap: where both grow, the sum grows first.
fn swap_first(place: &Place, directories: &[BorrowedFd<'_>], settings: &mut [Setting]) {
    let at = |file: &CStr| settings.iter().position(|s| s.file == file);
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

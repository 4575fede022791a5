//! The cgroup hierarchies of this host, and a container's groups in them. May touch: `/proc/self/mountinfo`, the directory `lazaret` in
//! each hierarchy, the membership files below it, and groups in which nothing is left. Limits, and other removals, are `cgroupd`'s.

use crate::open;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, SeekFrom};
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use sys::process::errno;
use wire::cgroupd::{Controller, Hierarchy};
use wire::{ContainerName, Failure};

/// Where processes are put that belong to no payload: supervisors and the like. Its name can be no container's.
const KEEPERS: &str = ".keep";

/// The directory in each hierarchy below which everything of ours is.
pub const LAZARET: &str = "lazaret";

/// One hierarchy, with its directory `lazaret`.
#[derive(Debug)]
pub struct Group {
    /// What it controls.
    pub hierarchy: Hierarchy,
    /// The directory `lazaret`.
    pub directory: OwnedFd,
    /// Whether it has a name in the place of controllers (cgroups(7), `name=systemd`).
    named: bool,
}

/// A mounted hierarchy as mountinfo shows it.
#[derive(Debug, PartialEq, Eq)]
struct Mounted {
    place: String,
    unified: bool,
    options: Vec<String>,
}

/// Reads proc_pid_mountinfo(5): whole hierarchies only, each once.
fn mounted(mountinfo: &str) -> Vec<Mounted> {
    let mut found: Vec<Mounted> = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let (Some(root), Some(place), Some(kind), Some(options)) =
            (left.get(3), left.get(4), right.first(), right.get(2))
        else {
            continue;
        };
        let unified = *kind == "cgroup2";
        if *root != "/" || !(unified || *kind == "cgroup") {
            continue;
        }
        let mut options: Vec<String> = options
            .split(',')
            .filter(|o| !["rw", "ro", "xattr"].contains(o))
            .map(str::to_owned)
            .collect();
        options.sort();
        if unified {
            options.clear();
        }
        let new = Mounted {
            place: (*place).to_owned(),
            unified,
            options,
        };
        if !found
            .iter()
            .any(|m| m.unified == new.unified && m.options == new.options)
        {
            found.push(new);
        }
    }
    found
}

/// Where the unified hierarchy is, if the whole of it is mounted.
pub fn unified(mountinfo: &str) -> Option<String> {
    mounted(mountinfo).into_iter().find(|m| m.unified).map(|m| m.place)
}

fn controllers(words: &str) -> Vec<Controller> {
    words.split_whitespace().filter_map(controller).collect()
}

impl Group {
    /// That of version 2 whose directory `lazaret` this is, with the controllers that are turned on below it.
    pub fn of_version2(directory: OwnedFd) -> Result<Self, rustix::io::Errno> {
        let controllers = controllers(&read(&directory, "cgroup.subtree_control")?);
        let hierarchy = Hierarchy {
            unified: true,
            controllers,
        };
        Ok(Self {
            hierarchy,
            directory,
            named: false,
        })
    }

    /// The same hierarchy, with another directory in the place of `lazaret`, and the controllers that are turned on below that.
    pub fn moved(&self, directory: OwnedFd) -> Result<Self, rustix::io::Errno> {
        let mut hierarchy = self.hierarchy.clone();
        if hierarchy.unified {
            hierarchy.controllers = controllers(&read(&directory, "cgroup.subtree_control")?);
        }
        Ok(Self {
            hierarchy,
            directory,
            named: self.named,
        })
    }

    /// Where its directory is, by what the kernel says of the descriptor.
    pub fn place(&self) -> Option<String> {
        use std::os::fd::AsRawFd;
        let place = std::fs::read_link(format!("/proc/self/fd/{}", self.directory.as_raw_fd())).ok()?;
        place.to_str().map(str::to_owned)
    }
}

/// What a group of version 2 can pass on to what is made below it.
pub fn possible(directory: &OwnedFd) -> Result<Hierarchy, rustix::io::Errno> {
    Ok(Hierarchy {
        unified: true,
        controllers: controllers(&read(directory, "cgroup.controllers")?),
    })
}

fn controller(word: &str) -> Option<Controller> {
    Some(match word {
        "cpu" => Controller::Cpu,
        "cpuacct" => Controller::Cpuacct,
        "cpuset" => Controller::Cpuset,
        "memory" => Controller::Memory,
        "devices" => Controller::Devices,
        "freezer" => Controller::Freezer,
        "blkio" | "io" => Controller::Io,
        "pids" => Controller::Pids,
        _ => return None,
    })
}

/// Opens `lazaret` in every hierarchy, making it where it is missing.
pub fn all(mountinfo: &str) -> Result<Vec<Group>, Failure> {
    let mut groups = Vec::new();
    for mount in mounted(mountinfo) {
        let fail = |e: rustix::io::Errno| {
            Failure::kernel(&format!("open the control groups at {}", mount.place), errno(e) as i32)
        };
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, &*mount.place, how, Mode::empty()).map_err(fail)?;
        let there = rustix::fs::openat(&root, LAZARET, how, Mode::empty());
        let directory = match there {
            Err(rustix::io::Errno::NOENT) => {
                open::make(root.as_fd(), LAZARET).map_err(fail)?;
                rustix::fs::openat(&root, LAZARET, how, Mode::empty()).map_err(fail)?
            }
            there => there.map_err(fail)?,
        };
        let words = if mount.unified {
            // Before Linux 6.6 turning on cpuset needs power over every process of the host, which is not had here: such a host goes
            // without, and whoever asks for processors by number is refused until somebody who has that power turned it on.
            for group in [&root, &directory] {
                match pass_on(group) {
                    Ok(()) | Err(nix::errno::Errno::EPERM) => {}
                    Err(e) => return Err(fail(rustix::io::Errno::from_raw_os_error(e as i32))),
                }
            }
            read(&directory, "cgroup.subtree_control").map_err(fail)?
        } else {
            mount.options.join(" ")
        };
        let mut controllers = controllers(&words);
        if !mount.unified && controllers.is_empty() {
            controllers.push(Controller::Other);
        }
        if !mount.unified && controllers.contains(&Controller::Cpuset) {
            // Below `lazaret` cgroupd passes them on.
            inherit(&root, &directory).map_err(fail)?;
        }
        groups.push(Group {
            hierarchy: Hierarchy {
                unified: mount.unified,
                controllers,
            },
            directory,
            named: !mount.unified && mount.options.iter().any(|option| option.starts_with("name=")),
        });
    }
    if groups.is_empty() {
        return Err(Failure::caller("place a container: no cgroup hierarchy is mounted"));
    }
    Ok(groups)
}

/// `lazaret` in every hierarchy that has it, and whether that is the unified one; nothing is made.
pub fn existing(mountinfo: &str) -> Result<Vec<(OwnedFd, bool)>, Failure> {
    let mut found = Vec::new();
    for mount in mounted(mountinfo) {
        let fail = |e: rustix::io::Errno| {
            Failure::kernel(&format!("open the control groups at {}", mount.place), errno(e) as i32)
        };
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, &*mount.place, how, Mode::empty()).map_err(fail)?;
        match rustix::fs::openat(&root, LAZARET, how, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => {}
            opened => found.push((opened.map_err(fail)?, mount.unified)),
        }
    }
    Ok(found)
}

/// The names of all that lies in such a directory and can be a container's.
pub fn names(directory: &OwnedFd) -> Result<Vec<ContainerName>, Failure> {
    let mut names = Vec::new();
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|e| Failure::kernel("list the control groups", errno(e) as i32))?;
        if entry.file_type() == FileType::Directory {
            let name = entry.file_name().to_str().ok();
            names.extend(name.and_then(|n| ContainerName::new(n).ok()));
        }
    }
    Ok(names)
}

/// How many groups lie in such a directory, which its links tell: one for its name, one for itself, and one for each.
pub fn count(directory: &OwnedFd) -> Result<usize, Failure> {
    let stat =
        rustix::fs::fstat(directory).map_err(|e| Failure::kernel("count the control groups", errno(e) as i32))?;
    Ok(usize::try_from(stat.st_nlink).unwrap_or(usize::MAX).saturating_sub(2))
}

/// Whether a process is in the groups of that name; on version 1, in those that we make: deeper ones are of the container's making.
pub fn is_in_use(directory: &OwnedFd, unified: bool, name: &ContainerName) -> Result<bool, Failure> {
    let (files, sign): (&[&str], &str) = if unified {
        (&["cgroup.events"], "populated 1")
    } else {
        (&["tasks", "payload/tasks", "enter/tasks"], "\n")
    };
    for file in files {
        match read(directory, &format!("{name}/{file}")) {
            Ok(text) if text.contains(sign) => return Ok(true),
            Ok(_) | Err(rustix::io::Errno::NOENT) => {}
            Err(e) => return Err(Failure::kernel(&format!("look into {name}/{file}"), errno(e) as i32)),
        }
    }
    Ok(false)
}

/// Turns on, for the groups below one of version 2, every controller that is used here and that it has itself. One that cannot be turned on
/// keeps no other off; the first error is told.
pub fn pass_on(directory: &OwnedFd) -> Result<(), nix::errno::Errno> {
    let has = read(directory, "cgroup.controllers").map_err(errno)?;
    let on = read(directory, "cgroup.subtree_control").map_err(errno)?;
    let missing = has
        .split_whitespace()
        .filter(|w| controller(w).is_some() && !on.split_whitespace().any(|o| o == *w));
    let mut done = Ok(());
    for word in missing {
        match write(directory, "cgroup.subtree_control", &format!("+{word}")) {
            // It has it no more. Where cpuset may not be turned on, the kernel shows it below for as long as another launcher is being refused.
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(e) => done = done.and(Err(errno(e))),
        }
    }
    done
}

/// The same, where it is no error that the host or its user has not the power to: before Linux 6.6 turning on cpuset needs power over every process.
pub fn pass_on_what_may(directory: &OwnedFd) -> Result<(), nix::errno::Errno> {
    match pass_on(directory) {
        Err(nix::errno::Errno::EPERM | nix::errno::Errno::EACCES) => Ok(()),
        done => done,
    }
}

/// Gives a group of version 1 the processors and nodes of the one above, where it has none: it takes no process then.
pub fn inherit(above: &OwnedFd, directory: &OwnedFd) -> Result<(), rustix::io::Errno> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if read(directory, file)?.trim().is_empty() {
            write(directory, file, read(above, file)?.trim())?;
        }
    }
    Ok(())
}

/// What a file of a group says.
pub fn read(directory: impl AsFd, name: &str) -> Result<String, rustix::io::Errno> {
    let fd = rustix::fs::openat(
        directory,
        name,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    open::text(&fd)
}

/// Writes a file of a group.
pub fn write(directory: impl AsFd, name: &str, text: &str) -> Result<(), rustix::io::Errno> {
    let fd = rustix::fs::openat(
        directory,
        name,
        OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let done = std::fs::File::from(fd).write_all(text.as_bytes());
    done.map_err(|e| rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO))
}

/// Opens what lies below `lazaret` at this path, and nowhere else.
pub fn below(group: &Group, path: &str, how: OFlags) -> Result<OwnedFd, Failure> {
    let how = how | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(&group.directory, path, how, Mode::empty(), within)
        .map_err(|e| Failure::kernel(&format!("open {path} of the control groups"), errno(e) as i32))
}

/// Opens the directory of a group below `lazaret`.
pub fn directory(group: &Group, path: &str) -> Result<OwnedFd, Failure> {
    below(group, path, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// Makes a group below `lazaret`, unless it is there.
fn make(group: &Group, path: &str) -> Result<(), Failure> {
    open::make(group.directory.as_fd(), path)
        .map_err(|e| Failure::kernel(&format!("make the control group {path}"), errno(e) as i32))
}

/// Makes `NAME/payload` in every hierarchy of version 1, and opens its `tasks`. For the unified one see `cradle`. It is `owner`'s where nothing is
/// controlled, for an init that keeps its services there; elsewhere each group below would take one of the host's ids for groups of memory, or the like.
pub fn payload(groups: &[Group], name: &ContainerName, owner: u32) -> Result<Vec<OwnedFd>, Failure> {
    let path = format!("{name}/payload");
    let (free, controlled): (Vec<&Group>, Vec<&Group>) = version1(groups).partition(|group| group.named);
    let made: Result<(), Failure> = open::with_ids(owner, owner, || {
        free.into_iter().try_for_each(|group| make(group, &path))
    });
    made?;
    controlled.into_iter().try_for_each(|group| make(group, &path))?;
    let tasks = format!("{path}/{TASKS}");
    version1(groups)
        .map(|group| below(group, &tasks, OFlags::WRONLY))
        .collect()
}

/// How long processes that were ended may take to leave a group, before somebody is started to see to it.
const LEAVING: Duration = Duration::from_millis(50);

/// Waits until no process is in a container's group of the unified hierarchy, which tells when (cgroup-v2.rst, `cgroup.events`); for
/// [`LEAVING`] at most. Other hierarchies have nothing to wait by.
pub fn left(group: &Group, name: &ContainerName) {
    let events = format!("{name}/cgroup.events");
    let Ok(events) = below(group, &events, OFlags::RDONLY) else {
        return;
    };
    let end = Instant::now().checked_add(LEAVING);
    loop {
        let text = rustix::fs::seek(&events, SeekFrom::Start(0)).and_then(|_| open::text(&events));
        let left = end.map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()));
        let Ok(left) = Timespec::try_from(left) else { return };
        let populated = text.is_ok_and(|text| text.contains("populated 1"));
        if !populated || poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&left)) == Ok(0) {
            return;
        }
    }
}

/// Removes a container's groups in one hierarchy, where there is nothing in them but what a start makes, and no process; whether they are gone.
/// For everything else there is `cgroupd`.
pub fn remove(group: &Group, name: &ContainerName) -> bool {
    let gone = |path: &str| match rustix::fs::unlinkat(&group.directory, path, AtFlags::REMOVEDIR) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => true,
        Err(_) => false,
    };
    let below = ["payload", "enter", "keep"]
        .iter()
        .all(|part| gone(&format!("{name}/{part}")));
    below && gone(name.as_str())
}

/// Makes `NAME/enter` in every hierarchy, where it is missing: nobody has entered before. Opens its `tasks` in those of version 1, and the
/// directory in the unified one.
pub fn enter(groups: &[Group], name: &ContainerName) -> Result<(Vec<OwnedFd>, Option<OwnedFd>), Failure> {
    let path = format!("{name}/enter");
    let there = |path: &str, how: OFlags, group: &Group| match below(group, path, how) {
        Err(failure) if failure.errno == nix::errno::Errno::ENOENT as i32 => {
            make(group, &format!("{name}/enter"))?;
            below(group, path, how)
        }
        opened => opened,
    };
    let tasks = format!("{path}/{TASKS}");
    let members = version1(groups).map(|group| there(&tasks, OFlags::WRONLY, group));
    let unified = groups.iter().find(|g| g.hierarchy.unified);
    Ok((
        members.collect::<Result<_, _>>()?,
        unified
            .map(|group| there(&path, OFlags::RDONLY | OFlags::DIRECTORY, group))
            .transpose()?,
    ))
}

fn version1(groups: &[Group]) -> impl Iterator<Item = &Group> {
    groups.iter().filter(|g| !g.hierarchy.unified)
}

/// The file by which a thread moves itself into a group of version 1, and so does a process that has no other. Unlike a write to `cgroup.procs`
/// this does not make the kernel wait until every processor has passed through the scheduler, since no other thread can come into being
/// meanwhile (`cgroup_procs_write_start` of `kernel/cgroup/cgroup.c`).
const TASKS: &str = "tasks";

/// Files of the container's memory group, for `fused`: the unified hierarchy's, or version 1's; with swap where it is accounted.
pub fn memory(groups: &[Group], name: &ContainerName) -> Result<(wire::fused::Source, Vec<OwnedFd>), Failure> {
    let group = groups
        .iter()
        .find(|g| g.hierarchy.controllers.contains(&Controller::Memory))
        .ok_or_else(|| Failure::caller("serve /proc/meminfo: this host has no memory controller"))?;
    let (always, swap): (&[&str], &[&str]) = if group.hierarchy.unified {
        (
            &["memory.max", "memory.current", "memory.stat"],
            &["memory.swap.max", "memory.swap.current"],
        )
    } else {
        (
            &["memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"],
            &["memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes"],
        )
    };
    let has_swap = swap
        .first()
        .is_some_and(|f| open::exists(&group.directory, &format!("{name}/{f}")));
    let names = always.iter().chain(if has_swap { swap } else { &[] });
    let files: Result<Vec<OwnedFd>, Failure> = names
        .map(|file| below(group, &format!("{name}/{file}"), OFlags::RDONLY))
        .collect();
    let source = if group.hierarchy.unified {
        wire::fused::Source::Version2 { swap: has_swap }
    } else {
        wire::fused::Source::Version1 { swap: has_swap }
    };
    Ok((source, files?))
}

/// Where processes of ours are that outlive the launcher: the end of the caller's session must not reach them. In hierarchies of version 1
/// that a service manager uses, and that account nothing, the launcher itself goes there, and whatever it starts is born there; in the
/// unified one they are born in the group that is returned.
pub fn keep(groups: &[Group]) -> Result<Option<OwnedFd>, Failure> {
    let mut unified = None;
    for group in groups
        .iter()
        .filter(|g| g.hierarchy.unified || g.hierarchy.controllers == [Controller::Other])
    {
        make(group, KEEPERS)?;
        if group.hierarchy.unified {
            unified = Some(directory(group, KEEPERS)?);
        } else {
            let tasks = below(group, &format!("{KEEPERS}/{TASKS}"), OFlags::WRONLY)?;
            rustix::io::write(&tasks, b"0")
                .map_err(|e| Failure::kernel("place programs of ours in lazaret/.keep", errno(e) as i32))?;
        }
    }
    Ok(unified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_hierarchy_once_on_a_mixed_host() {
        let text = "30 1 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
                    31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                    32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
                    33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n\
                    34 30 0:27 /sub /mnt/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                    35 30 0:27 / /mnt/again rw shared:4 - cgroup cgroup rw,cpuacct,cpu\n\
                    torn line\n";
        let found = mounted(text);
        let places: Vec<&str> = found.iter().map(|m| m.place.as_str()).collect();
        assert_eq!(
            places,
            ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]
        );
        assert!(found[2].unified && !found[0].unified);
    }
}

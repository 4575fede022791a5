//! The table of powers: what each program may hold in the initial user namespace, and when. Pure: it judges what was seen.
//!
//! A program's own policy file says what it is given; this table is written down a second time, on purpose, so that a loosened policy
//! file fails a test.

use crate::process::{AMBIENT, BOUNDING, EFFECTIVE, Holding, INHERITABLE, PERMITTED};
use wire::Program;
use wire::ids::LAZARET;

const DAC_OVERRIDE: u64 = 1 << 1;
const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const SETPCAP: u64 = 1 << 8;
const NET_ADMIN: u64 = 1 << 12;
const SYS_ADMIN: u64 = 1 << 21;
const AUDIT_WRITE: u64 = 1 << 29;
const BPF: u64 = 1 << 39;

/// When a process was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Its program has just been executed; not one instruction of it has run.
    Exec,
    /// It is about to receive for the first time.
    FirstReceive,
    /// It is about to make some other system call.
    Call(u64),
}

/// Capability sets of which a program may hold any one.
pub fn row(program: Program) -> &'static [u64] {
    match program {
        Program::Launcher => &[SETPCAP | SETUID | SETGID | SYS_ADMIN | NET_ADMIN | DAC_OVERRIDE | BPF | AUDIT_WRITE],
        Program::Mountd => &[SYS_ADMIN],
        Program::Netd => &[NET_ADMIN],
        Program::Idmapd => &[SETUID | SETGID],
        Program::Cgroupd => &[DAC_OVERRIDE],
        Program::Devd => &[BPF | NET_ADMIN],
        // The second where the kernel's audit system is enabled.
        Program::Recordd => &[0, AUDIT_WRITE],
        Program::Lazaret | Program::Supervisor | Program::Fused | Program::Init | Program::Nsenter | Program::Loopd => {
            &[0]
        }
    }
}

/// The names of those capabilities in a set that some row has.
pub fn names(set: u64) -> Vec<&'static str> {
    const NAMES: [(u64, &str); 7] = [
        (DAC_OVERRIDE, "dac_override"),
        (SETGID, "setgid"),
        (SETUID, "setuid"),
        (SETPCAP, "setpcap"),
        (NET_ADMIN, "net_admin"),
        (SYS_ADMIN, "sys_admin"),
        (BPF, "bpf"),
    ];
    let held = NAMES.iter().filter(|(bit, _)| set & bit != 0);
    held.map(|(_, name)| *name).collect()
}

/// What setpriv(1) must be told so that a program has its row and nothing else, under uid and gid `id`; `more` is a further capability.
pub fn setpriv(program: Program, id: u32, more: Option<&str>) -> Vec<String> {
    let row = row(program).first().copied().unwrap_or(0);
    let given = names(row).into_iter().chain(more);
    let given: String = given.map(|name| format!(",+{name}")).collect();
    let sets = ["inh-caps", "ambient-caps", "bounding-set"].map(|set| format!("--{set}=-all{given}"));
    let mut words = vec![
        format!("--reuid={id}"),
        format!("--regid={id}"),
        "--clear-groups".into(),
        "--no-new-privs".into(),
    ];
    words.extend(sets);
    words.push("--".into());
    words
}

/// Whether a program does not confine itself before its first receive, since what it becomes or starts would inherit that.
pub fn exempt(program: Program) -> bool {
    matches!(program, Program::Launcher | Program::Init | Program::Nsenter)
}

fn within(held: u64, row: &[u64]) -> bool {
    row.iter().any(|allowed| held & !allowed == 0)
}

/// What a process of ours held that it must not, in words; nothing if all is well. `received` says whether its program has received
/// before, or is about to.
pub fn violations(program: Program, held: &Holding, moment: Moment, received: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |what: String| found.push(format!("{} at {moment:?}: {what}", program.name()));
    // Executed by root, these two hold what root held; they have read nothing then, and must have given it up before they do.
    let untouched = !received && (program == Program::Launcher || (program == Program::Lazaret && held.uid[1] == 0));
    if untouched {
        return found;
    }
    // Inside a user namespace of its own a process has all power over what is inside, and none outside.
    if held.initial_user_namespace {
        let names = [
            (INHERITABLE, "inheritable"),
            (PERMITTED, "permitted"),
            (EFFECTIVE, "effective"),
            (BOUNDING, "bounding"),
            (AMBIENT, "ambient"),
        ];
        for (set, name) in names {
            // Between, a program takes its bounding set down one by one: what counts is what it executes and receives with.
            let passing = set == BOUNDING && matches!(moment, Moment::Call(_));
            if !passing && !within(held.capabilities[set], row(program)) {
                say(format!(
                    "{name} capabilities {:#x}, its row has {:#x?}",
                    held.capabilities[set],
                    row(program)
                ));
            }
        }
    }
    if program != Program::Launcher {
        if held.uid.contains(&0) || held.gid.contains(&0) {
            say(format!("host uid {:?}, gid {:?}", held.uid, held.gid));
        }
        if program == Program::Lazaret && (held.uid != [LAZARET; 4] || held.gid != [LAZARET; 4]) {
            say(format!("uid {:?}, gid {:?} instead of its own", held.uid, held.gid));
        }
        if held.groups.iter().any(|g| *g < 1000) {
            say(format!("supplementary groups {:?}", held.groups));
        }
    }
    if moment == Moment::FirstReceive && !exempt(program) {
        if !held.no_new_privileges {
            say("no-new-privileges is not set".into());
        }
        if held.seccomp != 2 {
            say("no filter is installed".into());
        }
    }
    found
}

/// What the payload, or a program of the image, must never be seen to hold.
pub fn payload_violations(held: &Holding) -> Vec<String> {
    let mut found = Vec::new();
    if held.initial_user_namespace {
        found.push(format!("{} runs in the initial user namespace", held.name));
    }
    if held.uid.contains(&0) || held.gid.contains(&0) {
        found.push(format!("{} has host uid {:?}, gid {:?}", held.name, held.uid, held.gid));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitting(program: Program) -> Holding {
        let id = if matches!(program, Program::Lazaret) {
            LAZARET
        } else {
            LAZARET + 77
        };
        let id = if program == Program::Launcher { 0 } else { id };
        Holding {
            name: program.name().to_owned(),
            uid: [id; 4],
            gid: [id; 4],
            groups: Vec::new(),
            capabilities: [row(program)[0]; 5],
            no_new_privileges: true,
            seccomp: 2,
            initial_user_namespace: true,
        }
    }

    #[test]
    fn what_fits_its_row_is_let_pass() {
        for program in Program::ALL {
            for moment in [Moment::Exec, Moment::FirstReceive, Moment::Call(1)] {
                assert_eq!(
                    violations(program, &fitting(program), moment, true),
                    Vec::<String>::new()
                );
            }
        }
    }

    #[test]
    fn any_capability_more_in_any_set_is_caught_for_every_program() {
        for program in Program::ALL {
            for set in 0..5 {
                for bit in 0..41 {
                    let mut held = fitting(program);
                    held.capabilities[set] |= 1 << bit;
                    let allowed = row(program).iter().any(|r| held.capabilities[set] & !r == 0);
                    let caught = !violations(program, &held, Moment::FirstReceive, true).is_empty();
                    assert_eq!(caught, !allowed, "{program:?} set {set} bit {bit}");
                }
            }
        }
    }

    #[test]
    fn host_root_groups_and_missing_confinement_are_caught() {
        for program in Program::ALL.into_iter().filter(|p| *p != Program::Launcher) {
            let change = |change: fn(&mut Holding)| {
                let mut held = fitting(program);
                change(&mut held);
                !violations(program, &held, Moment::FirstReceive, true).is_empty()
            };
            assert!(
                change(|h| h.uid[2] = 0) && change(|h| h.gid[3] = 0) && change(|h| h.groups.push(0)),
                "{program:?}"
            );
            assert_eq!(change(|h| h.no_new_privileges = false), !exempt(program));
            assert_eq!(change(|h| h.seccomp = 0), !exempt(program));
        }
    }
}

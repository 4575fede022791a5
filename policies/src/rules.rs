//! Each rule of each policy from both sides, by the filters that were compiled from it.
#![allow(clippy::arithmetic_side_effects)] // it only counts

use crate::compile::{Otherwise, compile, unshortened};
use crate::policy::{Policy, State, of, payload, stricter};
use crate::text::{Policy as Text, Rule, Section};
use crate::verdict::{Verdict, X86_64, verdict};
use crate::{calls, texts};
use sys::seccomp::Instruction;
use wire::Program;
use wire::init::Profile;

fn text_of(name: &str) -> Text {
    texts::read(name).unwrap()
}

fn meets(rule: &Rule, arguments: &[u64; 6]) -> bool {
    rule.condition.is_empty() || rule.condition.iter().any(|all| all.iter().all(|t| t.holds(arguments)))
}

/// Arguments at every value that a rule names, beside it, and with the upper half changed (CVE-2019-10063).
fn samples(rule: &Rule) -> Vec<[u64; 6]> {
    let mut samples = vec![[0; 6], [u64::MAX; 6]];
    for index in 0..6 {
        let mut values = vec![0, 1, u64::MAX];
        for test in rule
            .condition
            .iter()
            .flatten()
            .filter(|t| usize::from(t.argument) == index)
        {
            let mask = test.mask.unwrap_or(0);
            for v in [test.value, test.value | mask, test.value & !mask, test.value ^ 1] {
                values.extend([v, v | (1 << 32), v.wrapping_add(1)]);
            }
            for bit in 0..32 {
                values.push(test.value ^ (1 << bit));
            }
        }
        if values.len() > 3 {
            samples = samples
                .iter()
                .flat_map(|s| {
                    values.iter().map(move |v| {
                        let mut s = *s;
                        s[index] = *v;
                        s
                    })
                })
                .collect();
        }
    }
    samples
}

/// What the text says, worked out without any filter.
fn expected(sections: &[Section], number: i64, arguments: &[u64; 6], default: Verdict) -> Verdict {
    let rule = |s: &Section| s.rules.iter().find(|r| r.number == number).cloned();
    for section in sections.iter().filter(|s| s.errno.is_some()) {
        if rule(section).is_some_and(|r| meets(&r, arguments)) {
            return Verdict::Fails(section.errno.unwrap());
        }
    }
    let mut listed = sections.iter().filter_map(|s| rule(s).map(|r| (s.errno, r)));
    let only_taken_back = sections.iter().filter(|s| s.errno.is_none()).all(|s| rule(s).is_none());
    match listed.find(|(errno, _)| errno.is_none()) {
        Some((_, r)) if meets(&r, arguments) => Verdict::Allowed,
        None if only_taken_back && sections.iter().any(|s| rule(s).is_some()) => Verdict::Allowed,
        _ => default,
    }
}

fn check(name: &str, filters: &[&[Instruction]], default: Verdict) -> usize {
    let text = text_of(name);
    let mut tried = 0;
    for number in 0..600i64 {
        let rules = text
            .sections
            .iter()
            .flat_map(|s| &s.rules)
            .filter(|r| r.number == number);
        let mut arguments: Vec<[u64; 6]> = vec![[0; 6], [u64::MAX; 6]];
        arguments.extend(rules.flat_map(samples));
        for a in arguments {
            let found = verdict(filters, X86_64, u32::try_from(number).unwrap(), a);
            assert_eq!(
                found,
                expected(&text.sections, number, &a, default),
                "{name}: call {number} with {a:x?}"
            );
            tried += 1;
        }
    }
    tried
}

/// Every policy of programs, profiles and states, with what meets what it does not name.
fn otherwise() -> impl Iterator<Item = (&'static str, Otherwise)> {
    let ours = Program::ALL.into_iter().map(of).filter(|p| !p.exempt).map(|p| p.name);
    let ours = ours.chain(State::ALL.into_iter().map(|s| stricter(s).name));
    let profiles = [Profile::App, Profile::System].map(texts::profile);
    ours.map(|name| (name, Otherwise::Kill))
        .chain(profiles.map(|name| (name, Otherwise::Missing)))
}

#[test]
fn a_filter_gives_every_answer_that_seccompilers_own_program_gives() {
    for (name, otherwise) in otherwise() {
        let text = text_of(name);
        let rules = text.rules().unwrap();
        let [long, short] = [unshortened(&rules, otherwise), compile(&rules, otherwise).unwrap()].map(|steps| {
            let steps = steps.into_iter();
            steps
                .map(|(c, y, n, v)| Instruction::new(c, y, n, v))
                .collect::<Vec<_>>()
        });
        assert!(
            short.len() * 2 < long.len(),
            "{name}: {} of {}",
            short.len(),
            long.len()
        );
        let compared = |architecture, number, arguments| {
            let [long, short] = [&long, &short].map(|f| verdict(&[f], architecture, number, arguments));
            assert_eq!(
                short, long,
                "{name}: call {number} of {architecture:x} with {arguments:x?}"
            );
        };
        for number in (0..1100)
            .chain((0..1100).map(|n| n | 0x4000_0000))
            .chain([u32::MAX, u32::MAX - 1])
        {
            let all = text.sections.iter().flat_map(|s| &s.rules);
            let rules = all.filter(|r| r.number == i64::from(number));
            for arguments in [[0; 6], [u64::MAX; 6]].into_iter().chain(rules.flat_map(samples)) {
                compared(X86_64, number, arguments);
            }
            // AUDIT_ARCH_I386
            compared(0x4000_0003, number, [0; 6]);
        }
        println!("{name:<20} {:>4} instructions of {}", short.len(), long.len());
    }
}

fn policies() -> impl Iterator<Item = &'static Policy> {
    Program::ALL.into_iter().map(of)
}

#[test]
fn every_rule_of_our_own_programs_holds_from_both_sides() {
    for policy in policies().filter(|p| !p.exempt) {
        let tried = check(policy.name, policy.filters, Verdict::Killed);
        println!("{:<10} {:>3} calls, {tried} tried", policy.name, policy.calls.len());
    }
}

#[test]
fn every_rule_of_a_state_holds_from_both_sides() {
    for state in State::ALL {
        let policy = stricter(state);
        let tried = check(policy.name, policy.filters, Verdict::Killed);
        println!("{:<18} {:>3} calls, {tried} tried", policy.name, policy.calls.len());
    }
}

/// What the next filter allows, those before it must have allowed: the strictest answer counts.
#[test]
fn a_state_is_within_its_program() {
    for state in State::ALL.into_iter().filter(|s| !of(s.program()).exempt) {
        let whole = of(state.program()).calls;
        for call in stricter(state).calls {
            assert!(whole.contains(call), "{}: {call}", stricter(state).name);
        }
    }
    for (state, profile) in [
        (State::InitReaping, Profile::App),
        (State::InitReaping, Profile::System),
        (State::NsenterWaiting, Profile::App),
        (State::NsenterWaiting, Profile::System),
    ] {
        let filters = payload(profile).filters;
        for call in stricter(state).calls {
            let number = calls::CALLS.iter().find(|c| c.0 == *call).unwrap().1;
            let met = verdict(filters, X86_64, u32::try_from(number).unwrap(), [0; 6]);
            assert_eq!(met, Verdict::Allowed, "{call} of {}", stricter(state).name);
        }
    }
}

/// By the texts; tests/tests/figures.rs asks the kernel.
#[test]
fn no_program_has_more_than_16_calls_once_it_is_past_its_start() {
    let started = |p: Program| State::ALL.iter().any(|s| s.program() == p);
    for policy in Program::ALL
        .into_iter()
        .filter(|p| *p != Program::Lazaret && !started(*p))
        .map(of)
    {
        assert!(policy.calls.len() <= 16, "{}: {}", policy.name, policy.calls.len());
    }
    for policy in State::ALL.map(stricter) {
        let most = if policy.name == "fused.serving" { 6 } else { 16 };
        assert!(policy.calls.len() <= most, "{}: {}", policy.name, policy.calls.len());
    }
}

#[test]
fn every_rule_of_the_payloads_holds_from_both_sides() {
    for (name, profile) in [("app", Profile::App), ("system", Profile::System)] {
        let filters = payload(profile).filters;
        let tried = check(name, filters, Verdict::Fails(38));
        let reachable = (0..600u32)
            .filter(|n| verdict(filters, X86_64, *n, [0; 6]) == Verdict::Allowed)
            .count();
        println!("{name:<10} {reachable} calls of 600 reachable, {tried} tried");
    }
}

/// What an application may call is what the reference derives from the most used list: its 305 calls of Linux 6.12 without 21, and the four
/// for extended attributes that came later. A system has what an application has, and what an init needs.
#[test]
fn the_profiles_have_just_their_calls() {
    let names = |profile: Profile| -> Vec<String> {
        let policy = text_of(texts::profile(profile));
        texts::allowing(&policy).map(|r| r.name.clone()).collect()
    };
    let (app, system) = (names(Profile::App), names(Profile::System));
    assert_eq!(
        (app.len(), app.iter().filter(|n| n.ends_with("xattrat")).count()),
        (288, 4)
    );
    assert_eq!(system.len(), 328);
    assert!(app.iter().all(|n| system.contains(n)));
    let taken = [
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "chroot",
        "mknod",
        "name_to_handle_at",
        "fanotify_mark",
        "io_cancel",
        "io_destroy",
        "io_getevents",
        "io_pgetevents",
        "io_setup",
        "io_submit",
        "ioprio_set",
        "sched_setattr",
        "modify_ldt",
        "mincore",
        "memfd_secret",
        "remap_file_pages",
        "process_mrelease",
        "vmsplice",
    ];
    assert!(!taken.iter().any(|t| app.iter().any(|n| n == t)));
    let never = [
        "init_module",
        "finit_module",
        "delete_module",
        "kexec_load",
        "kexec_file_load",
        "bpf",
        "perf_event_open",
        "open_by_handle_at",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "userfaultfd",
        "swapon",
        "swapoff",
        "clock_settime",
        "iopl",
        "quotactl",
        "acct",
        "lookup_dcookie",
        "fanotify_init",
        "process_madvise",
    ];
    assert!(!never.iter().any(|t| system.iter().any(|n| n == t)));
}

#[test]
fn another_architecture_and_x32_are_killed() {
    const I386: u32 = 0x4000_0003;
    for filters in [
        payload(Profile::App).filters,
        payload(Profile::System).filters,
        of(Program::Netd).filters,
    ] {
        for number in 0..600 {
            assert_eq!(verdict(filters, I386, number, [0; 6]), Verdict::Killed);
            assert_eq!(verdict(filters, X86_64, number | 0x4000_0000, [0; 6]), Verdict::Killed);
        }
    }
    assert_eq!(
        verdict(payload(Profile::App).filters, X86_64, u32::MAX, [0; 6]),
        Verdict::Fails(38)
    );
}

/// The argument rules that attacks are known against, in plain numbers.
#[test]
fn payloads_meet_the_known_argument_rules() {
    let number = |name: &str| u32::try_from(calls::CALLS.iter().find(|c| c.0 == name).unwrap().1).unwrap();
    let ask = |profile, name, a: [u64; 3]| {
        verdict(
            payload(profile).filters,
            X86_64,
            number(name),
            [a[0], a[1], a[2], 0, 0, 0],
        )
    };
    for profile in [Profile::App, Profile::System] {
        for high in [0, 1 << 32, 0xffff_ffff_0000_0000] {
            assert_eq!(
                ask(profile, "ioctl", [0, 0x5412 | high, 0]),
                Verdict::Fails(1),
                "TIOCSTI"
            );
            assert_eq!(
                ask(profile, "ioctl", [0, 0x541c | high, 0]),
                Verdict::Fails(1),
                "TIOCLINUX"
            );
        }
        assert_eq!(ask(profile, "ioctl", [0, 0x5413, 0]), Verdict::Allowed, "TIOCGWINSZ");
        for family in [3, 17, 38, 40, 44] {
            assert_eq!(
                ask(profile, "socket", [family, 1, 0]),
                Verdict::Fails(97),
                "family {family}"
            );
        }
        for family in [2, 16, 30, 38] {
            assert_eq!(
                ask(profile, "socketpair", [family, 1, 0]),
                Verdict::Fails(97),
                "a pair of family {family}"
            );
        }
        assert_eq!(ask(profile, "socketpair", [1, 1, 0]), Verdict::Allowed);
        for family in [1, 2, 10] {
            assert_eq!(
                ask(profile, "socket", [family, 1, 0]),
                Verdict::Allowed,
                "family {family}"
            );
        }
        assert_eq!(ask(profile, "socket", [16, 3, 9]), Verdict::Fails(97), "NETLINK_AUDIT");
        assert_eq!(
            ask(profile, "socket", [16, 3, 12]),
            Verdict::Fails(97),
            "NETLINK_NETFILTER"
        );
        assert_eq!(ask(profile, "socket", [16, 3, 0]), Verdict::Allowed, "NETLINK_ROUTE");
        assert_eq!(
            ask(profile, "socket", [16, 3, 15]),
            Verdict::Allowed,
            "NETLINK_KOBJECT_UEVENT"
        );
        assert_eq!(ask(profile, "clone3", [0, 88, 0]), Verdict::Fails(38));
        for personality in [0, 8, 0x20000, 0x20008, 0xffff_ffff] {
            assert_eq!(ask(profile, "personality", [personality, 0, 0]), Verdict::Allowed);
        }
        assert_eq!(
            ask(profile, "personality", [0x0040_0000, 0, 0]),
            Verdict::Fails(1),
            "READ_IMPLIES_EXEC"
        );
        assert_eq!(ask(profile, "mknodat", [0, 0, 0o060_644]), Verdict::Fails(1), "block");
        assert_eq!(
            ask(profile, "mknodat", [0, 0, 0o020_644]),
            Verdict::Fails(1),
            "character"
        );
        assert_eq!(ask(profile, "mknodat", [0, 0, 0o010_644]), Verdict::Allowed, "FIFO");
        for never in [
            "bpf",
            "io_uring_setup",
            "userfaultfd",
            "perf_event_open",
            "kexec_load",
            "init_module",
            "open_by_handle_at",
        ] {
            assert_eq!(ask(profile, never, [0; 3]), Verdict::Fails(1), "{never}");
        }
    }
    for flag in [
        0x0002_0000,
        0x0200_0000,
        0x0400_0000,
        0x0800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
    ] {
        assert_eq!(
            ask(Profile::App, "clone", [flag | 17, 0, 0]),
            Verdict::Fails(1),
            "{flag:x}"
        );
        assert_eq!(
            ask(Profile::System, "clone", [flag | 17, 0, 0]),
            Verdict::Allowed,
            "{flag:x}"
        );
    }
    assert_eq!(
        ask(Profile::App, "clone", [0x003d_0f00, 0, 0]),
        Verdict::Allowed,
        "a thread"
    );
    assert_eq!(
        ask(Profile::System, "umount2", [0, 1, 0]),
        Verdict::Fails(1),
        "MNT_FORCE"
    );
    assert_eq!(
        ask(Profile::System, "umount2", [0, 2, 0]),
        Verdict::Allowed,
        "MNT_DETACH"
    );
    assert_eq!(ask(Profile::App, "unshare", [0x1000_0000, 0, 0]), Verdict::Fails(1));
}

#[test]
fn powers_are_those_of_the_charter() {
    use crate::policy::power;
    let table: [(Program, &[u8], &[u8]); 13] = [
        (Program::Lazaret, &[], &[]),
        (
            Program::Launcher,
            &[8, 7, 6, 21, 12, 1, 39, 29],
            &[8, 7, 6, 21, 12, 1, 39, 29, 31, 27],
        ),
        (Program::Supervisor, &[], &[]),
        (Program::Mountd, &[21], &[21]),
        (Program::Netd, &[12], &[12]),
        (Program::Idmapd, &[7, 6], &[7, 6, 31]),
        (Program::Cgroupd, &[1], &[1]),
        (Program::Devd, &[39, 12], &[39, 12]),
        (Program::Fused, &[], &[]),
        (Program::Init, &[], &[]),
        (Program::Nsenter, &[], &[]),
        (Program::Recordd, &[], &[29]),
        (Program::Loopd, &[], &[]),
    ];
    for (program, usual, otherwise) in table {
        assert_eq!(
            (power(program, true), power(program, false)),
            (usual, otherwise),
            "{}",
            program.name()
        );
    }
    assert_eq!(payload(Profile::App).capabilities.count_ones(), 7);
    assert_eq!(payload(Profile::System).capabilities.count_ones(), 18);
    assert!(payload(Profile::App).no_new_privileges && !payload(Profile::System).no_new_privileges);
}

#[test]
fn only_the_three_that_start_others_are_exempt() {
    let exempt: Vec<&str> = policies().filter(|p| p.exempt).map(|p| p.name).collect();
    assert_eq!(exempt, ["launcher", "init", "nsenter"]);
    for policy in policies() {
        assert_eq!(policy.exempt, policy.filters.is_empty(), "{}", policy.name);
        assert!(
            policy.peers.iter().all(|p| Program::ALL.iter().any(|q| q.name() == *p)),
            "{}",
            policy.name
        );
    }
}

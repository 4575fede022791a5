//! Faults, a sample of what `make faults` runs: each program killed at its system calls, and those failing, on start, run, enter, stop and
//! reconcile. Whatever happens, one more command leaves nothing, and the next start works. LAZARET_TEST_FAULTS sets how many (200).

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use tests::faults::{Operation, Point, Scene, arrange, points, shuffle, sweep};
use tests::inject::{Fault, Injection, When};
use tests::yard::Yard;
use tests::{capture, need_root};
use wire::Program;

fn number() -> usize {
    let value = std::env::var("LAZARET_TEST_FAULTS").ok();
    value.and_then(|v| v.parse().ok()).unwrap_or(200)
}

#[test]
fn leave_nothing_that_the_next_command_does_not_clear_away() {
    need_root!();
    let mut yard = Yard::new();
    let mut all = Vec::new();
    for operation in Operation::ALL {
        for network in [false, true] {
            let scene = Scene { operation, network };
            all.extend(points(scene, &yard.count(scene)));
        }
    }
    let programs: BTreeSet<Program> = all.iter().map(|p| p.fault.instance.0).collect();
    // Who looks at disks is struck in `disks.rs`: no container here has one.
    let here: BTreeSet<Program> = Program::ALL.into_iter().filter(|p| *p != Program::Loopd).collect();
    assert_eq!(programs, here, "every program is struck somewhere");
    all.extend(sweep());
    let of = all.len();
    shuffle(&mut all);
    let mut chosen: Vec<Point> = all.into_iter().take(number()).collect();
    arrange(&mut chosen);
    let (mut leaks, mut reached) = (Vec::new(), 0);
    for point in &chosen {
        let verdict = yard.run(*point);
        reached += usize::from(verdict.struck.is_some());
        if !verdict.wrong.is_empty() {
            leaks.push(format!("{point}\n  {}", verdict.wrong.join("\n  ")));
            yard.mend();
        }
    }
    println!(
        "{} points of {of}, {} leaked, {reached} reached",
        chosen.len(),
        leaks.len()
    );
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    // What a program does is not the same each time, to the last call; but nearly.
    assert!(
        reached * 10 >= chosen.len() * 9,
        "{reached} of {} were reached",
        chosen.len()
    );
}

/// The injector does what it says: a call that is struck is not made and fails so, a killed process is gone, and a leak is told.
#[test]
fn that_are_injected_are_seen_and_so_is_a_leak() {
    need_root!();
    let mut yard = Yard::new();
    let scene = Scene {
        operation: Operation::Start,
        network: false,
    };
    let calls = yard.count(scene);
    let made = &calls[&(Program::Mountd, 0)];
    // fsopen(2), of which mountd tells why it fails.
    let call = made.iter().position(|n| *n == 430).expect("mountd makes a file system") + 1;
    let strike = |injection| Point {
        scene,
        fault: Fault {
            instance: (Program::Mountd, 0),
            when: When::Call(call),
            injection,
        },
    };
    let failed = yard.run(strike(Injection::Fail(Errno::ENOSPC)));
    assert_eq!((failed.struck, failed.status), (Some(430), 1), "{:?}", failed.wrong);
    assert!(failed.said.contains("no space left on device"), "{}", failed.said);
    let killed = yard.run(strike(Injection::Kill));
    assert_eq!((killed.struck, killed.status), (Some(430), 1), "{:?}", killed.wrong);
    assert!(
        killed.said.contains("mountd ended before it answered"),
        "{}",
        killed.said
    );
    assert!(
        failed.wrong.is_empty() && killed.wrong.is_empty(),
        "{failed:?} {killed:?}"
    );
    let litter = yard.host().run_directory().join("litter");
    fs::write(&litter, "").unwrap();
    let leaked = yard.run(strike(Injection::Kill));
    assert!(leaked.wrong.iter().any(|w| w.contains("litter")), "{:?}", leaked.wrong);
    fs::remove_file(litter).unwrap();
}

/// Each of these once left something, hung, or went unnoticed.
#[test]
fn that_left_something_once_leave_nothing_any_more() {
    need_root!();
    // renameat(2), recvmsg(2), wait4(2), prctl(2), setsockopt(2), landlock_create_ruleset(2), writev(2).
    let (rename, receive, wait, control, socket_option, landlock, answer) = (264, 47, 61, 157, 54, 444, 20);
    // accept4(2).
    let accept = 288;
    let (start, destroy, enter) = (Operation::Start, Operation::Destroy, Operation::Enter);
    let struck = [
        // A start whose last record cannot be written, and one of which the answer is not heard.
        (start, (Program::Lazaret, 0), rename, Errno::ENOSPC, None),
        (start, (Program::Lazaret, 0), receive, Errno::ENOSPC, None),
        // A supervisor that ends its conversation without having heard that it is to end the container.
        (destroy, (Program::Supervisor, 0), receive, Errno::EIO, None),
        // A process in the container's pid namespace for which nobody waits.
        (start, (Program::Init, 0), wait, Errno::ENOMEM, None),
        // A bounding set that is not cut.
        (start, (Program::Launcher, 3), control, Errno::EIO, Some(1)),
        // A start that cannot go on while the writer of control groups is still at work.
        (start, (Program::Launcher, 0), socket_option, Errno::ENOSPC, None),
        // A kernel that does not say which Landlock it has.
        (start, (Program::Supervisor, 0), landlock, Errno::EIO, Some(1)),
        // A kernel that does not take the first answer of the server of meminfo, or one of its thread's: whoever asked waited for ever.
        (start, (Program::Fused, 0), answer, Errno::EAGAIN, Some(1)),
        (start, (Program::Fused, 1), answer, Errno::EAGAIN, None),
        // A supervisor that has no descriptor for who comes: whoever came waited for ever.
        (enter, (Program::Supervisor, 0), accept, Errno::EMFILE, Some(0)),
    ];
    let mut yard = Yard::new();
    for (operation, instance, number, errno, status) in struck {
        let scene = Scene {
            operation,
            network: false,
        };
        let made = yard.count(scene).remove(&instance).expect("it is at work");
        let calls = (1..).zip(&made).filter(|(_, n)| **n == number).map(|(call, _)| call);
        let calls: Vec<usize> = calls.collect();
        assert!(!calls.is_empty(), "{scene}: {instance:?} makes call {number}");
        for call in calls {
            let fault = Fault {
                instance,
                when: When::Call(call),
                injection: Injection::Fail(errno),
            };
            let point = Point { scene, fault };
            let verdict = yard.run(point);
            assert!(verdict.wrong.is_empty(), "{point}: {:#?}", verdict.wrong);
            let as_it_should = status.is_none_or(|s| s == verdict.status);
            assert!(as_it_should, "{point} ended with {}: {}", verdict.status, verdict.said);
            let waited = verdict.said.contains("did not answer within");
            assert!(!waited, "{point}: {}", verdict.said);
            if instance == (Program::Fused, 0) {
                let why = "answer the first request of the connection";
                assert!(verdict.said.contains(why), "{point}: {}", verdict.said);
            }
        }
    }
}

/// A container that was told to end may do so after `list` has looked. That is no leak, and nobody's lie; the same of a container that was to stay is
/// told.
#[test]
fn that_end_a_container_late_are_no_leak_unless_it_was_to_stay() {
    need_root!();
    let mut yard = Yard::new();
    for (operation, is_wrong) in [(Operation::Shutdown, false), (Operation::Enter, true)] {
        let scene = Scene {
            operation,
            network: false,
        };
        yard.count(scene);
        // The first call of all is never made: the container runs on, until it ends here.
        let fault = Fault {
            instance: (Program::Launcher, 0),
            when: When::Call(1),
            injection: Injection::Kill,
        };
        yard.meanwhile = Some(|host, name| {
            let pid_1 = host.pid_1(name).expect("it runs");
            kill(Pid::from_raw(pid_1), Signal::SIGKILL).expect("end it");
            assert!(capture::until(capture::DEADLINE, || host.pid_1(name).is_none()));
        });
        let verdict = yard.run(Point { scene, fault });
        assert!(verdict.struck.is_some(), "{scene}");
        assert_eq!(!verdict.wrong.is_empty(), is_wrong, "{scene}: {:#?}", verdict.wrong);
    }
    yard.mend();
}

#[test]
fn are_named_so_that_they_can_be_run_again() {
    for text in [
        "start launcher.1 230 ENOMEM",
        "reconcile-network supervisor.0 12 KILL",
        "start supervisor.0 12.5ms KILL",
    ] {
        assert_eq!(text.parse::<Point>().unwrap().to_string(), text);
    }
    for text in [
        "start",
        "start launcher 1 KILL",
        "begin init.0 1 KILL",
        "start init.0 1 EPERM",
    ] {
        assert!(text.parse::<Point>().is_err(), "{text}");
    }
}

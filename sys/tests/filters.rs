//! Every compiled filter, installed in a real process: each call number from 0 to 600 meets in the kernel what the filter's text
//! says, and the doors beside them (x32, int 0x80) are shut. Touches only processes that it makes.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use policies::verdict::{Verdict, X86_64, verdict};
use sys::seccomp::Instruction;
use wire::Program;
use wire::init::Profile;

/// Calls that cannot be tried blindly: they end, stop or fork the caller, or jump.
const NOT_TRIED: &[i64] = &[
    libc::SYS_rt_sigreturn,
    libc::SYS_pause,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_sync,
    libc::SYS_brk,
    libc::SYS_restart_syscall,
    335, // uretprobe and uprobe: the kernel's own trampolines make them, past every filter, and
    336, // they fail for everybody else
];

/// What a child that tried one call has to say: the call's errno, 0 for success, or that it was killed.
fn attempt(filters: &[&[Instruction]], call: impl FnOnce() -> i64) -> Result<i32, Signal> {
    // SAFETY: the child calls only async-signal-safe functions: prctl, seccomp, the call to be tried, _exit. Were it to allocate,
    // it could wait for ever for a lock that another thread of the parent held at the fork.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let mut status = 254;
            if nix::sys::prctl::set_no_new_privs().is_ok() && filters.iter().all(|f| sys::seccomp::install(f).is_ok()) {
                status = if call() < 0 { nix::errno::Errno::last_raw() } else { 0 };
            }
            // SAFETY: ends the child at once; exit handlers of the parent's must not run twice.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
            WaitStatus::Exited(_, status) => Ok(status),
            WaitStatus::Signaled(_, signal, _) => Err(signal),
            other => panic!("{other:?}"),
        },
    }
}

/// The call with every argument -1: no descriptor, no address, no valid flag.
fn blind(number: i64) -> i64 {
    // SAFETY: -1 is no address, and no call of those that are tried changes the caller's memory when all its arguments are -1
    // (those that would are in NOT_TRIED); it runs in a child that ends right after.
    unsafe { libc::syscall(number, -1i64, -1i64, -1i64, -1i64, -1i64, -1i64) }
}

fn check(name: &str, filters: &[&[Instruction]]) {
    let mut passed = 0;
    for number in (0..=600i64).filter(|n| !NOT_TRIED.contains(n)) {
        let expected = verdict(filters, X86_64, u32::try_from(number).unwrap(), [u64::MAX; 6]);
        let found = attempt(filters, || blind(number));
        match expected {
            Verdict::Killed => assert_eq!(found, Err(Signal::SIGSYS), "{name}: {number}"),
            Verdict::Fails(errno) => assert_eq!(found, Ok(errno.cast_signed()), "{name}: {number}"),
            Verdict::Allowed => {
                assert_ne!(found, Err(Signal::SIGSYS), "{name}: {number}");
                passed += 1;
            }
        }
    }
    println!("{name:<10} {passed} of 600 calls reach the kernel");
}

#[test]
fn the_kernel_answers_every_call_of_our_own_programs_as_their_policy_says() {
    for program in Program::ALL {
        let policy = policies::of(program);
        if !policy.exempt {
            check(policy.name, policy.filters);
        }
    }
}

#[test]
fn the_kernel_answers_every_call_of_the_payloads_as_their_policy_says() {
    check("app", policies::payload(Profile::App).filters);
    check("system", policies::payload(Profile::System).filters);
}

#[test]
fn the_x32_calls_are_killed() {
    for profile in [Profile::App, Profile::System] {
        let filters = policies::payload(profile).filters;
        for number in [0, libc::SYS_getpid, libc::SYS_ioctl, 512, 600] {
            assert_eq!(
                attempt(filters, || blind(number | 0x4000_0000)),
                Err(Signal::SIGSYS),
                "{number}"
            );
        }
        assert_eq!(attempt(filters, || blind(-1)), Ok(libc::ENOSYS));
    }
}

#[test]
fn the_32_bit_door_is_shut() {
    for filters in [
        policies::payload(Profile::App).filters,
        policies::payload(Profile::System).filters,
    ] {
        assert_eq!(attempt(filters, getpid_by_interrupt), Err(Signal::SIGSYS));
    }
}

/// getpid(2) as an i386 program calls it.
fn getpid_by_interrupt() -> i64 {
    let result: i64;
    // SAFETY: the interrupt enters the kernel, which takes the call number from eax and changes eax, and on some kernels r8 to
    // r11; getpid touches no memory. A kernel without 32-bit calls raises SIGSEGV, in the child alone.
    unsafe {
        core::arch::asm!("int 0x80", inlateout("rax") 20i64 => result,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _);
    }
    result
}

/// CVE-2019-10063: the kernel takes the lower half of ioctl's second argument.
#[test]
fn tiocsti_fails_whatever_stands_in_the_upper_half() {
    let filters = policies::payload(Profile::App).filters;
    for request in [0x5412i64, 0x1_0000_5412, -0xffff_abee] {
        // SAFETY: with descriptor -1 the call fails before it looks at its third argument.
        let found = attempt(filters, || unsafe {
            libc::syscall(libc::SYS_ioctl, -1i64, request, 0i64)
        });
        assert_eq!(found, Ok(libc::EPERM), "{request:x}");
    }
    // SAFETY: as above.
    let other = attempt(filters, || unsafe {
        libc::syscall(libc::SYS_ioctl, -1i64, 0x5413i64, 0i64)
    });
    assert_eq!(other, Ok(libc::EBADF), "TIOCGWINSZ reaches the kernel");
}

/// A system container installs its filter by SYS_ADMIN over its user namespace, so that setuid programs keep working inside.
#[test]
fn a_filter_needs_no_new_privileges_only_without_sys_admin() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let filter = policies::payload(Profile::System).filters;
    // SAFETY: as in `attempt`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let with = filter.iter().all(|f| sys::seccomp::install(f).is_ok());
            let kept = nix::sys::prctl::get_no_new_privs() == Ok(false);
            // SAFETY: the call touches no memory. The real uid goes too, so that no capability is left.
            let dropped = unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) } == 0;
            let without = sys::seccomp::install(filter[0]);
            let right = with && kept && dropped && without == Err(nix::errno::Errno::EACCES);
            // SAFETY: as in `attempt`.
            unsafe { libc::_exit(i32::from(!right)) }
        }
        ForkResult::Parent { child } => assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0))),
    }
}

/// Ordinary programs do not notice the filter: a shell, files, pipes, ids, a pseudo-terminal's ioctls, background jobs.
#[test]
fn a_shell_works_behind_either_payload_filter() {
    use std::os::unix::process::CommandExt;
    let script = "set -e; d=$(mktemp -d); cd $d; echo a >b; mkfifo f; ln -s b c; cat c | tr a z; mv b e; (sleep 0) & wait; \
                  id -u >/dev/null; date >/dev/null; ls -l >/dev/null; stty -a >/dev/null 2>&1 || true; cd /; rm -r $d";
    for profile in [Profile::App, Profile::System] {
        let filters = policies::payload(profile).filters;
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", script]);
        // SAFETY: the closure runs between fork and exec and makes two system calls; it neither allocates nor locks.
        unsafe {
            shell.pre_exec(move || {
                nix::sys::prctl::set_no_new_privs()?;
                for filter in filters {
                    sys::seccomp::install(filter)?;
                }
                Ok(())
            });
        }
        let output = shell.output().unwrap();
        assert!(
            output.status.success() && output.stdout == b"z\n" && output.stderr.is_empty(),
            "{output:?}"
        );
    }
}

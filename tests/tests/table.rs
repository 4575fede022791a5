//! The table of powers, read from the kernel: at every exec, before the first receive, and at every other system call of every process of
//! ours, over start, run, enter and stop. And the check is shown to catch each row when it is loosened.

use std::collections::BTreeSet;
use std::process::Command;
use tests::table::{self, Moment};
use tests::trace::{self, Role, Sight};
use tests::{Host, disk, need_root, programs};
use wire::Program;

/// Everything wrong that is seen while a shell script runs on the host, and which programs were seen.
fn watch(host: &Host, script: &str) -> (i32, Vec<String>, BTreeSet<(&'static str, &'static str)>) {
    let mut command = host.command("sh");
    command.args(["-c", script]);
    let mut wrong = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let status = trace::follow(&command, &mut |sight: Sight| match sight.role {
        Role::Ours(program) => {
            let moment = match sight.moment {
                Moment::Exec => "exec",
                Moment::FirstReceive => "receive",
                Moment::Call(_) => "call",
            };
            seen.insert((program.name(), moment));
            // One line for each kind of violation, not one for each call.
            for line in table::violations(program, &sight.held, sight.moment, sight.received) {
                let line = if let Moment::Call(n) = sight.moment {
                    line.replace(&format!("Call({n})"), "a call")
                } else {
                    line
                };
                wrong.insert(line);
            }
        }
        Role::Payload => wrong.extend(table::payload_violations(&sight.held)),
        Role::Test => {}
    });
    (status, wrong.into_iter().collect(), seen)
}

#[test]
fn no_process_is_ever_above_its_row() {
    need_root!();
    let host = Host::new();
    let name = host.name("vm");
    let disk = disk::given(&host, &name).unwrap_or_default();
    let file = host.domain_file(
        &name,
        "while :; do sleep 1000; done",
        "",
        &format!("<interface type='network'><source network='default'/></interface>{disk}"),
    );
    let run = host
        .once_arguments(&["--network", "default"], &["true"])
        .iter()
        .map(|w| format!("'{w}'"))
        .collect::<Vec<_>>()
        .join(" ");
    let lazaret = programs::path(Program::Lazaret);
    let lazaret = lazaret.display();
    let script = format!(
        "set -e; {lazaret} define {file}; {lazaret} start {name}; {lazaret} enter {name} -- true; {lazaret} list >/dev/null; {lazaret} destroy {name}; \
         {lazaret} undefine {name}; {lazaret} {run}"
    );
    let (status, wrong, seen) = watch(&host, &script);
    assert_eq!(status, 0, "the script under the tracer");
    assert!(wrong.is_empty(), "above the table:\n{}", wrong.join("\n"));
    // Where there is no loop device nobody needs who puts files behind them.
    let needed = |p: &Program| *p != Program::Loopd || !disk.is_empty();
    for program in Program::ALL.into_iter().filter(needed) {
        assert!(
            seen.contains(&(program.name(), "exec")),
            "{} was not seen to start",
            program.name()
        );
        assert!(
            seen.contains(&(program.name(), "receive")),
            "{} was not seen to receive",
            program.name()
        );
    }
}

/// Each program is executed with one capability more than its row has: the check that passed above must say so.
#[test]
fn a_loosened_row_is_caught() {
    need_root!();
    let host = Host::new();
    for program in Program::ALL.into_iter().filter(|p| *p != Program::Launcher) {
        let mut command = host.command("setpriv");
        // A capability that no row has.
        command
            .args(table::setpriv(program, host.ids().start + 100, Some("net_raw")))
            .arg(programs::copied(program))
            .arg("--version");
        let mut caught = false;
        trace::follow(&command, &mut |sight: Sight| {
            if sight.role == Role::Ours(program) {
                caught |= !table::violations(program, &sight.held, sight.moment, sight.received).is_empty();
            }
        });
        assert!(caught, "{} ran with net_raw and nobody noticed", program.name());
    }
    programs::forget_copies();
}

/// The launcher is caught too: with its row taken for a smaller one, what was seen of it is a violation.
#[test]
fn the_launcher_gives_up_what_it_does_not_hand_out_before_it_reads() {
    need_root!();
    let host = Host::new();
    let arguments = host.once_arguments(&[], &["true"]);
    let command: Command = host.lazaret(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let mut at_receive = None;
    let mut at_exec = None;
    trace::follow(&command, &mut |sight: Sight| {
        if sight.role == Role::Ours(Program::Launcher) {
            match sight.moment {
                Moment::Exec => at_exec = Some(sight.held),
                Moment::FirstReceive => at_receive = Some(sight.held),
                Moment::Call(_) => {}
            }
        }
    });
    let exec = at_exec.expect("the launcher was executed");
    let receive = at_receive.expect("the launcher received");
    assert!(
        table::violations(Program::Launcher, &receive, Moment::FirstReceive, true).is_empty(),
        "{receive:?}"
    );
    // What root held at the exec would have been caught at the receive.
    assert!(
        !table::violations(Program::Launcher, &exec, Moment::FirstReceive, true).is_empty(),
        "{exec:?}"
    );
}

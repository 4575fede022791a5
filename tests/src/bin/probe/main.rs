//! What the root of a container finds that it may do: the same questions in every runtime, for `make escape-table`. It is static, and is copied
//! into the image. Nothing of the host's is written: what could be is opened and closed. Prints `KEY VALUE` lines.
//! usage: `probe DISK` (major:minor of the host's disk)

mod escapes;
mod files;

use std::fs;
use sys::attempt::{Answer, Argument, Door, attempt};

/// Ends the machine's accounting, or the terminal's session, where it may; no other call does anything with arguments that are no value.
const NOT_TRIED: [u64; 3] = [58, 163, 153];

fn status(name: &str) -> String {
    let text = fs::read_to_string("/proc/1/status")
        .or_else(|_| fs::read_to_string("/proc/self/status"))
        .unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

/// The calls from 0 to 600 that reach the kernel: with arguments that are no value, and, where the kernel itself might have refused those for
/// lack of a capability, with none.
fn calls() -> usize {
    let refused = |number: u64, value: u64| {
        let answer = attempt(Door::Native, number, &[Argument::Number(value); 6]);
        answer.is_ok_and(Answer::refused)
    };
    let reached = |number: &u64| {
        let everywhere = refused(*number, u64::MAX) && refused(*number, 0);
        !NOT_TRIED.contains(number) && !everywhere
    };
    (0..=600).filter(reached).count()
}

fn main() {
    let disk = std::env::args().nth(1).unwrap_or_default();
    let bits = |set: &str| u64::from_str_radix(&status(set), 16).map_or(0, u64::count_ones);
    println!("capabilities {}", bits("CapBnd:"));
    println!("nnp {}", status("NoNewPrivs:"));
    println!("seccomp {}", status("Seccomp:"));
    println!("calls {}", calls());
    println!("writable {}", files::writable().len());
    for (name, way) in escapes::found(&disk) {
        println!("escape {name} ({way})");
    }
    println!("surfaces {}", escapes::surfaces().join(", "));
    println!("end 0");
}

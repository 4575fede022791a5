//! One target under libFuzzer; which one, the variable `LAZARET_FUZZ_TARGET` says. May touch: the file that `LAZARET_FUZZ_FIGURES` names,
//! where it keeps the slowest input's time and the most memory.
#![no_main]

use fuzz::measure::{Worst, measured};
use fuzz::{Target, target};
use std::sync::{Mutex, OnceLock};

static TARGET: OnceLock<&'static Target> = OnceLock::new();
static WORST: Mutex<Worst> = Mutex::new(Worst::NONE);

/// Finds the target, or ends.
fn begin() {
    let name = std::env::var("LAZARET_FUZZ_TARGET").unwrap_or_default();
    let Some(target) = target(&name) else {
        eprintln!("LAZARET_FUZZ_TARGET names no target: {name:?}");
        std::process::exit(2);
    };
    let _ = TARGET.set(target);
}

/// Runs one input; a new worst figure is written down at once, since libFuzzer does not say when it is done.
fn one(input: &[u8]) {
    let Some(target) = TARGET.get() else { return };
    let figures = measured(target, input);
    let Ok(mut worst) = WORST.lock() else { return };
    if worst.takes(figures)
        && let Some(file) = std::env::var_os("LAZARET_FUZZ_FIGURES")
    {
        let _ = std::fs::write(file, format!("{} {}\n", worst.nanoseconds, worst.bytes));
    }
}

libfuzzer_sys::fuzz_target!(init: begin(), |input: &[u8]| one(input));

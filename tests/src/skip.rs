//! Skipping with a reason: a test that needs what the machine lacks says so, and is counted as skipped, never as passed.

use std::io::Write;

/// Records that the running test was skipped; `tests/run.sh` takes it off the number of passed tests. Use [`crate::skip!`].
pub fn record(reason: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    eprintln!("SKIPPED {name}: {reason}");
    if let Some(path) = std::env::var_os("LAZARET_TEST_SKIPS") {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .expect("open the list of skips");
        writeln!(file, "{name}: {reason}").expect("record the skip");
    }
}

/// Ends the running test as skipped, with the reason.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        $crate::skip::record(&format!("{}: {}", module_path!(), format!($($reason)*)));
        return;
    }};
}

/// Ends the running test as skipped unless it runs as root, which every start of a container needs here.
#[macro_export]
macro_rules! need_root {
    () => {
        if !nix::unistd::geteuid().is_root() {
            $crate::skip!("needs root: run `sudo make test`");
        }
    };
}

/// Whether a program is on the path; a missing one is a reason to skip.
pub fn have(program: &str) -> bool {
    std::env::var("PATH")
        .unwrap_or_default()
        .split(':')
        .any(|directory| std::path::Path::new(directory).join(program).is_file())
}

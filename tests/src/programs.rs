//! Where the built programs are. Reads the environment and the tree's own layout, nothing else.

use std::path::{Path, PathBuf};
use wire::Program;

/// The top of the tree.
pub fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the tree").to_owned()
}

/// The directory of the release build, or `LAZARET_TEST_PROGRAMS`.
pub fn directory() -> PathBuf {
    match std::env::var_os("LAZARET_TEST_PROGRAMS") {
        Some(directory) => PathBuf::from(directory),
        None => {
            let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tree().join("target"), PathBuf::from);
            target.join("x86_64-unknown-linux-gnu/release")
        }
    }
}

/// The built file of a program; the test fails if it is not there.
pub fn path(program: Program) -> PathBuf {
    let path = directory().join(program.name());
    assert!(path.is_file(), "{} is not built: run `make`", path.display());
    path
}

/// The program whose built or installed file this is.
pub fn of_file(path: &Path) -> Option<Program> {
    let path = path.to_str()?.trim_end_matches(" (deleted)");
    Program::ALL.into_iter().find(|program| Path::new(path) == directory().join(program.name()))
}

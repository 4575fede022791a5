//! Where the built programs are. Reads the environment and the tree's own layout, nothing else.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use wire::Program;

/// The top of the tree.
pub fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the tree")
        .to_owned()
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

/// A copy of a program in a directory that every user reaches, whatever directory the tree lies in.
pub fn copied(program: Program) -> PathBuf {
    let directory = copies();
    let copy = directory.join(program.name());
    if !copy.exists() {
        std::fs::create_dir_all(&directory).expect("make the directory of copies");
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).expect("open it");
        std::fs::copy(path(program), &copy).expect("copy a program");
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("let it be executed");
    }
    copy
}

fn copies() -> PathBuf {
    std::env::temp_dir().join(format!("lazaret-programs-{}", std::process::id()))
}

/// The built or copied file that is this one, by device and inode. The launcher executes programs from a mount that is attached nowhere,
/// where a path tells nothing.
pub fn same_file(file: &std::fs::Metadata) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let places = [directory(), copies()];
    let paths = places
        .iter()
        .flat_map(|d| Program::ALL.into_iter().map(move |program| d.join(program.name())));
    paths.into_iter().find(|path| {
        path.metadata()
            .is_ok_and(|found| (found.dev(), found.ino()) == (file.dev(), file.ino()))
    })
}

/// Takes the copies away.
pub fn forget_copies() {
    let _ = std::fs::remove_dir_all(copies());
}

/// The program whose built or copied file this is.
pub fn of_file(path: &Path) -> Option<Program> {
    let path = Path::new(path.to_str()?.trim_end_matches(" (deleted)"));
    let ours = path.parent().is_some_and(|d| d == directory() || d == copies());
    Program::ALL
        .into_iter()
        .find(|program| ours && path.file_name().is_some_and(|n| n == program.name()))
}

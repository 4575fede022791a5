//! State: no file of ours is followed, made again or believed below a directory that another may write.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use tests::{Ground, capture, need_root};

fn ground() -> Ground {
    Ground::new(env!("CARGO_BIN_EXE_attack"))
}

/// Runs `lazaret` below strace and returns the paths that any of its programs opened to write or made, as the kernel was given them.
fn written(ground: &Ground, words: &[&str]) -> Vec<String> {
    let log = ground.host.directory().join("files/trace");
    let mut command = ground.host.command("strace");
    command
        .args([
            "-f",
            "-qq",
            "-s",
            "4096",
            "-e",
            "trace=open,openat,openat2,mkdir,mkdirat,mknodat,symlinkat,linkat,rename,renameat,renameat2,unlinkat,bind",
            "-o",
        ])
        .arg(&log)
        .arg(tests::programs::path(wire::Program::Lazaret))
        .args(words);
    capture::run(&mut command, b"").ok();
    let text = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    let changes = |l: &&str| {
        let opens = l.contains("open");
        !opens || ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|f| l.contains(f))
    };
    let path = |l: &str| l.split('"').nth(1).map(str::to_owned);
    let paths: Vec<String> = text.lines().filter(changes).filter_map(path).collect();
    assert!(paths.len() > 2, "{paths:?}");
    paths
}

/// CVE-2015-1331, CVE-2019-12439: a link in a directory that everybody may write, where a lock or a mount point is made.
#[test]
fn cve_2015_1331_nothing_is_made_in_a_directory_that_everybody_may_write() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    let name = ground.host.name("traced");
    let root = image.to_str().unwrap();
    let file = ground.host.domain_file(&name, "while :; do sleep 1000; done", "", "");
    ground.host.run(&["create", &file]).ok();
    for words in [
        vec!["run", "--rootfs", root, "--network", "default", "--", "true"],
        vec!["enter", &name, "--", "true"],
        vec!["destroy", &name],
        vec!["list", "--all"],
    ] {
        for path in written(&ground, &words) {
            for open in ["/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/var/lock"] {
                // The container's own /tmp is made in its tree, by names without a slash in front.
                assert!(!path.starts_with(open), "{words:?}: {path}");
            }
        }
    }
}

/// CVE-2026-3888, CVE-2022-3328, CVE-2021-44731: a directory of the runtime's was taken away and made again by somebody else.
#[test]
fn cve_2026_3888_directories_that_somebody_else_made_are_refused() {
    need_root!();
    let ground = ground();
    let host = &ground.host;
    let open = host.name("/run/lazaret-open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
    let canary = ground.canary.directory();
    let list = |directory: &str| host.run(&["--run-dir", directory, "list", "--all"]);
    let once = |directory: &str| {
        let root = host.image();
        host.run(&[
            "--run-dir",
            directory,
            "run",
            "--rootfs",
            root.to_str().unwrap(),
            "--network",
            "none",
            "--",
            "true",
        ])
    };
    let below = format!("{open}/state");
    let tries = |what: &str| {
        for said in [list(&below), once(&below)] {
            ground.canary.lives(&said.stderr);
            assert!(said.code() != 0 && said.stderr.lines().count() == 1, "{what}: {said}");
        }
    };
    tries("not there, in a directory that everybody may write");
    symlink(canary, &below).unwrap();
    tries("a link to a directory that everybody may write");
    fs::remove_file(&below).unwrap();
    for (owner, mode) in [(1000, 0o700), (0, 0o777), (0, 0o1777), (1000, 0o755)] {
        fs::create_dir(&below).unwrap();
        fs::set_permissions(&below, fs::Permissions::from_mode(mode)).unwrap();
        chown(&below, Some(owner), Some(owner)).unwrap();
        tries(&format!("of uid {owner} with mode {mode:o}"));
        fs::remove_dir_all(&below).unwrap();
    }
    fs::remove_dir_all(&open).unwrap();
    // The directory of one container, while it runs, is another's: what lies there is not believed.
    let name = ground.system();
    let own = host.run_directory().join(&name);
    let aside = host.run_directory().join(".aside");
    fs::rename(&own, &aside).unwrap();
    symlink(canary, &own).unwrap();
    for words in [
        &["list", "--all"][..],
        &["dominfo", &name],
        &["enter", &name, "--", "true"],
        &["destroy", &name],
    ] {
        let said = host.run(words);
        ground.canary.lives(&said.stdout);
    }
    fs::remove_file(&own).unwrap();
    fs::rename(&aside, &own).unwrap();
    ground.end(&name);
    host.nothing_is_left();
}

/// CVE-2021-44730: a setuid helper that is linked elsewhere. There is none: nothing that is built carries a bit or a capability.
#[test]
fn cve_2021_44730_no_program_has_a_set_id_bit_or_a_capability_of_its_own() {
    need_root!();
    for program in wire::Program::ALL {
        let path = tests::programs::path(program);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o6000,
            0,
            "{}",
            program.name()
        );
        let mut buffer = [0_u8; 64];
        let found = rustix::fs::getxattr(&path, "security.capability", &mut buffer);
        assert_eq!(found, Err(rustix::io::Errno::NODATA), "{}", program.name());
    }
}

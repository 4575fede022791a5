//! Disks for tests: images that mke2fs makes, without a mount, which loop devices have them behind, and how a container has them mounted. Reads
//! `/sys/block` and `/proc`, writes below a test's directory, makes loop devices.

use crate::Host;
use crate::capture::{DEADLINE, until};
use crate::skip::have;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why there can be no disk in a file here, if so.
pub fn lacking() -> Option<String> {
    if !have("mke2fs") {
        return Some("mke2fs is not installed".to_owned());
    }
    match Command::new("losetup").arg("--find").output() {
        Ok(found) if found.status.success() => None,
        Ok(found) => Some(String::from_utf8_lossy(&found.stderr).trim().to_owned()),
        Err(e) => Some(format!("losetup: {e}")),
    }
}

/// An image of this type and size, with what is in a directory.
pub fn image(host: &Host, name: &str, kind: &str, size: &str, from: Option<&Path>) -> String {
    let file = host.directory().join("files").join(name);
    let mut made = Command::new("mke2fs");
    made.args(["-q", "-F", "-t", kind, "-E", "root_owner=0:0"]);
    if let Some(from) = from {
        made.arg("-d").arg(from);
    }
    let made = made.arg(&file).arg(size).output().expect("mke2fs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    file.to_str().expect("a UTF-8 path").to_owned()
}

/// A `<filesystem>` of this type, without a driver.
pub fn filesystem(kind: &str, source: &str, target: &str, more: &str) -> String {
    let attribute = if kind == "block" { "dev" } else { kind };
    format!("<filesystem type='{kind}'><source {attribute}='{source}'/><target dir='{target}'/>{more}</filesystem>")
}

/// A device of a container of this name with a disk in a file, which the host's policy is told; none, and why, where there is none.
pub fn given(host: &Host, name: &str) -> Result<String, String> {
    if let Some(why) = lacking() {
        return Err(why);
    }
    let file = image(host, &format!("{name}.img"), "ext4", "8M", None);
    host.policy(&format!("filesystem {file} {name}\n"));
    Ok(filesystem("file", &file, "/mnt", ""))
}

/// Which loop devices have a file of this test's behind them.
pub fn behind(host: &Host) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/sys/block").expect("read /sys/block").flatten() {
        let file = fs::read_to_string(entry.path().join("loop/backing_file")).unwrap_or_default();
        if Path::new(file.trim()).starts_with(host.directory()) {
            found.insert(entry.file_name().to_string_lossy().into_owned(), file.trim().into());
        }
    }
    found
}

/// Fails unless no loop device has a file of this test's any more: the kernel takes it away when the last who has it open is gone.
#[track_caller]
pub fn none_behind(host: &Host, what: &str) {
    let gone = until(DEADLINE, || behind(host).is_empty());
    assert!(gone, "{what}: {:?}", behind(host));
}

/// The container's mountinfo line of this place: the flags of the mount, the type, the flags of the file system.
pub fn mounted(host: &Host, name: &str, at: &str) -> Option<[String; 3]> {
    let pid = host.pid_1(name).unwrap();
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let line = mounts.lines().rfind(|l| l.split(' ').nth(4) == Some(at))?;
    let fields: Vec<&str> = line.split(' ').collect();
    let dash = fields.iter().position(|f| *f == "-").unwrap();
    Some([fields[5], fields[dash + 1], fields[dash + 3]].map(str::to_owned))
}

/// Whether a flag is among these.
pub fn has(flags: &str, flag: &str) -> bool {
    flags.split(',').any(|f| f == flag)
}

/// What debugfs, which comes with mke2fs, says of an image.
pub fn debugfs(image: &str, request: &str, write: bool) -> String {
    let mut command = Command::new("debugfs");
    command.args(write.then_some("-w")).args(["-R", request, image]);
    let said = command.output().unwrap();
    assert!(said.status.success(), "{request}: {said:?}");
    String::from_utf8_lossy(&said.stdout).into_owned()
}

/// A loop device of the test's, with this file behind it; whatever comes of what is done with it, it goes.
pub fn with_device(file: &str, more: &[&str], act: impl FnOnce(&str)) {
    let made = Command::new("losetup")
        .args(more)
        .args(["--find", "--show", file])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let device = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act(&device)));
    let gone = Command::new("losetup").args(["-d", &device]).status().unwrap();
    assert!(gone.success());
    if let Err(why) = acted {
        std::panic::resume_unwind(why);
    }
}

/// Which loop devices have this device behind them.
pub fn behind_device(device: &str) -> Vec<String> {
    let files = fs::read_dir("/sys/block").unwrap().flatten();
    let has = |name: &String| {
        fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).is_ok_and(|f| f.trim() == device)
    };
    files
        .map(|f| f.file_name().into_string().unwrap())
        .filter(has)
        .collect()
}

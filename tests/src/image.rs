//! Root file systems: a small one made of busybox, and Debian's. Writes only below the directory it is given.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes a busybox root at `root`: every applet, `/etc/passwd` and `/etc/group`, and the directories that mounts need.
pub fn busybox(root: &Path) {
    for directory in [
        "bin",
        "sbin",
        "usr/bin",
        "usr/sbin",
        "etc",
        "proc",
        "sys",
        "dev",
        "run",
        "tmp",
        "root",
        "var/tmp",
        "mnt",
        "srv",
        "home/user",
    ] {
        fs::create_dir_all(root.join(directory)).expect("make a directory of the image");
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("open /tmp to all");
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|p| Path::new(p).is_file())
        .expect("busybox is installed");
    fs::copy(busybox, root.join("bin/busybox")).expect("copy busybox");
    let applets = crate::capture::output(busybox, &["--list-full"]);
    for applet in applets
        .lines()
        .map(|l| l.trim_start_matches('/'))
        .filter(|l| *l != "bin/busybox")
    {
        let at = root.join(applet);
        if at.symlink_metadata().is_err() && at.parent().is_some_and(Path::is_dir) {
            symlink("/bin/busybox", at).expect("link an applet");
        }
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n",
    )
    .expect("write passwd");
    fs::write(root.join("etc/group"), "root:x:0:\nuser:x:1000:\nextra:x:2000:user\n").expect("write group");
    fs::write(root.join("etc/hostname"), "image\n").expect("write hostname");
    std::os::unix::fs::chown(root.join("home/user"), Some(1000), Some(1000)).expect("give the home to its user");
}

/// Everything that can be seen of a tree from outside: a description of each file by its path. Access times are left out, and the
/// modification times of directories.
pub fn fingerprint(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let meta = path.symlink_metadata().expect("look at a file of the image");
        let mut content = DefaultHasher::new();
        if meta.is_file() {
            fs::read(&path).expect("read a file of the image").hash(&mut content);
        } else if meta.is_symlink() {
            fs::read_link(&path)
                .expect("read a link of the image")
                .hash(&mut content);
        } else if meta.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .expect("list a directory of the image")
                    .map(|e| e.expect("an entry").path()),
            );
        }
        let line = format!(
            "{:o} {}:{} size {} modified {}.{} content {:x}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            if meta.is_dir() { 0 } else { meta.size() },
            if meta.is_dir() { 0 } else { meta.mtime() },
            if meta.is_dir() { 0 } else { meta.mtime_nsec() },
            content.finish()
        );
        found.insert(path.strip_prefix(root).expect("below the root").to_owned(), line);
    }
    found
}

/// Where the Debian root is kept between runs, since making it takes a minute.
const DEBIAN: &str = "/var/cache/lazaret-test/debian-12";

/// A Debian 12 root that boots systemd, copied to `root`. The first call makes the template with mmdebstrap; an error says why not.
pub fn debian(root: &Path) -> Result<(), String> {
    if !Path::new(DEBIAN).join("complete").exists() {
        make_debian()?;
    }
    let done = Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .arg(Path::new(DEBIAN).join("root"))
        .arg(root)
        .status();
    match done {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("cannot copy {DEBIAN}: {other:?}")),
    }
}

fn make_debian() -> Result<(), String> {
    let _ = fs::remove_dir_all(DEBIAN);
    fs::create_dir_all(DEBIAN).map_err(|e| format!("{DEBIAN}: {e}"))?;
    // A root file system holds setuid programs: nobody but root may reach it.
    fs::set_permissions(DEBIAN, fs::Permissions::from_mode(0o700)).map_err(|e| format!("{DEBIAN}: {e}"))?;
    let log = Path::new(DEBIAN).join("log");
    let file = fs::File::create(&log).map_err(|e| e.to_string())?;
    let status = Command::new("mmdebstrap")
        .args([
            "--mode=root",
            "--variant=minbase",
            "--include=systemd-sysv,dbus,login,iproute2",
            "bookworm",
        ])
        .arg(Path::new(DEBIAN).join("root"))
        .stdout(file.try_clone().map_err(|e| e.to_string())?)
        .stderr(file)
        .status()
        .map_err(|e| format!("mmdebstrap: {e}"))?;
    if !status.success() {
        let said = fs::read_to_string(&log).unwrap_or_default();
        return Err(format!(
            "mmdebstrap ended with {status}: {}",
            said.lines().last().unwrap_or("it said nothing")
        ));
    }
    fs::write(Path::new(DEBIAN).join("complete"), "").map_err(|e| e.to_string())
}

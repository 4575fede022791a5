//! Ordinary users for a test: a mount and a network namespace in which `/etc/passwd`, `/etc/group`, `/etc/subuid` and `/etc/subgid` are copies
//! with users of the test's, so that the host's own files are never touched; a home for each, and programs that they may execute. When it is
//! dropped, everything that runs under their ids is ended, and the test fails if there was anything.

use crate::capture::{self, Outcome};
use crate::{image, process, programs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use wire::Program;
use wire::ids::{BLOCK, UNMAPPED};

/// First of the ids of tests' users.
const FIRST: u32 = 0x4000_0000;
/// First of the ids that root's programs have on such a host.
const ROOTS: u32 = 0x3000_0000;
/// Number of containers that a user has ids for.
const BLOCKS: u32 = 3;
/// Ids of one user: the user's own, `lazaret`'s, and those of containers.
const EACH: u32 = 2 + BLOCKS * BLOCK;
/// Number of users of a test.
const USERS: u32 = 2;
/// Number of test programs that can run side by side without sharing ids.
const PROGRAMS: u32 = 200;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A host with ordinary users.
pub struct Users {
    directory: PathBuf,
    holder: Child,
    first: u32,
}

/// One of them.
#[derive(Clone, Copy)]
pub struct User<'a> {
    users: &'a Users,
    number: u32,
}

impl Users {
    /// Makes two, each with ids for three containers.
    pub fn new() -> Self {
        Self::with(EACH - 1)
    }

    /// The same, each with so many subordinate ids.
    pub fn with(ids: u32) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let first = FIRST + ((std::process::id() % PROGRAMS) * 16 + number % 16) * USERS * EACH;
        let directory = PathBuf::from(format!("/var/lib/lazaret-users-{}-{number}", std::process::id()));
        let etc = directory.join("etc");
        fs::create_dir_all(&etc).expect("make the test's directory");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("open the test's directory");
        let (mut passwd, mut group, mut sub) = (String::new(), String::new(), String::new());
        for user in 0..USERS {
            let (uid, name) = (first + user * EACH, format!("tester{user}"));
            let home = directory.join(&name);
            fs::create_dir(&home).expect("make a home");
            fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("close a home");
            chown(&home, Some(uid), Some(uid)).expect("give a home away");
            passwd.push_str(&format!("{name}:x:{uid}:{uid}::{}:/bin/sh\n", home.display()));
            group.push_str(&format!("{name}:x:{uid}:\n"));
            sub.push_str(&format!("{name}:{}:{ids}\n", uid + 1));
        }
        for (file, more, kept) in [
            ("passwd", &passwd, true),
            ("group", &group, true),
            ("subuid", &sub, false),
            ("subgid", &sub, false),
        ] {
            let mut text = if kept {
                fs::read_to_string(Path::new("/etc").join(file)).expect("read a file of the host's")
            } else {
                String::new()
            };
            text.push_str(more);
            fs::write(etc.join(file), text).expect("write a copy");
        }
        let mut users = Self {
            holder: hold(&directory),
            directory,
            first,
        };
        users.install();
        let image = users.image();
        image::busybox(&image);
        users
    }

    /// Programs where every user may execute them, laid out as cargo does, by which `lazaret` finds the others.
    fn install(&mut self) {
        let place = self.directory.join("release");
        fs::create_dir(&place).expect("make the directory of programs");
        fs::write(place.join(".cargo-lock"), "").expect("mark it");
        let names = Program::ALL.map(Program::name);
        for name in names.into_iter().chain(["byhand"]) {
            fs::copy(programs::directory().join(name), place.join(name)).expect("copy a program");
        }
    }

    /// A busybox root of nobody's that all may read.
    pub fn image(&self) -> PathBuf {
        self.directory.join("image")
    }

    /// The first user.
    pub const fn first(&self) -> User<'_> {
        User { users: self, number: 0 }
    }

    /// The second.
    pub const fn second(&self) -> User<'_> {
        User { users: self, number: 1 }
    }

    /// Where the test's files lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What root's policy file says here: ids below those of all tests' users for programs of root's, and a log of deeds of the test's own.
    pub fn policy(&self) -> String {
        let first = ROOTS + (std::process::id() % PROGRAMS) * 16 * BLOCK;
        let log = self.directory.join("log/audit.log");
        format!("ids {first} {BLOCK}\naudit {}\n", log.display())
    }

    /// A command that runs on this host as root.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.holder.id()))
            .args(["--mount", "--net", "--", program])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TERM", "xterm")
            .current_dir("/");
        command
    }

    /// Every process that runs under an id of the users'.
    pub fn processes(&self) -> Vec<i32> {
        let ids = self.first..self.first + USERS * EACH;
        let under = |pid: &i32| process::holding(*pid).is_some_and(|h| h.uid.iter().any(|id| ids.contains(id)));
        process::all().into_iter().filter(under).collect()
    }
}

/// The process that holds the namespaces; it ends when its standard input does, which is when this process ends, whatever way.
fn hold(directory: &Path) -> Child {
    let script = "ip link set lo up && for f in passwd group subuid subgid; do mount --bind \"$1/etc/$f\" /etc/$f || exit 1; done && echo ready && read end";
    let mut holder = Command::new("unshare")
        .args([
            "--mount",
            "--net",
            "--propagation",
            "private",
            "--",
            "sh",
            "-c",
            script,
            "holder",
        ])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare");
    let mut line = String::new();
    BufReader::new(holder.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("read from the holder");
    assert_eq!(line, "ready\n", "the users' namespaces could not be made");
    holder
}

impl User<'_> {
    /// Its id on the host.
    pub const fn uid(&self) -> u32 {
        self.users.first + self.number * EACH
    }

    /// The users that it is one of.
    pub const fn users(&self) -> &Users {
        self.users
    }

    /// Its name.
    pub fn name(&self) -> String {
        format!("tester{}", self.number)
    }

    /// Its subordinate ids.
    pub const fn ids(&self) -> Range<u32> {
        self.uid() + 1..self.uid() + EACH
    }

    /// The id on the host of the root of a container with this block.
    pub const fn root_of(&self, block: u32) -> u32 {
        self.uid() + 2 + block * BLOCK + UNMAPPED
    }

    /// Its home.
    pub fn home(&self) -> PathBuf {
        self.users.directory.join(self.name())
    }

    /// A file of the user's, which nobody else may read.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.home().join(name);
        fs::write(&path, content).expect("write a file of the user's");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("close it");
        chown(&path, Some(self.uid()), Some(self.uid())).expect("give it to the user");
        path.to_str().expect("a UTF-8 path").to_owned()
    }

    /// A root file system among the user's machines whose files are those of the container with this block.
    pub fn tree(&self, block: u32) -> String {
        let mut data = self.home();
        for part in [".local", "share", "machines"] {
            data.push(part);
            if !data.exists() {
                fs::create_dir(&data).expect("make a directory of the user's");
                fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("close it");
                chown(&data, Some(self.uid()), Some(self.uid())).expect("give it to the user");
            }
        }
        let tree = data.join(format!("tree{block}"));
        if !tree.exists() {
            image::busybox(&tree);
            let owner = format!("{0}:{0}", self.root_of(block));
            let given = Command::new("chown").args(["-hR", &owner]).arg(&tree).status();
            assert!(given.expect("chown").success());
        }
        tree.to_str().expect("a UTF-8 path").to_owned()
    }

    /// A command that runs as the user, without a capability, in the user's home.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.users.command("setpriv");
        let uid = self.uid().to_string();
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "--inh-caps=-all"]);
        command.args(["env", &format!("--chdir={}", self.home().display()), program]);
        command.env("HOME", self.home());
        command
    }

    /// A `lazaret` command of the user's.
    pub fn lazaret(&self, arguments: &[&str]) -> Command {
        let lazaret = self.users.directory.join("release/lazaret");
        let mut command = self.command(lazaret.to_str().expect("a UTF-8 path"));
        command.args(arguments);
        command
    }

    /// Runs `lazaret` with these arguments and collects what it says.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        capture::run(&mut self.lazaret(arguments), b"")
    }

    /// Runs `lazaret run` on the image that all may read.
    #[track_caller]
    pub fn once(&self, options: &[&str], command: &[&str]) -> Outcome {
        capture::run(&mut self.lazaret_once(options, command), b"")
    }

    /// The command that does so.
    pub fn lazaret_once(&self, options: &[&str], command: &[&str]) -> Command {
        let image = self.users.image();
        let mut all = vec!["run", "--rootfs", image.to_str().expect("a UTF-8 path"), "--read-only"];
        all.extend(options);
        all.push("--");
        all.extend(command);
        self.lazaret(&all)
    }

    /// Writes the XML of a domain on this tree, whose init is a shell command and whose memory is not limited; gives its path.
    pub fn domain(&self, name: &str, tree: &str, shell: &str, devices: &str) -> String {
        let escaped = shell.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let text = format!(
            "<domain type='lxc'><name>{name}</name><memory unit='MiB'>64</memory><memtune><hard_limit>9007199254740991</hard_limit></memtune>\
             <os><type>exe</type><init>/bin/sh</init><initarg>-c</initarg><initarg>{escaped}</initarg></os><features><privnet/></features>\
             <devices><filesystem><source dir='{tree}'/><target dir='/'/></filesystem><console/>{devices}</devices></domain>"
        );
        self.file(&format!("{name}.xml"), &text)
    }

    /// What `list --all --json` tells of a container, or null.
    #[track_caller]
    pub fn listed(&self, name: &str) -> serde_json::Value {
        let list = self.run(&["list", "--all", "--json"]).ok().json();
        let rows = list.as_array().cloned().unwrap_or_default();
        rows.into_iter()
            .find(|r| r["name"] == name)
            .unwrap_or(serde_json::Value::Null)
    }
}

impl Default for Users {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        let gone = || self.processes().is_empty();
        let mut left = Vec::new();
        if !capture::until(Duration::from_secs(5), gone) {
            left = self
                .processes()
                .iter()
                .map(|pid| process::tree_of(pid.unsigned_abs()))
                .collect();
            for pid in self.processes() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            capture::until(Duration::from_secs(5), gone);
        }
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
        let _ = fs::remove_dir_all(&self.directory);
        if !std::thread::panicking() && !left.is_empty() {
            panic!("left behind by this test: {}", left.join(", "));
        }
    }
}

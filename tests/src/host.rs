//! A host of the test's own: a network and a mount namespace in which `lazaret` runs, with directories, id range and policy file that
//! nobody else uses. When it is dropped, it looks for anything that was left behind, fails the test if there is, and clears it away.

use crate::capture::{self, Outcome};
use crate::kernel::{self, Snapshot};
use crate::terminal::Terminal;
use crate::{image, programs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use wire::Program;
use wire::ids::BLOCK;

/// First host id that containers of tests are given: above those that an installed Lazaret gives out first.
const FIRST: u32 = 0x7200_0000;
/// Number of containers that a test's host has ids for.
const BLOCKS: u32 = 16;
/// Number of test programs that can run side by side without sharing ids.
const PROGRAMS: u32 = 200;

/// The first host id of this test program.
fn first() -> u32 {
    FIRST + (std::process::id() % PROGRAMS) * BLOCKS * BLOCK
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A host for one test.
pub struct Host {
    directory: PathBuf,
    holder: Child,
    before: Option<Snapshot>,
    number: u32,
}

impl Host {
    /// Makes one: a new network namespace with nothing but `lo`, a new mount namespace, and `/etc` laid over so that the policy
    /// file is the test's.
    pub fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = PathBuf::from(format!("/var/lib/lazaret-test-{}-{number}", std::process::id()));
        for below in ["images", "etc/upper", "etc/work", "files"] {
            fs::create_dir_all(directory.join(below)).expect("make the test's directory");
        }
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).expect("close the test's directory");
        // It ends when its standard input does, which is when this process ends, whatever way.
        let script = "ip link set lo up && echo 0 > /proc/sys/net/ipv4/ip_forward && echo 0 > /proc/sys/net/ipv6/conf/all/forwarding && mount -t overlay -o \"lowerdir=/etc,upperdir=$1/etc/upper,workdir=$1/etc/work\" overlay /etc && echo ready && read end";
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
            .arg(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("read from the holder");
        assert_eq!(line, "ready\n", "the test's namespaces could not be made");
        let mut host = Self {
            directory,
            holder,
            before: None,
            number,
        };
        host.policy("");
        host.before = Some(host.look());
        host
    }

    /// Lays these statements into the policy file, after those that give out the test's own ids, name its own log and allow roots in its
    /// directory.
    pub fn policy(&self, statements: &str) {
        let directory = self.directory.display();
        self.bare_policy(&format!("root {directory}\nroot named\n{statements}"));
    }

    /// Lays these statements into the policy file, after those that give out the test's own ids and name its own log: all
    /// else is as without a policy file.
    pub fn bare_policy(&self, statements: &str) {
        let log = self.log();
        let log = log.display();
        let text = format!("ids {} {}\naudit {log}\n{statements}\n", first(), BLOCK * BLOCKS);
        self.inside(
            "sh",
            &["-c", "umask 022; printf %s \"$1\" > /etc/lazaret.policy", "sh", &text],
        )
        .ok();
    }

    /// The log of deeds, unless a test says something else in the policy file.
    pub fn log(&self) -> PathBuf {
        self.directory.join("log/audit.log")
    }

    /// The host ids that this host gives to containers.
    pub fn ids(&self) -> Range<u32> {
        first()..first() + BLOCK * BLOCKS
    }

    /// The test's directory, which is closed to other users.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where runtime state lies.
    pub fn run_directory(&self) -> PathBuf {
        self.directory.join("run")
    }

    /// Where definitions lie.
    pub fn config_directory(&self) -> PathBuf {
        self.directory.join("config")
    }

    /// The process that holds the namespaces.
    pub fn holder(&self) -> u32 {
        self.holder.id()
    }

    /// A look at everything that a start could leave behind.
    pub fn look(&self) -> Snapshot {
        Snapshot::take(
            self.holder(),
            self.ids(),
            &[
                &self.run_directory(),
                &self.config_directory(),
                &self.directory.join("data"),
            ],
        )
    }

    /// A container's name that no other test uses.
    pub fn name(&self, word: &str) -> String {
        format!("{word}-{}-{}", std::process::id(), self.number)
    }

    /// A command that runs on this host.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.holder()))
            .args(["--mount", "--net", "--", program]);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TERM", "xterm")
            .env("LAZARET_RUN_DIR", self.run_directory())
            .env("LAZARET_CONFIG_DIR", self.config_directory())
            .env("LAZARET_DATA_DIR", self.directory.join("data"))
            .current_dir("/");
        command
    }

    /// A `lazaret` command that runs on this host.
    pub fn lazaret(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(programs::path(Program::Lazaret).to_str().expect("a UTF-8 path"));
        command.args(arguments);
        command
    }

    /// Runs `lazaret` with these arguments and collects what it says.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        capture::run(&mut self.lazaret(arguments), b"")
    }

    /// Runs `lazaret` with these arguments and this standard input.
    #[track_caller]
    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Outcome {
        capture::run(&mut self.lazaret(arguments), input)
    }

    /// Runs `lazaret run` on a busybox root with no network: `options` before the `--`, `command` after it.
    #[track_caller]
    pub fn once(&self, options: &[&str], command: &[&str]) -> Outcome {
        self.run(
            &self
                .once_arguments(options, command)
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        )
    }

    /// The arguments of [`Self::once`].
    pub fn once_arguments(&self, options: &[&str], command: &[&str]) -> Vec<String> {
        let root = self.image();
        let mut arguments = vec![
            "run".to_owned(),
            "--rootfs".to_owned(),
            root.to_str().expect("a UTF-8 path").to_owned(),
        ];
        if !options.contains(&"--network") {
            arguments.extend(["--network".to_owned(), "none".to_owned()]);
        }
        if !options.contains(&"--name") {
            let round = NUMBER.fetch_add(1, Ordering::Relaxed);
            arguments.extend([
                "--name".to_owned(),
                format!("once{round}-{}-{}", std::process::id(), self.number),
            ]);
        }
        arguments.extend(options.iter().map(|o| (*o).to_owned()));
        arguments.push("--".to_owned());
        arguments.extend(command.iter().map(|c| (*c).to_owned()));
        arguments
    }

    /// Starts a `lazaret` command in a terminal of the test's.
    pub fn terminal(&self, arguments: &[&str]) -> Terminal {
        Terminal::start(&self.lazaret(arguments), 24, 80)
    }

    /// Runs a program of the host's on this host.
    #[track_caller]
    pub fn inside(&self, program: &str, arguments: &[&str]) -> Outcome {
        capture::run(self.command(program).args(arguments), b"")
    }

    /// The busybox root of this host, made at the first call.
    pub fn image(&self) -> PathBuf {
        self.image_called("busybox")
    }

    /// A busybox root of that name.
    pub fn image_called(&self, name: &str) -> PathBuf {
        let root = self.directory.join("images").join(name);
        if !root.exists() {
            image::busybox(&root);
        }
        root
    }

    /// Writes a file that belongs to the test, and returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.directory.join("files").join(name);
        fs::write(&path, content).expect("write a file of the test");
        path.to_str().expect("a UTF-8 path").to_owned()
    }

    /// Domain XML of a busybox container whose init is a shell command: `more` goes before `</domain>`, `devices` into `<devices>`.
    pub fn domain(&self, name: &str, shell: &str, more: &str, devices: &str) -> String {
        let escaped = shell.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        format!(
            "<domain type='lxc'>\n  <name>{name}</name>\n  <memory unit='KiB'>65536</memory>\n  <vcpu>1</vcpu>\n  <os>\n    <type>exe</type>\n    \
             <init>/bin/sh</init>\n    <initarg>-c</initarg>\n    <initarg>{escaped}</initarg>\n  </os>\n  <features>\n    <privnet/>\n  </features>\n  {more}\n  \
             <devices>\n    <filesystem type='mount'>\n      <source dir='{}'/>\n      <target dir='/'/>\n    </filesystem>\n    <console type='pty'/>\n    \
             {devices}\n  </devices>\n</domain>\n",
            self.image().display()
        )
    }

    /// Writes domain XML to a file of the test, and returns its path.
    pub fn domain_file(&self, name: &str, shell: &str, more: &str, devices: &str) -> String {
        self.file(&format!("{name}.xml"), self.domain(name, shell, more, devices))
    }

    /// The facts that `lazaret list --all --json` tells of a container, or null.
    #[track_caller]
    pub fn listed(&self, name: &str) -> serde_json::Value {
        let list = self.run(&["list", "--all", "--json"]).ok().json();
        let rows = list.as_array().cloned().unwrap_or_default();
        rows.into_iter()
            .find(|r| r["name"] == name)
            .unwrap_or(serde_json::Value::Null)
    }

    /// Whether a container of that name runs, as `lazaret list` tells.
    #[track_caller]
    pub fn runs(&self, name: &str) -> bool {
        self.listed(name)["state"] == "running"
    }

    /// PID 1 of a container, in the host's numbers: the process in its `payload` group whose innermost pid is 1.
    pub fn pid_1(&self, name: &str) -> Option<i32> {
        let group = kernel::groups_of(name).into_iter().next()?;
        let mut members = String::new();
        let mut open = vec![group];
        while let Some(directory) = open.pop() {
            members.push_str(&fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default());
            open.extend(
                fs::read_dir(&directory)
                    .ok()?
                    .flatten()
                    .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
                    .map(|e| e.path()),
            );
        }
        let first = |pid: &i32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.lines().any(|l| {
                l.starts_with("NSpid:") && l.split_whitespace().count() > 2 && l.split_whitespace().last() == Some("1")
            })
        };
        members.lines().filter_map(|l| l.parse().ok()).find(first)
    }

    /// Ends and forgets every container that this host still has, by the front door. Errors are left to the comparison.
    pub fn end_all(&self) {
        let list = capture::run(&mut self.lazaret(&["list", "--all", "--json"]), b"");
        let Ok(serde_json::Value::Array(rows)) = serde_json::from_str(&list.stdout) else {
            return;
        };
        for name in rows.iter().filter_map(|r| r["name"].as_str()) {
            capture::run(&mut self.lazaret(&["destroy", name]), b"");
            capture::run(&mut self.lazaret(&["undefine", name]), b"");
        }
        capture::run(&mut self.lazaret(&["list", "--all"]), b"");
    }

    /// What is there now and was not when this host was made, once it had time to go.
    pub fn left_behind(&self) -> Vec<String> {
        let Some(before) = &self.before else { return Vec::new() };
        let mut left = Vec::new();
        capture::until(Duration::from_secs(5), || {
            left = self.look().added_since(before);
            left.is_empty()
        });
        left
    }

    /// Fails the test if anything is there that was not when this host was made. Nothing is ended first.
    #[track_caller]
    pub fn nothing_is_left(&self) {
        let left = self.left_behind();
        assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
        let before = self.before.as_ref().expect("taken when the host was made");
        let lost = self.look().lost_since(before);
        assert!(lost.is_empty(), "gone from the host:\n{}", lost.join("\n"));
    }

    /// Gives this host up: what is left on it is cleared away, and was said elsewhere.
    pub fn give_up(&mut self) {
        self.clear();
        let _ = fs::remove_dir_all(self.run_directory());
        self.before = None;
    }

    fn clear(&self) {
        let mine = |group: &PathBuf| {
            group
                .to_string_lossy()
                .contains(&format!("-{}-{}", std::process::id(), self.number))
        };
        // What is frozen takes no signal.
        for group in kernel::groups().iter().filter(|g| mine(g)) {
            let _ = fs::write(group.join("freezer.state"), "THAWED");
            let _ = fs::write(group.join("cgroup.freeze"), "0");
        }
        for pid in kernel::processes(self.ids(), self.holder()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        capture::until(Duration::from_secs(5), || {
            kernel::processes(self.ids(), self.holder()).is_empty()
        });
        // Children first: their paths are longer.
        let mut groups: Vec<PathBuf> = kernel::groups().into_iter().filter(mine).collect();
        groups.sort_by_key(|g| std::cmp::Reverse(g.as_os_str().len()));
        for group in groups {
            let _ = fs::remove_dir(group);
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        let left = if failing || self.before.is_none() {
            Vec::new()
        } else {
            // Whatever fails there: what was made must go.
            let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                self.end_all();
                self.left_behind()
            }));
            looked.unwrap_or_else(|_| vec!["it could not be looked for".to_owned()])
        };
        self.clear();
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
        let _ = fs::remove_dir_all(&self.directory);
        if !failing && !left.is_empty() {
            panic!("left behind by this test:\n{}", left.join("\n"));
        }
    }
}

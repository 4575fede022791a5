//! `make escape-table`: the same probe in Lazaret and in the runtimes that people use, each with its defaults, started by root, and the table of
//! what it found. What would litter the machine runs in namespaces and groups that go with it.
//! usage: `escape_table`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::Host;

/// One runtime: its name, its program, and how the probe is run in it.
struct Runtime {
    name: &'static str,
    program: &'static str,
    run: fn(&Ground) -> Result<String, String>,
}

struct Ground {
    host: Host,
    root: PathBuf,
    disk: String,
}

/// Runs a command on the test's own host with a deadline, and returns its output if the probe came to its end.
fn probed(command: &mut Command) -> Result<String, String> {
    let said = tests::capture::run(command, b"");
    if said.stdout.lines().any(|l| l.trim() == "end 0") {
        Ok(said.stdout)
    } else {
        let last = said.stderr.lines().last().unwrap_or("it said nothing").to_owned();
        Err(format!("the probe did not come to its end: {last}"))
    }
}

fn shell(ground: &Ground, script: &str) -> Result<String, String> {
    let mut command = ground.host.command("sh");
    command.args(["-c", script, "sh"]).arg(&ground.root).arg(&ground.disk);
    probed(&mut command)
}

fn lazaret_run(ground: &Ground) -> Result<String, String> {
    let root = ground.root.display().to_string();
    probed(&mut ground.host.lazaret(&[
        "run",
        "--rootfs",
        &root,
        "--network",
        "none",
        "--",
        "/bin/probe",
        &ground.disk,
    ]))
}

fn lazaret_domain(ground: &Ground) -> Result<String, String> {
    let name = ground.host.name("table");
    let file = ground.host.domain_file(&name, "while :; do sleep 1000; done", "", "");
    ground.host.run(&["create", &file]).ok();
    let said = probed(&mut ground.host.lazaret(&["enter", &name, "--", "/bin/probe", &ground.disk]));
    ground.host.run(&["destroy", &name]).ok();
    said
}

fn lxc(ground: &Ground) -> Result<String, String> {
    // Its groups lie below one of ours, which is removed.
    let script = "t=$(mktemp -d); printf 'lxc.include = /usr/share/lxc/config/common.conf\\nlxc.rootfs.path = dir:%s\\nlxc.uts.name = probed\\nlxc.net.0.type = empty\\n\
        lxc.cgroup.dir = lazaret-escape-table/lxc\\n' \"$1\" > $t/config; mkdir -p $t/lib; lxc-execute -P $t/lib -n probed -f $t/config -- /bin/probe \"$2\"; s=$?; \
        find /sys/fs/cgroup -depth -type d -path '*/lazaret-escape-table*' -exec rmdir {} \\; 2>/dev/null; rm -rf $t; exit $s";
    shell(ground, script)
}

fn nspawn(ground: &Ground, options: &str) -> Result<String, String> {
    shell(
        ground,
        &format!(
            "mkdir -p /sys/fs/cgroup/systemd/lazaret-escape-table && sh -c 'echo $$ > /sys/fs/cgroup/systemd/lazaret-escape-table/cgroup.procs; \
             exec systemd-nspawn -q --register=no --keep-unit --pipe --private-network {options} -D \"$1\" /bin/probe \"$2\"' sh \"$1\" \"$2\"; s=$?; \
             find /sys/fs/cgroup -depth -type d -path '*/lazaret-escape-table*' -exec rmdir {{}} \\; 2>/dev/null; exit $s"
        ),
    )
}

fn oci(ground: &Ground, program: &str) -> Result<String, String> {
    let script = format!(
        "t=$(mktemp -d); cd $t; {program} spec || exit 1; jq --arg r \"$1\" --arg d \"$2\" '.root.path=$r | .root.readonly=false | .process.terminal=false | \
         .process.args=[\"/bin/probe\",$d] | .linux.cgroupsPath=\"/lazaret-escape-table/oci\"' config.json > c && mv c config.json; {program} --root $t/state run probed-$$; s=$?; \
         {program} --root $t/state delete -f probed-$$ 2>/dev/null; find /sys/fs/cgroup -depth -type d -path '*/lazaret-escape-table*' -exec rmdir {{}} \\; 2>/dev/null; cd /; rm -rf $t; exit $s"
    );
    shell(ground, &script)
}

fn bubblewrap(ground: &Ground) -> Result<String, String> {
    shell(
        ground,
        "exec bwrap --unshare-all --bind \"$1\" / --proc /proc --dev /dev --tmpfs /tmp /bin/probe \"$2\"",
    )
}

/// Started side by side with their defaults; where a safer way is offered by an option, it has a row of its own.
const RUNTIMES: [Runtime; 9] = [
    Runtime {
        name: "lazaret run",
        program: "sh",
        run: lazaret_run,
    },
    Runtime {
        name: "lazaret domain",
        program: "sh",
        run: lazaret_domain,
    },
    Runtime {
        name: "runc",
        program: "runc",
        run: |g| oci(g, "runc"),
    },
    Runtime {
        name: "crun",
        program: "crun",
        run: |g| oci(g, "crun"),
    },
    Runtime {
        name: "bubblewrap",
        program: "bwrap",
        run: bubblewrap,
    },
    Runtime {
        name: "systemd-nspawn -U",
        program: "systemd-nspawn",
        run: |g| nspawn(g, "-U"),
    },
    Runtime {
        name: "systemd-nspawn",
        program: "systemd-nspawn",
        run: |g| nspawn(g, ""),
    },
    Runtime {
        name: "LXC (common.conf)",
        program: "lxc-execute",
        run: lxc,
    },
    // It changes the owners of the whole host's hierarchies.
    Runtime {
        name: "libvirt-lxc",
        program: "libvirt_lxc",
        run: |_| Err("it changes the host's own control groups, so it is not started here".into()),
    },
];

fn field<'a>(said: &'a str, key: &str) -> &'a str {
    said.lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix(' '))
        .unwrap_or("?")
}

fn version(program: &str) -> String {
    let said = Command::new(program).arg("--version").output();
    let text = said
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        .unwrap_or_default();
    let word = text
        .split_whitespace()
        .find(|w| w.starts_with(|c: char| c.is_ascii_digit()));
    word.unwrap_or_default().to_owned()
}

fn main() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "needs root: run `sudo make escape-table`"
    );
    let host = Host::new();
    let root = host.image();
    let probe = std::env::current_exe()
        .expect("find this program")
        .with_file_name("probe");
    fs::copy(probe, root.join("bin/probe")).expect("copy the probe");
    fs::create_dir_all(root.join("usr/lib")).expect("make a directory");
    fs::write(root.join("etc/os-release"), "ID=probed\n").expect("write os-release");
    let disk = fs::read_to_string("/sys/block/vda/dev")
        .unwrap_or_default()
        .trim()
        .to_owned();
    let ground = Ground { host, root, disk };
    println!(
        "| runtime | capabilities | no-new-privileges | calls of 601 | writable below /proc, /sys | surfaces | ways to the host |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut not_run = Vec::new();
    for runtime in RUNTIMES {
        let there = tests::skip::have(runtime.program) || Path::new("/usr/lib/libvirt").join(runtime.program).exists();
        if !there {
            not_run.push(format!("{}: {} is not installed", runtime.name, runtime.program));
            continue;
        }
        match (runtime.run)(&ground) {
            Err(reason) => not_run.push(format!("{}: {reason}", runtime.name)),
            Ok(said) => {
                let ways: Vec<&str> = said.lines().filter_map(|l| l.strip_prefix("escape ")).collect();
                let name = format!(
                    "{} {}",
                    runtime.name,
                    if runtime.program == "sh" {
                        String::new()
                    } else {
                        version(runtime.program)
                    }
                );
                println!(
                    "| {} | {} | {} | {} | {} | {} | {} |",
                    name.trim(),
                    field(&said, "capabilities"),
                    if field(&said, "nnp") == "1" { "yes" } else { "no" },
                    field(&said, "calls"),
                    field(&said, "writable"),
                    field(&said, "surfaces"),
                    if ways.is_empty() {
                        "none".to_owned()
                    } else {
                        format!("{}: {}", ways.len(), ways.join(", "))
                    }
                );
            }
        }
    }
    for reason in not_run {
        println!("not run: {reason}");
    }
}

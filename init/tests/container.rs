//! Containers that `init` built, as the kernel sees them from inside. Needs root.

mod host;

use host::{container, is_root, run};

const INIT: &str = env!("CARGO_BIN_EXE_init");

#[test]
fn a_command_runs_in_namespaces_of_its_own_as_its_own_root() {
    if !is_root() {
        return;
    }
    let script = "echo pid $$ ppid $PPID; id; hostname; cat /proc/self/uid_map; cat /proc/1/comm; for n in user mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done; exit 7";
    let (text, status) = run(container(script), INIT, "namespaces");
    eprintln!("{text}");
    assert_eq!(status, 7 << 8, "{text}");
    assert!(
        text.contains("uid=0(root) gid=0(root) groups=0(root)") || text.contains("uid=0(root) gid=0(root)\n"),
        "{text}"
    );
    assert!(text.contains("\ninside\n"), "{text}");
    for n in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let ours = std::fs::read_link(format!("/proc/self/ns/{n}")).unwrap();
        assert!(
            text.contains(&format!("{n}:[")) && !text.contains(ours.to_str().unwrap()),
            "{n}: {text}"
        );
    }
}

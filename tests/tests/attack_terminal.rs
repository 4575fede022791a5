//! Terminals: the caller's own never enters a container, and the container's own is what it seems.

use tests::{Ground, need_root};

fn ground() -> Ground {
    Ground::new(env!("CARGO_BIN_EXE_attack"))
}

/// CVE-2017-5226, CVE-2016-10124: characters pushed into the terminal of the caller, who executes them when the container has ended.
#[test]
fn cve_2017_5226_nothing_is_typed_into_the_callers_terminal() {
    need_root!();
    let ground = ground();
    let lazaret = tests::programs::path(wire::Program::Lazaret);
    let lazaret = lazaret.to_str().unwrap();
    let image = ground.host.image();
    let root = image.to_str().unwrap();
    let attack = format!(
        "attack push \"touch {}/PWN\n\" >/dev/null; echo pushed",
        ground.canary.directory().display()
    );
    let system = ground.system();
    let run: Vec<&str> = vec![
        lazaret,
        "run",
        "--rootfs",
        root,
        "--network",
        "none",
        "--",
        "sh",
        "-c",
        &attack,
    ];
    let on_a_console: Vec<&str> = vec![
        lazaret,
        "run",
        "--tty",
        "--rootfs",
        root,
        "--network",
        "none",
        "--",
        "sh",
        "-c",
        &attack,
    ];
    let enter: Vec<&str> = vec![lazaret, "enter", &system, "--", "sh", "-c", &attack];
    for words in [run, on_a_console, enter] {
        let mut command = ground.host.command("sh");
        // The shell of a caller: it runs the command and then what was typed.
        command.args([
            "-c",
            "\"$@\"; echo ended; read -t 1 line; echo \"typed:[$line]\"",
            "bash",
        ]);
        command.args(&words);
        let mut terminal = tests::terminal::Terminal::start(&command, 24, 80);
        terminal.expect("pushed");
        terminal.expect("ended");
        terminal.expect("typed:[]");
        terminal.wait();
        ground.canary.lives("");
    }
}

/// CVE-2025-52565: /dev/console was bound from a path in the image, which led elsewhere.
#[test]
fn cve_2025_52565_the_console_is_a_terminal_of_a_devpts_of_its_own() {
    need_root!();
    let ground = ground();
    let image = ground.host.image();
    // Links where the runtime makes the terminals, the console, and what leads to both.
    for (at, target) in [
        ("dev/pts", "/proc"),
        ("dev/console", "/proc/sys/kernel/core_pattern"),
        ("dev/ptmx", "/proc/sysrq-trigger"),
        ("dev/tty1", "/proc/sysrq-trigger"),
    ] {
        std::os::unix::fs::symlink(target, image.join(at)).unwrap();
    }
    let script = "stat -c '%F %t' /dev/console $(tty) | sed 's/ ..$/ major/'; stat -f -c %T /dev/pts /dev/console; [ -e /dev/pts/1/status ] || echo end";
    let mut terminal = ground.host.terminal(&[
        "run",
        "--tty",
        "--rootfs",
        image.to_str().unwrap(),
        "--network",
        "none",
        "--",
        "sh",
        "-c",
        script,
    ]);
    terminal.expect("end");
    terminal.wait();
    // In a domain, whose console is at /dev/console too, the kernel is asked.
    let name = ground.system();
    let said = ground
        .enter(
            &name,
            "stat -c '%F %t' /dev/console /dev/tty1; grep -E ' /dev/(console|pts|tty1) ' /proc/self/mountinfo",
        )
        .ok();
    let mut lines = said.stdout.lines();
    for _ in 0..2 {
        assert_eq!(lines.next(), Some("character special file 88"), "{said}");
    }
    assert_eq!(lines.clone().count(), 3, "{said}");
    assert!(lines.all(|l| l.contains(" - devpts ")), "{said}");
    ground.canary.lives(&said.stdout);
}

//! What `lazaret` prints about the host, its protocols and itself, for people and for programs.

use std::process::Command;
use tests::{Host, capture, need_root, programs};
use wire::Program;

fn plain(arguments: &[&str], input: &[u8]) -> capture::Outcome {
    // As an ordinary user: it needs no power for these.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    command.arg(programs::copied(Program::Lazaret)).args(arguments);
    capture::run(&mut command, input)
}

#[test]
fn check_says_whether_containers_can_run_here() {
    need_root!();
    let host = Host::new();
    let facts = host.run(&["check", "--json"]).ok().json();
    assert_eq!(facts["able"], true, "{facts}");
    let text = host.run(&["check"]).ok().stdout;
    for word in [
        "kernel",
        "control groups",
        "user namespaces",
        "Landlock",
        "network",
        "ids",
    ] {
        assert!(text.contains(word), "{word} is missing:\n{text}");
    }
    // Where the main job cannot run it says so with status 1, and the command that mends it.
    host.policy("ids 1 1");
    let said = host.run(&["check"]);
    assert!(said.code() == 1 && !(said.stdout + &said.stderr).is_empty());
    // A policy that cannot be read is what is told, and no command that mends something else.
    host.policy("devise /dev/null somebody");
    let said = host.run(&["check"]).exits(1).stdout;
    let line = "\"devise /dev/null somebody\" is not a statement of this file";
    assert!(said.contains(line) && !said.contains("usermod"), "{said}");
    host.policy("");
}

/// Help of a verb, and what is said of a command line that is wrong, are that verb's.
#[test]
fn help_is_the_verbs_own() {
    need_root!();
    let host = Host::new();
    for words in [&["run", "--help"][..], &["run", "-h"], &["help", "run"]] {
        let help = host.run(words).ok().stdout;
        assert!(
            help.starts_with("Run a command in a container of its own\n\nUsage: "),
            "{help}"
        );
    }
    let help = host.run(&["policy", "show", "--help"]).ok().stdout;
    assert!(help.starts_with("Show what a policy gives\n\nUsage: "), "{help}");
    for (words, said) in [
        (&["rnu"][..], "lazaret: there is no verb rnu; see lazaret --help\n"),
        (
            &["list", "--bogus"],
            "lazaret: unexpected argument '--bogus' found; see lazaret list --help\n",
        ),
        (
            &["policy", "bogus"],
            "lazaret: there is no verb bogus; see lazaret policy --help\n",
        ),
        (
            &["policy", "show"],
            "lazaret: the following required arguments were not provided: <WHAT>; see lazaret policy show --help\n",
        ),
    ] {
        assert_eq!(host.run(words).exits(2).stderr, said);
    }
}

#[test]
fn frames_become_lines_and_lines_frames() {
    need_root!();
    let line = br#"{"descriptors":[4],"message":{"WriteMaps":{"uid":[{"inside":0,"outside":100000,"count":65536}],"gid":[]}}}"#;
    let mut command = Command::new("sh");
    let lazaret = programs::copied(Program::Lazaret);
    // Through a shell pipeline: bytes are no text.
    let both = format!("{0} wire encode idmapd | {0} wire decode idmapd", lazaret.display());
    command.args([
        "-c",
        "exec setpriv --reuid=65534 --regid=65534 --clear-groups -- sh -c \"$1\"",
        "sh",
        &both,
    ]);
    let said = capture::run(&mut command, line).ok();
    let (before, after): (serde_json::Value, serde_json::Value) = (serde_json::from_slice(line).unwrap(), said.json());
    assert_eq!(before, after);
    for bad in [&b"not json"[..], br#"{"descriptors":[],"message":"Nonsense"}"#] {
        plain(&["wire", "encode", "idmapd"], bad).refused(1, &[]);
    }
    plain(&["wire", "decode", "idmapd"], b"LZRT\x02\0\0\0\0\0\0\0").refused(1, &["version"]);
    plain(&["wire", "decode", "idmapd"], b"LZ").refused(1, &["cut"]);
    plain(&["wire", "decode", "nobody"], b"").exits(2);
    programs::forget_copies();
}

#[test]
fn every_verb_has_help_with_an_example_or_a_line_and_a_man_page() {
    need_root!();
    let pages = plain(&["generate", "man"], b"").ok().stdout;
    let help = plain(&["--help"], b"").ok().stdout;
    let commands = help.split("Commands:\n").nth(1).expect("a list of verbs");
    let commands = commands.lines().take_while(|l| !l.is_empty());
    let verbs: Vec<&str> = commands
        .filter(|l| l.starts_with("  ") && !l.starts_with("   "))
        .filter_map(|l| l.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(
        verbs.len() > 60 && verbs.contains(&"run") && verbs.contains(&"net-dhcp-leases"),
        "{verbs:?}"
    );
    for verb in verbs {
        assert!(
            pages
                .lines()
                .any(|p| p.trim_end_matches(".1") == format!("lazaret-{verb}")),
            "{verb} has no man page"
        );
        plain(&[verb, "--help"], b"").ok();
    }
    for page in pages.lines() {
        assert!(
            plain(&["generate", "man", page], b"").ok().stdout.contains(".TH "),
            "{page}"
        );
    }
    for shell in plain(&["generate", "completions"], b"").ok().stdout.lines() {
        assert!(
            plain(&["generate", "completions", shell], b"")
                .ok()
                .stdout
                .contains("lazaret"),
            "{shell}"
        );
    }
    programs::forget_copies();
}

#[test]
fn an_ordinary_user_is_told_to_run_it_as_root() {
    need_root!();
    for arguments in [&["list"][..], &["start", "x"]] {
        let said = plain(arguments, b"");
        assert!(
            said.code() == 1 && said.stderr.lines().count() == 1 && said.stderr.contains("root"),
            "{said}"
        );
    }
    let said = plain(&["run", "--", "true"], b"");
    assert!(
        said.code() == 125 && said.stderr.lines().count() == 1 && said.stderr.contains("root"),
        "{said}"
    );
    programs::forget_copies();
}

//! That the options are consistent, and that the launcher reads the same words as they.

use super::*;

fn parse(line: &str) -> Result<Options, clap::Error> {
    Options::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definitions_are_consistent() {
    Options::command().debug_assert();
}

#[test]
fn what_a_verb_takes_is_put_together_for_that_verb_alone() {
    let command = Options::command();
    let early: Vec<&str> = command
        .get_subcommands()
        .filter(|v| v.get_arguments().next().is_some())
        .map(clap::Command::get_name)
        .collect();
    assert!(
        early.is_empty(),
        "their enum has no #[command(defer = true)]: {early:?}"
    );
}

#[test]
fn what_a_verb_does_is_said_of_it_everywhere() {
    let mut command = described();
    command.build();
    let about = |path: &[&str]| {
        let at = path.iter().fold(&command, |at, verb| at.find_subcommand(verb).unwrap());
        at.get_about().unwrap().to_string()
    };
    assert_eq!(about(&["run"]), "Run a command in a container of its own");
    assert_eq!(about(&["list"]), "List containers");
    assert_eq!(about(&["policy", "show"]), "Show what a policy gives");
    fn none_is_of_options(command: &Command) {
        for verb in command.get_subcommands() {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(
                !about.is_empty() && !about.starts_with("Options of"),
                "{}: {about}",
                verb.get_name()
            );
            none_is_of_options(verb);
        }
    }
    none_is_of_options(&command);
}

#[test]
fn every_option_of_run_is_understood() {
    let line = "lazaret run --rootfs /srv/box --name web --memory 128M --cpus 1.5 --pids 100 --network default \
        --bind /a:/b:ro --tmpfs /t:1M --publish 127.0.0.1:8080:80 --ulimit nofile=10:20 --env K=V --workdir /w --user 1:2 \
        --hostname h --cap-add net_raw --cap-drop ALL --seccomp f --unmask /proc/keys --tty -d --rm -- sh -c x --rm";
    let Verb::Run(run) = parse(line).unwrap().verb else {
        panic!()
    };
    assert_eq!(run.command, ["sh", "-c", "x", "--rm"]);
    assert!(run.detach && run.rm && run.tty && !run.plan);
}

#[test]
fn enter_takes_the_command_as_it_is_and_virshs_spelling() {
    let Verb::LxcEnterNamespace(e) = parse("lazaret lxc-enter-namespace vm1 --noseclabel -- ls -l")
        .unwrap()
        .verb
    else {
        panic!()
    };
    assert_eq!(
        (e.container.as_str(), e.command),
        ("vm1", vec!["ls".to_owned(), "-l".to_owned()])
    );
}

#[test]
fn the_launcher_reads_the_same_words_as_options() {
    let mut command = Options::command();
    command.build();
    let audit = command.get_subcommands().filter(|v| v.get_name() == "audit");
    let verbs = command
        .get_subcommands()
        .filter(|v| {
            [
                "run",
                "enter",
                "lxc-enter-namespace",
                "define",
                "create",
                "attach-device",
                "detach-device",
                "update-device",
                "domxml-from-native",
                "domxml-to-native",
            ]
            .contains(&v.get_name())
        })
        .chain(audit.flat_map(clap::Command::get_subcommands));
    let options = command
        .get_arguments()
        .chain(verbs.flat_map(clap::Command::get_arguments));
    let mut seen = 0;
    for option in options.filter(|o| !o.is_positional()) {
        let takes = option.get_action().takes_values();
        let letter = option.get_short().map(String::from);
        for name in option.get_long().map(str::to_owned).into_iter().chain(letter) {
            assert_eq!(wire::named::takes_value(&name), takes, "{name}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn the_launcher_finds_the_same_paths_in_them() {
    for line in [
        "lazaret run --rootfs /srv/box -dt -e K=V --bind /a:/b:ro --name x --bind=/c:/d sh --bind /e:/f",
        "lazaret run --pids 4 --read-only -tw/w --rootfs=/srv/box --rm -- sh --rootfs /x",
        "lazaret --run-dir /r run --bind /a:/b --cap-add ALL sh -c --bind /e:/f",
    ] {
        let Verb::Run(run) = parse(line).unwrap().verb else {
            panic!()
        };
        let words: Vec<String> = line.split_whitespace().skip(1).map(str::to_owned).collect();
        let found = wire::named::Named::by(&words).places;
        let binds = run.bind.iter().map(|b| (b.source.clone(), !b.read_only));
        let root = run.rootfs.iter().map(|r| (r.clone(), !run.read_only));
        let expected: Vec<(String, bool)> = binds.chain(root).collect();
        let found: Vec<(String, bool)> = found.into_iter().map(|p| (p.path, p.writable)).collect();
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn a_command_needs_no_hyphens_before_it() {
    let Verb::Run(run) = parse("lazaret run --rm sh -c x --rm").unwrap().verb else {
        panic!()
    };
    assert_eq!(run.command, ["sh", "-c", "x", "--rm"]);
}

#[test]
fn refuses_unknown_options_and_nonsense() {
    for bad in [
        "lazaret",
        "lazaret nope",
        "lazaret run",
        "lazaret run --memory 0 -- x",
        "lazaret run --pids 0 -- x",
        "lazaret run --nope -- x",
        "lazaret list --name --table",
        "lazaret start",
        "lazaret run --network x:y -- y",
        "lazaret wire encode nobody",
        "lazaret audit",
        "lazaret audit log --since yesterday",
        "lazaret audit log --verb dance",
        "lazaret audit verify --expect 3",
        "lazaret audit replay x",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

//! What the words of `lazaret`'s command line name: the places, files and directories that the launcher may open for it, each for one
//! use. Pure. `lazaret` and the launcher read the same words; a test of `lazaret`'s holds its options against [`takes_value`].
//!
//! A container's command and its arguments name nothing, with or without `--` before them.

use crate::launcher::Directory;
use crate::netd::Publish;

/// A host path that is to appear in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path, as it is written.
    pub path: String,
    /// Whether it is named to be written.
    pub writable: bool,
}

/// What a command line names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Directories of `lazaret`'s own.
    pub directories: Vec<(Directory, String)>,
    /// Definitions and policies to be read, and older files of the log of deeds.
    pub definitions: Vec<String>,
    /// Roots and binds of containers.
    pub places: Vec<Place>,
    /// Ports to be published.
    pub ports: Vec<Publish>,
    /// Whether the log of deeds is to be read, or to begin a new file.
    pub audit: bool,
    /// Whether the verb is one that gives a command's exit status.
    pub runs: bool,
    /// Whether the verb is one that starts, enters or ends a container: what that takes can be made ready before it is asked for.
    pub acts: bool,
}

/// Options of `run`, `enter`, `create`, `attach-device`, `audit` and `domxml-from-native`, and those of every verb, that take no value; letters are those of short options.
const FLAGS: [&str; 25] = [
    "read-only",
    "tty",
    "detach",
    "rm",
    "plan",
    "json",
    "noseclabel",
    "raw",
    "virt",
    "libvirt-idmap",
    "validate",
    "console",
    "autodestroy",
    "paused",
    "live",
    "config",
    "current",
    "persistent",
    "force",
    "help",
    "version",
    "t",
    "d",
    "h",
    "V",
];

/// Whether an option of `run`, `enter`, `audit`, `domxml-from-native` or of every verb, by its long name or its letter, takes a value.
pub fn takes_value(option: &str) -> bool {
    !FLAGS.contains(&option)
}

impl Named {
    /// Reads the words after the program's own name.
    pub fn by(words: &[String]) -> Self {
        let mut named = Self::default();
        let (mut verb, mut operands, mut options) = (None::<&str>, 0u8, true);
        let (mut read_only, mut rootfs, mut replay) = (false, Vec::new(), false);
        let mut rest = words.iter().map(String::as_str).peekable();
        while let Some(word) = rest.next() {
            let option = word.strip_prefix('-').filter(|letters| options && !letters.is_empty());
            let Some(option) = option else {
                match (verb, operands) {
                    (None, _) => {
                        verb = Some(word);
                        named.audit = word == "audit";
                        named.runs = matches!(word, "run" | "enter" | "lxc-enter-namespace");
                        named.acts = named.runs || matches!(word, "start" | "create" | "destroy");
                    }
                    (Some("audit"), 0) => {
                        operands = 1;
                        replay = word == "replay";
                    }
                    // The number of what is to be replayed.
                    (Some("audit"), 1) if replay => operands = 2,
                    (Some("audit"), _) => named.definitions.push(word.to_owned()),
                    (Some("domxml-from-native"), 0) => operands = 1,
                    (Some("define" | "create" | "net-define" | "net-create" | "domxml-from-native"), _) => {
                        named.definitions.push(word.to_owned());
                    }
                    (Some("attach-device" | "detach-device" | "update-device"), 1) => {
                        operands = 2;
                        named.definitions.push(word.to_owned());
                    }
                    // It runs a command, with the options of `run`.
                    (Some("policy"), 0) if word == "learn" => {
                        verb = Some("run");
                        named.runs = true;
                        named.acts = true;
                    }
                    (Some("policy"), 0) => operands = 1,
                    (Some("policy"), _) => named.definitions.push(word.to_owned()),
                    // A command, which begins here, is the container's own business.
                    (Some("run"), _) | (Some("enter" | "lxc-enter-namespace"), 1..) => break,
                    (Some(_), _) => operands = operands.saturating_add(1),
                }
                continue;
            };
            if word == "--" {
                options = false;
                continue;
            }
            let (name, attached) = match option.strip_prefix('-') {
                Some(long) => long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v))),
                None => short(option),
            };
            read_only |= name == "read-only";
            if !takes_value(name) {
                continue;
            }
            // What looks like an option is no value, to clap as well; a hyphen alone does not.
            let value = attached.or_else(|| rest.next_if(|next| *next == "-" || !next.starts_with('-')));
            let Some(value) = value else { continue };
            match (name, verb) {
                ("run-dir", _) => named.directories.push((Directory::Run, value.to_owned())),
                ("config-dir", _) => named.directories.push((Directory::Definitions, value.to_owned())),
                ("data-dir", _) => named.directories.push((Directory::Data, value.to_owned())),
                ("rootfs", Some("run")) => rootfs.push(value),
                ("bind", Some("run")) => named.places.push(bind(value)),
                ("seccomp", Some("run")) => named.definitions.push(value.to_owned()),
                ("xml", Some("domxml-to-native")) => named.definitions.push(value.to_owned()),
                ("publish", Some("run")) => named.ports.extend(value.parse::<Publish>()),
                _ => {}
            }
        }
        named.places.extend(rootfs.into_iter().map(|path| Place {
            path: path.to_owned(),
            writable: !read_only,
        }));
        named
    }
}

/// The first option of a word of letters that takes a value, with what follows it; or the last one, without.
fn short(letters: &str) -> (&str, Option<&str>) {
    for (at, letter) in letters.char_indices() {
        let (_, from) = letters.split_at(at);
        let (name, rest) = from.split_at(letter.len_utf8());
        if takes_value(name) {
            let value = rest.strip_prefix('=').unwrap_or(rest);
            return (name, (!rest.is_empty()).then_some(value));
        }
    }
    ("t", None)
}

/// The host's side of `SRC:DST[:ro]`.
fn bind(text: &str) -> Place {
    let mut parts = text.split(':');
    let path = parts.next().unwrap_or_default().to_owned();
    Place {
        path,
        writable: parts.nth(1) != Some("ro"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> Named {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Named::by(&words)
    }

    fn places(line: &str) -> Vec<(String, bool)> {
        named(line).places.into_iter().map(|p| (p.path, p.writable)).collect()
    }

    fn place(path: &str, writable: bool) -> (String, bool) {
        (path.to_owned(), writable)
    }

    fn names_nothing(line: &str) -> bool {
        let named = named(line);
        named
            == Named {
                runs: named.runs,
                acts: named.acts,
                ..Named::default()
            }
    }

    #[test]
    fn a_device_to_attach_is_named_and_its_container_is_not() {
        for line in [
            "attach-device vm1 a.xml --live",
            "detach-device --persistent vm1 a.xml",
            "update-device vm1 --config a.xml x.xml",
        ] {
            assert_eq!(named(line).definitions, ["a.xml"], "{line}");
        }
        assert!(names_nothing("attach-disk vm1 /dev/a b") && names_nothing("attach-device vm1"));
    }

    #[test]
    fn roots_and_binds_are_named_with_what_may_be_done_to_them() {
        let line = "run --rm --rootfs box -dt --bind /a:/x:ro --bind=/b:/y -e=K=V -wdir --bind /c:/z:rw sh";
        assert_eq!(
            places(line),
            [
                place("/a", false),
                place("/b", true),
                place("/c", true),
                place("box", true)
            ]
        );
        assert_eq!(
            places("run --rootfs /srv/box --read-only -- sh"),
            [place("/srv/box", false)]
        );
        let ports = ["80:80", "81:80/udp"].map(|p| p.parse::<Publish>().unwrap());
        assert_eq!(
            named("run --publish 80:80 --publish=81:80/udp --publish x y").ports,
            ports
        );
    }

    #[test]
    fn the_verb_is_the_first_word_that_is_no_option() {
        let runs = |line: &str| named(line).runs;
        assert!(runs("run -- true") && runs("--run-dir /x enter web -- run") && runs("lxc-enter-namespace web -- x"));
        assert!(!runs("list") && !runs("--run-dir run list") && !runs("start run"));
        let acts = |line: &str| named(line).acts;
        assert!(
            [
                "run -- true",
                "enter web -- list",
                "start web",
                "create x.xml",
                "destroy web"
            ]
            .into_iter()
            .all(acts)
        );
        assert!(
            !["list", "dominfo start", "--run-dir run plan destroy"]
                .into_iter()
                .any(acts)
        );
    }

    #[test]
    fn a_hyphen_alone_is_a_value() {
        assert_eq!(named("run --seccomp - --bind /a:/x sh").definitions, ["-"]);
        assert_eq!(places("run --env - --bind /a:/x sh"), [place("/a", true)]);
    }

    #[test]
    fn a_containers_command_names_nothing() {
        for line in [
            "run -- sh --bind /etc:/etc",
            "run sh --bind /etc:/etc --rootfs /root",
            "run --rm sh --run-dir /etc",
            "run -t sh --bind /etc:/etc",
            "run -dt sh --bind /etc:/etc",
            "run --name x sh --bind /etc:/etc --publish 22:22",
            "run -e K=V sh --bind /etc:/etc",
            "run -eK=V sh --bind /etc:/etc",
            "run -te K=V sh --bind /etc:/etc",
            "enter vm1 --rootfs /etc --bind /etc:/etc",
            "enter vm1 -- cat /etc/shadow --bind /etc:/etc",
            "start /etc",
            "define --rootfs /etc",
        ] {
            assert!(names_nothing(line), "{line}");
        }
    }

    #[test]
    fn policies_are_named_to_be_read() {
        assert_eq!(named("run --seccomp f --seccomp=/g -- x").definitions, ["f", "/g"]);
        assert_eq!(named("policy diff app ./f --json").definitions, ["app", "./f"]);
        for line in [
            "run x --seccomp f",
            "enter --seccomp f vm1 x",
            "policy check --seccomp f",
            "policy show -o f",
        ] {
            assert!(names_nothing(line), "{line}");
        }
    }

    #[test]
    fn configurations_of_another_format_are_named_to_be_read() {
        let line = "domxml-from-native --libvirt-idmap lxc-tools config --config-dir /c ./more";
        assert_eq!(named(line).definitions, ["config", "./more"]);
        assert!(names_nothing("domxml-from-native lxc-tools"));
        assert_eq!(named("domxml-to-native lxc-tools --xml a.xml").definitions, ["a.xml"]);
        assert!(names_nothing("domxml-to-native lxc-tools vm1") && names_nothing("define --xml a.xml"));
    }

    #[test]
    fn a_value_of_another_option_names_nothing() {
        for line in [
            "run --env --bind=/etc:/etc x",
            "run --hostname /etc -w /etc --user /etc x",
            "run --env=/etc=/etc x",
        ] {
            let of_options = named(line).places;
            let expected: &[(&str, bool)] = if line.contains("--bind") {
                &[("/etc", true)]
            } else {
                &[]
            };
            let found: Vec<(&str, bool)> = of_options.iter().map(|p| (p.path.as_str(), p.writable)).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn the_log_of_deeds_is_named_by_its_verb_and_older_files_by_their_names() {
        for line in [
            "audit verify --expect 3:00 --json a b",
            "audit --json log --container c a --since @0 b",
            "audit replay --raw 17 a --program netd b",
            "audit replay 17 a b",
        ] {
            assert_eq!(named(line).definitions, ["a", "b"], "{line}");
            assert!(named(line).audit);
        }
        for line in [
            "start audit",
            "enter vm1 audit",
            "run audit",
            "--run-dir audit list",
            "list",
        ] {
            assert!(!named(line).audit, "{line}");
        }
    }

    #[test]
    fn definitions_and_directories_are_named_for_one_use_each() {
        let found = named("--run-dir /r define --config-dir=/c a.xml --data-dir d");
        assert_eq!(found.definitions, ["a.xml"]);
        let expected = [
            (Directory::Run, "/r"),
            (Directory::Definitions, "/c"),
            (Directory::Data, "d"),
        ];
        let found: Vec<_> = found.directories.iter().map(|(d, p)| (*d, p.as_str())).collect();
        assert_eq!(found, expected);
        assert_eq!(named("define --validate a.xml").definitions, ["a.xml"]);
        assert_eq!(named("create -- --odd.xml").definitions, ["--odd.xml"]);
        assert_eq!(
            named("list --name --run-dir /r").directories,
            [(Directory::Run, "/r".to_owned())]
        );
    }
}

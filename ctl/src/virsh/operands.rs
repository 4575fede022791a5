//! A command as virsh reads it: options and operands by its names and in its order, put into the places where `lazaret` takes them. Pure.

use super::grammar::{Kind, Taken, of};
use crate::options::Options;
use clap::CommandFactory;

/// What is wrong with a command, in virsh's lines.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is no command, and keeps those beside it from being done.
    Early(Vec<String>),
    /// That is found out when it is done.
    Late(String),
}

/// What virsh calls an operand of ours.
fn name(verb: &str, operand: &clap::Arg) -> String {
    match operand.get_id().as_str() {
        "file" if verb == "domxml-from-native" => "config".to_owned(),
        "container" => "domain".to_owned(),
        "command" => "cmd".to_owned(),
        "kind" => "type".to_owned(),
        other => other.replace('_', "-"),
    }
}

/// What was given, by name; nothing behind a name that stands for itself.
type Given = Vec<(String, Option<String>)>;

/// Our own options of a verb beside virsh's, and whether each takes a value.
struct Beyond(Vec<(String, bool)>);

impl Beyond {
    fn of(verb: &clap::Command, whole: &clap::Command) -> Self {
        let arguments = verb.get_arguments().chain(whole.get_arguments());
        let long = |a: &clap::Arg| Some((a.get_long()?.to_owned(), a.get_action().takes_values()));
        Self(arguments.filter_map(long).collect())
    }

    fn takes_value(&self, name: &str) -> Option<bool> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, takes)| *takes)
    }
}

/// Puts options and operands into their places; words that are no verb of virsh's stay as they are.
pub fn placed(words: &[String]) -> Result<Vec<String>, Wrong> {
    let Some((verb, rest)) = words.split_first() else {
        return Ok(Vec::new());
    };
    let Some(takes) = of(verb) else {
        return Ok(words.to_vec());
    };
    let whole = Options::command();
    let known = whole.find_subcommand(verb).cloned().map(|mut known| {
        // What a verb takes is not known before it is built.
        known.build();
        known
    });
    let beyond = known
        .as_ref()
        .map_or(Beyond(Vec::new()), |known| Beyond::of(known, &whole));
    let given = given(verb, rest, &takes, &beyond).map_err(|line| Wrong::Early(vec![line]))?;
    if given.iter().any(|(name, _)| name == "help") {
        return Ok(vec![verb.clone(), "--help".to_owned()]);
    }
    let has = |t: &&Taken| given.iter().any(|(name, _)| name == t.name);
    // Our own, of all that there are.
    let all = matches!(verb.as_str(), "autostart" | "net-autostart")
        && given.iter().any(|(name, _)| matches!(name.as_str(), "list" | "boot"));
    let missing = takes.iter().filter(|t| t.required && !all && !has(t));
    let missing: Vec<String> = missing
        .map(|t| match t.kind {
            Kind::Number => format!("command '{verb}' requires --{} option", t.name),
            _ => format!("command '{verb}' requires <{}> option", t.name),
        })
        .collect();
    if !missing.is_empty() {
        return Err(Wrong::Early(missing));
    }
    let empty = takes
        .iter()
        .filter(|t| t.required && !t.further && t.kind == Kind::Text && !may_be_empty(verb, t.name));
    for one in empty {
        if given
            .iter()
            .any(|(n, value)| n == one.name && value.as_deref() == Some(""))
        {
            return Err(Wrong::Late(format!(
                "Failed to get option '{}': Option argument is empty",
                one.name
            )));
        }
    }
    let places: Vec<String> = match &known {
        Some(known) => known.get_positionals().map(|p| name(verb, p)).collect(),
        // Of what is not here the operands alone are told.
        None => takes.iter().filter(|t| t.required).map(|t| t.name.to_owned()).collect(),
    };
    Ok(arranged(verb, given, &places))
}

/// An operand that says something by being empty.
fn may_be_empty(verb: &str, name: &str) -> bool {
    matches!((verb, name), ("attach-disk" | "change-media", "source"))
}

/// What is meant by virsh's other names of an option, which its help does not tell.
fn meant<'a>(verb: &str, name: &'a str) -> &'a str {
    match (verb, name) {
        ("setmem" | "setmaxmem", "kilobytes") => "size",
        ("domif-getlink", "persistent") => "config",
        _ => name,
    }
}

/// Reads what follows a verb.
fn given(verb: &str, rest: &[String], takes: &[Taken], beyond: &Beyond) -> Result<Given, String> {
    let mut given: Given = Vec::new();
    let (mut rest, mut data) = (rest.iter(), false);
    while let Some(word) = rest.next() {
        let long = word.strip_prefix("--").filter(|_| !data);
        if long == Some("") {
            data = true;
            continue;
        }
        if let Some(long) = long.filter(|l| l.starts_with(|c: char| c.is_ascii_alphanumeric())) {
            let (name, attached) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
            let name = meant(verb, name);
            let one = takes.iter().find(|t| t.name == name);
            let inside = verb == "lxc-enter-namespace" && given.iter().any(|(n, _)| n == "cmd");
            let value = match (one, beyond.takes_value(name)) {
                _ if name == "help" => Some(false),
                // What is executed inside has options of its own.
                (None, _) if inside => None,
                (Some(one), _) if !one.further && given.iter().any(|(n, _)| n == name) => {
                    return Err(format!("option --{name} already seen"));
                }
                (Some(one), _) => Some(one.kind != Kind::Flag),
                (None, Some(takes)) => Some(takes),
                (None, None) => return Err(format!("command '{verb}' doesn't support option --{name}")),
            };
            match (value, attached) {
                (Some(false), Some(_)) => return Err(format!("invalid '=' after option --{name}")),
                (Some(false), None) => given.push((name.to_owned(), None)),
                (Some(true), attached) => {
                    let value = attached.map(str::to_owned).or_else(|| rest.next().cloned());
                    let kind = one.map_or(Kind::Text, |o| o.kind);
                    let kind = if kind == Kind::Number { "number" } else { "string" };
                    let value = value.ok_or_else(|| format!("expected syntax: --{name} <{kind}>"))?;
                    given.push((name.to_owned(), Some(value)));
                }
                (None, _) => given.push(("cmd".to_owned(), Some(word.clone()))),
            }
            continue;
        }
        let free =
            |t: &&Taken| t.kind != Kind::Flag && !t.by_name && (t.further || !given.iter().any(|(n, _)| n == t.name));
        let one = takes
            .iter()
            .find(free)
            .ok_or_else(|| format!("unexpected data '{word}'"))?;
        given.push((one.name.to_owned(), Some(word.clone())));
    }
    Ok(given)
}

/// The words as `lazaret` takes them: options, then what has a place.
fn arranged(verb: &str, given: Given, places: &[String]) -> Vec<String> {
    let (mut options, mut placed) = (Vec::new(), Vec::new());
    for (name, value) in given {
        match (places.iter().position(|p| *p == name), value) {
            (Some(at), Some(value)) => placed.push((at, value)),
            (_, Some(value)) => options.push(format!("--{name}={value}")),
            (_, None) => options.push(format!("--{name}")),
        }
    }
    // Of one place, in the order in which they came.
    placed.sort_by_key(|(at, _)| *at);
    let mut all = vec![verb.to_owned()];
    all.extend(options);
    if placed.iter().any(|(_, value)| value.starts_with('-')) {
        all.push("--".to_owned());
    }
    all.extend(placed.into_iter().map(|(_, value)| value));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn named_operands_find_their_places() {
        for (line, expected) in [
            ("list --all", "list --all"),
            (
                "memtune vm1 1 2 --config",
                "memtune --hard-limit=1 --soft-limit=2 --config vm1",
            ),
            (
                "memtune vm1 --hard-limit 5 6",
                "memtune --hard-limit=5 --soft-limit=6 vm1",
            ),
            ("shutdown vm1 signal", "shutdown --mode=signal vm1"),
            ("start --domain vm1 --console", "start --console vm1"),
            (
                "console --devname console1 --domain=vm1",
                "console --devname=console1 vm1",
            ),
            ("define --validate --file a.xml", "define --validate a.xml"),
            ("send-process-signal --pid 1 vm1 term", "send-process-signal vm1 1 term"),
            ("send-process-signal -- vm1 -1 -9", "send-process-signal -- vm1 -1 -9"),
            (
                "lxc-enter-namespace vm1 /bin/ls --color -l",
                "lxc-enter-namespace -- vm1 /bin/ls --color -l",
            ),
            (
                "lxc-enter-namespace vm1 -- /bin/ls --noseclabel",
                "lxc-enter-namespace -- vm1 /bin/ls --noseclabel",
            ),
            (
                "lxc-enter-namespace vm1 /bin/etcd --data-dir /x",
                "lxc-enter-namespace -- vm1 /bin/etcd --data-dir /x",
            ),
            ("setmem vm1 --kilobytes 1024", "setmem vm1 1024"),
            ("domif-getlink vm1 eth0 --persistent", "domif-getlink --config vm1 eth0"),
            ("autostart --list", "autostart --list"),
            ("net-autostart --list", "net-autostart --list"),
            ("desc vm1 a --config b", "desc --config vm1 a b"),
            ("dominfo vm1 --json", "dominfo --json vm1"),
            ("dominfo --help", "dominfo --help"),
            ("save --file /f vm1", "save vm1 /f"),
            ("run --name domain -- x --domain y", "run --name domain -- x --domain y"),
            ("nope --domain x", "nope --domain x"),
        ] {
            assert_eq!(placed(&words(line)), Ok(words(expected)), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_as_virsh_says_it() {
        for (line, said) in [
            ("list --all --all", "option --all already seen"),
            ("list --all=yes", "invalid '=' after option --all"),
            ("list x", "unexpected data 'x'"),
            ("list -a", "unexpected data '-a'"),
            ("list --nope=3", "command 'list' doesn't support option --nope"),
            ("dominfo --domain", "expected syntax: --domain <string>"),
            ("cpu-stats d1 --count", "expected syntax: --count <number>"),
            ("dumpxml d1 //memory", "unexpected data '//memory'"),
            ("save d1", "command 'save' requires <file> option"),
            ("setmem d1", "command 'setmem' requires --size option"),
        ] {
            assert_eq!(placed(&words(line)), Err(Wrong::Early(vec![said.to_owned()])), "{line}");
        }
        let both = ["domain", "interface"].map(|w| format!("command 'domifstat' requires <{w}> option"));
        assert_eq!(placed(&words("domifstat")), Err(Wrong::Early(both.to_vec())));
        let empty = "Failed to get option 'domain': Option argument is empty";
        for line in ["dominfo ", "dominfo --domain="] {
            assert_eq!(placed(&words(line)), Err(Wrong::Late(empty.to_owned())), "{line}");
        }
    }

    #[test]
    fn what_virsh_asks_for_has_its_place_here() {
        let whole = Options::command();
        let mut without = Vec::new();
        for command in whole.get_subcommands() {
            let verb = command.get_name();
            let Some(takes) = of(verb) else { continue };
            let mut known = command.clone();
            known.build();
            let there = |one: &&Taken| {
                known.get_positionals().any(|p| name(verb, p) == one.name)
                    || known.get_arguments().any(|a| a.get_long() == Some(one.name))
            };
            let asked = takes.iter().filter(|t| t.required && !there(t));
            without.extend(asked.map(|t| format!("{verb} {}", t.name)));
        }
        assert_eq!(without, Vec::<String>::new());
    }
}

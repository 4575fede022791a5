//! Operands that virsh lets be named (`--domain vm1`) in the places where `lazaret` takes them. Pure.

use crate::options::Options;
use clap::CommandFactory;

/// What virsh calls an operand of ours.
fn name(operand: &clap::Arg) -> String {
    match operand.get_id().as_str() {
        "container" => "domain".to_owned(),
        "command" => "cmd".to_owned(),
        other => other.replace('_', "-"),
    }
}

/// Puts operands that are named into their places; the words as they are where none is.
pub fn placed(words: &[String]) -> Vec<String> {
    let (Some((verb, rest)), command) = (words.split_first(), Options::command()) else {
        return words.to_vec();
    };
    let Some(mut known) = command.find_subcommand(verb).cloned() else {
        return words.to_vec();
    };
    // What a verb takes is not known before it is built.
    known.build();
    let names: Vec<String> = known.get_positionals().map(name).collect();
    let named = |word: &str| {
        let long = word.strip_prefix("--")?;
        let (long, value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
        Some((names.iter().position(|n| n == long)?, value.map(str::to_owned)))
    };
    let before = rest.iter().take_while(|w| *w != "--");
    let more = before.clone().filter(|w| !w.starts_with('-')).count() > names.len() && !further(verb).is_empty();
    if !more && !before.clone().any(|w| named(w).is_some()) {
        return words.to_vec();
    }
    let takes_value = |word: &str| {
        let long = word.strip_prefix("--").filter(|l| !l.contains('='));
        let option = known.get_arguments().chain(command.get_arguments());
        let mut option = option.filter(|a| long.is_some() && a.get_long() == long);
        option.next().is_some_and(|a| a.get_action().takes_values())
    };
    let mut places: Vec<Option<String>> = vec![None; names.len()];
    let (mut options, mut more, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            plain.extend(rest.by_ref().cloned());
        } else if let Some((at, value)) = named(word) {
            let value = value.or_else(|| rest.next().cloned());
            match places.get_mut(at) {
                Some(place) if place.is_none() => *place = value,
                _ => more.extend(value),
            }
        } else if word.starts_with("--") {
            options.push(word.clone());
            if takes_value(word) {
                options.extend(rest.next().cloned());
            }
        } else {
            plain.push(word.clone());
        }
    }
    let mut plain = plain.into_iter();
    for place in places.iter_mut().filter(|p| p.is_none()) {
        *place = plain.next();
    }
    for option in further(verb) {
        let given = |w: &String| w.strip_prefix("--").and_then(|w| w.split('=').next()) == Some(option);
        if !options.iter().any(given)
            && let Some(value) = plain.next()
        {
            options.push(format!("--{option}={value}"));
        }
    }
    let mut all = vec![verb.clone()];
    all.extend(options);
    all.push("--".to_owned());
    all.extend(places.into_iter().flatten().chain(more).chain(plain));
    all
}

/// The options that take a value and may be said by their place alone, behind the operands, as virsh has them.
fn further(verb: &str) -> &'static [&'static str] {
    match verb {
        "memtune" => &["hard-limit", "soft-limit", "swap-hard-limit", "min-guarantee"],
        "blkiotune" => &[
            "weight",
            "device-weights",
            "device-read-iops-sec",
            "device-write-iops-sec",
            "device-read-bytes-sec",
            "device-write-bytes-sec",
        ],
        "shutdown" | "reboot" => &["mode"],
        "start" | "create" => &["pass-fds"],
        "domhostname" | "domifaddr" => &["source"],
        "metadata" => &["key", "set"],
        "cpu-stats" => &["start", "count"],
        "event" => &["event", "timeout"],
        "dumpxml" => &["xpath"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_operands_find_their_places() {
        let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
        for (line, expected) in [
            ("list vm1", "list vm1"),
            (
                "memtune vm1 1 2 --config",
                "memtune --config --hard-limit=1 --soft-limit=2 -- vm1",
            ),
            (
                "memtune vm1 --hard-limit 5 6",
                "memtune --hard-limit 5 --soft-limit=6 -- vm1",
            ),
            ("shutdown vm1 signal", "shutdown --mode=signal -- vm1"),
            ("start --domain vm1 --console", "start --console -- vm1"),
            (
                "console --devname console1 --domain=vm1",
                "console --devname console1 -- vm1",
            ),
            ("define --validate --file a.xml", "define --validate -- a.xml"),
            ("run --name domain -- x --domain y", "run --name domain -- x --domain y"),
            ("nope --domain x", "nope --domain x"),
        ] {
            assert_eq!(placed(&words(line)), words(expected), "{line}");
        }
    }
}

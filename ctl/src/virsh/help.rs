//! `help` and `--help` as virsh lays them out, from the option definitions of `lazaret`. Pure.

use super::builtin;
use crate::options::{Options, described};
use clap::{Command, CommandFactory};

/// A group of verbs: its title, the keyword that asks for it alone, and whether a verb is in it. A verb is in the first that has it.
struct Group {
    title: &'static str,
    keyword: &'static str,
    holds: fn(&str) -> bool,
}

const GROUPS: [Group; 5] = [
    Group {
        title: "What virsh does not have",
        keyword: "lazaret",
        holds: |verb| {
            [
                "run",
                "enter",
                "logs",
                "wait",
                "plan",
                "privileges",
                "audit",
                "policy",
                "check",
                "wire",
                "top",
            ]
            .contains(&verb)
        },
    },
    Group {
        title: "Domain Monitoring",
        keyword: "monitor",
        holds: |verb| {
            let known = [
                "list",
                "dominfo",
                "domstate",
                "dommemstat",
                "domstats",
                "domiflist",
                "domifaddr",
                "domifstat",
            ];
            known.contains(&verb) || ["domblk"].iter().any(|p| verb.starts_with(p))
        },
    },
    Group {
        title: "Networking",
        keyword: "network",
        holds: |verb| verb.starts_with("net-"),
    },
    Group {
        title: "Host and Hypervisor",
        keyword: "host",
        holds: |verb| {
            let known = ["capabilities", "hostname", "uri", "version", "freecell", "freepages"];
            known.contains(&verb) || verb.starts_with("node")
        },
    },
    Group {
        title: "Domain Management",
        keyword: "domain",
        holds: |_| true,
    },
];

/// The group of virsh's own commands.
const OWN: (&str, &str) = ("Virsh itself", "virsh");

fn verbs(command: &Command) -> impl Iterator<Item = (&str, String)> {
    let shown = |c: &&Command| !c.is_hide_set() && c.get_name() != "help";
    let about = |c: &Command| c.get_about().map(ToString::to_string).unwrap_or_default();
    command
        .get_subcommands()
        .filter(shown)
        .map(move |c| (c.get_name(), about(c)))
}

fn listed(title: &str, keyword: &str, mut verbs: Vec<(&str, String)>) -> String {
    verbs.sort();
    let lines = verbs.iter().map(|(name, about)| format!("    {name:<30} {about}\n"));
    format!(" {title} (help keyword '{keyword}'):\n{}\n", lines.collect::<String>())
}

fn group(wanted: &Group, command: &Command) -> String {
    let of = |verb: &str| GROUPS.iter().find(|g| (g.holds)(verb)).map(|g| g.keyword);
    let verbs = verbs(command).filter(|(verb, _)| of(verb) == Some(wanted.keyword));
    listed(wanted.title, wanted.keyword, verbs.collect())
}

fn own() -> String {
    let (title, keyword) = OWN;
    listed(title, keyword, builtin::ALL.map(|(n, a)| (n, a.to_owned())).to_vec())
}

/// Every verb, by group.
pub fn all() -> String {
    let command = Options::command();
    let groups = GROUPS.iter().rev().map(|g| group(g, &command)).collect::<String>();
    format!("Grouped commands:\n\n{groups}{}", own())
}

/// One verb, or one group; the error says that there is none.
pub fn about(what: &str) -> Result<String, String> {
    let mut command = Options::command().bin_name("virsh");
    if let Some(wanted) = GROUPS.iter().find(|g| g.keyword == what) {
        return Ok(group(wanted, &command));
    }
    if OWN.1 == what {
        return Ok(own());
    }
    if let Some((name, about)) = builtin::ALL.iter().find(|(name, _)| *name == what) {
        return Ok(format!("  NAME\n    {name} - {about}\n\n"));
    }
    command = described().bin_name("virsh");
    command.build();
    let verb = command.find_subcommand_mut(what);
    let verb = verb.ok_or_else(|| format!("command or command group '{what}' doesn't exist"))?;
    Ok(format!("  NAME\n    {what} - {}\n", verb.render_long_help()))
}

/// What `virsh --help` prints.
pub fn options() -> String {
    format!(
        "\nvirsh [options]... [<command_string>]\nvirsh [options]... <command> [args...]\n\n  options:\n\
         \x20   -c | --connect=URI      lxc:/// (or lxc:///system, lxc://), which is what there is\n\
         \x20   -e | --escape <char>    the key that leaves a console, as ^A\n\
         \x20   -h | --help             this help\n\
         \x20   -q | --quiet            say nothing beside the answer\n\
         \x20   -r | --readonly         refuse what changes anything\n\
         \x20   -t | --timing           say how long each command took\n\
         \x20   -v, --version[=short]   the version; -V, --version=long with what this is\n\
         \x20   -d, -k, -K NUM          accepted: there is nothing to debug or keep alive\n\
         \x20   --run-dir, --config-dir, --data-dir DIR   as lazaret(1) has them\n\n  commands:\n\n{}",
        all()
    )
}

/// What `virsh -V` prints.
pub fn version() -> String {
    format!(
        "Lazaret {} under the name of virsh, for lxc:/// alone\n",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_is_in_one_group_and_has_its_help() {
        let text = all();
        for (verb, about_it) in verbs(&Options::command()) {
            let line = format!("    {verb:<30} {about_it}\n");
            assert_eq!(text.matches(&line).count(), 1, "{verb}");
            assert!(about(verb).unwrap().contains(verb));
        }
        assert!(about("domain").unwrap().contains("    start "));
        assert!(about("virsh").unwrap().contains("    quit "));
        assert!(about("nope").unwrap_err().contains("doesn't exist"));
    }
}

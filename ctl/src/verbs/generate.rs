//! `generate`: man pages and shell completions from the option definitions, to standard output: this process may write nowhere else.
//! May touch: standard output.

use crate::error::{Error, Outcome};
use crate::options::{Generate, Generated, described};
use crate::output::print_bytes;
use clap::Command;
use clap_complete::Shell;
use policies::options;
use wire::Program;

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// The pages: one for `lazaret`, one for each verb that is not hidden, and for each verb of a verb.
fn pages() -> Vec<(String, Command)> {
    let mut root = described();
    root.build();
    let mut pages = vec![("lazaret".to_owned(), root.clone())];
    below("lazaret", &root, &mut pages);
    pages
}

fn below(name: &str, command: &Command, pages: &mut Vec<(String, Command)>) {
    let shown = |c: &&Command| !c.is_hide_set() && c.get_name() != "help";
    for verb in command.get_subcommands().filter(shown) {
        let name = format!("{name}-{}", verb.get_name());
        pages.push((name.clone(), verb.clone().display_name(&name)));
        below(&name, verb, pages);
    }
}

/// Every program but `lazaret`, which has a page for each verb.
fn pieces() -> impl Iterator<Item = Program> {
    Program::ALL.into_iter().filter(|p| *p != Program::Lazaret)
}

/// The page of a piece, from the one table of options that all pieces have.
fn piece(program: Program) -> Command {
    let mut command = Command::new(program.name())
        .about(program.about())
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true);
    if program == Program::Launcher {
        return command
            .after_help("It is executed by lazaret itself, when that is started by root, and has no options.");
    }
    for flag in options::OPTIONS {
        let name = flag.name.trim_start_matches('-');
        let arg = clap::Arg::new(name).long(name).help(flag.about);
        command = command.arg(match flag.value {
            Some(value) => arg.value_name(value),
            None => arg.action(clap::ArgAction::SetTrue),
        });
    }
    let statuses: String = options::STATUSES
        .iter()
        .map(|(n, about)| format!("\n{n}: {about}"))
        .collect();
    command
        .arg(clap::Arg::new("PROGRAM").last(true).num_args(1..).help(options::REST))
        .after_help(format!("Exit status:{statuses}"))
}

/// The pages of section 8: one for each piece, and that of the program which a piece becomes by hand.
fn programs() -> impl Iterator<Item = (String, Command)> {
    let byhand = Command::new("byhand")
        .about("Works a piece by hand: what a piece executes when it is not started by the launcher")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(
            clap::Arg::new("PIECE")
                .required(true)
                .help("The name of a piece; its own page says what may follow"),
        )
        .arg(
            clap::Arg::new("OPTION")
                .num_args(0..)
                .allow_hyphen_values(true)
                .help("What the piece was told"),
        );
    let pieces = pieces().map(|p| (p.name().to_owned(), piece(p)));
    pieces.chain([("byhand".to_owned(), byhand)])
}

/// Prints the names, or one of them.
pub fn generate(options: &Generate) -> Outcome<()> {
    match (&options.what, &options.which) {
        (Generated::Man, None) => {
            let verbs = pages().into_iter().map(|(name, _)| format!("{name}.1\n"));
            let programs = programs().map(|(name, _)| format!("{name}.8\n"));
            print_bytes(verbs.chain(programs).collect::<String>().as_bytes())
        }
        (Generated::Man, Some(which)) => {
            let verbs = pages()
                .into_iter()
                .map(|(name, command)| (format!("{name}.1"), command, "1"));
            let programs = programs().map(|(name, command)| (format!("{name}.8"), command, "8"));
            let page = verbs.chain(programs).find(|(name, ..)| name == which);
            let (_, command, section) = page.ok_or_else(|| Error::Usage(format!("there is no page called {which}")))?;
            let mut text = Vec::new();
            let page = clap_mangen::Man::new(command).section(section).manual("Lazaret");
            page.render(&mut text).map_err(|e| Error::Bug(e.to_string()))?;
            print_bytes(&text)
        }
        (Generated::Completions, None) => {
            let names: String = SHELLS.iter().map(|s| format!("{s}\n")).collect();
            print_bytes(names.as_bytes())
        }
        (Generated::Completions, Some(which)) => {
            let shell = SHELLS.into_iter().find(|s| s.to_string() == *which);
            let shell = shell.ok_or_else(|| Error::Usage(format!("there are no completions for {which}")))?;
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut described(), "lazaret", &mut text);
            print_bytes(&text)
        }
    }
}

//! `generate`: man pages and shell completions from the option definitions, to standard output: this process may write nowhere else.
//! May touch: standard output.

use crate::error::{Error, Outcome};
use crate::options::{Generate, Generated, Options};
use crate::output::print_bytes;
use clap::{Command, CommandFactory};
use clap_complete::Shell;

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// The pages: one for `lazaret`, one for each verb that is not hidden.
fn pages() -> Vec<(String, Command)> {
    let mut root = Options::command();
    root.build();
    let mut pages = vec![("lazaret".to_owned(), root.clone())];
    for verb in root
        .get_subcommands()
        .filter(|c| !c.is_hide_set() && c.get_name() != "help")
    {
        let name = format!("lazaret-{}", verb.get_name());
        pages.push((name.clone(), verb.clone().display_name(name)));
    }
    pages
}

/// Prints the names, or one of them.
pub fn generate(options: &Generate) -> Outcome<()> {
    match (&options.what, &options.which) {
        (Generated::Man, None) => {
            let names: String = pages().into_iter().map(|(name, _)| format!("{name}\n")).collect();
            print_bytes(names.as_bytes())
        }
        (Generated::Man, Some(which)) => {
            let page = pages().into_iter().find(|(name, _)| name == which);
            let (_, command) = page.ok_or_else(|| Error::Usage(format!("there is no page called {which}")))?;
            let mut text = Vec::new();
            let page = clap_mangen::Man::new(command).section("1").manual("Lazaret");
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
            clap_complete::generate(shell, &mut Options::command(), "lazaret", &mut text);
            print_bytes(&text)
        }
    }
}

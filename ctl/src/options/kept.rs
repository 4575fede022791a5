//! Options of the verbs that change what is kept. Pure.

use super::tune::Affect;
use clap::Args;

/// Options of `autostart`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret autostart vm1\n  lazaret autostart vm1 --disable\n  lazaret autostart --list\n\n\
    A mark is a link in the directory autostart of the definitions. The unit lazaret-autostart.service, once enabled, runs lazaret autostart --boot when the \
    host starts: every network that is marked is started, and then every container that is marked and does not run, one after the other; one that cannot be is told, and the others are."
)]
pub struct Autostart {
    /// Its name, uuid or id
    #[arg(required_unless_present_any = ["boot", "list"], conflicts_with_all = ["boot", "list"])]
    pub container: Option<String>,
    /// Take the mark away
    #[arg(long, conflicts_with_all = ["boot", "list"])]
    pub disable: bool,
    /// Start every network and container that is marked
    #[arg(long, conflicts_with = "list")]
    pub boot: bool,
    /// Print the names of those that are marked and do not run
    #[arg(long)]
    pub list: bool,
}

/// Options of `desc`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret desc vm1                          show the description\n  lazaret desc vm1 --title                  show the title\n  \
    lazaret desc vm1 --config 'mail for all'  another description, from the next start on\n  lazaret desc vm1 --title --edit           in an editor\n\n\
    An empty text takes it away. The editor is VISUAL, or EDITOR, or vi."
)]
pub struct Desc {
    /// Its name, uuid or id
    pub container: String,
    /// Which definition.
    #[command(flatten)]
    pub affect: Affect,
    /// The title, not the description
    #[arg(long)]
    pub title: bool,
    /// Change it in an editor
    #[arg(long)]
    pub edit: bool,
    /// Print what there is, and nothing where there is nothing
    #[arg(long, hide = true)]
    pub bare: bool,
    /// The new text: several words are one text
    pub new_desc: Vec<String>,
}

/// Options of `metadata`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lazaret metadata vm1 http://example.org/x                                   show it\n  \
    lazaret metadata vm1 http://example.org/x --key x --set '<app version=\"2\"/>'  set it\n  lazaret metadata vm1 http://example.org/x --remove\n\n\
    An element of one's own in the definition, which nobody reads but who put it there. The uri is its namespace, the key its prefix."
)]
pub struct Metadata {
    /// Its name, uuid or id
    pub container: String,
    /// The namespace of the element
    pub uri: String,
    /// Which definition.
    #[command(flatten)]
    pub affect: Affect,
    /// Change it in an editor
    #[arg(long, conflicts_with_all = ["set", "remove"])]
    pub edit: bool,
    /// The prefix of the element
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// The element, in place of what is there
    #[arg(
        long,
        value_name = "XML",
        requires = "key",
        conflicts_with = "remove",
        allow_hyphen_values = true
    )]
    pub set: Option<String>,
    /// Take it away
    #[arg(long)]
    pub remove: bool,
    /// Print what there is, and nothing where there is nothing
    #[arg(long, hide = true)]
    pub bare: bool,
}

/// Options of `domrename`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lazaret domrename vm1 web\n\nIts uuid stays, and its mark of autostart. What runs is not renamed."
)]
pub struct Domrename {
    /// Its name or uuid
    pub container: String,
    /// The new name
    pub new_name: String,
}

/// Options of `edit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  EDITOR=nano lazaret edit vm1\n\nThe editor is VISUAL, or EDITOR, or vi; it runs as whoever called. What it leaves is judged as define judges it, and \
    what is refused changes nothing: it may be edited again, or lies in the file that is told. What runs is not changed."
)]
pub struct Edit {
    /// Its name, uuid or id
    pub container: String,
    /// Accepted for virsh's sake: what is in no schema is refused anyway
    #[arg(long, hide = true)]
    pub skip_validate: bool,
}

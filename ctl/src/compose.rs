//! What is made of several commands of `lazaret`, each in a process of its own: `edit`, and `autostart --boot`. This process is the caller's
//! own, without a capability, and never hands power over; the commands that it starts do. May touch: a temporary file, an editor, children.

use crate::error::{Error, REFUSED, UNREAD};
use crate::manner::manner;
use crate::options::{Affect, Desc, Metadata, Networks, Options, Verb};
use crate::output::{after, done, fail, say};
use crate::values::uri;
use clap::Parser;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::WaitStatus;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use sys::process::Fork;

/// The options of `lazaret` that may precede the verb and take a value.
pub const DIRECTORIES: [&str; 3] = ["--run-dir", "--config-dir", "--data-dir"];

/// Where the verb is among the words.
pub fn verb_at(words: &[String]) -> Option<usize> {
    let mut at = 0usize;
    loop {
        let word = words.get(at)?;
        match word {
            _ if DIRECTORIES.contains(&word.as_str()) => at = at.checked_add(2)?,
            _ if word.starts_with('-') => at = at.checked_add(1)?,
            _ => return Some(at),
        }
    }
}

/// Whether these words are for here.
pub fn is_for_here(words: &[String]) -> bool {
    let Some((verb, rest)) = verb_at(words).and_then(|at| words.get(at..)?.split_first()) else {
        return false;
    };
    let has = |option: &str| rest.iter().take_while(|w| *w != "--").any(|w| w == option);
    match verb.as_str() {
        "edit" | "net-edit" => true,
        "desc" | "metadata" => has("--edit"),
        "autostart" => has("--boot"),
        _ => false,
    }
}

/// Does what they say; gives the exit status.
pub fn conduct(words: &[String]) -> u8 {
    if let Err(reason) = lower() {
        fail(&[&reason]);
        return REFUSED;
    }
    let options =
        match Options::try_parse_from(std::iter::once(OsStr::new("lazaret")).chain(words.iter().map(OsStr::new))) {
            Ok(options) => options,
            Err(e) => {
                return crate::unparsed::unparsed(&e, words.get(verb_at(words).unwrap_or(0)..).unwrap_or_default());
            }
        };
    let mut before: Vec<OsString> = Vec::new();
    if manner().virsh {
        before.extend([OsString::from("--connect"), OsString::from(uri::LXC)]);
        before.extend(manner().readonly.then(|| OsString::from("--readonly")));
    }
    before.extend(words.iter().take(verb_at(words).unwrap_or(0)).map(OsString::from));
    let again = Again { before };
    let conducted = match &options.verb {
        Verb::Edit(edit) => again.edit(
            &edit.container,
            ["dumpxml", "define"],
            &format!("Domain '{}' XML", edit.container),
        ),
        Verb::Networks(Networks::Edit(which)) => {
            let verbs = ["net-dumpxml", "net-define"];
            again.edit(&which.network, verbs, &format!("Network {} XML", which.network))
        }
        Verb::Desc(desc) => again.desc(desc),
        Verb::Metadata(metadata) => again.metadata(metadata),
        Verb::Autostart(_) => again.boot(),
        _ => Err("this verb is none of several commands".to_owned()),
    };
    conducted.unwrap_or_else(|reason| {
        let doing = options.verb.doing();
        if manner().virsh {
            fail(&[&reason])
        } else {
            fail(&[&format!("cannot {doing}"), &reason])
        }
        REFUSED
    })
}

/// Gives up every capability but what an execution by root gives back.
pub fn lower() -> Result<(), String> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none)
        .map_err(|e| format!("cannot give up power: {}", Errno::from_raw(e.raw_os_error()).desc()))
}

/// What is typed to end a command.
pub fn keyboard() -> SigSet {
    [Signal::SIGINT, Signal::SIGQUIT].into_iter().collect()
}

/// The exit status of a process that ended so, as a shell tells it.
pub const fn status(ended: WaitStatus) -> u8 {
    match ended {
        WaitStatus::Exited(_, code) => code.to_le_bytes()[0],
        WaitStatus::Signaled(_, signal, _) => 128u8.saturating_add((signal as i32).to_le_bytes()[0]),
        _ => 1,
    }
}

/// Executes a command in a child, and waits for its end; signals of the keyboard, which are blocked here, are not there.
pub fn execute(command: &mut Command) -> Result<u8, String> {
    let failed = |e: Errno| format!("cannot start a command: {}", e.desc());
    match sys::process::fork().map_err(failed)? {
        Fork::Parent(child) => sys::process::wait(child).map(status).map_err(failed),
        Fork::Child => {
            let failure = match keyboard().thread_unblock() {
                Ok(()) => command.exec(),
                Err(e) => e.into(),
            };
            fail(&[&format!(
                "cannot execute {}: {failure}",
                command.get_program().display()
            )]);
            sys::process::exit_now(127)
        }
    }
}

/// `lazaret` under the name that it was called by.
pub fn lazaret() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(if manner().virsh { "virsh" } else { "lazaret" });
    command
}

/// Commands like the one that was called.
struct Again {
    before: Vec<OsString>,
}

impl Again {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = lazaret();
        command.args(&self.before).args(words);
        command
    }

    /// What a command prints; the error is empty where it said on standard error why it failed.
    fn printed(&self, words: &[&str]) -> Result<String, String> {
        // Quiet, or virsh's empty line would follow.
        let quiet = manner().virsh.then_some("--quiet");
        let ran = lazaret()
            .args(&self.before)
            .args(quiet)
            .args(words)
            .stderr(Stdio::inherit())
            .output();
        let ran = ran.map_err(|e| format!("cannot start a command: {e}"))?;
        if !ran.status.success() {
            return Err("it could not be read".to_owned());
        }
        String::from_utf8(ran.stdout).map_err(|_| "what is kept is not UTF-8".to_owned())
    }

    /// Edits what one verb prints and another one reads.
    fn edit(&self, name: &str, [dumpxml, define]: [&str; 2], what: &str) -> Result<u8, String> {
        let shown = [dumpxml, "--inactive", "--", name];
        let before = self.printed(&shown)?;
        let mut draft = Draft::new(&before, "xml")?;
        loop {
            let after = draft.edited()?;
            if after == before {
                draft.forget();
                return said_done(&format!("{what} configuration not changed."));
            }
            let now = self.printed(&shown).map_err(|e| format!("{e}; {}", draft.kept()))?;
            let refused = if now == before {
                let path = draft.path.display().to_string();
                let mut define = self.command(&[define, "--", &path]);
                let defined = execute(define.stdout(Stdio::null()));
                defined.map_err(|e| format!("{e}; {}", draft.kept()))? != 0
            } else {
                fail(&["the XML configuration was changed by another user"]);
                true
            };
            if !refused {
                draft.forget();
                return said_done(&format!("{what} configuration edited."));
            }
            if !again() {
                return Err(draft.kept());
            }
        }
    }

    fn desc(&self, options: &Desc) -> Result<u8, String> {
        let mut words = affect(options.affect);
        words.extend(options.title.then_some("--title"));
        let name = options.container.as_str();
        let what = if options.title { "title" } else { "description" };
        let before = match options.new_desc.as_slice() {
            [] => {
                let shown = self.printed(&[&["desc", "--bare"], words.as_slice(), &["--", name]].concat())?;
                let end = if shown.is_empty() || shown.ends_with('\n') {
                    ""
                } else {
                    "\n"
                };
                format!("{shown}{end}")
            }
            new => format!("{}\n", new.join(" ")),
        };
        let mut draft = Draft::new(&before, "txt")?;
        let after = draft.edited()?;
        if after == before && options.new_desc.is_empty() {
            draft.forget();
            return said_done(&format!("Domain {what} not changed"));
        }
        let text = after.strip_suffix('\n').unwrap_or(&after);
        let status = execute(&mut self.command(&[&["desc"], words.as_slice(), &["--", name, text]].concat()));
        let status = status.map_err(|e| format!("{e}; {}", draft.kept()))?;
        if status == 0 {
            draft.forget()
        } else {
            fail(&[&draft.kept()])
        }
        Ok(status)
    }

    fn metadata(&self, options: &Metadata) -> Result<u8, String> {
        let words = affect(options.affect);
        let (name, uri) = (options.container.as_str(), options.uri.as_str());
        let before = self.printed(&[&["metadata", "--bare"], words.as_slice(), &["--", name, uri]].concat())?;
        let key = options
            .key
            .as_deref()
            .ok_or("option --key is required to edit metadata")?;
        let mut draft = Draft::new(&before, "xml")?;
        let after = draft.edited()?;
        if after == before {
            draft.forget();
            return said_done("Metadata not changed");
        }
        let given = ["metadata", "--key", key, "--set", &after];
        let status = execute(&mut self.command(&[&given, words.as_slice(), &["--", name, uri]].concat()));
        let status = status.map_err(|e| format!("{e}; {}", draft.kept()))?;
        if status == 0 {
            draft.forget()
        } else {
            fail(&[&draft.kept()])
        }
        Ok(status)
    }

    /// Starts every network that is marked, and every container, each in a process of its own.
    fn boot(&self) -> Result<u8, String> {
        let mut worst = 0;
        let networks = self.printed(&["net-autostart", "--list"])?;
        for name in networks.lines().filter(|l| !l.is_empty()) {
            worst = worst.max(execute(&mut self.command(&["net-start", "--", name]))?);
        }
        for name in self
            .printed(&["autostart", "--list"])?
            .lines()
            .filter(|l| !l.is_empty())
        {
            worst = worst.max(execute(&mut self.command(&["start", "--", name]))?);
        }
        Ok(worst.min(REFUSED))
    }
}

/// Says that it is done, as the last word of a command.
fn said_done(text: &str) -> Result<u8, String> {
    match done(text) {
        Err(Error::Unread) => return Ok(UNREAD),
        told => told.map_err(|e| e.to_string())?,
    }
    after(Duration::ZERO);
    Ok(0)
}

/// The words that say which definition is meant.
fn affect(affect: Affect) -> Vec<&'static str> {
    let said = [
        (affect.live, "--live"),
        (affect.config, "--config"),
        (affect.current, "--current"),
    ];
    said.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect()
}

/// Whether somebody wants to try again: nobody does who is not there.
fn again() -> bool {
    if !rustix::termios::isatty(rustix::stdio::stdin()) {
        return false;
    }
    loop {
        // Nobody is there to be asked where it cannot be written.
        let _ = std::io::stderr().write_all(b"Failed. Try again? [y,n]: ");
        let mut typed = String::new();
        match std::io::stdin().lock().read_line(&mut typed) {
            Ok(n) if n > 0 => match typed.trim() {
                "y" => return true,
                "n" => return false,
                _ => {}
            },
            _ => return false,
        }
    }
}

/// A file that is edited.
struct Draft {
    path: PathBuf,
    /// What was in it at first.
    text: String,
}

impl Draft {
    /// A file of the caller's own, which nobody else may read or has made.
    fn new(text: &str, kind: &str) -> Result<Self, String> {
        let mut bytes = [0u8; 8];
        crate::verbs::random(&mut bytes).map_err(|e| e.to_string())?;
        let name = format!("lazaret-{:016x}.{kind}", u64::from_ne_bytes(bytes));
        let path = std::env::temp_dir().join(name);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| said("make", &path, &e))?;
        file.write_all(text.as_bytes()).map_err(|e| said("write", &path, &e))?;
        file.rewind().map_err(|e| said("write", &path, &e))?;
        let text = text.to_owned();
        Ok(Self { path, text })
    }

    /// Has it edited, and reads it.
    fn edited(&mut self) -> Result<String, String> {
        let named = |variable| std::env::var(variable).ok().filter(|v| !v.trim().is_empty());
        let editor = named("VISUAL")
            .or_else(|| named("EDITOR"))
            .unwrap_or_else(|| "vi".to_owned());
        // What is typed to the editor is not meant for this process.
        keyboard()
            .thread_block()
            .map_err(|e| format!("cannot block signals: {}", e.desc()))?;
        let status = execute(
            Command::new("/bin/sh")
                .args(["-c", &format!("{editor} \"$1\""), "sh"])
                .arg(&self.path),
        );
        keyboard()
            .thread_unblock()
            .map_err(|e| format!("cannot unblock signals: {}", e.desc()))?;
        match status? {
            0 => {}
            status => {
                let ended = format!("the editor {editor} ended with {status}");
                if std::fs::read_to_string(&self.path).is_ok_and(|t| t == self.text) {
                    self.forget();
                    return Err(format!("{ended}; nothing was changed"));
                }
                return Err(format!("{ended}; {}", self.kept()));
            }
        }
        let mut text = String::new();
        let mut file = std::fs::File::open(&self.path).map_err(|e| said("read", &self.path, &e))?;
        file.read_to_string(&mut text)
            .map_err(|e| said("read", &self.path, &e))?;
        Ok(text)
    }

    /// Where it stays.
    fn kept(&self) -> String {
        format!("nothing was changed; what was edited is in {}", self.path.display())
    }

    fn forget(&self) {
        if let Err(e) = std::fs::remove_file(&self.path) {
            say(&said("remove", &self.path, &e));
        }
    }
}

fn said(what: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_an_editor_is_known_by_its_words() {
        let is = |line: &str| is_for_here(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for here in [
            "edit vm1",
            "--run-dir edit edit vm1",
            "desc vm1 --edit",
            "metadata vm1 u --edit --key k",
            "autostart --boot",
        ] {
            assert!(is(here), "{here}");
        }
        for elsewhere in [
            "start edit",
            "desc vm1",
            "desc -- --edit",
            "autostart vm1",
            "enter vm1 edit",
            "--run-dir edit list",
            "--help",
        ] {
            assert!(!is(elsewhere), "{elsewhere}");
        }
    }
}

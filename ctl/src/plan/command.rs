//! What a container executes: arguments, environment, user, working directory. Pure.

use super::fit;
use crate::domain::model::MemoryMode;
use crate::domain::{Arch, Domain};
use crate::error::{Error, Outcome};
use crate::values::{Environment, UserSpec, identity, inside};
use wire::init::{Command, Profile, Rlimit, User, Window};
use wire::{MemoryPolicy, Text};

/// The search path of `run`.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Sets a variable: in its old place if there is one of that name, and else at the end.
fn set(environment: &mut Vec<String>, name: &str, value: &str) {
    let text = format!("{name}={value}");
    let same = |old: &&mut String| old.split_once('=').is_some_and(|(n, _)| n == name);
    match environment.iter_mut().find(same) {
        Some(old) => *old = text,
        None => environment.push(text),
    }
}

/// Lays variables that were asked for over an environment.
pub fn lay_over(environment: &[Text<32768>], asked: &[Environment]) -> Outcome<Vec<Text<32768>>> {
    let mut all: Vec<String> = environment.iter().map(|t| t.as_str().to_owned()).collect();
    for Environment { name, value } in asked {
        set(&mut all, name, value);
    }
    all.iter().map(|t| fit("a variable", t)).collect()
}

/// The user and group that were asked for.
pub fn user(asked: Option<&UserSpec>) -> Outcome<User> {
    let group = asked.and_then(|u| u.group.as_deref());
    Ok(User {
        user: asked.map(|u| fit("the user", &u.user)).transpose()?,
        group: group.map(|g| fit("the group", g)).transpose()?,
    })
}

/// What `run` and `enter` say of a command.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The command and its arguments.
    pub command: &'a [String],
    /// The whole environment.
    pub environment: Vec<Text<32768>>,
    /// The working directory.
    pub directory: &'a str,
    /// User and group.
    pub user: User,
    /// Capabilities, by bit.
    pub capabilities: u64,
    /// The profile.
    pub profile: Profile,
    /// Resource limits.
    pub limits: Vec<Rlimit>,
    /// The size of its terminal.
    pub window: Option<Window>,
}

/// A command of `run` or `enter`.
pub fn of_asked(asked: Asked<'_>) -> Outcome<Command> {
    let program = asked
        .command
        .first()
        .filter(|c| !c.is_empty())
        .ok_or_else(|| Error::caller("the command is empty"))?;
    Ok(Command {
        program: fit("the command", program)?,
        arguments: asked
            .command
            .iter()
            .map(|a| fit("an argument", a))
            .collect::<Outcome<_>>()?,
        environment: asked.environment,
        directory: fit(
            "the working directory",
            &inside(asked.directory).map_err(Error::Caller)?,
        )?,
        user: asked.user,
        capabilities: asked.capabilities,
        no_new_privileges: asked.profile == Profile::App,
        profile: asked.profile,
        limits: asked.limits,
        window: asked.window,
        linux32: false,
        filter: None,
        apparmor: None,
        selinux: None,
        memory: None,
    })
}

/// The environment of `run`.
pub fn environment_of_run(
    uuid: &str,
    home: &str,
    term: Option<&str>,
    asked: &[Environment],
) -> Outcome<Vec<Text<32768>>> {
    let mut all = vec![format!("PATH={PATH}")];
    if let Some(term) = term {
        set(&mut all, "TERM", term);
    }
    for (name, value) in [("HOME", home), ("container", "lazaret"), ("container_uuid", uuid)] {
        set(&mut all, name, value);
    }
    let own: Vec<Text<32768>> = all.iter().map(|t| fit("a variable", t)).collect::<Outcome<_>>()?;
    lay_over(&own, asked)
}

/// The environment of a domain's init, in the order in which libvirt's LXC driver gives it; `initenv` comes last and may repeat a name.
pub fn environment_of_domain(domain: &Domain, uuid: &str, consoles: u8) -> Outcome<Vec<Text<32768>>> {
    let mut all = vec![
        "PATH=/bin:/sbin".to_owned(),
        "TERM=linux".to_owned(),
        "container=lxc-libvirt".to_owned(),
        "HOME=/".to_owned(),
        format!("container_uuid={uuid}"),
    ];
    if consoles > 1 {
        let further: Vec<String> = (1..consoles).map(|n| format!("pts/{n}")).collect();
        all.push(format!("container_ttys={}", further.join(" ")));
    }
    all.push(format!("LIBVIRT_LXC_UUID={uuid}"));
    all.push(format!("LIBVIRT_LXC_NAME={}", domain.name));
    if let Some(cmdline) = &domain.os.cmdline {
        all.push(format!("LIBVIRT_LXC_CMDLINE={cmdline}"));
    }
    all.extend(domain.os.initenv.iter().map(|v| format!("{}={}", v.name, v.value)));
    all.iter().map(|t| fit("initenv", t)).collect()
}

/// A domain's init.
pub fn of_domain(domain: &Domain, uuid: &str, consoles: u8, capabilities: u64) -> Outcome<Command> {
    let os = &domain.os;
    let mut arguments = vec![fit("init", os.init.as_str())?];
    for argument in &os.initargs {
        arguments.push(fit("initarg", argument.as_str())?);
    }
    let who = |what: &str, name: &Option<Text<256>>| -> Outcome<Option<Text<256>>> {
        let Some(name) = name else { return Ok(None) };
        let bare = name.as_str().strip_prefix('+').unwrap_or(name.as_str());
        let checked = identity(bare).map_err(|e| Error::caller(format!("{what}: {e}")))?;
        fit(what, &checked).map(Some)
    };
    let directory = os.initdir.as_ref().map_or("/", |d| d.as_str());
    Ok(Command {
        program: os.init.clone(),
        arguments,
        environment: environment_of_domain(domain, uuid, consoles)?,
        directory: fit(
            "initdir",
            &inside(directory).map_err(|e| Error::caller(format!("initdir: {e}")))?,
        )?,
        user: User {
            user: who("inituser", &os.inituser)?,
            group: who("initgroup", &os.initgroup)?,
        },
        capabilities,
        no_new_privileges: false,
        profile: Profile::System,
        limits: Vec::new(),
        window: None,
        linux32: domain.os.arch == Some(Arch::I686),
        filter: None,
        apparmor: domain.seclabel.profile().cloned(),
        selinux: domain.seclabel.context().cloned(),
        memory: memory(domain)?,
    })
}

/// Where its memory comes from, as far as that is not for the control group to say.
fn memory(domain: &Domain) -> Outcome<Option<MemoryPolicy>> {
    let Some(nodes) = &domain.nodes else { return Ok(None) };
    let mut nodes: Vec<u16> = nodes.members().filter_map(|n| u16::try_from(n).ok()).collect();
    match (domain.memory_mode, nodes.as_slice()) {
        (MemoryMode::Strict | MemoryMode::Restrictive, _) => Ok(None),
        (MemoryMode::Interleave, _) => Ok(Some(MemoryPolicy::Interleave(core::mem::take(&mut nodes)))),
        (MemoryMode::Preferred, [node]) => Ok(Some(MemoryPolicy::Preferred(*node))),
        (MemoryMode::Preferred, _) => Err(Error::caller(
            "NUMA memory tuning in 'preferred' mode only supports single node: <numatune> names several",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_asked_for_replaces_the_one_of_its_name() {
        let asked = [
            "PATH=/x".parse().unwrap(),
            "A=1".parse().unwrap(),
            "A=2".parse().unwrap(),
        ];
        let all = environment_of_run("u", "/", Some("vt100"), &asked).unwrap();
        let text: Vec<&str> = all.iter().map(Text::as_str).collect();
        assert_eq!(
            text,
            [
                "PATH=/x",
                "TERM=vt100",
                "HOME=/",
                "container=lazaret",
                "container_uuid=u",
                "A=2"
            ]
        );
    }
}

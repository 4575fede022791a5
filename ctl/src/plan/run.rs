//! The plan of a one-off container: `run` and its options. Pure.

use super::command;
use super::filter::Asked;
use super::network::{self, Wiring};
use super::tree::{self, Tree};
use super::{Draft, Host, Lot, assemble, capabilities, fit, hostname, limits, user};
use crate::domain::{self, Attached, Uuid};
use crate::error::{Error, Outcome};
use crate::options::Run;
use crate::values::Network;
use wire::cgroupd::Controller;
use wire::devd::Rule;
use wire::init::{Afterwards, Container, Profile, Stream, Then, Window};
use wire::launcher::Plan;
use wire::mountd::Device;
use wire::{ContainerName, Text};

/// The most memory that a container gets where none is asked for.
const MEMORY: u64 = 64 << 20;

/// What the planner must know of the caller.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Which of the three standard streams are terminals.
    pub terminals: [bool; 3],
    /// The caller's `TERM`.
    pub term: Option<&'a str>,
    /// The size of its terminal.
    pub window: Option<Window>,
    /// The directory that relative paths begin from, if it can be told.
    pub directory: Option<&'a str>,
    /// Whether it wants to learn which system calls the command makes.
    pub learns: bool,
}

/// The three streams: a console where there is a terminal, and else what the caller has; in the background the log.
pub const fn streams(terminals: [bool; 3], tty: bool, detach: bool) -> [Stream; 3] {
    if tty {
        return [Stream::Console; 3];
    }
    if detach {
        return [Stream::Null, Stream::Passed, Stream::Passed];
    }
    const fn one(terminal: bool) -> Stream {
        if terminal { Stream::Console } else { Stream::Passed }
    }
    let [a, b, c] = terminals;
    [one(a), one(b), one(c)]
}

/// A path of the host, absolute. Relative ones begin from `directory`, which may have been removed or lie out of sight.
pub fn absolute(path: &str, directory: Option<&str>) -> Outcome<String> {
    match directory {
        _ if path.is_empty() => Err(Error::Usage("a path is empty".into())),
        _ if path.starts_with('/') => Ok(path.to_owned()),
        Some(directory) => Ok(format!("{}/{path}", directory.trim_end_matches('/'))),
        None => Err(Error::caller(format!(
            "cannot find {path}: the working directory cannot be told; give an absolute path"
        ))),
    }
}

/// The working directory, if it can be told (getcwd(2)).
pub fn working_directory() -> Option<String> {
    Some(std::env::current_dir().ok()?.to_string_lossy().into_owned())
}

/// The links that the options describe.
fn wiring(run: &Run, network: &Network, name: &ContainerName, lot: &Lot) -> Outcome<Wiring> {
    let (attached, vlan) = match network {
        Network::None | Network::Host | Network::User if !(run.ip.is_empty() && run.gateway.is_empty()) => {
            let what = "--ip and --gateway are for a container with a link of its own";
            return Err(Error::caller(what).into_usage());
        }
        Network::User if !run.publish.is_empty() => {
            let what = "--publish is for a network of mode nat, and the network user lets nobody in";
            return Err(Error::caller(what).into_usage());
        }
        Network::None | Network::Host | Network::User => return Ok(Wiring::default()),
        Network::Default => (Attached::Network(network::DEFAULT.into()), None),
        Network::Named(name) => (Attached::Network(name.to_string()), None),
        Network::On(on) => (**on).clone(),
    };
    let mut interface = network::plain(attached, lot);
    interface.vlan = vlan;
    let addresses = run.ip.iter().map(|i| domain::Address {
        address: i.0,
        prefix: Some(i.1),
        peer: None,
    });
    interface.addresses = addresses.collect();
    interface.routes = run.gateway.iter().map(|g| domain::Route::default_by(*g)).collect();
    network::wire(name, lot, &[interface], run.publish.clone())
}

/// Plans a one-off container; `filter` is what it asks for, read from the file that it names.
pub fn plan(
    run: &Run,
    name: &ContainerName,
    filter: Option<&Asked>,
    caller: Caller<'_>,
    lot: &Lot,
    host: &Host,
) -> Outcome<Plan> {
    let root_path = run
        .rootfs
        .as_deref()
        .map_or_else(|| Ok("/".to_owned()), |p| absolute(p, caller.directory))?;
    let root = tree::root(&root_path, run.read_only, false)?;
    let host_root = root.from == wire::launcher::Opened::HostRoot;
    let read_only = run.read_only || host_root;
    let tree = attachments(run, caller, host_root)?;
    let network = user::network(run.network.as_ref(), host);
    let wiring = wiring(run, &network, name, lot)?;
    let outward = match network {
        Network::User => network::outward(&[network::plain(Attached::User, lot)], false)?,
        _ => None,
    };
    let hostname = chosen_hostname(run, name).map_err(Error::into_usage)?;
    let streams = streams(caller.terminals, run.tty, run.detach);
    let on_console = streams.contains(&Stream::Console);
    let uuid = Uuid(lot.uuid).to_string();
    let home = if host_root || run.user.is_some() { "/" } else { "/root" };
    let term = on_console.then_some(caller.term.unwrap_or("dumb"));
    let [app, _] = host.capabilities;
    let mut command = command::of_asked(command::Asked {
        command: &run.command,
        environment: command::environment_of_run(&uuid, home, term, &run.env)?,
        directory: run.workdir.as_deref().unwrap_or("/"),
        user: command::user(run.user.as_ref())?,
        capabilities: capabilities::chosen(app, &run.cap_add, &run.cap_drop).map_err(Error::into_usage)?,
        profile: Profile::App,
        limits: rlimits(run).map_err(Error::into_usage)?,
        window: caller.window.filter(|_| on_console),
    })
    .map_err(Error::into_usage)?;
    command.apparmor.clone_from(&run.apparmor);
    command.selinux.clone_from(&run.selinux);
    command.filter = filter.map(|f| f.decide(Profile::App, name, host)).transpose()?;
    let resolv = match network {
        Network::None => None,
        Network::Default | Network::Named(_) | Network::On(_) | Network::User => {
            Some(network::resolv_conf(host, false, wiring.domain.as_deref()))
        }
        Network::Host => Some(network::resolv_conf(host, true, None)),
    };
    let container = Container {
        name: name.clone(),
        hosts: if covered(run, "/etc/hosts") {
            None
        } else {
            Some(network::hosts(&hostname, &wiring)?)
        },
        hostname,
        uid_map: vec![lot.block.range()],
        gid_map: vec![lot.block.range()],
        host_network: network == Network::Host,
        read_only_root: read_only,
        attachments: tree.attachments,
        devices: Device::ALL.to_vec(),
        meminfo: true,
        lent_proc: false,
        unified: false,
        cgroup_writable: false,
        consoles: u8::from(on_console),
        streams,
        reaper: true,
        command,
        afterwards: Afterwards {
            poweroff: Then::End,
            reboot: Then::End,
            crash: Then::End,
        },
        resolv_conf: resolv.filter(|_| !covered(run, "/etc/resolv.conf")),
        unmasked: run.unmask.iter().map(|p| fit("the place", p)).collect::<Outcome<_>>()?,
        learn: caller.learns,
        descriptors: 0,
        nodes: vec![],
        shares: wire::share::Shares::default(),
    };
    network::check_publish(&container, &wiring, &run.publish).map_err(Error::into_usage)?;
    let usual = user::sets(host, Controller::Memory).then_some(MEMORY);
    let draft = Draft {
        outward,
        container,
        root,
        trees: tree.mounts,
        limits: limits::of_run(run.memory.map(|m| m.0).or(usual), run.cpus, run.pids),
        devices: Rule::usual(),
        links: wiring.links,
        lent: Vec::new(),
        firewall: wiring.firewall,
        processors: None,
        partition: None,
    };
    assemble(draft, lot, host)
}

/// Whether something is asked for at this place, or above it, that brings its own file.
fn covered(run: &Run, place: &str) -> bool {
    let binds = run.bind.iter().map(|b| b.target.as_str());
    let mut targets = binds.chain(run.tmpfs.iter().map(|t| t.target.as_str()));
    targets.any(|t| {
        let rest = place.strip_prefix(t.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn attachments(run: &Run, caller: Caller<'_>, host_root: bool) -> Outcome<Tree> {
    let mut tree = Tree::default();
    let half = run.memory.map_or(MEMORY, |m| m.0) / 2;
    let asked =
        |target: &str| run.bind.iter().any(|b| b.target == target) || run.tmpfs.iter().any(|t| t.target == target);
    for (target, mode) in [("/run", 0o755), ("/tmp", 0o1777)] {
        // A root of one's own that is writable has its own /tmp; only what would be the host's, or could not be written, is covered.
        if !asked(target) && (host_root || run.read_only || target == "/run") {
            tree.memory(target, half, mode, false)?;
        }
    }
    for tmpfs in &run.tmpfs {
        tree.memory(&tmpfs.target, tmpfs.size.unwrap_or(half), 0o1777, false)?;
    }
    for bind in &run.bind {
        tree.host(&absolute(&bind.source, caller.directory)?, &bind.target, bind.read_only)?;
    }
    Ok(tree)
}

fn chosen_hostname(run: &Run, name: &ContainerName) -> Outcome<Text<64>> {
    let Some(asked) = &run.hostname else {
        return Ok(hostname(name));
    };
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if asked.is_empty() || !asked.chars().all(good) || asked.starts_with(['-', '.']) {
        return Err(Error::caller(format!(
            "the host name {asked:?} has characters other than letters, digits, '-' and '.'"
        )));
    }
    fit("the host name", asked)
}

fn rlimits(run: &Run) -> Outcome<Vec<wire::init::Rlimit>> {
    let all: Vec<_> = run.ulimit.iter().map(|u| u.0).collect();
    for (n, limit) in all.iter().enumerate() {
        if all
            .iter()
            .skip(n.saturating_add(1))
            .any(|l| l.resource == limit.resource)
        {
            return Err(Error::caller("a resource limit is given twice"));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{host, lot};
    use super::*;
    use crate::options::{Options, Verb};
    use clap::Parser;
    use wire::init::Source;
    use wire::launcher::{Opened, Step};
    use wire::mountd::Mount;

    fn planned(line: &str) -> Outcome<Plan> {
        let words = ["lazaret", "run"].into_iter().chain(line.split_whitespace());
        let Verb::Run(run) = Options::try_parse_from(words).unwrap().verb else {
            panic!()
        };
        let caller = Caller {
            terminals: [false; 3],
            term: None,
            window: None,
            directory: Some("/home/me"),
            learns: false,
        };
        plan(&run, &ContainerName::new("web").unwrap(), None, caller, &lot(), &host())
    }

    fn mounts(plan: &Plan) -> &[wire::launcher::PlannedMount] {
        plan.steps
            .iter()
            .find_map(|s| {
                if let Step::Mounts(m) = s {
                    Some(m.as_slice())
                } else {
                    None
                }
            })
            .unwrap()
    }

    #[test]
    fn the_default_is_the_hosts_root_read_only_with_nat_and_64_mib() {
        let plan = planned("-- sh").unwrap();
        let names: Vec<&str> = plan.steps.iter().map(|s| s.program().name()).collect();
        assert_eq!(
            names,
            [
                "cgroupd",
                "devd",
                "init",
                "idmapd",
                "mountd",
                "fused",
                "netd",
                "netd",
                "supervisor"
            ]
        );
        let root = &mounts(&plan)[0];
        assert_eq!(root.from, Opened::HostRoot);
        assert!(
            matches!(&root.mount, Mount::Tree { recursive: false, flags, idmapped: false } if flags.read_only && flags.no_suid)
        );
        let c = plan.container().unwrap();
        let targets: Vec<&str> = c.attachments.iter().map(|a| a.target.as_str()).collect();
        assert_eq!(targets, ["/run", "/tmp"]);
        assert!(c.reaper && c.read_only_root && c.command.no_new_privileges && !c.cgroup_writable);
        assert_eq!(c.streams, [Stream::Passed; 3]);
        let Some(Step::Groups(limits)) = plan.steps.first() else {
            panic!()
        };
        assert_eq!(limits.memory, Some(64 << 20));
    }

    #[test]
    fn a_root_of_ones_own_is_id_mapped_and_writable() {
        let plan = planned("--rootfs box --network none --bind d:/x:ro -- /bin/true").unwrap();
        let all = mounts(&plan);
        assert_eq!(
            all[0].from,
            Opened::Path {
                path: Text::cut("/home/me/box"),
                writable: true
            }
        );
        assert_eq!(
            all.last().unwrap().from,
            Opened::Path {
                path: Text::cut("/home/me/d"),
                writable: false
            }
        );
        let c = plan.container().unwrap();
        assert!(!c.read_only_root && c.resolv_conf.is_none());
        assert_eq!(c.attachments.iter().filter(|a| a.source == Source::Factory).count(), 1);
        assert!(!plan.steps.iter().any(|s| matches!(s, Step::Connect(_))));
    }

    #[test]
    fn a_file_of_ones_own_is_not_covered_by_ours() {
        let files = |options: &str| {
            let plan = planned(&format!("--rootfs /srv/box {options} -- sh")).unwrap();
            let c = plan.container().unwrap();
            (c.hosts.is_some(), c.resolv_conf.is_some())
        };
        assert_eq!(files(""), (true, true));
        assert_eq!(files("--bind /a:/etc/hosts:ro"), (false, true));
        assert_eq!(files("--bind /a:/etc/resolv.conf"), (true, false));
        assert_eq!(files("--bind /a:/etc"), (false, false));
        assert_eq!(files("--tmpfs /etc"), (false, false));
        assert_eq!(files("--bind /a:/etc/hosts.d"), (true, true));
    }

    #[test]
    fn the_hosts_network_brings_a_sysfs_and_no_link() {
        let plan = planned("--network host -- x").unwrap();
        assert!(mounts(&plan).iter().any(|m| m.mount == Mount::Sysfs));
        assert!(plan.container().unwrap().host_network);
        assert!(planned("--network host --publish 80:80 -- x").is_err());
    }

    #[test]
    fn refuses_what_cannot_be_done_as_asked() {
        for bad in [
            "--bind /a:/proc -- x",
            "--bind /a:/x --tmpfs /x -- x",
            "--cap-add nope -- x",
            "--hostname a_b -- x",
            "--workdir rel -- x",
            "--ulimit nofile=1 --ulimit nofile=2 -- x",
            "--publish 80:80 --publish 80:81 -- x",
        ] {
            assert!(planned(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn streams_are_consoles_where_there_is_a_terminal() {
        assert_eq!(
            streams([true, false, true], false, false),
            [Stream::Console, Stream::Passed, Stream::Console]
        );
        assert_eq!(
            streams([true; 3], false, true),
            [Stream::Null, Stream::Passed, Stream::Passed]
        );
        assert_eq!(streams([false; 3], true, true), [Stream::Console; 3]);
    }

    #[test]
    fn refuses_forwarding_that_the_policy_forbids() {
        let mut host = host();
        host.policy.forwarding = false;
        let words = ["lazaret", "run", "--", "x"];
        let Verb::Run(run) = Options::try_parse_from(words).unwrap().verb else {
            panic!()
        };
        let caller = Caller {
            terminals: [false; 3],
            term: None,
            window: None,
            directory: Some("/"),
            learns: false,
        };
        let name = ContainerName::new("web").unwrap();
        assert!(plan(&run, &name, None, caller, &lot(), &host).is_err());
        host.forwards = true;
        assert!(plan(&run, &name, None, caller, &lot(), &host).is_ok());
    }
}

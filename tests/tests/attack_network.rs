//! The network as a container's root could use it against the host and its neighbours.

use std::fs;
use tests::{Ground, need_root};

fn ground() -> Ground {
    Ground::new(env!("CARGO_BIN_EXE_attack"))
}

/// CVE-2020-15257: an abstract socket of the runtime's, reached by whoever shares the host's network.
#[test]
fn cve_2020_15257_no_abstract_socket_is_there_to_be_reached() {
    need_root!();
    let ground = ground();
    let name = ground.system();
    // With the host's network, beside a container with everything that runs for it.
    let said = ground
        .host
        .once(
            &["--network", "host"],
            &["sh", "-c", "grep -c @ /proc/net/unix; cat /proc/net/unix; for p in $(seq 2 400); do kill -0 $p 2>/dev/null && echo alive $p; done; kill -9 -1; echo end"],
        )
        .ok();
    assert!(
        said.stdout.starts_with("0\n") && said.stdout.ends_with("end\n"),
        "{said}"
    );
    // The shell and what it started are all that can be signalled.
    assert!(
        said.stdout.lines().filter(|l| l.starts_with("alive")).count() <= 2,
        "{said}"
    );
    assert!(ground.host.runs(&name));
    ground.end(&name);
    for (way, said) in ground.everywhere("grep -c @ /proc/net/unix; echo end") {
        assert_eq!(said.stdout, "0\nend\n", "{way:?}: {said}");
    }
}

/// CVE-2020-13401: a router advertisement from a container redirected the host. CVE-2020-14386: packet sockets.
#[test]
fn cve_2020_13401_a_router_advertisement_changes_no_route_of_the_hosts() {
    need_root!();
    let ground = ground();
    for (way, said) in
        ground.everywhere("for s in '2 3 1' '10 3 58' '17 3 0x0300' '2 3 255'; do attack call 41 $s; done")
    {
        assert!(
            said.stdout.lines().all(|l| l == "EPERM" || l == "EAFNOSUPPORT"),
            "{way:?}: {said}"
        );
        assert_eq!(said.stdout.lines().count(), 4, "{said}");
    }
    if !tests::skip::have("python3") {
        tests::skip!("sending needs python3 on the host's root");
    }
    // With the capability that is needed to send one, on the default network: icmp6 type 134, an hour as the router, and a prefix.
    let program = "import socket,struct,time\ns=socket.socket(socket.AF_INET6,socket.SOCK_RAW,58)\nhead=struct.pack('!BBHBBHII',134,0,0,64,0,3600,0,0)\n\
        prefix=struct.pack('!BBBBIII',3,4,64,0xc0,86400,14400,0)+socket.inet_pton(socket.AF_INET6,'2001:db8:bad::')\n\
        s.setsockopt(41,socket.IPV6_MULTICAST_HOPS,255)\ns.setsockopt(41,socket.IPV6_UNICAST_HOPS,255)\nn=0\n\
        for i in range(50):\n try:\n  s.sendto(head+prefix,('ff02::1',0,0,socket.if_nametoindex('eth0'))); n+=1\n except OSError as e: print(e)\n time.sleep(0.02)\nprint('sent',n)\n";
    let routes = || {
        let all = ground
            .host
            .inside("ip", &["-6", "route", "show", "table", "all"])
            .ok()
            .stdout;
        let addresses = ground.host.inside("ip", &["-6", "-o", "addr"]).ok().stdout;
        format!("{all}{addresses}")
    };
    let neighbour = ground.app(&["--network", "default"]);
    let liar = ground.host.name("liar");
    ground.host.policy(&format!("capability NET_RAW {liar}"));
    let said = ground.host.run(&[
        "run",
        "--name",
        &liar,
        "--network",
        "default",
        "--cap-add",
        "NET_RAW",
        "--",
        "python3",
        "-c",
        program,
    ]);
    assert!(
        said.stdout.contains("sent") && !said.stdout.contains("sent 0"),
        "nothing was sent: {said}"
    );
    assert!(!routes().contains("2001:db8:bad"), "{}", routes());
    // Nor of a neighbour.
    let said = ground.enter(&neighbour, "ip -6 route; ip -6 addr").ok();
    assert!(!said.stdout.contains("2001:db8:bad"), "{said}");
    // Nor does a packet socket come with the capability.
    let said = ground
        .host
        .once(
            &["--name", &liar, "--cap-add", "NET_RAW"],
            &["sh", "-c", "attack call 41 17 3 0x0300; attack call 41 17 2 0"],
        )
        .ok();
    assert!(!said.stdout.contains("done"), "{said}");
}

/// A neighbour that is about to take an address lets go of it where somebody else asks for it at that moment, from no address (RFC 4862, section
/// 5.4.3): so one container kept another from its own.
#[test]
fn no_neighbour_loses_its_own_address_to_who_asks_for_it() {
    need_root!();
    if !tests::skip::have("python3") {
        tests::skip!("sending needs python3 on the host's root");
    }
    let ground = ground();
    let host = &ground.host;
    let (liar, name) = (host.name("liar"), host.name("neighbour"));
    host.policy(&format!("capability NET_RAW {liar}"));
    // Of the neighbour's hardware address, and beside it of one that nobody has, which ends as the address of who sends does.
    let program = "import socket,struct,time\nto=lambda a: socket.inet_pton(socket.AF_INET6,a)\nindex=socket.if_nametoindex('eth0')\n\
        s=socket.socket(socket.AF_INET6,socket.SOCK_RAW,socket.IPPROTO_RAW)\n\
        def ask(target):\n from_,group=bytes(16),to('ff02::1:ff00:0')[:13]+target[13:]\n body=struct.pack('!BBHI',135,0,0,0)+target\n\
        \x20whole=from_+group+struct.pack('!II',len(body),58)+body\n total=sum(struct.unpack('!%dH'%(len(whole)//2),whole))\n\
        \x20while total>>16: total=(total&0xffff)+(total>>16)\n body=body[:2]+struct.pack('!H',~total&0xffff)+body[4:]\n\
        \x20s.sendto(struct.pack('!IHBB',6<<28,len(body),58,255)+from_+group+body,(socket.inet_ntop(socket.AF_INET6,group),0,0,index))\n\
        ask(to('fe80::5054:ff:fe11:2233')); print('asking',flush=True)\n\
        while True:\n ask(to('fe80::5054:ff:fe11:2233')); time.sleep(0.005)\n";
    let arguments = [
        "run",
        "--detach",
        "--name",
        &liar,
        "--network",
        "default",
        "--cap-add",
        "NET_RAW",
        "--",
        "python3",
        "-c",
        program,
    ];
    host.run(&arguments).ok();
    let asks = || host.run(&["logs", &liar]).stdout.contains("asking");
    assert!(
        tests::capture::until(tests::capture::DEADLINE, asks),
        "nobody asks: {}",
        host.run(&["logs", &liar])
    );
    let link = "<interface type='network'><source network='default'/><mac address='52:54:00:11:22:33'/></interface>";
    host.run(&["create", &host.domain_file(&name, "sleep 1000000", "", link)])
        .ok();
    let mut seen = String::new();
    let settled = tests::capture::until(tests::capture::DEADLINE, || {
        seen = ground.enter(&name, "ip -6 addr show dev eth0").ok().stdout;
        seen.contains("fe80::5054:ff:fe11:2233") && (!seen.contains("tentative") || seen.contains("dadfailed"))
    });
    assert!(settled && !seen.contains("dadfailed"), "{seen}");
    // It was asked for all the while; and who asks has its own.
    assert!(host.runs(&liar));
    // Flags: 0x40 is one that is still about to be taken, 0x08 one that was lost, 0x80 one that stays (linux/if_addr.h).
    let mut own = String::new();
    let kept = tests::capture::until(tests::capture::DEADLINE, || {
        let all = ground.enter(&liar, "cat /proc/net/if_inet6").ok().stdout;
        own = all
            .lines()
            .find(|l| l.starts_with("fe80"))
            .unwrap_or_default()
            .to_owned();
        own.split_whitespace().nth(4) == Some("80")
    });
    assert!(kept, "{own}");
}

/// CVE-2021-20206, and names that are options, paths or patterns: of a bridge, of a link, of one inside.
#[test]
fn cve_2021_20206_a_link_with_a_name_that_is_none_is_refused() {
    need_root!();
    let ground = ground();
    let host = &ground.host;
    for bad in [
        "../../bin/x",
        "a/b",
        "..",
        ".",
        "x%d",
        "-x",
        "sixteen-bytes-xx",
        "a b",
        "a:b",
        "",
        "x\u{a0}",
        "all",
        "default",
    ] {
        for devices in [
            format!("<interface type='bridge'><source bridge='{bad}'/></interface>"),
            format!("<interface type='network'><source network='default'/><target dev='{bad}'/></interface>"),
            format!("<interface type='network'><source network='default'/><guest dev='{bad}'/></interface>"),
            format!("<interface type='network'><source network='{bad}'/></interface>"),
        ] {
            // The name of the one network that there is.
            if bad == "default" && devices.contains("network='default'/></interface>") {
                continue;
            }
            let name = host.name("named");
            let file = host.domain_file(&name, "sleep 1000", "", &devices);
            let said = host.run(&["create", &file]);
            // A bridge that is called `all` or `default` would be a name; there is none.
            assert!(
                said.code() == 1 && said.stderr.lines().count() == 1,
                "{bad:?} in {devices}: {said}"
            );
        }
    }
    for bad in ["../x", "none/../host", "host\n", "-h"] {
        assert_eq!(host.once(&["--network", bad], &["true"]).code(), 2, "{bad:?}");
    }
    host.nothing_is_left();
}

/// CVE-2017-5985, CVE-2018-6556, CVE-2022-47952, CVE-2026-39402: a setuid helper for networks, and what it told ordinary users about files
/// that they may not see.
#[test]
fn cve_2018_6556_an_ordinary_user_gets_no_power_and_learns_of_no_file() {
    need_root!();
    let ground = ground();
    let exists = ground.canary.file().to_str().unwrap().to_owned();
    let missing = exists.replace("canary", "absent");
    let as_user = |words: &[&str]| {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        command
            .arg(tests::programs::copied(wire::Program::Lazaret))
            .args(words)
            .env_clear()
            .current_dir("/");
        tests::capture::run(&mut command, b"")
    };
    for words in [
        vec!["run", "--rootfs", "@", "--", "true"],
        vec!["run", "--bind", "@:/x", "--", "true"],
        vec!["define", "@"],
        vec!["create", "@"],
        vec!["--run-dir", "@", "list"],
        vec!["--config-dir", "@", "list"],
    ] {
        let [one, other] = [&exists, &missing].map(|path| {
            let words: Vec<String> = words.iter().map(|w| w.replace('@', path)).collect();
            as_user(&words.iter().map(String::as_str).collect::<Vec<_>>())
        });
        assert_ne!(one.code(), 0, "{one}");
        assert_eq!(
            (one.code(), one.stderr.replace(&exists, "@"), one.stdout.clone()),
            (other.code(), other.stderr.replace(&missing, "@"), other.stdout.clone()),
            "it tells whether a file is there"
        );
    }
    // The pieces, started by an ordinary user, have no power but his, whatever they are asked.
    for program in [
        wire::Program::Netd,
        wire::Program::Mountd,
        wire::Program::Idmapd,
        wire::Program::Cgroupd,
    ] {
        use std::os::unix::fs::MetadataExt;
        let path = tests::programs::copied(program);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o6000, 0);
        let mut command = std::process::Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(&path);
        command.env("LAZARET_CHANNEL", "0");
        let said = tests::capture::run(&mut command, b"");
        assert_ne!(said.code(), 0, "{said}");
    }
    tests::programs::forget_copies();
    ground.canary.lives("");
}

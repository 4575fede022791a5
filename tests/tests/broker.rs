//! An ordinary user's container is a port of a bridge of the host's, as far as the host's file gives links on it; root's netd makes it, for a process
//! that holds nothing. Asks the kernel for ports, and the log of deeds.

use tests::lending::Broker;
use tests::ordinary::Users;
use tests::{capture, need_root};

const ACCEPT: &str = env!("CARGO_BIN_EXE_accept");
const STAY: &str = "trap 'exit 0' TERM PWR; while :; do sleep 1000 & wait $!; done";

#[test]
fn a_command_has_a_link_on_a_bridge_and_an_address_that_the_host_reaches() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let broker = Broker::new(&users, ACCEPT, 8, "tester0 veth br0 1\n");
    // The kernel tells of a carrier when it comes to it.
    let shell = "until [ $(cat /sys/class/net/eth0/operstate) = up ]; do sleep 1; done; ip -o link show up | wc -l";
    let options = ["--network", "bridge:br0", "--ip", "192.0.2.7/24"];
    let said = user.once(&options, &["sh", "-c", shell]).ok();
    assert_eq!(said.stdout, "2\n");
    broker.has_ports(0);
    let deeds = broker.deeds();
    assert_eq!(deeds.len(), 1, "{deeds:?}");
    assert_eq!(deeds[0]["uid"], user.uid(), "{deeds:?}");
    assert!(deeds[0].to_string().contains("br0"), "{deeds:?}");
}

#[test]
fn a_domain_has_as_many_as_the_file_gives_and_each_is_free_again_when_it_ends() {
    need_root!();
    let users = Users::new();
    let (user, other) = (users.first(), users.second());
    let broker = Broker::new(&users, ACCEPT, 8, "tester0 veth br0 1\n@tester1 veth br0 1\n");
    let interface = "<interface type='bridge'><source bridge='br0'/></interface>";
    let names = ["one", "two"].map(|n| format!("{n}-{}", std::process::id()));
    for (block, name) in (0..).zip(&names) {
        user.run(&["define", &user.domain(name, &user.tree(block), STAY, interface)])
            .ok();
    }
    user.run(&["start", &names[0]]).ok();
    broker.has_ports(1);
    let port = broker.ports().remove(0);
    assert!(port.starts_with("lzu") && port.len() == 15, "{port}");
    user.run(&["start", &names[1]]).refused(1, &["br0", "none is left"]);
    broker.has_ports(1);
    // Another user has another user's own.
    let file = other.domain("its", &other.tree(0), STAY, interface);
    other.run(&["create", &file]).ok();
    broker.has_ports(2);
    other.run(&["destroy", "its"]).ok();
    user.run(&["destroy", &names[0]]).ok();
    broker.has_ports(0);
    user.run(&["start", &names[1]]).ok();
    broker.has_ports(1);
    user.run(&["destroy", &names[1]]).ok();
    broker.has_ports(0);
    for name in &names {
        user.run(&["undefine", name]).ok();
    }
    let outcomes: Vec<String> = broker.deeds().iter().map(|d| d["reason"].to_string()).collect();
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
    assert!(
        outcomes.iter().filter(|o| o.contains("none is left")).count() == 1,
        "{outcomes:?}"
    );
    assert!(capture::until(capture::DEADLINE, || users.processes().is_empty()));
}

#[test]
fn without_a_broker_or_a_line_the_refusal_says_what_mends_it() {
    need_root!();
    let users = Users::new();
    let user = users.first();
    let join = ["--network", "bridge:br0"];
    {
        let broker = Broker::new(&users, ACCEPT, 8, "tester1 veth br0 1\n");
        user.once(&join, &["true"])
            .refused(125, &["no link on any", "/etc/lazaret.usernet"]);
        broker.has_ports(0);
        user.once(&["--network", "default"], &["true"])
            .refused(125, &["ordinary user", "takes root"]);
        // Who has no line is not even on record; a refusal to who has one is.
        assert!(broker.deeds().is_empty());
        let mut another = users.command("ip");
        another.args(["link", "add", "br9", "type", "bridge"]);
        capture::run(&mut another, b"").ok();
        users
            .second()
            .once(&["--network", "bridge:br9"], &["true"])
            .refused(125, &["br9", "/etc/lazaret.usernet"]);
        assert_eq!(broker.deeds().len(), 1);
        let check = user.run(&["check", "--json"]).json();
        assert_eq!(bridges(&check)["verdict"], "ok", "{check}");
    }
    {
        let _broker = Broker::new(&users, ACCEPT, 8, "tester0 veth br0\n");
        user.once(&join, &["true"]).refused(125, &["/etc/lazaret.usernet", "1"]);
    }
    let check = user.run(&["check", "--json"]).json();
    assert_eq!(
        bridges(&check)["mend"],
        "sudo systemctl enable --now lazaret-broker.socket",
        "{check}"
    );
    user.once(&join, &["true"])
        .refused(125, &["no broker", "systemctl enable --now lazaret-broker.socket"]);
}

fn bridges(check: &serde_json::Value) -> serde_json::Value {
    let all = check["findings"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|f| f["what"] == "bridges").unwrap_or_default()
}

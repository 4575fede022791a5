//! The log of deeds as `audit` shows and verifies it, and what is changed in it behind its back. May touch: a test's own log.

use crate::{Host, Outcome};
use serde_json::Value;
use std::fs;

/// The deeds of a container, in the order in which they were asked for.
pub fn deeds(host: &Host, arguments: &[&str]) -> Vec<Value> {
    let said = host.run(&[&["audit", "log", "--json"], arguments].concat()).ok();
    let mut deeds: Vec<Value> = said.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    deeds.sort_by_key(|d| d["id"].as_u64());
    deeds
}

/// What these deeds have under this key, which is a text.
pub fn words<'a>(deeds: &'a [Value], key: &str) -> Vec<&'a str> {
    deeds.iter().map(|d| d[key].as_str().unwrap()).collect()
}

/// What `audit verify` says.
pub fn verify(host: &Host) -> (Outcome, Value) {
    let said = host.run(&["audit", "verify", "--json"]);
    let value = said.json();
    (said, value)
}

/// Fails unless the log is whole.
#[track_caller]
pub fn is_whole(host: &Host) -> Value {
    let (said, value) = verify(host);
    assert_eq!((said.code(), &value["whole"]), (0, &Value::Bool(true)), "{said}");
    value
}

/// Lays these bytes in the log's place, looks at what `verify` says, and puts the log back as it was.
pub fn tampered(host: &Host, bytes: &[u8]) -> String {
    let path = host.log();
    let before = fs::read(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let (said, value) = verify(host);
    fs::write(&path, before).unwrap();
    assert_eq!((said.code(), &value["whole"]), (1, &Value::Bool(false)), "{said}");
    value["findings"].to_string()
}

/// The arguments of a run on the host's own root, of which any number run side by side.
pub fn on_the_hosts_root(host: &Host, number: u32) -> Vec<String> {
    let name = host.name(&format!("beside{number}"));
    ["run", "--network", "none", "--name", &name, "--", "true"]
        .map(str::to_owned)
        .into()
}

/// A message of the kernel's audit system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its type, as `auditd` prints it.
    pub kind: String,
    /// Its text, without what every program adds.
    pub text: String,
    /// What that is, from `exe=` on.
    pub rest: String,
}

/// What the log has of a container in the words of the kernel's audit system, in order.
pub fn told(host: &Host, name: &str) -> Vec<Told> {
    let said = host.run(&["audit", "log", "--virt", "--container", name]).ok();
    let line = |line: &str| {
        let (kind, rest) = line.strip_prefix("type=").unwrap().split_once(" msg=audit(").unwrap();
        let (_, text) = rest.split_once(" msg='").unwrap();
        let (text, rest) = text.strip_suffix('\'').unwrap().split_once(" exe=").unwrap();
        Told {
            kind: kind.to_owned(),
            text: text.to_owned(),
            rest: format!("exe={rest}"),
        }
    };
    said.stdout.lines().map(line).collect()
}

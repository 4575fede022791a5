//! Documents of networks: what is refused is refused with the file and a line of it, in one line that no terminal obeys; what is accepted has
//! one canonical form, and gives addresses that lie in it, no two the same.

use crate::xml::harmless;
use ctl::network::{Network, document, parse};
use std::collections::BTreeSet;
use wire::ContainerName;
use wire::network::within;

const FILE: &str = "a.xml";

/// Runs one input.
pub fn run(input: &[u8]) {
    let network = match parse(input, FILE) {
        Ok(network) => network,
        Err(refusal) => {
            assert_eq!(refusal.file, FILE);
            return harmless(&refusal.to_string());
        }
    };
    let text = document(&network).document();
    let again = parse(text.as_bytes(), FILE).unwrap_or_else(|e| panic!("its canonical form is refused: {e}\n{text}"));
    assert_eq!(again.looks_for_loops(), network.looks_for_loops(), "{text}");
    // What is not said of loops may yet be what was kept before; the canonical form says what holds without.
    let said = Network {
        stp: again.stp,
        ..network.clone()
    };
    assert_eq!(again, said, "its canonical form is another network:\n{text}");
    let name = ContainerName::new("a").unwrap();
    for subnet in &network.subnets {
        let mut given = BTreeSet::new();
        for slot in 0..4 {
            let Ok(Some(address)) = subnet.address_of(&name, [2, 0, 0, 0, 0, 1], slot) else {
                break;
            };
            assert!(
                within(address, subnet.net.address, subnet.net.prefix()),
                "{address} lies elsewhere"
            );
            let fixed = subnet.hosts.iter().any(|h| h.address == address);
            assert!(fixed || given.insert(address), "{address} is given twice");
        }
    }
}

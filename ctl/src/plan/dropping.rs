//! What is said of a firewall chain of the host's that drops what the network forwards: which it is, and what mends it. Pure.

use wire::netd::Dropping;

/// One line about it, and a network's bridge. A name that nft(8) could not read back has no command that mends it.
pub fn told(found: &Dropping, bridge: &str) -> String {
    let Dropping { family, table, chain } = found;
    let family = family.name();
    let what = format!("the chain {chain} of the firewall table {family} {table} drops what is forwarded");
    let names = [table.as_str(), chain.as_str()];
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !names.iter().all(|n| !n.is_empty() && n.chars().all(plain)) {
        return format!("{what}: containers may reach nothing beyond this host");
    }
    let insert = |way: &str| format!("nft insert rule {family} {table} {chain} {way} {bridge} accept");
    format!(
        "{what}: containers may reach nothing beyond this host; `{} && {}` lets the network through",
        insert("iifname"),
        insert("oifname")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Text;
    use wire::netd::Family;

    fn dropping(family: Family, table: &str) -> Dropping {
        Dropping {
            family,
            table: Text::new(table).unwrap(),
            chain: Text::new("FORWARD").unwrap(),
        }
    }

    #[test]
    fn it_names_the_chain_and_both_commands() {
        let said = told(&dropping(Family::V4, "filter"), "lzr0");
        for words in [
            "chain FORWARD of the firewall table ip filter",
            "nft insert rule ip filter FORWARD iifname lzr0 accept && nft insert rule ip filter FORWARD oifname lzr0 accept",
        ] {
            assert!(said.contains(words), "{said}");
        }
        assert!(told(&dropping(Family::V6, "filter"), "lzr0").contains("ip6 filter FORWARD"));
        assert!(told(&dropping(Family::Both, "other"), "lzr0").contains("inet other FORWARD"));
    }

    #[test]
    fn a_name_that_a_shell_would_read_otherwise_is_in_no_command() {
        for name in ["a;b", "a b", "$(x)", ""] {
            let said = told(&dropping(Family::V4, name), "lzr0");
            assert!(
                said.contains("drops what is forwarded") && !said.contains("nft insert"),
                "{said}"
            );
        }
    }
}

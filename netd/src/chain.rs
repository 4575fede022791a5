//! Chains of others, as nf_tables tells of them: which drop what is forwarded, and which of their rules let a bridge's packets through
//! (linux/netfilter/nf_tables.h). Pure.

use crate::decode::{attributes, network_word, text};
use crate::encode::{Attributes, DUMP, Malformed, Message};
use crate::rule::{Meta, SUBSYSTEM};
use wire::Text;
use wire::netd::{Dropping, Family};

const GET_CHAIN: u16 = SUBSYSTEM << 8 | 4;
const GET_RULE: u16 = SUBSYSTEM << 8 | 7;
/// Bytes of the fixed part of each message (`struct nfgenmsg`).
const FIXED: usize = 4;
/// The hook that what is forwarded passes (`NF_INET_FORWARD`).
const FORWARD: u32 = 2;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
const EQUAL: u32 = 0;

/// Every chain of every family.
pub fn get_chains() -> Message {
    Message::new(GET_CHAIN, DUMP, &[0; FIXED], Attributes::new())
}

/// Every rule of a chain.
pub fn get_rules(of: &Dropping) -> Message {
    let family = match of.family {
        Family::Both => 1,
        Family::V4 => 2,
        Family::V6 => 10,
    };
    let attributes = Attributes::new().text(1, of.table.as_str()).text(2, of.chain.as_str());
    Message::new(GET_RULE, DUMP, &[family, 0, 0, 0], attributes)
}

/// Reads the body of a chain's message: the chain, if it drops what is forwarded unless a rule accepts it.
pub fn dropping(body: &[u8]) -> Result<Option<Dropping>, Malformed> {
    let (fixed, rest) = body.split_at_checked(FIXED).ok_or(Malformed)?;
    let (mut table, mut chain, mut hook, mut policy) = (String::new(), String::new(), None, None);
    for attribute in attributes(rest) {
        match attribute? {
            (1, value) => table = text(value),
            (3, value) => chain = text(value),
            (4, place) => {
                for attribute in attributes(place) {
                    if let (1, number) = attribute? {
                        hook = Some(network_word(number)?);
                    }
                }
            }
            (5, value) => policy = Some(network_word(value)?),
            _ => {}
        }
    }
    let family = match fixed.first() {
        Some(1) => Family::Both,
        Some(2) => Family::V4,
        Some(10) => Family::V6,
        _ => return Ok(None),
    };
    let drops = hook == Some(FORWARD) && policy == Some(DROP);
    Ok(drops.then(|| Dropping {
        family,
        table: Text::cut(&table),
        chain: Text::cut(&chain),
    }))
}

/// What a rule lets through of a bridge's packets, whatever else is true of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passage {
    /// What comes from the bridge.
    pub from: bool,
    /// What goes to it.
    pub to: bool,
}

impl Passage {
    /// What two rules let through.
    pub const fn and(self, other: Self) -> Self {
        Self {
            from: self.from || other.from,
            to: self.to || other.to,
        }
    }
}

/// One attribute in attributes; none if it is not there.
fn within(bytes: &[u8], wanted: u16) -> Result<Option<&[u8]>, Malformed> {
    for attribute in attributes(bytes) {
        let (kind, value) = attribute?;
        if kind == wanted {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn number(bytes: &[u8], wanted: u16) -> Result<Option<u32>, Malformed> {
    within(bytes, wanted)?.map(network_word).transpose()
}

/// Whether a value that a link's name is compared with matches this name: what ends in NUL is the whole name, else how it begins.
fn matches(value: &[u8], name: &str) -> bool {
    match value.iter().position(|b| *b == 0) {
        Some(end) => value.get(..end) == Some(name.as_bytes()),
        None => name.as_bytes().starts_with(value),
    }
}

/// Reads the body of a rule's message: what it lets through. Only rules that name the bridge and nothing else, or nothing at all, are
/// known to; a counter changes nothing.
pub fn passage(body: &[u8], bridge: &str) -> Result<Passage, Malformed> {
    const NONE: Passage = Passage { from: false, to: false };
    let rest = body.get(FIXED..).ok_or(Malformed)?;
    let mut expressions = Vec::new();
    for element in attributes(within(rest, 4)?.unwrap_or_default()) {
        let (_, expression) = element?;
        let name = text(within(expression, 1)?.unwrap_or_default());
        if name != "counter" {
            expressions.push((name, within(expression, 2)?.unwrap_or_default()));
        }
    }
    let named: Vec<(&str, &[u8])> = expressions.iter().map(|(name, data)| (name.as_str(), *data)).collect();
    let (condition, verdict) = match named.as_slice() {
        [("immediate", verdict)] => (None, verdict),
        [("meta", load), ("cmp", compare), ("immediate", verdict)] => (Some((load, compare)), verdict),
        _ => return Ok(NONE),
    };
    if !accepts(verdict)? {
        return Ok(NONE);
    }
    let Some((load, compare)) = condition else {
        return Ok(Passage { from: true, to: true });
    };
    let value = within(within(compare, 3)?.unwrap_or_default(), 1)?.unwrap_or_default();
    let same = number(load, 1)? == number(compare, 1)? && number(compare, 2)? == Some(EQUAL) && matches(value, bridge);
    let key = number(load, 2)?.filter(|_| same);
    Ok(Passage {
        from: key == Some(Meta::FromLink as u32),
        to: key == Some(Meta::ToLink as u32),
    })
}

fn accepts(verdict: &[u8]) -> Result<bool, Malformed> {
    let data = within(verdict, 2)?.unwrap_or_default();
    let code = number(within(data, 2)?.unwrap_or_default(), 1)?;
    Ok(code == Some(ACCEPT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::HEADER;
    use crate::rule::{self, Rule};

    fn body(message: &Message) -> Vec<u8> {
        message.bytes(1).unwrap().split_off(HEADER)
    }

    fn chain(family: u8, hook: Option<u32>, policy: Option<u32>) -> Vec<u8> {
        let attributes = Attributes::new()
            .text(1, "filter")
            .text(3, "FORWARD")
            .maybe(hook, |a, h| a.nest(4, Attributes::new().network_number(1, h)))
            .maybe(policy, |a, p| a.network_number(5, p));
        body(&Message::new(SUBSYSTEM << 8 | 3, 0, &[family, 0, 0, 0], attributes))
    }

    fn through(rule: Rule) -> (bool, bool) {
        let Passage { from, to } =
            passage(&body(&rule.within(rule::Family::Inet, "filter", "FORWARD")), "lzr0").unwrap();
        (from, to)
    }

    #[test]
    fn a_chain_drops_by_its_policy_at_the_hook_for_what_is_forwarded() {
        for (family, expected) in [(1, Family::Both), (2, Family::V4), (10, Family::V6)] {
            let found = dropping(&chain(family, Some(2), Some(0))).unwrap().unwrap();
            assert_eq!(
                (found.family, found.table.as_str(), found.chain.as_str()),
                (expected, "filter", "FORWARD")
            );
        }
        for other in [
            chain(7, Some(2), Some(0)),
            chain(5, Some(2), Some(0)),
            chain(2, Some(1), Some(0)),
            chain(2, Some(2), Some(1)),
            chain(2, None, None),
        ] {
            assert_eq!(dropping(&other), Ok(None));
        }
        let long = chain(2, Some(2), Some(0));
        for n in 0..long.len() {
            let _ = dropping(&long[..n]);
        }
    }

    #[test]
    fn a_rule_lets_through_what_names_the_bridge_alone() {
        assert_eq!(through(Rule::new().arrives_by("lzr0").accept()), (true, false));
        assert_eq!(through(Rule::new().leaves_by("lzr0").accept()), (false, true));
        assert_eq!(through(Rule::new().accept()), (true, true));
        // How iptables-nft writes a name that ends in `+`.
        assert_eq!(
            through(Rule::new().meta(Meta::ToLink).equals(b"lz").accept()),
            (false, true)
        );
        for other in [
            Rule::new().arrives_by("lzr0").drop(),
            Rule::new().arrives_by("lzr00").accept(),
            Rule::new().arrives_by("docker0").accept(),
            Rule::new().leaves_elsewhere("lzr0").accept(),
            Rule::new().meta(Meta::Transport).equals(b"lzr0\0").accept(),
            Rule::new().arrives_by("lzr0").leaves_by("lzr0").accept(),
            Rule::new().arrives_by("lzr0").jump("lzr0"),
            Rule::new(),
        ] {
            assert_eq!(through(other.clone()), (false, false), "{other:?}");
        }
    }

    #[test]
    fn every_cut_and_every_changed_byte_of_a_rule_is_read_without_harm() {
        let whole = body(
            &Rule::new()
                .arrives_by("lzr0")
                .accept()
                .within(rule::Family::Inet, "t", "c"),
        );
        for n in 0..whole.len() {
            let _ = passage(&whole[..n], "lzr0");
            for byte in 0..=255 {
                let mut changed = whole.clone();
                changed[n] = byte;
                let _ = passage(&changed, "lzr0");
            }
        }
    }
}

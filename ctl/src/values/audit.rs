//! Values of the options of `audit`. Pure.

use std::str::FromStr;
use wire::recordd::Deed;

/// A kind of deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verbs(pub Deed);

/// Every kind of deed, and what it is called.
pub const DEEDS: [(Deed, &str); 19] = [
    (Deed::Start, "start"),
    (Deed::Stop, "stop"),
    (Deed::Enter, "enter"),
    (Deed::Suspend, "suspend"),
    (Deed::Resume, "resume"),
    (Deed::Destroy, "destroy"),
    (Deed::Shutdown, "shutdown"),
    (Deed::Reboot, "reboot"),
    (Deed::Console, "console"),
    (Deed::Rotate, "rotate"),
    (Deed::Open, "open"),
    (Deed::Unreadable, "unreadable"),
    (Deed::Limit, "limit"),
    (Deed::Attach, "attach"),
    (Deed::Detach, "detach"),
    (Deed::Signal, "signal"),
    (Deed::Network, "network"),
    (Deed::Hook, "hook"),
    (Deed::Lend, "lend"),
];

impl FromStr for Verbs {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = DEEDS.iter().find(|(_, name)| *name == text);
        found
            .map(|(deed, _)| Self(*deed))
            .ok_or_else(|| format!("nothing of the kind `{text}` is ever on record"))
    }
}

/// What a deed is called.
pub fn name_of(deed: Deed) -> &'static str {
    DEEDS.iter().find(|(d, _)| *d == deed).map_or("?", |(_, name)| name)
}

/// A record that must be in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

impl FromStr for Expected {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (number, hash) = text.split_once(':')?;
            let mut bytes = [0; 32];
            let digits = hash.as_bytes();
            if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
                *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
            }
            Some(Self {
                number: number.parse().ok()?,
                hash: bytes,
            })
        };
        parse().ok_or_else(|| "it is not NUMBER:HASH, with 64 hexadecimal digits".into())
    }
}

/// A hash in hexadecimal digits.
pub fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expected_record_is_a_number_and_a_hash() {
        let hash = [0xab; 32];
        let text = format!("17:{}", hex(&hash));
        assert_eq!(text.parse(), Ok(Expected { number: 17, hash }));
        for bad in [
            "17",
            "17:",
            "17:ab",
            &text[..text.len() - 1],
            &format!("x{text}"),
            &format!("1:{}", "+1".repeat(32)),
        ] {
            assert!(bad.parse::<Expected>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_kind_of_deed_has_a_name() {
        for (deed, name) in DEEDS {
            assert_eq!(name.parse(), Ok(Verbs(deed)));
            assert_eq!(name_of(deed), name);
        }
        assert!("dance".parse::<Verbs>().is_err());
    }

    #[test]
    fn the_help_names_every_kind_of_deed() {
        use clap::Args;
        let help = crate::options::AuditLog::augment_args(clap::Command::new("log"))
            .render_help()
            .to_string();
        for (_, name) in DEEDS {
            assert!(
                help.contains(&format!(" {name},")) || help.contains(&format!(" {name}\n")),
                "{name}: {help}"
            );
        }
    }
}

//! The values of `lazaret`'s options: the first byte says of which. What is read is within what the option's page says.

use ctl::instant::Instant;
use ctl::values::audit::{Expected, Verbs, hex, name_of};
use ctl::values::{
    Bind, Environment, LEAST_MEMORY, MOST_MEMORY, Memory, Network, RESOURCES, Rate, Tmpfs, Ulimit, UserSpec, identity,
    inside, size,
};
use std::fmt::Display;
use std::str::FromStr;
use wire::netd::Publish;

/// The value, or nothing: a refusal has a reason, and is not longer than what it repeats allows.
fn read<T: FromStr<Err: Display>>(text: &str) -> Option<T> {
    match text.parse::<T>() {
        Ok(value) => Some(value),
        Err(why) => {
            let why = why.to_string();
            // Nine characters is the longest that one character can be shown as.
            assert!(!why.is_empty() && why.len() <= 300 + 10 * text.len(), "{why}");
            None
        }
    }
}

/// A path inside: absolute, without `.`, `..`, empty parts or NUL, and the same once more.
fn path(path: &str) {
    assert!(path.starts_with('/') && !path.contains('\0'));
    assert!(
        path == "/" || path.split('/').skip(1).all(|part| !["", ".", ".."].contains(&part)),
        "{path:?}"
    );
    assert_eq!(inside(path).as_deref(), Ok(path));
}

fn number(text: &str) {
    if let Some(Memory(bytes)) = read(text) {
        assert!((LEAST_MEMORY..=MOST_MEMORY).contains(&bytes));
        assert_eq!(size(&bytes.to_string()), Ok(bytes));
    }
    if let Some(Rate(rate)) = read(text) {
        assert!((10..=8_192_000).contains(&rate));
        assert_eq!(format!("{}.{:03}", rate / 1000, rate % 1000).parse(), Ok(Rate(rate)));
    }
}

fn moment(text: &str) {
    if let Some(moment) = read::<Instant>(text) {
        let shown = moment.to_string();
        // From far beyond the calendar that is read, what is shown is not read.
        if let Ok(again) = shown.parse::<Instant>() {
            assert_eq!(again, Instant(moment.0 - moment.0 % 1_000_000_000), "{shown}");
        }
        crate::xml::harmless(&shown);
    }
}

fn audit(text: &str) {
    if let Some(Verbs(deed)) = read(text) {
        assert_eq!(name_of(deed), text);
    }
    if let Some(expected) = read::<Expected>(text) {
        assert_eq!(
            format!("{}:{}", expected.number, hex(&expected.hash)).parse(),
            Ok(expected)
        );
    }
}

fn place(text: &str) {
    if let Some(bind) = read::<Bind>(text) {
        assert!(!bind.source.is_empty() && !bind.source.contains(':'));
        path(&bind.target);
        assert_ne!(bind.target, "/");
        // The launcher opens what this names, for what it is named for.
        let words = ["run", "--bind", text].map(str::to_owned);
        let named = wire::named::Named::by(&words);
        if !text.starts_with('-') {
            let places: Vec<_> = named.places.iter().map(|p| (p.path.as_str(), p.writable)).collect();
            assert_eq!(places, [(bind.source.as_str(), !bind.read_only)]);
        }
    }
    if let Some(tmpfs) = read::<Tmpfs>(text) {
        path(&tmpfs.target);
        assert!(tmpfs.target != "/" && tmpfs.size.is_none_or(|n| n > 0 && n <= MOST_MEMORY));
    }
    if let Ok(found) = inside(text) {
        path(&found);
    }
}

fn publication(text: &str) {
    let Some(publish) = read::<Publish>(text) else { return };
    assert!(publish.host != 0 && publish.container != 0);
    assert!(publish.address.is_none_or(|a| !a.is_unspecified()));
    let address = publish.address.map_or(String::new(), |a| format!("[{a}]:"));
    let shown = format!(
        "{address}{}:{}{}",
        publish.host,
        publish.container,
        if publish.udp { "/udp" } else { "" }
    );
    assert_eq!(shown.parse(), Ok(publish));
}

fn who(text: &str) {
    if let Some(spec) = read::<UserSpec>(text) {
        for id in [Some(&spec.user), spec.group.as_ref()].into_iter().flatten() {
            assert_eq!(identity(id).as_ref(), Ok(id));
            assert!(!id.contains([':', '\n', '/']) && !id.chars().any(char::is_whitespace));
        }
    }
    if let Some(variable) = read::<Environment>(text) {
        assert!(!variable.name.is_empty() && !variable.name.contains('='));
        assert_eq!(format!("{}={}", variable.name, variable.value), text);
    }
}

fn limit(text: &str) {
    if let Some(Ulimit(limit)) = read(text) {
        assert!(usize::from(limit.resource) < RESOURCES.len() && limit.soft <= limit.hard);
    }
    let _ = read::<Network>(text);
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let Some((which, rest)) = input.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    const READERS: [fn(&str); 7] = [number, moment, audit, place, publication, who, limit];
    READERS[usize::from(*which) % READERS.len()](text);
}

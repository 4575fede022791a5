//! Descriptors of the caller's that a container is to have (`--pass-fds`): taken before anything else is opened, kept behind the launcher's
//! channel, and told to the container's init as sd_listen_fds(3) has it. May touch: the descriptors that are named.

use crate::error::{Error, Outcome};
use crate::handover::CHANNEL;
use std::os::fd::OwnedFd;
use wire::Text;
use wire::init::Container;

/// The most that are passed.
const MOST: usize = 64;

/// What the words name.
fn named(words: &[String]) -> Option<&str> {
    let verb = crate::compose::verb_at(words)?;
    let (verb, rest) = words.get(verb..)?.split_first()?;
    if !matches!(verb.as_str(), "start" | "create") {
        return None;
    }
    let mut rest = rest.iter().take_while(|w| *w != "--");
    while let Some(word) = rest.next() {
        if word == "--pass-fds" {
            return rest.next().map(String::as_str);
        }
        if let Some(list) = word.strip_prefix("--pass-fds=") {
            return Some(list);
        }
    }
    None
}

/// The numbers that a list names.
fn numbers(list: &str) -> Result<Vec<i32>, String> {
    let number = |text: &str| text.parse::<i32>().ok().filter(|n| *n > 2);
    let numbers: Option<Vec<i32>> = list.split(',').map(number).collect();
    let numbers =
        numbers.ok_or_else(|| format!("Unable to parse FD number '{list}': numbers above 2, with commas between"))?;
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != numbers.len() {
        return Err(format!("a descriptor is named twice in '{list}'"));
    }
    if numbers.len() > MOST {
        return Err(format!("more than {MOST} descriptors are named"));
    }
    Ok(numbers)
}

/// Takes what the words name. To be called before this process has opened anything.
pub fn take(words: &[String]) -> Result<Vec<OwnedFd>, String> {
    let Some(list) = named(words) else {
        return Ok(Vec::new());
    };
    let one = |number: i32| {
        sys::process::inherited(number).map_err(|e| format!("descriptor {number} cannot be passed: {}", e.desc()))
    };
    numbers(list)?.into_iter().map(one).collect()
}

/// What was taken, behind the channel.
pub fn kept(count: usize) -> Outcome<Vec<OwnedFd>> {
    let first = CHANNEL.saturating_add(1);
    let numbers = (first..).take(count);
    let kept = numbers.map(sys::process::inherited).collect::<Result<_, _>>();
    kept.map_err(|e| Error::kernel("keep a descriptor that is passed", e))
}

/// Has init told of so many descriptors.
pub fn announce(container: &mut Container, count: usize) -> Outcome<()> {
    if count == 0 {
        return Ok(());
    }
    let too_many = |_| Error::caller("so many descriptors cannot be passed");
    container.descriptors = u8::try_from(count).map_err(too_many)?;
    let mut told = vec![format!("LISTEN_FDS={count}"), "LISTEN_PID=1".to_owned()];
    let names = std::env::var("LISTEN_FDNAMES").ok().filter(|n| !n.is_empty());
    told.extend(names.map(|names| format!("LISTEN_FDNAMES={names}")));
    for variable in told {
        let text = Text::new(&variable).map_err(|e| Error::caller(format!("{variable} is refused: {e}")))?;
        container.command.environment.push(text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_named_by_start_and_create_alone() {
        let of = |line: &str| named(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).map(str::to_owned);
        assert_eq!(of("--run-dir /r start --pass-fds 3,4 vm1").as_deref(), Some("3,4"));
        assert_eq!(of("create a.xml --pass-fds=5").as_deref(), Some("5"));
        for none in [
            "start vm1",
            "enter vm1 start --pass-fds 3",
            "start -- --pass-fds 3",
            "start --pass-fds",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn numbers_are_those_of_descriptors_beyond_the_streams() {
        assert_eq!(numbers("3,7"), Ok(vec![3, 7]));
        for bad in ["", "2", "x", "3,", "3,3", "-1", "3 4"] {
            assert!(numbers(bad).is_err(), "{bad}");
        }
    }
}

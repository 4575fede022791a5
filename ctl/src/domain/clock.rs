//! `clock`: which of them a container can have, and the device nodes of its timers. Pure.
//!
//! The kernel keeps one time of day for all (time_namespaces(7)), and it is the host's. Hence a clock is had that says just this, with the host's
//! hardware clock or high precision timer beside it where one is named.

use super::error::shown;
use super::kept::Why;
use super::xml::Tree;
use wire::init::Path;
use wire::{Node, NodeKind, NodeName};

/// The timers that are device nodes: what of the host's, and what each is called inside.
const NODES: [(&str, &str, &str); 2] = [("rtc", "/dev/rtc0", "rtc"), ("hpet", "/dev/hpet", "hpet")];
/// Those that a processor or a hypervisor has.
const OTHERS: &str = "platform pit tsc kvmclock hypervclock armvtimer";

/// Why a clock, in its canonical form, is kept: it is done, or it never is. The fault: what is wrong with it.
pub fn why(clock: &Tree) -> Result<Why, String> {
    let mut why = match clock.attribute("offset") {
        None | Some("utc" | "localtime") => Why::Done,
        Some("variable") if clock.attribute("adjustment") == Some("0") => Why::Done,
        Some("variable" | "absolute") => {
            Why::Never("every container has the host's time of day, and the kernel keeps no second one")
        }
        Some("timezone") => Why::Never("what the hour is in a container says its own /etc/localtime"),
        Some(other) => {
            return Err(format!(
                "attribute offset of <clock> is {:?}, not utc, localtime, timezone, variable or absolute",
                shown(other, 40)
            ));
        }
    };
    for timer in clock.children.iter().filter(|c| c.name == "timer") {
        let name = timer.attribute("name").unwrap_or_default();
        let present = match timer.attribute("present") {
            None | Some("yes") => true,
            Some("no") => false,
            Some(other) => {
                return Err(format!(
                    "attribute present of <timer> is {:?}, not \"yes\" or \"no\"",
                    shown(other, 40)
                ));
            }
        };
        for (attribute, words) in [
            ("track", "boot guest wall realtime"),
            ("tickpolicy", "delay catchup merge discard"),
            ("mode", "auto native emulate paravirt smpsafe"),
        ] {
            let given = timer.attribute(attribute);
            if let Some(other) = given.filter(|v| !super::schema::lists(words, v)) {
                return Err(format!(
                    "attribute {attribute} of <timer> is {:?}, not one of {words}",
                    shown(other, 40)
                ));
            }
        }
        let known = NODES.iter().any(|(n, ..)| *n == name);
        if !known && !super::schema::lists(OTHERS, name) {
            return Err(format!(
                "attribute name of <timer> is {:?}, which is no timer's",
                shown(name, 40)
            ));
        }
        if present && !known {
            why = Why::Never("of the timers only rtc and hpet can be given to a container: the others are no devices");
        }
    }
    Ok(why)
}

/// The nodes of its timers, which are read and not written.
pub fn nodes(clock: &Tree) -> Vec<Node> {
    let timers = clock
        .children
        .iter()
        .filter(|c| c.name == "timer" && c.attribute("present") != Some("no"));
    let node = |timer: &Tree| {
        let (_, from, name) = NODES.iter().find(|(n, ..)| timer.attribute("name") == Some(n))?;
        Some(Node {
            kind: NodeKind::Timer,
            from: Path::new(from).ok()?,
            name: NodeName::new(name).ok()?,
            writable: false,
        })
    };
    timers.filter_map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{device, parse};

    fn of(clock: &str) -> Result<crate::domain::Domain, String> {
        let text = format!(
            "<domain type='lxc'><name>a</name><memory>1</memory><os><type>exe</type><init>/i</init></os>{clock}</domain>"
        );
        parse(text.as_bytes(), "a.xml").map_err(|e| e.to_string())
    }

    fn names(clock: &str) -> Vec<(String, String, bool)> {
        let nodes = device::nodes(&of(clock).unwrap(), |_, _| unreachable!()).unwrap();
        let one = |n: &Node| (n.from.to_string(), n.name.to_string(), n.writable);
        nodes.iter().map(one).collect()
    }

    #[test]
    fn timers_are_nodes_that_are_read() {
        let rtc = ("/dev/rtc0".to_owned(), "rtc".to_owned(), false);
        let hpet = ("/dev/hpet".to_owned(), "hpet".to_owned(), false);
        let both = "<clock offset='localtime'><timer name='rtc' present='yes'/><timer name='hpet'/></clock>";
        assert_eq!(names(both), [rtc.clone(), hpet]);
        assert_eq!(
            names("<clock offset='utc'><timer name='rtc'/><timer name='hpet' present='no'/></clock>"),
            [rtc]
        );
        assert_eq!(
            names("<clock offset='localtime'><timer name='pit' present='no'/></clock>"),
            []
        );
        // Two of one kind would be one node.
        let twice = of("<clock><timer name='rtc'/><timer name='rtc'/></clock>").unwrap();
        assert!(device::nodes(&twice, |_, _| unreachable!()).is_err());
    }

    #[test]
    fn a_clock_that_no_container_has_is_in_the_way_of_a_start() {
        for (clock, why) in [
            ("<clock offset='variable' adjustment='60'/>", Some("no second one")),
            ("<clock offset='utc' adjustment='60'/>", Some("no second one")),
            ("<clock offset='absolute' start='0'/>", Some("no second one")),
            (
                "<clock offset='timezone' timezone='Europe/Paris'/>",
                Some("/etc/localtime"),
            ),
            (
                "<clock offset='localtime'><timer name='pit'/></clock>",
                Some("only rtc and hpet"),
            ),
            (
                "<clock offset='utc'><timer name='kvmclock' present='yes'/></clock>",
                Some("only rtc and hpet"),
            ),
            ("<clock offset='variable' adjustment='0' basis='utc'/>", None),
            ("<clock offset='localtime'/>", None),
            ("<clock/>", None),
        ] {
            let hinders = of(clock).unwrap().hindrance();
            match why {
                Some(why) => assert!(
                    hinders
                        .as_ref()
                        .is_some_and(|h| h.contains("<clock> in <domain> is refused") && h.contains(why)),
                    "{clock}: {hinders:?}"
                ),
                None => assert_eq!(hinders, None, "{clock}"),
            }
        }
    }

    #[test]
    fn what_is_no_clock_is_refused_at_once() {
        for (clock, what) in [
            ("<clock offset='noon'/>", "attribute offset of <clock> is \"noon\""),
            (
                "<clock><timer name='sun'/></clock>",
                "attribute name of <timer> is \"sun\"",
            ),
            ("<clock><timer/></clock>", "attribute name of <timer> is \"\""),
            (
                "<clock><timer name='rtc' present='1'/></clock>",
                "attribute present of <timer> is \"1\"",
            ),
            ("<clock><tymer/></clock>", "<tymer> in <clock> is not known"),
        ] {
            let said = of(clock).unwrap_err();
            assert!(said.contains(what), "{clock}: {said}");
        }
    }
}

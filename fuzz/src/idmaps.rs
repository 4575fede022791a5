//! Id maps as users write them: lines `KIND START TARGET COUNT`, KIND being `uid` or `gid`, become an `<idmap>`. What is accepted is a map that
//! the kernel takes, is printed and read again as it was, finds for each id inside the one outside, and is planned, or refused; one of no lines is none.

use crate::plans::{host, lot, sound};
use ctl::domain::{format, parse};
use ctl::plan;
use wire::IdRange;
use wire::ids::{HIGHEST, check_map, outside};

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;")
}

fn document(text: &str) -> String {
    let mut map = String::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ').map(escaped);
        let mut word = || words.next().unwrap_or_default();
        let kind = if word() == "gid" { "gid" } else { "uid" };
        map.push_str(&format!(
            "<{kind} start='{}' target='{}' count='{}'/>",
            word(),
            word(),
            word()
        ));
    }
    format!(
        "<domain type='lxc'><name>a</name><memory>65536</memory><os><type>exe</type><init>/i</init></os><idmap>{map}</idmap>\
         <devices><filesystem><source dir='/srv/a'/><target dir='/'/></filesystem></devices></domain>"
    )
}

fn holds(map: &[IdRange]) {
    check_map(map, true).expect("a map that is none was read");
    for range in map {
        let (first, last) = (range.inside, range.inside + (range.count - 1));
        assert_eq!(outside(map, first), Some(range.outside));
        assert_eq!(outside(map, last), Some(range.outside + (range.count - 1)));
        assert!(last <= HIGHEST);
    }
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let domain = match parse(document(text).as_bytes(), "a.xml") {
        Ok(domain) => domain,
        Err(refusal) => return crate::xml::harmless(&refusal.to_string()),
    };
    let Some(map) = domain.idmap.as_ref() else {
        assert!(text.lines().next().is_none(), "the id map was lost");
        return;
    };
    holds(&map.uid);
    holds(&map.gid);
    assert_eq!(parse(format(&domain).as_bytes(), "a.xml").as_ref(), Ok(&domain));
    if let Ok(planned) = plan::domain::plan(&domain, &lot(), &host()) {
        sound(&planned);
    }
}

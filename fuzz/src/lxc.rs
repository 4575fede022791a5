//! Configurations of LXC, with those that they include: the input's parts between NUL bytes are the files `/0`, `/1`, ... A refusal or a warning
//! is one harmless line with a line of one of them; what comes out is a document, and one that is accepted as a domain is in canonical form.

use crate::xml::harmless;
use ctl::domain::{Uuid, format, parse, xml};
use ctl::native::{IdmapOrder, convert};

fn lines(content: &[u8]) -> usize {
    content.iter().filter(|b| **b == b'\n').count() + 1
}

/// Panics unless `NAME:LINE: ` of a file that there is stands before it.
fn placed(told: &str, most: &[usize]) {
    harmless(told);
    let mut parts = told.splitn(3, ':');
    let name = parts.next().and_then(|n| n.strip_prefix('/')?.parse::<usize>().ok());
    let line = parts.next().and_then(|n| n.parse::<usize>().ok());
    let (Some(name), Some(line)) = (name, line) else {
        panic!("no place before {told:?}")
    };
    let most = most[name];
    assert!((1..=most).contains(&line), "line {line} of {most}: {told}");
}

fn converted(files: &[&[u8]], order: IdmapOrder) {
    let mut include = |name: &str| {
        let number = name.strip_prefix('/').and_then(|n| n.parse::<usize>().ok());
        match number.and_then(|n| Some((n, files.get(n)?))) {
            Some((n, content)) => Ok(vec![(format!("/{n}"), content.to_vec())]),
            None => Err("it is not there".to_owned()),
        }
    };
    let most: Vec<usize> = files.iter().map(|content| lines(content)).collect();
    let made = match convert("/0", files[0], &mut include, order, Uuid([7; 16])) {
        Ok(made) => made,
        Err(refusal) => return placed(&refusal.to_string(), &most),
    };
    made.warnings.iter().for_each(|w| placed(w, &most));
    xml::read(made.text.as_bytes()).unwrap_or_else(|e| panic!("what comes out is no XML: {e:?}\n{}", made.text));
    match parse(made.text.as_bytes(), "c.xml") {
        Ok(domain) => assert_eq!(format(&domain), made.text, "it is not canonical"),
        Err(refusal) => harmless(&refusal.to_string()),
    }
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let files: Vec<&[u8]> = input.split(|b| *b == 0).collect();
    converted(&files, IdmapOrder::Lxc);
    converted(&files, IdmapOrder::Libvirt);
}

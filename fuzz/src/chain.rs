//! The log of deeds. The first byte says how: its bytes as they are; or a log of our own, which the rest of the input then changes. A log that
//! was changed is never taken for whole.

use ::chain::{Head, Item, Verifier, Walk, append};

/// Runs one input.
pub fn run(input: &[u8]) {
    match input.split_first() {
        Some((0, script)) => changed(script),
        Some((_, log)) => raw(log),
        None => {}
    }
}

fn raw(log: &[u8]) {
    let (mut walk, mut verifier) = (Walk::new(log), Verifier::default());
    let mut before = 0;
    while let Some(item) = walk.step().expect("memory does not fail to be read") {
        let passed = walk.passed();
        assert!(passed > before, "an item of no bytes: the walk would never end");
        let bytes = usize::try_from(passed - before).unwrap();
        let from = usize::try_from(before).unwrap();
        match &item {
            Item::Strange { bytes: said } => assert_eq!(*said, passed - before),
            Item::Record(r) => {
                let torn = &log[from..from + r.torn];
                let (again, hash) = append(r.number, r.time, &r.previous, r.head_lost, torn, &r.body).unwrap();
                assert_eq!((r.torn + again.len(), hash), (bytes, r.hash));
                assert_eq!(
                    &log[from + r.torn..from + bytes],
                    again,
                    "a record that its writer would write otherwise"
                );
                let _ = wire::recordd::Record::decode(&r.body);
            }
        }
        for finding in verifier.see(&item, false) {
            assert!(!finding.to_string().is_empty());
        }
        before = passed;
    }
    assert_eq!(
        usize::try_from(before).unwrap(),
        log.len(),
        "the walk ends before the log"
    );
    let head = Head::read(log);
    if let Some(head) = head {
        assert_eq!(head.bytes()[..], log[..head.bytes().len()]);
    }
    verifier.end(head.as_ref());
}

/// Records with these bodies, each behind a byte that says how long it is, and the head.
fn log(bodies: &mut &[u8]) -> (Vec<u8>, Head) {
    let (mut bytes, mut head) = (
        Vec::new(),
        Head {
            file: 1,
            end: 0,
            number: 0,
            hash: [0; 32],
        },
    );
    let count = 1 + bodies.split_off_first().copied().unwrap_or(0) % 8;
    for number in 1..=u64::from(count) {
        let length = bodies.split_off_first().copied().unwrap_or(0);
        let body = bodies
            .split_off(..usize::from(length).min(bodies.len()))
            .unwrap_or_default();
        let (record, hash) = append(number, number, &head.hash, false, &[], body).unwrap();
        bytes.extend(record);
        (head.number, head.hash) = (number, hash);
    }
    head.end = u64::try_from(bytes.len()).unwrap();
    (bytes, head)
}

fn whole(log: &[u8], head: &Head) -> bool {
    let (mut walk, mut verifier, mut found) = (Walk::new(log), Verifier::default(), Vec::new());
    while let Some(item) = walk.step().unwrap() {
        found.extend(verifier.see(&item, false));
    }
    found.extend(verifier.end(Some(head)));
    found.iter().all(::chain::Finding::is_harmless)
}

fn changed(script: &[u8]) {
    let mut rest = script;
    let (original, head) = log(&mut rest);
    assert!(whole(&original, &head), "a log that nobody touched is not whole");
    let mut log = original.clone();
    for change in rest.chunks_exact(4).take(16) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % (log.len() + 1);
        let length = usize::from(change[3]).min(log.len() - at);
        match change[2] % 4 {
            0 => log[at..at + length].iter_mut().for_each(|b| *b ^= change[3]),
            1 => drop(log.drain(at..at + length)),
            2 => {
                // A part of the log itself: whole records among it.
                let part = original[at.min(original.len())..(at + 4 * length).min(original.len())].to_vec();
                let to = usize::from(change[3]) * 8 % (log.len() + 1);
                log.splice(to..to, part);
            }
            _ => log.truncate(at),
        }
    }
    // Bytes behind the end are a record that was not finished.
    if !log.starts_with(&original) {
        assert!(!whole(&log, &head), "a log that was changed is taken for whole");
    }
}

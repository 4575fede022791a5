//! Domain documents, as libvirt has them: read, printed, completed and planned. What is refused is refused with the file and a line of it, in
//! one line that no terminal obeys; what is accepted has one canonical form, and a plan or a refusal.

use crate::plans::{host, lot};
use ctl::domain::{Domain, Uuid, complete, format, parse};
use ctl::native::{IdmapOrder, convert, export};
use ctl::plan;

const FILE: &str = "a.xml";

/// Panics unless this is one harmless line.
pub fn harmless(text: &str) {
    assert!(!text.is_empty(), "a refusal says nothing");
    assert!(
        !text.chars().any(char::is_control),
        "a refusal is no single harmless line: {text:?}"
    );
}

/// LXC's configuration for it: one that is read as a configuration, whatever it then says.
fn exported(domain: &Domain) {
    let made = export(domain);
    made.warnings.iter().for_each(|w| harmless(w));
    let mut include = |_: &str| Err("it is not there".to_owned());
    if let Err(refusal) = convert("/0", made.text.as_bytes(), &mut include, IdmapOrder::Lxc, Uuid([7; 16])) {
        harmless(&refusal.to_string());
    }
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let domain = match parse(input, FILE) {
        Ok(domain) => domain,
        Err(refusal) => {
            let lines = input.iter().filter(|b| **b == b'\n' || **b == b'\r').count() + 1;
            assert_eq!(refusal.file, FILE);
            assert!(
                (1..=lines).contains(&refusal.line),
                "line {} of {lines}: {}",
                refusal.line,
                refusal.what
            );
            return harmless(&refusal.to_string());
        }
    };
    let text = format(&domain);
    let again = parse(text.as_bytes(), FILE).unwrap_or_else(|e| panic!("its canonical form is refused: {e}\n{text}"));
    assert_eq!(again, domain, "its canonical form is another domain:\n{text}");
    assert_eq!(format(&again), text);
    exported(&domain);
    let random = |bytes: &mut [u8]| -> Result<(), ()> {
        bytes.fill(7);
        Ok(())
    };
    let whole = complete(domain, random).unwrap();
    assert_eq!(
        complete(whole.clone(), |_: &mut [u8]| Err(())),
        Ok(whole.clone()),
        "it is not complete"
    );
    let whole_text = format(&whole);
    assert_eq!(parse(whole_text.as_bytes(), FILE).as_ref(), Ok(&whole), "{whole_text}");
    match plan::domain::plan(&whole, &lot(), &host()) {
        Ok(planned) => crate::plans::sound(&planned),
        Err(refusal) => harmless(&refusal.to_string()),
    }
}

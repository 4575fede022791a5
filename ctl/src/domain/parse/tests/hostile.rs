//! Documents that are cut, changed, or made to be expensive.

use super::{FULL, document, refusal};
use crate::domain::{MAX_BYTES, parse};

#[test]
fn every_cut_of_a_document_is_refused() {
    for at in 0..FULL.len() - 1 {
        assert!(parse(&FULL.as_bytes()[..at], "cut").is_err(), "{at}");
    }
}

#[test]
fn no_change_of_a_byte_is_fatal() {
    let mut bytes = FULL.as_bytes().to_vec();
    for at in 0..bytes.len() {
        for replacement in [b'<', b'&', 0, 0xff] {
            let kept = core::mem::replace(&mut bytes[at], replacement);
            let _ = parse(&bytes, "changed");
            bytes[at] = kept;
        }
    }
}

/// Nearly the longest document that is read. What a document costs is bounded by limits, so no clock is asked.
fn fill(unit: &str) -> String {
    unit.repeat(MAX_BYTES.saturating_sub(300).div_euclid(unit.len()))
}

#[test]
fn refuses_documents_that_are_made_to_be_expensive() {
    for (text, what) in [
        (
            format!("<domain{}", fill(" a='b'")),
            "1: tag not closed: `>` not found before end of input",
        ),
        (format!("<domain{}/>", fill(" a='b'")), "1: the attribute a comes twice"),
        (
            format!("<domain {}", fill("a")),
            "1: tag not closed: `>` not found before end of input",
        ),
        (fill("<domain type='lxc'>"), "1: elements are nested more than 64 deep"),
        (fill("<!-- -->"), "1: the document has no element"),
        (fill("&amp;"), "1: a reference outside the root element"),
        (fill("x"), "1: there is text outside the root element"),
        (
            format!("<domain type='lxc'>{}</domain>", fill("<name/>")),
            "1: there are more than 16384 elements",
        ),
    ] {
        assert_eq!(refusal(&text), format!("a.xml:{what}"));
    }
}

#[test]
fn says_little_about_a_value_that_is_long() {
    let in_os = |inside: String| document(&format!("<init>/i</init>{inside}"), "", "");
    for text in [
        format!("<domain type='{}'/>", fill("&#65;")),
        in_os(format!("<{}/>", fill("x"))),
        in_os(format!("<initdir>{}</initdir>", fill("x"))),
        in_os(format!("<initarg>{}</initarg>", fill("x"))),
        document("", &format!("<vcpu cpuset='{}9999'>1</vcpu>", fill("0-1023,")), ""),
        document("", &format!("<currentMemory>{}</currentMemory>", fill("9")), ""),
        document("<init>/i</init>", "", &fill("<interface type='ethernet'/>")),
    ] {
        assert!(text.len() <= MAX_BYTES);
        let error = refusal(&text);
        assert!(error.len() < 200, "{error}");
    }
}

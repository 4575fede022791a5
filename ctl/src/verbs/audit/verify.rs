//! `audit verify`: whether anybody touched the log of deeds. May touch: the log of deeds, to read it.

use super::files::walk;
use crate::error::{Error, Outcome};
use crate::options::AuditVerify;
use crate::output::{print, print_json};
use crate::session::Session;
use crate::values::audit::hex;
use chain::{Finding, Item, Verifier};
use serde_json::json;
use wire::recordd::Record;

/// Verifies it, and fails if it was touched.
pub fn verify(session: &Session, options: &AuditVerify) -> Outcome<()> {
    let mut verifier = Verifier::default();
    let (mut findings, mut records, mut first, mut expected) = (Vec::new(), 0u64, None, None);
    let head = walk(session, &options.file, &mut |seen| {
        let rotated = seen.first && matches!(seen.record, Some(Record::Rotated { .. }));
        findings.extend(verifier.see(seen.item, rotated));
        if let Item::Record(record) = seen.item {
            records = records.saturating_add(1);
            first.get_or_insert(record.number);
            if options.expect.is_some_and(|e| e.number == record.number) {
                expected = Some(record.hash);
            }
        }
        Ok(())
    })?;
    findings.extend(verifier.end(head.as_ref()));
    let mut lines: Vec<(bool, String)> = findings
        .iter()
        .map(|f: &Finding| (f.is_harmless(), f.to_string()))
        .collect();
    if let Some(wanted) = options.expect.filter(|e| expected != Some(e.hash)) {
        let what = match expected {
            Some(_) => "has another hash than expected",
            None => "is expected, and not there",
        };
        lines.push((false, format!("record {} {what}", wanted.number)));
    }
    let bad = lines.iter().filter(|(harmless, _)| !harmless).count();
    let last = verifier.last();
    if options.json {
        let one = |(harmless, text): &(bool, String)| json!({"harmless": harmless, "what": text});
        print_json(&json!({
            "whole": bad == 0,
            "records": records,
            "first": first,
            "last": last.map(|(number, _)| number),
            "hash": last.map(|(_, hash)| hex(&hash)),
            "findings": lines.iter().map(one).collect::<Vec<_>>(),
        }))?;
    } else {
        let mut text = String::new();
        for (harmless, line) in &lines {
            text.push_str(if *harmless { "harmless: " } else { "touched: " });
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(&match (first, last) {
            (Some(first), Some((number, hash))) => {
                let many = if records == 1 { "" } else { "s" };
                format!(
                    "{records} record{many}, from {first} to {number}; the last is {number}:{}\n",
                    hex(&hash)
                )
            }
            _ => "no records\n".to_owned(),
        });
        print(&text)?;
    }
    match bad {
        0 => Ok(()),
        1 => Err(Error::caller("1 thing in it is not as its writer left it")),
        n => Err(Error::caller(format!(
            "{n} things in it are not as its writer left them"
        ))),
    }
}

//! Tests of the whole conversion.

mod export;
mod keys;
mod network;

use super::{Converted, File, IdmapOrder, convert};
use crate::domain::Uuid;

/// What every configuration needs.
const START: &str = "lxc.uts.name = harbour\nlxc.rootfs.path = /srv/harbour/root\n";

fn nothing(_: &str) -> Result<Vec<File>, String> {
    Err("it is not there".to_owned())
}

fn try_convert(text: &str, order: IdmapOrder) -> Result<Converted, String> {
    convert("c", text.as_bytes(), &mut nothing, order, Uuid([0x11; 16])).map_err(|e| e.to_string())
}

/// The conversion of [`START`] and more, which begins on line 3.
#[track_caller]
fn converted(more: &str) -> Converted {
    try_convert(&format!("{START}{more}"), IdmapOrder::Lxc).unwrap()
}

/// The refusal of [`START`] and more, which begins on line 3.
#[track_caller]
fn refusal(more: &str) -> String {
    try_convert(&format!("{START}{more}"), IdmapOrder::Lxc).unwrap_err()
}

/// The warnings, but for that of a limit on memory that is not set.
fn warnings(converted: &Converted) -> Vec<&str> {
    let all = converted.warnings.iter().map(String::as_str);
    all.filter(|w| !w.contains("no limit on memory")).collect()
}

#[track_caller]
fn says(more: &str, part: &str) {
    let converted = converted(more);
    let text: String = converted.text.split('\n').map(str::trim).collect();
    assert!(text.contains(part), "{}", converted.text);
}

//! Whether the host's hook script is called, where somebody has laid one. May touch: the script and what lies above it, to look at them.

use super::{Finding, Verdict, finding};
use crate::hooks::script::{SCRIPT, is_laid, is_there, judged};

/// What is found of it; nothing where there is none.
pub fn hook() -> Option<Finding> {
    if !is_laid() {
        return None;
    }
    let (found, mend) = match judged() {
        _ if !is_there() => (
            format!("{SCRIPT} is not executable, and so is not called"),
            format!("chmod 755 {SCRIPT}"),
        ),
        Ok(()) => (format!("{SCRIPT} is called for each domain"), String::new()),
        Err(why) => (
            format!("no domain starts: {why}"),
            format!("ls -ld /etc {SCRIPT}   # all of it root's, written by root alone, and no link"),
        ),
    };
    Some(finding("hook script", mend.is_empty(), Verdict::Warning, found, &mend))
}

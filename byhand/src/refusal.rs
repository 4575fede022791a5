//! What went wrong, and whose fault it is. Pure.

/// A refusal: one line, and the exit status that says who must act.
#[derive(Debug)]
pub struct Refusal {
    /// Exit status.
    pub status: u8,
    /// One line.
    pub what: String,
}

/// The system said no.
pub fn system(what: &str, e: impl std::fmt::Display) -> Refusal {
    Refusal {
        status: 111,
        what: format!("{what}: {e}"),
    }
}

/// It was used wrongly.
pub fn usage(what: impl std::fmt::Display) -> Refusal {
    Refusal {
        status: 100,
        what: what.to_string(),
    }
}

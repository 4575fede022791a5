//! Whether a container that has ended may be started anew, or has been so too often of late. Pure: it is told what time it is.

use std::collections::VecDeque;
use std::time::Duration;
use wire::init::{MOST_STARTS, RESTART_WINDOW};

/// The latest starts of one container, the oldest first, [`MOST_STARTS`] at most.
#[derive(Debug, Default)]
pub struct Brake(VecDeque<Duration>);

impl Brake {
    /// Counts a start at this time of a clock that does not go back, and says whether it may be. One that may not is not counted.
    pub fn starts(&mut self, now: Duration) -> bool {
        let window = Duration::from_secs(RESTART_WINDOW);
        self.0.retain(|start| now.saturating_sub(*start) < window);
        let may = self.0.len() < MOST_STARTS;
        if may {
            self.0.push_back(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many of these starts may be until the first that may not.
    fn until_braked(mut times: impl Iterator<Item = Duration>) -> Option<usize> {
        let mut brake = Brake::default();
        times.position(|now| !brake.starts(now))
    }

    #[test]
    fn a_container_in_a_loop_is_not_started_once_more() {
        assert_eq!(until_braked(std::iter::repeat(SECOND)), Some(MOST_STARTS));
        assert_eq!(until_braked((0..).map(|n| SECOND * n)), Some(MOST_STARTS));
    }

    #[test]
    fn one_that_lives_for_a_while_is_started_anew_for_ever() {
        let each = SECOND * u32::try_from(RESTART_WINDOW).unwrap() / u32::try_from(MOST_STARTS).unwrap();
        assert_eq!(until_braked((0..1000).map(|n| each * n)), None);
        // A loop of long ago does not count.
        let early = (0..5).map(|_| SECOND);
        assert_eq!(until_braked(early.clone().chain(early.map(|n| n + 10 * SECOND))), None);
    }
}

//! What a policy gives, in one form for profiles, programs, files and containers, so that any two can be shown and compared. Pure.

mod condition;
mod difference;
mod learned;
mod view;
mod words;

use condition::condition;
pub use difference::{Difference, difference};
pub use learned::Learned;
pub use view::{Call, View};
pub use words::is_file;

//! Where time comes from; this crate reads no clock.

use std::fmt::Debug;
use std::time::Duration;

/// Where time comes from.
pub trait Clock: Send + Sync + Debug {
    /// The time since some start that stays the same; never goes back.
    fn now(&self) -> Duration;
}

/// A clock that stands still, for whom time does not matter.
impl Clock for Duration {
    fn now(&self) -> Duration {
        *self
    }
}

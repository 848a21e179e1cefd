//! What a search cost.

/// What a search did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Visits {
    /// Rows whose distance was taken.
    pub scored: usize,
    /// Blocks of links read.
    pub expanded: usize,
}

impl Visits {
    pub(crate) fn total(self) -> usize {
        self.scored + self.expanded
    }
}

//! What a query may do besides its own work, so that the next ones have less to do.

/// Rows, and bytes of their payloads, that a query judges besides what it asks, if that was asked
/// before: so a predicate that comes again and again is answered for all rows soon, and one that
/// never does costs nothing more.
const BESIDES_ROWS: u32 = 2048;
pub(crate) const BESIDES_BYTES: usize = 1 << 20;

/// What a query may still judge besides, in all segments together.
#[derive(Debug)]
pub(crate) struct Besides {
    pub(crate) rows: u32,
    pub(crate) bytes: usize,
}

impl Besides {
    /// What any query may.
    pub(crate) fn some() -> Self {
        Self { rows: BESIDES_ROWS, bytes: BESIDES_BYTES }
    }

    /// For a query that is to cost no more than it must.
    pub(crate) fn nothing() -> Self {
        Self { rows: 0, bytes: 0 }
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }
}

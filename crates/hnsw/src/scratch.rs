//! The memory of a search, reused from one to the next.

use vectorizer_model::{Ordinal, Scored};

use crate::pool::Pool;
use crate::visited::Visited;
use crate::visits::Visits;

/// Links of one block, scored together; a longer gathering is scored in parts.
const GATHERED_MAX: usize = 2048;

/// What a search works in. One for each thread; it fits any graph and grows to the largest
/// search it served, never beyond [`Scratch::bytes_needed`] of that.
#[derive(Debug)]
pub struct Scratch {
    pub(crate) pool: Pool,
    pub(crate) frontier: Pool,
    pub(crate) visited: Visited,
    pub(crate) neighbors: Vec<Ordinal>,
    pub(crate) gathered: Vec<Ordinal>,
    pub(crate) distances: Vec<f32>,
    pub(crate) results: Vec<Scored>,
    pub(crate) visits: Visits,
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    /// An empty scratch; the first search allocates.
    pub fn new() -> Self {
        Self {
            pool: Pool::default(),
            frontier: Pool::default(),
            visited: Visited::empty(),
            neighbors: Vec::new(),
            gathered: Vec::new(),
            distances: Vec::new(),
            results: Vec::new(),
            visits: Visits::default(),
        }
    }

    /// Bytes that searches of a graph of `rows` with up to `ef` candidates and results need.
    pub fn bytes_needed(rows: usize, ef: usize) -> u64 {
        let lists = GATHERED_MAX * (2 * size_of::<Ordinal>() + size_of::<f32>());
        let pools = Pool::bytes_needed(ef) + Pool::bytes_needed(Self::frontier_capacity(ef));
        let results = ef * size_of::<Scored>();
        Visited::bytes_needed(rows, ef) + pools + (lists + results) as u64
    }

    /// Rows in reach that a filtered search remembers for later, matching or not.
    pub(crate) fn frontier_capacity(ef: usize) -> usize {
        ef.saturating_mul(8)
    }

    /// The rows found by the last search, nearest first, ties by ordinal.
    pub fn results(&self) -> &[Scored] {
        &self.results
    }
}

//! A finished graph in memory.

use std::convert::Infallible;

use vectorizer_model::Ordinal;

use crate::links::end_list;
use crate::{Links, UpperLayers};

/// The links that a build made. [`Graph::encode`] writes them; searches can also
/// read them here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    pub(crate) rows: usize,
    pub(crate) upper: UpperLayers,
    /// Shape `[rows, m0]`; a shorter list ends with [`crate::links::NO_LINK`].
    pub(crate) level0: Vec<u32>,
}

impl Graph {
    /// Bytes that a graph of so many rows holds, upper layers by their expectation; what
    /// [`crate::build()`] asks of its budget is more, see [`crate::build::bytes_needed`].
    pub fn bytes_needed(rows: usize, m: u32) -> u64 {
        let (rows, m) = (rows as u64, u64::from(m));
        let upper = rows.div_ceil(m.max(2) - 1) * (4 + 4 * m);
        rows * 8 * m + upper
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        let upper = self.upper.layers.iter().map(|layer| layer.nodes.len() + layer.links.len());
        4 * (self.level0.len() + upper.sum::<usize>()) as u64
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Links of a node on the upper layers.
    pub fn m(&self) -> u32 {
        self.upper.m()
    }

    /// The layers above 0.
    pub fn upper(&self) -> &UpperLayers {
        &self.upper
    }
}

impl Links for &Graph {
    type Error = Infallible;

    fn rows(&self) -> usize {
        self.rows
    }

    fn entry(&self) -> Option<(Ordinal, u8)> {
        self.upper.entry()
    }

    fn prefetch(&mut self, _: &[Ordinal]) {}

    #[inline]
    fn neighbors(
        &mut self,
        level: u8,
        of: Ordinal,
        out: &mut Vec<Ordinal>,
    ) -> Result<(), Self::Error> {
        if level > 0 {
            self.upper.neighbors(level, of, out);
            return Ok(());
        }
        let m0 = 2 * self.upper.m;
        out.clear();
        out.extend(self.level0[of.index() * m0..][..m0].iter().map(|link| Ordinal(*link)));
        end_list(out);
        Ok(())
    }
}

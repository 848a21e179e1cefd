//! The layers above 0: about one row in `m`, always in memory.

use vectorizer_model::Ordinal;

use crate::links::{NO_LINK, end_list};
use crate::{Header, HnswError};

/// One layer above 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Layer {
    /// Its rows, ascending.
    pub(crate) nodes: Vec<u32>,
    /// Shape `[nodes, m]`; a shorter list ends with [`NO_LINK`].
    pub(crate) links: Vec<u32>,
}

/// The layers above 0 and the entry of a graph.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpperLayers {
    pub(crate) m: usize,
    pub(crate) entry: Option<Ordinal>,
    /// Layer 1 first.
    pub(crate) layers: Vec<Layer>,
}

impl UpperLayers {
    /// Bytes that [`UpperLayers::parse`] allocates.
    pub fn bytes_needed(header: &Header) -> u64 {
        header.upper_bytes() + u64::from(header.top()) * size_of::<Layer>() as u64
    }

    /// Reads the bytes that lie at [`Header::upper_range`].
    ///
    /// # Errors
    /// [`HnswError::Corrupt`] if they contradict the header or themselves.
    pub fn parse(header: &Header, bytes: &[u8]) -> Result<Self, HnswError> {
        let mut reader = Reader { bytes, offset: header.upper_range().start, rows: header.rows() };
        let m = header.m() as usize;
        let mut layers = Vec::with_capacity(usize::from(header.top()));
        for _ in 0..header.top() {
            layers.push(reader.layer(m)?);
        }
        if !reader.bytes.is_empty() {
            return Err(reader.corrupt("end of upper layers", 0, reader.bytes.len() as u64));
        }
        let upper = Self { m, entry: header.entry(), layers };
        let held = upper.layers.last().zip(upper.entry);
        if held.is_some_and(|(top, entry)| top.nodes.binary_search(&entry.0).is_err()) {
            return Err(reader.corrupt("entry on the top layer", 1, 0));
        }
        Ok(upper)
    }

    /// Where searches start, and the highest layer. None if the graph is empty.
    pub fn entry(&self) -> Option<(Ordinal, u8)> {
        #[expect(clippy::cast_possible_truncation, reason = "at most LEVEL_MAX layers")]
        self.entry.map(|entry| (entry, self.layers.len() as u8))
    }

    /// Replaces `out` by the neighbours of a row on a layer above 0; by none if it does not lie
    /// there.
    pub fn neighbors(&self, level: u8, of: Ordinal, out: &mut Vec<Ordinal>) {
        out.clear();
        let Some(layer) = usize::from(level).checked_sub(1).and_then(|at| self.layers.get(at))
        else {
            return;
        };
        if let Ok(at) = layer.nodes.binary_search(&of.0) {
            let links = &layer.links[at * self.m..(at + 1) * self.m];
            out.extend(links.iter().map(|link| Ordinal(*link)));
            end_list(out);
        }
    }

    /// Links of a node on these layers.
    #[expect(clippy::cast_possible_truncation, reason = "at most M_MAX")]
    pub fn m(&self) -> u32 {
        self.m as u32
    }

    /// Rows of a layer above 0, ascending.
    pub fn nodes(&self, level: u8) -> impl Iterator<Item = Ordinal> {
        let layer = usize::from(level).checked_sub(1).and_then(|at| self.layers.get(at));
        layer.into_iter().flat_map(|layer| layer.nodes.iter().map(|node| Ordinal(*node)))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: u64,
    rows: usize,
}

impl<'a> Reader<'a> {
    fn corrupt(&self, what: &'static str, expected: u64, found: u64) -> HnswError {
        HnswError::Corrupt { what, offset: self.offset, expected, found }
    }

    fn numbers(&mut self, count: usize) -> Result<impl Iterator<Item = u32> + 'a, HnswError> {
        let len = count.saturating_mul(4);
        let Some((head, tail)) = self.bytes.split_at_checked(len) else {
            let (needed, left) = (len as u64, self.bytes.len() as u64);
            return Err(self.corrupt("bytes of upper layers", needed, left));
        };
        self.bytes = tail;
        self.offset += len as u64;
        Ok(head.as_chunks::<4>().0.iter().map(|number| u32::from_le_bytes(*number)))
    }

    fn layer(&mut self, m: usize) -> Result<Layer, HnswError> {
        let count = self.numbers(1)?.next().unwrap_or(0) as usize;
        let nodes: Vec<u32> = self.numbers(count)?.collect();
        let ascending = nodes.is_sorted_by(|a, b| a < b);
        let highest = nodes.last().copied().unwrap_or(u32::MAX);
        if !ascending || highest as usize >= self.rows {
            return Err(self.corrupt("rows of a layer", self.rows as u64, u64::from(highest)));
        }
        let links: Vec<u32> = self.numbers(count.saturating_mul(m))?.collect();
        let rows = self.rows;
        if let Some(link) = links.iter().find(|link| **link != NO_LINK && **link as usize >= rows) {
            return Err(self.corrupt("link", rows as u64, u64::from(*link)));
        }
        Ok(Layer { nodes, links })
    }
}

//! The seam between a search and where links lie.

use vectorizer_model::Ordinal;

use crate::HnswError;

/// Ends a list that is shorter than its block. No row has this number.
pub const NO_LINK: u32 = u32::MAX;

/// The links of a finished graph, wherever they lie: in memory, or in pages that are read.
///
/// Every ordinal it gives is below [`Links::rows`]; implementations over stored bytes check that
/// (see [`decode_block`]).
pub trait Links {
    /// Why links could not be read.
    type Error;

    /// Rows of the graph.
    fn rows(&self) -> usize;

    /// Where every search starts, and the highest layer, which that row lies on. None if empty.
    fn entry(&self) -> Option<(Ordinal, u8)>;

    /// Says that these rows' links on layer 0 will be read soon; may start loads, never waits.
    fn prefetch(&mut self, ordinals: &[Ordinal]);

    /// Says whose links on layer 0, and whose neighbours, a walk will want after those that it asks
    /// for now, the likeliest first. For whoever has to wait for a disk anyway; asks for nothing.
    fn expect(&mut self, _waiting: impl Iterator<Item = Ordinal>) {}

    /// Replaces `out` by the neighbours of a row on a layer; by none if it does not lie there.
    ///
    /// # Errors
    /// If links could not be read or are damaged; `out` is then unspecified.
    fn neighbors(
        &mut self,
        level: u8,
        of: Ordinal,
        out: &mut Vec<Ordinal>,
    ) -> Result<(), Self::Error>;
}

/// Replaces `out` by the links of one layer 0 block.
///
/// Shapes: `block` is `[4 * m0]` bytes, little-endian ordinals, ended by [`NO_LINK`] if fewer.
///
/// # Errors
/// [`HnswError::Corrupt`] if a link is not below `rows`; `out` is then unspecified.
#[inline]
pub fn decode_block(block: &[u8], rows: usize, out: &mut Vec<Ordinal>) -> Result<(), HnswError> {
    let (slots, _) = block.as_chunks::<4>();
    out.clear();
    out.extend(slots.iter().map(|slot| Ordinal(u32::from_le_bytes(*slot))));
    end_list(out);
    let highest = out.iter().fold(0, |highest, link| highest.max(link.0));
    if out.is_empty() || (highest as usize) < rows {
        return Ok(());
    }
    Err(HnswError::Corrupt {
        what: "link",
        offset: 0,
        expected: rows as u64,
        found: u64::from(highest),
    })
}

/// Cuts a block's slots at the first [`NO_LINK`].
#[inline]
pub(crate) fn end_list(slots: &mut Vec<Ordinal>) {
    if slots.last() == Some(&Ordinal(NO_LINK)) {
        let len = slots.iter().position(|link| link.0 == NO_LINK);
        slots.truncate(len.unwrap_or(0));
    }
}

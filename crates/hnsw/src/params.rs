//! What shapes a graph.

use vectorizer_model::RowLayout;

use crate::HnswError;

/// Most links a node may have on an upper layer.
pub const M_MAX: u32 = 512;

/// Most rows of one graph: candidates carry a mark beside their ordinal in 32 bits.
pub const ROWS_MAX: usize = (1 << 31) - 1;

/// Most candidates a build keeps for each row.
pub const EF_CONSTRUCT_MAX: u32 = 65_536;

/// Parameters of a build, in the paper's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// Links of a node on the upper layers, 2 to [`M_MAX`]; layer 0 has [`Params::m0`].
    pub m: u32,
    /// Candidates kept while a row's neighbours are sought, 1 to [`EF_CONSTRUCT_MAX`].
    pub ef_construct: u32,
    /// Decides levels and the order of insertion. One seed and one worker give one graph.
    pub seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self { m: 16, ef_construct: 100, seed: 0 }
    }
}

impl Params {
    /// Links of a node on layer 0.
    pub fn m0(&self) -> u32 {
        self.m * 2
    }

    /// Whether the parameters can shape a graph.
    ///
    /// # Errors
    /// [`HnswError::Params`] names the field, its value and its bounds.
    pub fn check(&self) -> Result<(), HnswError> {
        check_field("m", self.m, 2, M_MAX)?;
        check_field("ef_construct", self.ef_construct, 1, EF_CONSTRUCT_MAX)
    }
}

fn check_field(field: &'static str, value: u32, min: u32, max: u32) -> Result<(), HnswError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(HnswError::Params { field, value, min, max })
}

/// Where layer 0's link blocks lie: `m0` little-endian ordinals each, none across a page.
pub fn block_layout(m: u32) -> RowLayout {
    RowLayout::paged(8 * m as usize)
}

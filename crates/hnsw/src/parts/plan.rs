//! How a build is divided so that it keeps within its memory.

use crate::Params;
use crate::build::peak_bytes;
use crate::encode::ENCODER_BYTES;
use crate::level::{LEVEL_MAX, level};
use crate::parts::{NO_PART, draft};
use vectorizer_model::Ordinal;

/// Parts that each row lies in.
const OVERLAP: usize = 2;
/// Parts are as large as if all were full to this part of them: rows do not divide evenly.
const FILL: (usize, usize) = (4, 5);
/// No part has fewer rows: below, most of what a row's search would meet lies in other parts.
const PART_ROWS_MIN: usize = 256;
/// With fewer parts nearly every row lay in each.
const PARTS_MIN: usize = 4;
/// Rows that stand for the others when these are divided, for each part.
const PIVOTS: usize = 32;
/// Most of them: each row is compared with all.
const PIVOTS_MAX: usize = 2048;
/// Rows that are assigned to parts at once.
const CHUNK_ROWS: usize = 4096;
/// Rows that tell, for each pivot, how many others it stands for.
pub(super) const SAMPLED: usize = 32;
/// Upper layers that may be left out.
const THINNED_MAX: u8 = 3;

/// How many parts there are, how large they may be, and what that takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    parts: u16,
    part_rows: usize,
    pivots: usize,
    /// Layers that are left out between layer 0 and those above.
    thinned: u8,
    upper_rows: usize,
    build_bytes: u64,
    bytes: u64,
}

/// Rows, what loading them takes, and how many lie on each layer and above.
struct Sizes<'a> {
    rows: usize,
    bytes_of: &'a dyn Fn(usize) -> u64,
    above: [usize; LEVEL_MAX as usize + 2],
    params: &'a Params,
    workers: usize,
}

impl Plan {
    /// The plan of fewest parts whose build holds at most `limit` bytes, with all that it loads;
    /// none if there is no such, or no such graph. `bytes_of` says what so many rows take in memory. Takes time in
    /// proportion to the rows, since it draws their levels.
    pub fn within(
        limit: u64,
        (rows, bytes_of): (usize, &dyn Fn(usize) -> u64),
        params: &Params,
        workers: usize,
    ) -> Option<Self> {
        params.check().ok()?;
        let mut above = [0; LEVEL_MAX as usize + 2];
        for row in (0..rows).map(Ordinal::from_index) {
            above[usize::from(level(params.seed, row, params.m))] += 1;
        }
        for level in (0..above.len() - 1).rev() {
            above[level] += above[level + 1];
        }
        let sizes = Sizes { rows, bytes_of, above, params, workers };
        (0..=THINNED_MAX).find_map(|thinned| sizes.plan(limit, thinned))
    }

    /// Parts.
    pub fn parts(&self) -> u16 {
        self.parts
    }

    /// Most rows of a part.
    pub fn part_rows(&self) -> usize {
        self.part_rows
    }

    /// Bytes of the draft for each row, at most.
    pub fn draft_row_bytes(params: &Params) -> u64 {
        OVERLAP as u64 * draft::list_bytes(params)
    }

    /// Bytes that the build holds at its peak, with the rows that it loads.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Of those, what one part's links may take while they are made.
    pub(super) fn build_bytes(&self) -> u64 {
        self.build_bytes
    }

    pub(super) fn pivots(&self) -> usize {
        self.pivots
    }

    /// Rows assigned at once.
    pub(super) fn chunk(&self) -> usize {
        chunk_rows(self.part_rows)
    }

    /// Rows on layers above 0.
    pub(super) fn upper_rows(&self) -> usize {
        self.upper_rows
    }

    /// The layer on which a row lies whose drawn one is `drawn`.
    pub(super) fn level(&self, drawn: u8) -> u8 {
        drawn.saturating_sub(self.thinned)
    }
}

impl Sizes<'_> {
    fn plan(&self, limit: u64, thinned: u8) -> Option<Plan> {
        let (upper, upper_build) = self.upper(thinned);
        let upper_rows = self.above[usize::from(thinned) + 1];
        let upper_loaded = 4 * upper_rows as u64 + (self.bytes_of)(upper_rows);
        let first = upper_loaded + upper_build;
        // Two parts of each row.
        let always = upper + 4 * self.rows as u64;
        if first.max(always) > limit {
            return None;
        }
        let mut parts = PARTS_MIN;
        while parts < usize::from(NO_PART) {
            let part_rows = (OVERLAP * self.rows * FILL.1).div_ceil(parts * FILL.0);
            if part_rows < PART_ROWS_MIN.max(parts) {
                return None;
            }
            let pivots = (PIVOTS * parts).min(PIVOTS_MAX).min(part_rows / 2).max(parts);
            let build = peak_bytes(
                part_rows,
                (upper_of(part_rows, self.params.m), self.params.m0()),
                self.params,
                self.workers,
            );
            let link =
                4 * part_rows as u64 + (self.bytes_of)(part_rows) + build + draft::DRAFT_BYTES;
            let assign = self.assign(parts, pivots, chunk_rows(part_rows));
            let join = ENCODER_BYTES + draft::join_bytes(parts, self.params);
            let bytes = first.max(always + link.max(assign).max(join));
            if bytes <= limit {
                #[expect(clippy::cast_possible_truncation, reason = "below NO_PART")]
                let parts = parts as u16;
                let build_bytes = build.max(upper_build);
                return Some(Plan {
                    parts,
                    part_rows,
                    pivots,
                    thinned,
                    upper_rows,
                    build_bytes,
                    bytes,
                });
            }
            parts += (parts / 8).max(1);
        }
        None
    }

    /// Bytes of the upper layers, and what linking them takes beside their rows.
    fn upper(&self, thinned: u8) -> (u64, u64) {
        let rows = self.above[usize::from(thinned) + 1];
        let higher: usize = self.above[usize::from(thinned) + 2..].iter().sum();
        let lists = (rows + higher) as u64;
        let held = lists * 4 * (1 + u64::from(self.params.m)) + 1024;
        (held, peak_bytes(rows, (higher as u64, self.params.m), self.params, self.workers))
    }

    /// Bytes that assigning rows to parts takes.
    fn assign(&self, parts: usize, pivots: usize, chunk: usize) -> u64 {
        let loaded = (self.bytes_of)(pivots + chunk);
        // Weights, parts before and after, keys; numbers and distances of each worker. The sample by
        // which pivots are divided is no larger than the places of rows, which come after it.
        let of_pivot = (4 + 2 + 2 + 8) + 8 * self.workers;
        loaded + (pivots * of_pivot + 8 * chunk + 8 * parts) as u64 + 1024
    }
}

/// Rows assigned at once, no more than a part has, with the pivots.
fn chunk_rows(part_rows: usize) -> usize {
    CHUNK_ROWS.min(part_rows / 2)
}

/// More than the sum of the levels of so many rows, but for one draw in many thousands.
fn upper_of(rows: usize, m: u32) -> u64 {
    let mean = rows as u64 / (u64::from(m) - 1);
    mean + 8 * (rows as u64).isqrt() + 64
}

#[cfg(test)]
mod tests;

//! How many rows a filter admits, where only payloads know: ask a sample.
//!
//! The sample is stratified: one row from each of equal stretches of rows, so that rows written
//! together, which are often alike, do not gather in it. The same seed gives the same rows.

use roaring::RoaringBitmap;
use vectorizer_model::{Cardinality, Ordinal};

/// Rows of a sample, if there are as many: the error of a share of a half is below two percent.
pub const SAMPLE_ROWS: u32 = 1000;

/// Rows to ask, ascending: all if there are at most [`SAMPLE_ROWS`].
pub fn sample_rows(rows: u32, seed: u64) -> Vec<Ordinal> {
    strata(rows.into(), seed).map(Ordinal).collect()
}

/// Candidates to ask, ascending: all if there are at most [`SAMPLE_ROWS`].
pub fn sample_candidates(candidates: &RoaringBitmap, seed: u64) -> Vec<Ordinal> {
    if candidates.len() <= SAMPLE_ROWS.into() {
        return candidates.iter().map(Ordinal).collect();
    }
    strata(candidates.len(), seed).filter_map(|rank| candidates.select(rank)).map(Ordinal).collect()
}

/// The rows that are admitted of `rows`, if `hits` of `sampled` were: counted if all were asked.
///
/// One more row is taken as half a hit, so that a rare filter is not taken for an empty one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of `rows`, neither negative nor larger"
)]
pub fn estimate(hits: u64, sampled: u64, rows: u64) -> Cardinality {
    if sampled >= rows {
        return Cardinality::Exact(hits);
    }
    let share = (hits as f64 + 0.5) / (sampled as f64 + 1.0);
    let estimated = (share * rows as f64).round() as u64;
    Cardinality::Estimate(estimated.clamp(hits, rows))
}

/// One position of each of at most [`SAMPLE_ROWS`] stretches of `count`.
#[expect(clippy::cast_possible_truncation, reason = "positions of at most 2^32 rows")]
fn strata(count: u64, seed: u64) -> impl Iterator<Item = u32> {
    let strata = count.min(SAMPLE_ROWS.into());
    (0..strata).map(move |stratum| {
        let start = stratum * count / strata;
        let len = (stratum + 1) * count / strata - start;
        (start + split_mix(seed, stratum) % len) as u32
    })
}

/// The `n`th number of the sequence that a seed starts (Steele, Lea, Flood 2014: `SplitMix64`).
fn split_mix(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

//! Whether the disk has room for background work: a merge's output lies beside its sources until it
//! is published, and a graph built in parts has a draft.

use vectorizer_hnsw::Graph;
use vectorizer_segment::ComponentKind;

use crate::claim::Claim;
use crate::error::{EngineError, Result};
use crate::shard::Shard;
use crate::state::{LiveSegment, ShardState};

/// Flushes for which a merge leaves room: what is being flushed, and what fills up meanwhile.
const FLUSHES_KEPT: u64 = 2;

/// Takes room for a merge of these segments, and for the draft of a graph, so that it may start.
///
/// # Errors
/// [`EngineError::NoRoomToMerge`], or the system does not tell.
pub(crate) fn take_for_merge<'a>(
    shard: &'a Shard,
    state: &ShardState,
    (sources, draft_bytes): (&[LiveSegment], u64),
) -> Result<Claim<'a>> {
    take(shard, output_bytes(shard, state, sources).saturating_add(draft_bytes))
}

/// Takes room for the draft of a graph of its own.
///
/// # Errors
/// As [`take_for_merge`].
pub(crate) fn take_for_draft(shard: &Shard, bytes: u64) -> Result<Claim<'_>> {
    take(shard, bytes)
}

fn take(shard: &Shard, bytes: u64) -> Result<Claim<'_>> {
    let reserve_bytes = shard.node.config.memtable_bytes.saturating_mul(FLUSHES_KEPT);
    let (held, needed_bytes) = shard.node.merge_room.take(bytes);
    let available_bytes = shard.directory.space()?.available;
    if fits(needed_bytes, reserve_bytes, available_bytes) {
        return Ok(held);
    }
    Err(EngineError::NoRoomToMerge { needed_bytes, reserve_bytes, available_bytes })
}

/// The rule: what may be written and what is kept must be there.
fn fits(needed: u64, reserve: u64, available: u64) -> bool {
    needed.saturating_add(reserve) <= available
}

/// Bytes that a merge may write: what its sources hold, and graphs over all their rows.
fn output_bytes(shard: &Shard, state: &ShardState, sources: &[LiveSegment]) -> u64 {
    let components = sources.iter().flat_map(|live| &live.segment.record().components);
    let copied = components
        .filter(|c| !matches!(c.kind, ComponentKind::Graph | ComponentKind::Tombstones))
        .map(|component| component.bytes)
        .fold(0, u64::saturating_add);
    let rows: u32 = sources.iter().map(|live| live.segment.rows()).fold(0, u32::saturating_add);
    if rows < shard.node.config.graph_rows_min {
        return copied;
    }
    let graph = |vector: &vectorizer_model::settings::VectorSettings| {
        Graph::bytes_needed(rows as usize, vector.hnsw.unwrap_or(state.settings.hnsw).m)
    };
    let graphs = state.settings.vectors.values().map(graph).fold(0, u64::saturating_add);
    copied.saturating_add(graphs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_reserve_must_both_fit() {
        assert!(fits(60, 40, 100));
        assert!(!fits(61, 40, 100));
        assert!(!fits(0, 101, 100));
        assert!(!fits(u64::MAX, 1, u64::MAX - 1));
    }
}

//! What a shard should do next in the background: a pure choice.

use vectorizer_model::SegmentId;

/// What the choice needs to know of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentSummary {
    pub(crate) id: SegmentId,
    pub(crate) rows: u32,
    /// Rows that are gone.
    pub(crate) dead: u32,
    /// Rows whose payload was replaced.
    pub(crate) patched: u32,
    /// Whether every vector name that wants a graph has one.
    pub(crate) indexed: bool,
}

/// What the choice needs to know of the shard.
#[derive(Debug, Clone)]
pub(crate) struct ShardSummary {
    pub(crate) segments: Vec<SegmentSummary>,
    /// Nothing was written for a while.
    pub(crate) idle: bool,
    pub(crate) config: PolicyConfig,
}

/// The bounds of the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PolicyConfig {
    /// Below this many rows a scan is as fast as a graph.
    pub(crate) graph_rows_min: u32,
    /// Rows of a freshly flushed segment; the base of the tiers.
    pub(crate) flush_rows: u32,
    /// Merged segments hold at most this many rows.
    pub(crate) merged_rows_max: u32,
}

/// The next piece of background work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Nothing to gain.
    Rest,
    /// Build the missing graphs of a segment.
    Index(SegmentId),
    /// Write these segments as one.
    Merge(Vec<SegmentId>),
}

/// A tail joins a segment that is at most this many times as large.
const TAIL_SHARE: u64 = 8;
/// Segments of a tier that are merged at once.
const FAN_IN: usize = 4;

/// Chooses: full tiers first, because a graph built before a merge is built twice; then graphs;
/// then, when nothing is written, what brings the shard to few large segments.
pub(crate) fn choose(shard: &ShardSummary) -> Choice {
    full_tier(shard)
        .or_else(|| stale_segment(shard))
        .or_else(|| if shard.idle { tail(shard) } else { None })
        .or_else(|| missing_graph(shard))
        .unwrap_or(Choice::Rest)
}

fn live(segment: &SegmentSummary) -> u64 {
    u64::from(segment.rows.saturating_sub(segment.dead))
}

/// Grows by [`FAN_IN`] from one tier to the next.
fn tier(segment: &SegmentSummary, config: &PolicyConfig) -> u32 {
    let flushes = live(segment) / u64::from(config.flush_rows.max(1));
    flushes.max(1).ilog(FAN_IN as u64)
}

fn fits(segments: &[&SegmentSummary], config: &PolicyConfig) -> bool {
    segments.iter().map(|s| live(s)).sum::<u64>() <= u64::from(config.merged_rows_max)
}

fn full_tier(shard: &ShardSummary) -> Option<Choice> {
    let top = shard.segments.iter().map(|s| tier(s, &shard.config)).max()?;
    (0..=top).find_map(|number| {
        let mut members: Vec<_> =
            shard.segments.iter().filter(|s| tier(s, &shard.config) == number).collect();
        members.sort_by_key(|s| (live(s), s.id));
        members.truncate(FAN_IN);
        let full = members.len() == FAN_IN && fits(&members, &shard.config);
        full.then(|| Choice::Merge(members.iter().map(|s| s.id).collect()))
    })
}

/// A segment of which a quarter is dead or patched is rewritten.
fn stale_segment(shard: &ShardSummary) -> Option<Choice> {
    let stale = |s: &SegmentSummary| (u64::from(s.dead) + u64::from(s.patched)) * 4;
    let mostly_stale = |s: &&SegmentSummary| stale(s) > u64::from(s.rows);
    shard.segments.iter().find(mostly_stale).map(|s| Choice::Merge(vec![s.id]))
}

/// When idle, segments join the largest unless they are much smaller: every segment costs a search
/// about as much as the largest does, so one is best.
fn tail(shard: &ShardSummary) -> Option<Choice> {
    let mut by_size: Vec<_> = shard.segments.iter().collect();
    by_size.sort_by_key(|s| (live(s), s.id));
    while by_size.len() > 1 && !fits(&by_size, &shard.config) {
        by_size.pop();
    }
    // Rewriting a large segment to take in a few rows costs more than the few rows do.
    while by_size.len() > 1 {
        let (largest, rest) = by_size.split_last()?;
        if rest.iter().map(|s| live(s)).sum::<u64>() * TAIL_SHARE >= live(largest) {
            break;
        }
        by_size.pop();
    }
    (by_size.len() > 1).then(|| Choice::Merge(by_size.iter().map(|s| s.id).collect()))
}

fn missing_graph(shard: &ShardSummary) -> Option<Choice> {
    let wanting = |s: &&SegmentSummary| !s.indexed && s.rows >= shard.config.graph_rows_min;
    let largest = shard.segments.iter().filter(wanting).max_by_key(|s| (live(s), s.id))?;
    Some(Choice::Index(largest.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: PolicyConfig =
        PolicyConfig { graph_rows_min: 1_000, flush_rows: 10_000, merged_rows_max: 1_000_000 };

    fn shard(sizes: &[(u32, u32, bool)], idle: bool) -> ShardSummary {
        let segments = (1..)
            .zip(sizes)
            .map(|(id, &(rows, dead, indexed))| SegmentSummary {
                id: SegmentId(id),
                rows,
                dead,
                patched: 0,
                indexed,
            })
            .collect();
        ShardSummary { segments, idle, config: CONFIG }
    }

    #[test]
    fn a_full_tier_is_merged_before_graphs_are_built() {
        let four = shard(&[(10_000, 0, false); 4], false);
        assert_eq!(choose(&four), Choice::Merge((1..=4).map(SegmentId).collect()));
    }

    #[test]
    fn graphs_are_built_largest_first_and_not_for_small_segments() {
        let two = shard(&[(10_000, 0, false), (40_000, 0, false), (10, 0, false)], false);
        assert_eq!(choose(&two), Choice::Index(SegmentId(2)));
        assert_eq!(choose(&shard(&[(10, 0, false)], true)), Choice::Rest);
    }

    #[test]
    fn stale_segments_are_rewritten() {
        let stale = shard(&[(10_000, 2_501, true)], false);
        assert_eq!(choose(&stale), Choice::Merge(vec![SegmentId(1)]));
    }

    #[test]
    fn idle_shards_come_to_rest_with_few_segments() {
        let mut sizes: Vec<(u32, u32, bool)> = vec![(12_345, 0, false); 23];
        for _ in 0..1_000 {
            let summary = shard(&sizes, true);
            match choose(&summary) {
                Choice::Rest => break,
                Choice::Index(id) => {
                    sizes[usize::try_from(id.0).expect("small") - 1].2 = true;
                }
                Choice::Merge(ids) => {
                    let merged: Vec<usize> =
                        ids.iter().map(|id| usize::try_from(id.0).expect("small") - 1).collect();
                    let rows = merged.iter().map(|&at| sizes[at].0 - sizes[at].1).sum();
                    sizes = sizes
                        .iter()
                        .enumerate()
                        .filter(|(at, _)| !merged.contains(at))
                        .map(|(_, &size)| size)
                        .collect();
                    sizes.push((rows, 0, false));
                }
            }
        }
        assert_eq!(choose(&shard(&sizes, true)), Choice::Rest);
        assert!(sizes.len() <= 3, "{sizes:?}");
        assert!(sizes.iter().all(|s| s.2));
    }

    #[test]
    fn merges_never_pass_the_largest_size() {
        let large = shard(&[(900_000, 0, true), (900_000, 0, true), (900_000, 0, true)], true);
        assert_eq!(choose(&large), Choice::Rest);
    }
}

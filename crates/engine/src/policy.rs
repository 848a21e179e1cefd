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
    /// Whether every vector name that a graph is built for has one. One that is too small for a graph
    /// has none.
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
    /// There is memory to build the graph of so many rows at once.
    pub(crate) at_once_rows_max: u32,
    /// Merged segments hold at most this many rows. Graphs of more than can be built at once are
    /// built in parts, all rows anew, so that only full tiers become so large.
    pub(crate) merged_rows_max: u32,
}

/// Background work is done in two lanes at once, on different segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Rows without a graph get into one.
    Fresh,
    /// Segments with graphs become fewer.
    Settled,
}

impl Lane {
    pub(crate) const ALL: [Self; 2] = [Self::Fresh, Self::Settled];

    /// Its place in [`Self::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
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
/// Rows without a graph get into that of a segment at most this many times as large as they. Its
/// links are kept, so that what is paid is the rewriting of its rows; less would leave more
/// segments for a search to visit.
const GROWTH: u64 = 16;
/// A backlog of so many flushes came in bulk. A smaller one is what a stream of writes left while
/// the lane was at work; searches are slow until it is linked, and that is fastest in a small graph.
const BULK_FLUSHES: u64 = 8;

/// Chooses for a lane, which knows only the segments that the other is not at work on. The settled
/// one rewrites what is stale, then merges full tiers, then, when nothing is written, what brings
/// the shard to few large segments.
pub(crate) fn choose(shard: &ShardSummary, lane: Lane) -> Choice {
    let choice = match lane {
        Lane::Fresh => backlog(shard),
        Lane::Settled => stale_segment(shard)
            .or_else(|| full_tier(shard))
            .or_else(|| if shard.idle { tail(shard) } else { None }),
    };
    choice.unwrap_or(Choice::Rest)
}

fn live(segment: &SegmentSummary) -> u64 {
    u64::from(segment.rows.saturating_sub(segment.dead))
}

/// Grows by [`FAN_IN`] from one tier to the next.
fn tier(segment: &SegmentSummary, config: &PolicyConfig) -> u32 {
    let flushes = live(segment) / u64::from(config.flush_rows.max(1));
    flushes.max(1).ilog(FAN_IN as u64)
}

/// Whether so many rows have no graph that a scan of them is slower than one would be.
fn is_waiting(shard: &ShardSummary) -> bool {
    let fresh = shard.segments.iter().filter(|s| !s.indexed);
    fresh.map(live).sum::<u64>() >= u64::from(shard.config.graph_rows_min.max(1))
}

/// Segments that the fresh lane leaves alone.
fn settled(shard: &ShardSummary) -> impl Iterator<Item = &SegmentSummary> {
    let waiting = is_waiting(shard);
    shard.segments.iter().filter(move |segment| segment.indexed || !waiting)
}

fn fits(segments: &[&SegmentSummary], rows_max: u32) -> bool {
    segments.iter().map(|s| live(s)).sum::<u64>() <= u64::from(rows_max)
}

fn full_tier(shard: &ShardSummary) -> Option<Choice> {
    let top = settled(shard).map(|s| tier(s, &shard.config)).max()?;
    (0..=top).find_map(|number| {
        let in_tier = |s: &&SegmentSummary| tier(s, &shard.config) == number;
        let mut members: Vec<_> = settled(shard).filter(in_tier).collect();
        members.sort_by_key(|s| (live(s), s.id));
        members.truncate(FAN_IN);
        if members.len() < FAN_IN {
            return None;
        }
        // As many as fit: else segments just below the largest size would become more for ever.
        while members.len() > 1 && !fits(&members, shard.config.merged_rows_max) {
            members.pop();
        }
        (members.len() > 1).then(|| Choice::Merge(members.iter().map(|s| s.id).collect()))
    })
}

/// A segment of which a quarter is dead or patched is rewritten: a small one with all other small
/// ones, because where the same rows are written again and again every segment is stale at once.
fn stale_segment(shard: &ShardSummary) -> Option<Choice> {
    let stale = |s: &SegmentSummary| (u64::from(s.dead) + u64::from(s.patched)) * 4;
    let mostly_stale = |s: &&SegmentSummary| stale(s) > u64::from(s.rows);
    let at_rest: Vec<SegmentId> = settled(shard).map(|s| s.id).collect();
    let is_small = |s: &SegmentSummary| at_rest.contains(&s.id) && tier(s, &shard.config) == 0;
    let found = shard.segments.iter().find(mostly_stale)?;
    let together = |s: &&SegmentSummary| s.id == found.id || (is_small(found) && is_small(s));
    let mut merged: Vec<&SegmentSummary> = shard.segments.iter().filter(together).collect();
    merged.sort_by_key(|s| (s.id != found.id, live(s), s.id));
    while merged.len() > 1 && !fits(&merged, shard.config.at_once_rows_max) {
        merged.pop();
    }
    Some(Choice::Merge(merged.iter().map(|s| s.id).collect()))
}

/// When idle, segments join the largest unless they are much smaller: every segment costs a search
/// about as much as the largest does, so one is best.
fn tail(shard: &ShardSummary) -> Option<Choice> {
    let mut by_size: Vec<_> = settled(shard).collect();
    by_size.sort_by_key(|s| (live(s), s.id));
    while by_size.len() > 1 && !fits(&by_size, shard.config.at_once_rows_max) {
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

/// All segments without a graph, with the small ones, become one, together with the largest that is
/// not much larger: its graph grows by the others' rows, and no other row is linked again.
fn backlog(shard: &ShardSummary) -> Option<Choice> {
    if !is_waiting(shard) {
        return None;
    }
    let most = u64::from(shard.config.at_once_rows_max);
    let has_size = |s: &&SegmentSummary| s.rows >= shard.config.graph_rows_min;
    let (growing, mut fresh): (Vec<&SegmentSummary>, Vec<_>) =
        shard.segments.iter().partition(|s| s.indexed && has_size(s));
    let largest = fresh.iter().filter(|s| !s.indexed).max_by_key(|s| (live(s), s.id)).copied()?;
    fresh.sort_by_key(|s| (live(s), s.id));
    let mut size = 0;
    let mut merged = Vec::new();
    for segment in fresh {
        if size + live(segment) > most {
            break;
        }
        size += live(segment);
        merged.push(segment.id);
    }
    let flush = u64::from(shard.config.flush_rows);
    let reach = if size >= BULK_FLUSHES * flush { size } else { size.min(flush) };
    let near = |s: &&SegmentSummary| live(s) <= reach * GROWTH && size + live(s) <= most;
    let basis = growing.into_iter().filter(near).max_by_key(|s| (live(s), s.id));
    merged.extend(basis.map(|s| s.id));
    if merged.len() > 1 {
        return Some(Choice::Merge(merged));
    }
    has_size(&largest).then_some(Choice::Index(largest.id))
}

#[cfg(test)]
mod tests;

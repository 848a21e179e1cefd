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
    /// Merged segments hold at most this many rows.
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

fn fits(segments: &[&SegmentSummary], config: &PolicyConfig) -> bool {
    segments.iter().map(|s| live(s)).sum::<u64>() <= u64::from(config.merged_rows_max)
}

fn full_tier(shard: &ShardSummary) -> Option<Choice> {
    let top = settled(shard).map(|s| tier(s, &shard.config)).max()?;
    (0..=top).find_map(|number| {
        let in_tier = |s: &&SegmentSummary| tier(s, &shard.config) == number;
        let mut members: Vec<_> = settled(shard).filter(in_tier).collect();
        members.sort_by_key(|s| (live(s), s.id));
        members.truncate(FAN_IN);
        let full = members.len() == FAN_IN && fits(&members, &shard.config);
        full.then(|| Choice::Merge(members.iter().map(|s| s.id).collect()))
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
    while merged.len() > 1 && !fits(&merged, &shard.config) {
        merged.pop();
    }
    Some(Choice::Merge(merged.iter().map(|s| s.id).collect()))
}

/// When idle, segments join the largest unless they are much smaller: every segment costs a search
/// about as much as the largest does, so one is best.
fn tail(shard: &ShardSummary) -> Option<Choice> {
    let mut by_size: Vec<_> = settled(shard).collect();
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

/// All segments without a graph, with the small ones, become one, together with the largest that is
/// not much larger: its graph grows by the others' rows, and no other row is linked again.
fn backlog(shard: &ShardSummary) -> Option<Choice> {
    if !is_waiting(shard) {
        return None;
    }
    let most = u64::from(shard.config.merged_rows_max);
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

    fn choose_any(shard: &ShardSummary) -> Choice {
        let choices = Lane::ALL.map(|lane| choose(shard, lane));
        choices.into_iter().find(|choice| *choice != Choice::Rest).unwrap_or(Choice::Rest)
    }

    #[test]
    fn what_has_no_graph_is_merged_into_one() {
        let four = shard(&[(10_000, 0, false); 4], false);
        assert_eq!(choose_any(&four), Choice::Merge((1..=4).map(SegmentId).collect()));
        let one = shard(&[(10_000, 0, false), (170_000, 0, true)], false);
        assert_eq!(choose_any(&one), Choice::Index(SegmentId(1)));
    }

    #[test]
    fn a_graph_that_is_not_much_larger_grows() {
        let near = shard(&[(10_000, 0, false), (40_000, 0, true), (900_000, 0, true)], false);
        assert_eq!(choose_any(&near), Choice::Merge(vec![SegmentId(1), SegmentId(2)]));
        let one = shard(&[(10_000, 0, false), (40_000, 0, true), (70_000, 0, true)], false);
        assert_eq!(choose_any(&one), Choice::Merge(vec![SegmentId(1), SegmentId(3)]));
    }

    #[test]
    fn only_what_came_in_bulk_joins_a_large_graph() {
        let with = |flushes: u32| {
            let sizes = [(10_000 * flushes, 0, false), (300_000, 0, true), (20_000, 0, true)];
            choose_any(&shard(&sizes, false))
        };
        assert_eq!(with(7), Choice::Merge(vec![SegmentId(1), SegmentId(3)]));
        assert_eq!(with(8), Choice::Merge(vec![SegmentId(1), SegmentId(2)]));
    }

    #[test]
    fn segments_too_small_for_a_graph_get_one_together() {
        let some = shard(&[(400, 0, false), (500, 0, false)], true);
        assert_eq!(choose_any(&some), Choice::Merge(vec![SegmentId(1), SegmentId(2)]));
        assert_eq!(choose(&some, Lane::Fresh), Choice::Rest, "a scan is as fast");
        let enough = shard(&[(400, 0, false), (600, 0, false), (15_000, 0, true)], false);
        let all = vec![SegmentId(1), SegmentId(2), SegmentId(3)];
        assert_eq!(choose(&enough, Lane::Fresh), Choice::Merge(all));
        assert_eq!(choose(&shard(&[(999, 0, false)], true), Lane::Fresh), Choice::Rest);
        let mut cramped = shard(&[(600, 0, false), (700, 0, false)], false);
        cramped.config.merged_rows_max = 650;
        assert_eq!(choose_any(&cramped), Choice::Rest, "there is no room for both");
    }

    #[test]
    fn small_segments_wait_for_company() {
        assert_eq!(choose_any(&shard(&[(10, 0, true)], true)), Choice::Rest);
        let with = shard(&[(10, 0, true), (10_000, 0, false)], false);
        assert_eq!(choose_any(&with), Choice::Merge(vec![SegmentId(1), SegmentId(2)]));
    }

    #[test]
    fn stale_segments_are_rewritten() {
        let stale = shard(&[(10_000, 2_501, true)], false);
        assert_eq!(choose_any(&stale), Choice::Merge(vec![SegmentId(1)]));
        let large = shard(&[(90_000, 30_000, true), (90_000, 30_000, true)], false);
        assert_eq!(choose_any(&large), Choice::Merge(vec![SegmentId(1)]));
    }

    #[test]
    fn small_stale_segments_become_one() {
        let sizes = [(100, 0, true), (500, 400, true), (90_000, 0, true), (500, 500, true)];
        let all = vec![SegmentId(2), SegmentId(4), SegmentId(1)];
        assert_eq!(choose_any(&shard(&sizes, false)), Choice::Merge(all));
    }

    /// Does what is chosen; rows written anew, and rows linked into a graph. None at rest.
    fn step(sizes: &mut Vec<(u32, u32, bool)>, idle: bool) -> Option<(u32, u32)> {
        let at = |id: &SegmentId| usize::try_from(id.0).expect("small") - 1;
        match choose_any(&shard(sizes, idle)) {
            Choice::Rest => None,
            Choice::Index(id) => {
                let segment = &mut sizes[at(&id)];
                segment.2 = true;
                Some((0, segment.0))
            }
            Choice::Merge(ids) => {
                let live = |at: usize| sizes[at].0 - sizes[at].1;
                let rows = ids.iter().map(|id| live(at(id))).sum();
                let indexed = ids.iter().map(at).filter(|&at| sizes[at].2);
                let kept = indexed.map(live).max().unwrap_or(0);
                let mut merged: Vec<usize> = ids.iter().map(at).collect();
                merged.sort_unstable();
                for at in merged.into_iter().rev() {
                    sizes.remove(at);
                }
                sizes.push((rows, 0, true));
                Some((rows, rows - kept))
            }
        }
    }

    #[test]
    fn rows_are_written_and_linked_a_few_times() {
        let (mut sizes, mut written, mut linked, mut most) = (Vec::new(), 0, 0, 0);
        for _ in 0..200 {
            sizes.push((5_000, 0, false));
            while let Some(done) = step(&mut sizes, false) {
                (written, linked) = (written + done.0, linked + done.1);
            }
            most = most.max(sizes.len());
        }
        let rows = 200 * 5_000;
        assert!(most <= 7, "{most} segments to search");
        assert!(
            linked <= 2 * rows,
            "rows are linked {} times",
            f64::from(linked) / f64::from(rows)
        );
        assert!(written <= 10 * rows, "or written {} times", f64::from(written) / f64::from(rows));
    }

    #[test]
    fn a_burst_is_linked_once() {
        let mut sizes = vec![(25_000, 0, false)];
        let mut linked = step(&mut sizes, false).map_or(0, |done| done.1);
        sizes.extend([(25_000, 0, false); 39]);
        while let Some(done) = step(&mut sizes, false) {
            linked += done.1;
        }
        assert_eq!((sizes.len(), linked), (1, 1_000_000));
    }

    #[test]
    fn idle_shards_come_to_rest_with_few_segments() {
        let mut sizes = vec![(12_345, 0, false); 23];
        let steps = std::iter::from_fn(|| step(&mut sizes, true)).take(1_000).count();
        assert!(steps < 1_000);
        assert!(sizes.len() <= 3, "{sizes:?}");
        assert!(sizes.iter().all(|s| s.2));
    }

    #[test]
    fn merges_never_pass_the_largest_size() {
        let large = shard(&[(900_000, 0, true), (900_000, 0, true), (900_000, 0, true)], true);
        assert_eq!(choose_any(&large), Choice::Rest);
    }
}

//! What is chosen, and what many choices lead to.

use super::*;

const CONFIG: PolicyConfig = PolicyConfig {
    graph_rows_min: 1_000,
    flush_rows: 10_000,
    at_once_rows_max: 1_000_000,
    merged_rows_max: 1_000_000,
};

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

/// Where there is memory for few rows at once.
const CRAMPED: PolicyConfig =
    PolicyConfig { at_once_rows_max: 30_000, merged_rows_max: 300_000, ..CONFIG };

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
    cramped.config.at_once_rows_max = 650;
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

fn step(sizes: &mut Vec<(u32, u32, bool)>, idle: bool) -> Option<(u32, u32)> {
    step_in(sizes, idle, CONFIG)
}

/// Does what is chosen; rows written anew, and rows linked into a graph. None at rest.
fn step_in(
    sizes: &mut Vec<(u32, u32, bool)>,
    idle: bool,
    config: PolicyConfig,
) -> Option<(u32, u32)> {
    let at = |id: &SegmentId| usize::try_from(id.0).expect("small") - 1;
    let shard = ShardSummary { config, ..shard(sizes, idle) };
    match choose_any(&shard) {
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
            let at_once = rows <= config.at_once_rows_max;
            let kept = indexed.map(live).max().filter(|_| at_once).unwrap_or(0);
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
    assert!(linked <= 2 * rows, "rows are linked {} times", f64::from(linked) / f64::from(rows));
    assert!(written <= 10 * rows, "or written {} times", f64::from(written) / f64::from(rows));
}

#[test]
fn segments_stay_few_where_no_two_large_ones_fit_in_memory() {
    let (mut sizes, mut linked, mut most) = (Vec::new(), 0, 0);
    for flushes in 1..=400 {
        sizes.push((5_000, 0, false));
        while let Some(done) = step_in(&mut sizes, false, CRAMPED) {
            linked += done.1;
        }
        // Those of the largest size, and less than a tier of each smaller one.
        let whole = flushes * 5_000 / (CRAMPED.merged_rows_max / 2) as usize;
        most = most.max(sizes.len().saturating_sub(whole));
    }
    assert!(sizes.iter().all(|s| s.0 <= CRAMPED.merged_rows_max && s.2), "{sizes:?}");
    assert!(most <= 9, "{most} segments beside the largest: {sizes:?}");
    let times = f64::from(linked) / (400.0 * 5_000.0);
    assert!(times <= 5.0, "rows are linked {times} times");
    while step_in(&mut sizes, true, CRAMPED).is_some() {}
    assert!(sizes.len() <= 20, "{sizes:?}");
}

#[test]
fn only_full_tiers_pass_what_memory_holds_at_once() {
    let large = |count: usize| {
        let sizes = vec![(25_000, 0, true); count];
        choose(&ShardSummary { config: CRAMPED, ..shard(&sizes, true) }, Lane::Settled)
    };
    assert_eq!(large(3), Choice::Rest);
    assert_eq!(large(4), Choice::Merge((1..=4).map(SegmentId).collect()));
    let sizes = [(140_000, 0, true), (130_000, 0, true), (120_000, 0, true), (150_000, 0, true)];
    let summary = ShardSummary { config: CRAMPED, ..shard(&sizes, true) };
    let fitting = Choice::Merge(vec![SegmentId(3), SegmentId(2)]);
    assert_eq!(choose(&summary, Lane::Settled), fitting, "as many as fit");
}

#[test]
fn a_large_segment_without_a_graph_gets_one_by_itself() {
    let sizes = [(200_000, 0, false), (5_000, 0, false), (20_000, 0, true)];
    let summary = ShardSummary { config: CRAMPED, ..shard(&sizes, false) };
    let small = Choice::Merge(vec![SegmentId(2), SegmentId(3)]);
    assert_eq!(choose(&summary, Lane::Fresh), small);
    let sizes = [(200_000, 0, false), (25_000, 0, true)];
    let summary = ShardSummary { config: CRAMPED, ..shard(&sizes, false) };
    assert_eq!(choose(&summary, Lane::Fresh), Choice::Index(SegmentId(1)));
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

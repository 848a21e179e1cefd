//! One answer out of those of several shards: by distance, then by id.

use vectorizer_engine::Hit;
use vectorizer_model::PointId;

/// The hits of all shards, nearest first, ties by id: those from `offset`, at most `limit`.
pub(crate) fn merge_hits(leaves: Vec<Vec<Hit>>, offset: usize, limit: usize) -> Vec<Hit> {
    let mut hits: Vec<Hit> = leaves.into_iter().flatten().collect();
    hits.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
    hits.into_iter().skip(offset).take(limit).collect()
}

/// The first `limit` ids of all shards, and the one that the next page starts with.
pub(crate) fn merge_pages(
    leaves: Vec<(Vec<PointId>, Option<PointId>)>,
    limit: usize,
) -> (Vec<PointId>, Option<PointId>) {
    let mut ids: Vec<PointId> = Vec::new();
    for (page, next) in leaves {
        ids.extend(page);
        ids.extend(next);
    }
    ids.sort_unstable();
    let next = ids.get(limit).copied();
    ids.truncate(limit);
    (ids, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_windowed_after_merging() {
        let hit = |id, distance| Hit { id: PointId::Num(id), distance };
        let leaves = vec![vec![hit(3, 0.1), hit(1, 0.4)], vec![hit(2, 0.1), hit(4, 0.2)]];
        let ids: Vec<_> = merge_hits(leaves, 1, 2).iter().map(|hit| hit.id).collect();
        assert_eq!(ids, [PointId::Num(3), PointId::Num(4)]);
    }

    #[test]
    fn the_next_page_starts_with_the_least_id_left() {
        let ids = |range: std::ops::Range<u64>| range.map(PointId::Num).collect::<Vec<_>>();
        let leaves = vec![(ids(0..2), Some(PointId::Num(7))), (ids(2..4), Some(PointId::Num(4)))];
        assert_eq!(merge_pages(leaves, 2), (ids(0..2), Some(PointId::Num(2))));
        let leaves = vec![(ids(0..2), None), (ids(2..3), None)];
        assert_eq!(merge_pages(leaves, 3), (ids(0..3), None));
    }
}

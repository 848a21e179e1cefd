//! Dividing rows that lie close from those that lie far, by distances alone.

use vectorizer_model::{Ordinal, RowScorer};

/// The part of each of the first rows of a scorer: parts of about equal weight, none empty.
/// Shapes: `weights` and the answer are `[n]`, with `n` at least `parts`.
pub(super) fn divide<S: RowScorer>(rows: &S, weights: &[u32], parts: u16) -> Vec<u16> {
    let mut part_of = vec![0; weights.len()];
    let mut keyed: Vec<(f32, Ordinal)> =
        (0..weights.len()).map(|row| (0.0, Ordinal::from_index(row))).collect();
    let weight = |row: &(f32, Ordinal)| u64::from(weights[row.1.index()]).max(1);
    let mut left = vec![(0..keyed.len(), 0, parts)];
    while let Some((range, first, parts)) = left.pop() {
        let members = &mut keyed[range.clone()];
        if parts <= 1 {
            for (_, row) in members {
                part_of[row.index()] = first;
            }
            continue;
        }
        sort_between_poles(rows, members);
        let lower = parts / 2;
        let all: u64 = members.iter().map(weight).sum();
        let share = all * u64::from(lower) / u64::from(parts);
        let mut below = 0;
        let cut = members.iter().position(|row| {
            below += weight(row);
            below > share
        });
        let (least, most) = (usize::from(lower), members.len() - usize::from(parts - lower));
        let cut = range.start + cut.unwrap_or(most).clamp(least, most);
        left.push((range.start..cut, first, lower));
        left.push((cut..range.end, first + lower, parts - lower));
    }
    part_of
}

/// Sorts rows by how much nearer they lie to one of two far ones than to the other.
fn sort_between_poles<S: RowScorer>(rows: &S, members: &mut [(f32, Ordinal)]) {
    let mut pole = members[0].1;
    for _ in 0..2 {
        for row in members.iter_mut() {
            row.0 = distance(rows, pole, row.1);
        }
        let farthest = members.iter().max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        pole = farthest.map_or(pole, |row| row.1);
    }
    // The last distances are those from the first pole, and the pole is the second.
    for row in members.iter_mut() {
        row.0 -= distance(rows, pole, row.1);
    }
    members.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
}

fn distance<S: RowScorer>(rows: &S, from: Ordinal, to: Ordinal) -> f32 {
    let mut distance = [0.0];
    rows.score(from, &[to], &mut distance);
    distance[0]
}

//! Which open collections are closed: a pure choice.

use std::time::Duration;

/// The collections that nobody wanted for `after`, those first that were idle longest. `idle` says
/// for how long each was.
pub(crate) fn longest_idle<T>(open: Vec<(T, Duration)>, after: Duration) -> Vec<T> {
    let mut idle: Vec<(T, Duration)> =
        open.into_iter().filter(|(_, idle)| *idle >= after).collect();
    idle.sort_by_key(|(_, idle)| std::cmp::Reverse(*idle));
    idle.into_iter().map(|(collection, _)| collection).collect()
}

/// How many collections one attempt to make room closes: an eighth of those that are open, so that
/// a node with more collections than room does not close one for each that it opens.
pub(crate) fn batch(open: usize) -> usize {
    (open / 8).max(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_are_closed_that_were_idle_long_enough_and_the_longest_first() {
        let seconds = Duration::from_secs;
        let open = vec![("a", seconds(10)), ("b", seconds(30)), ("c", seconds(9))];
        assert_eq!(longest_idle(open.clone(), seconds(10)), ["b", "a"]);
        assert_eq!(longest_idle(open, Duration::ZERO), ["b", "a", "c"]);
    }

    #[test]
    fn a_batch_is_a_part_of_many_and_some_of_few() {
        assert_eq!([batch(0), batch(3), batch(2000)], [4, 4, 250]);
    }
}

//! Hits joined with their records.

use vectorizer_engine::{Hit, Record};

/// Hits with their records, which come in the order of the hits; a hit without one is left out.
pub(crate) fn paired(hits: Vec<Hit>, records: Vec<Record>) -> Vec<(Hit, Record)> {
    let mut records = records.into_iter().peekable();
    let pair = |hit: Hit| Some((hit, records.next_if(|record| record.id == hit.id)?));
    hits.into_iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_model::{PointId, SequenceNumber};

    #[test]
    fn a_hit_without_a_record_is_left_out() {
        let id = PointId::Num;
        let hits = [4, 2, 3].map(|n| Hit { id: id(n), distance: 0.5 }).to_vec();
        let record =
            |n| Record { id: id(n), version: SequenceNumber(n), payload: None, vectors: vec![] };
        let pairs = paired(hits, vec![record(4), record(3)]);
        let ids: Vec<_> = pairs.iter().map(|(hit, record)| (hit.id, record.id)).collect();
        assert_eq!(ids, [(id(4), id(4)), (id(3), id(3))]);
    }
}

//! The query cache: the hits of leaves, found for as long as their view is the newest.
//!
//! An entry is found by what the view shows, which writes and flushes change, and by the whole
//! question, bit for bit. So a cached answer is the one that the same view would give again.

use std::sync::Arc;

use vectorizer_cache::{CacheControl, ClockedCache, NewEntry, Options, allocated_bytes};
use vectorizer_engine::{Hit, LeafSearch, ViewIdentity};
use vectorizer_memory::{CacheMemoryManager, Class, Clock, Tenant};
use vectorizer_model::Filter;
use vectorizer_model::encode::encode_filter_within;

/// Of all caches the cheapest to refill: one search.
const EASE: u32 = 8;

/// Filters of more bytes are part of no key.
const FILTER_BYTES_MAX: usize = 4 << 10;

/// What hits are found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LeafKey {
    view: ViewIdentity,
    /// All of the question.
    leaf: Box<[u8]>,
}

/// The hits of leaves that were asked before.
#[derive(Debug)]
pub struct QueryCache {
    cache: ClockedCache<LeafKey, Box<[Hit]>>,
}

/// A question whose answer is not cached, and what it is kept under; that of a long filter is not.
#[derive(Debug)]
pub(crate) struct Missed(Option<LeafKey>);

impl QueryCache {
    /// The name in reports and metrics.
    pub const NAME: &str = "query";

    /// An empty cache under a manager, of at most so many bytes; 0 keeps nothing.
    pub fn new(
        manager: &Arc<CacheMemoryManager>,
        clock: Arc<dyn Clock>,
        limit_bytes: u64,
    ) -> Arc<Self> {
        let options =
            Options { ease: EASE, ..Options::new(Self::NAME, Class::QueryCache, limit_bytes) };
        Arc::new(Self { cache: ClockedCache::new(manager, &options, clock) })
    }

    /// The hits of a leaf in a view, or what they are to be kept under.
    pub(crate) fn find(&self, view: ViewIdentity, leaf: &LeafSearch) -> Result<Vec<Hit>, Missed> {
        let Some(leaf) = question(leaf) else { return Err(Missed(None)) };
        let key = LeafKey { view, leaf };
        match self.cache.get(&key) {
            Some(hits) => Ok(hits.to_vec()),
            None => Err(Missed(Some(key))),
        }
    }

    /// Keeps hits; what does not fit is not kept, and counted.
    pub(crate) fn keep(&self, Missed(key): Missed, hits: &[Hit], tenant: &Tenant) {
        let Some(key) = key else { return };
        let behind = |bytes: usize| allocated_bytes(bytes as u64);
        let heap_bytes = behind(key.leaf.len()) + behind(size_of_val(hits));
        let value = Box::from(hits);
        let entry = NewEntry { key, value, heap_bytes, refill_cost: 1, generation: None };
        // A refused entry is answered all the same.
        self.cache.insert(entry, tenant);
    }

    /// Gives up the hits of a shard. Looks at all.
    pub fn forget_shard(&self, shard: u32) {
        self.cache.remove_if(|key, _| key.view.shard == shard);
    }

    /// What can be changed of it.
    pub fn control(&self) -> &dyn CacheControl {
        &self.cache
    }
}

/// A filter's bytes, unless they are too many for a key.
pub(crate) fn filter_key(filter: &Filter) -> Option<Box<[u8]>> {
    encode_filter_within(filter, FILTER_BYTES_MAX).map(Vec::into_boxed_slice)
}

/// All of a question, so that two are equal only if their answers are; none if its filter is too
/// long for a key.
fn question(leaf: &LeafSearch) -> Option<Box<[u8]>> {
    // Named one by one, so that a new part of the question cannot be forgotten here.
    let LeafSearch { vector, query, filter, limit, params, distance_below } = leaf;
    let vectorizer_engine::SearchParams { ef, exact, indexed_only, rescore, oversampling } = params;
    let filter = filter_key(filter)?;
    let mut bytes = Vec::with_capacity(64 + filter.len() + vector.0.len() + query.len() * 4);
    let mut number = |value: u64| bytes.extend(value.to_le_bytes());
    number(vector.0.len() as u64);
    number(query.len() as u64);
    number(*limit as u64);
    for option in [
        ef.map(|ef| ef as u64),
        rescore.map(u64::from),
        oversampling.map(|factor| u64::from(factor.to_bits())),
        distance_below.map(|bound| u64::from(bound.to_bits())),
    ] {
        number(u64::from(option.is_some()));
        number(option.unwrap_or(0));
    }
    bytes.extend([u8::from(*exact), u8::from(*indexed_only)]);
    bytes.extend(vector.0.as_bytes());
    bytes.extend(query.iter().flat_map(|component| component.to_bits().to_le_bytes()));
    bytes.extend(filter);
    Some(bytes.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use vectorizer_engine::SearchParams;
    use vectorizer_memory::{Governor, Limits};
    use vectorizer_model::filter::{Predicate, Scalar};
    use vectorizer_model::{Condition, KeyPath, PointId, VectorName};

    fn leaf() -> LeafSearch {
        LeafSearch {
            vector: VectorName::unnamed(),
            query: vec![1.0, 0.5],
            filter: Filter::default(),
            limit: 10,
            params: SearchParams::default(),
            distance_below: None,
        }
    }

    #[test]
    fn every_part_of_a_question_counts() {
        let red = Predicate::Match(Scalar::Keyword("red".into()));
        let red = Condition::Field { key: KeyPath::key("colour"), predicate: red };
        let changes: [fn(&mut LeafSearch); 11] = [
            |leaf| leaf.vector = VectorName("named".into()),
            |leaf| leaf.query[1] = 0.25,
            |leaf| leaf.query.push(0.0),
            |leaf| leaf.limit = 11,
            |leaf| leaf.params.ef = Some(0),
            |leaf| leaf.params.exact = true,
            |leaf| leaf.params.indexed_only = true,
            |leaf| leaf.params.rescore = Some(false),
            |leaf| leaf.params.rescore = Some(true),
            |leaf| leaf.params.oversampling = Some(0.0),
            |leaf| leaf.distance_below = Some(0.0),
        ];
        let mut questions = vec![question(&leaf())];
        for change in changes {
            let mut changed = leaf();
            change(&mut changed);
            questions.push(question(&changed));
        }
        let mut filtered = leaf();
        filtered.filter.must.push(red);
        questions.push(question(&filtered));
        let count = questions.len();
        questions.sort_unstable();
        questions.dedup();
        assert_eq!(questions.len(), count);
        assert_eq!(question(&leaf()), question(&leaf()));
    }

    #[test]
    fn hits_are_those_of_the_same_view() {
        let governor = Governor::new(Limits::of_root(64 << 20).with_cache_limit(16 << 20));
        let manager = CacheMemoryManager::new(Arc::clone(&governor), Arc::new(Duration::ZERO));
        let cache = QueryCache::new(&manager, Arc::new(Duration::ZERO), 4 << 20);
        let view = ViewIdentity { shard: 1, version: 2, seq: 3 };
        let hits = [Hit { id: PointId::Num(7), distance: 0.5 }];
        let missed = cache.find(view, &leaf()).unwrap_err();
        cache.keep(missed, &hits, &Tenant::system());
        assert_eq!(cache.find(view, &leaf()).unwrap(), hits);
        cache.forget_shard(2);
        assert!(cache.find(view, &leaf()).is_ok(), "another's");
        for other in [
            ViewIdentity { shard: 2, ..view },
            ViewIdentity { version: 3, ..view },
            ViewIdentity { seq: 4, ..view },
        ] {
            assert!(cache.find(other, &leaf()).is_err());
        }
        assert!(cache.control().stats().bytes > 0);
        let mut long = leaf();
        let ids = (0..1000).map(PointId::Num).collect();
        long.filter.must.push(Condition::has_id(ids));
        let missed = cache.find(view, &long).unwrap_err();
        cache.keep(missed, &hits, &Tenant::system());
        assert!(cache.find(view, &long).is_err(), "a key of 9 KB");
        cache.forget_shard(1);
        assert!(cache.find(view, &leaf()).is_err());
        drop(cache);
        assert_eq!(governor.reserved(), 0);
    }

    #[test]
    fn a_cache_of_nothing_answers_nothing() {
        let governor = Governor::new(Limits::of_root(64 << 20).with_cache_limit(0));
        let manager = CacheMemoryManager::new(Arc::clone(&governor), Arc::new(Duration::ZERO));
        let cache = QueryCache::new(&manager, Arc::new(Duration::ZERO), 0);
        let view = ViewIdentity { shard: 1, version: 2, seq: 3 };
        let missed = cache.find(view, &leaf()).unwrap_err();
        cache.keep(missed, &[], &Tenant::system());
        assert!(cache.find(view, &leaf()).is_err());
        assert_eq!(governor.reserved(), 0);
    }
}

//! The cache of embedded texts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use vectorizer_cache::{EmbeddingCache, Refusal};
use vectorizer_memory::{Class, Clock, Tenant};
use vectorizer_testkit::allocation::heap_of;

use crate::fixture::{MIB, seconds, unbounded};

#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Duration {
        seconds(self.0.load(SeqCst))
    }
}

fn vector(of: f32) -> Box<[f32]> {
    vec![of; 384].into()
}

#[test]
fn a_vector_is_found_by_its_model_and_its_text() {
    let manager = unbounded();
    let cache = EmbeddingCache::new(&manager, Arc::new(Hand::default()), MIB, 7);
    let tenant = manager.governor().tenant("acme");
    assert!(cache.find("small", "a text").is_none());
    assert!(cache.keep(("small", "a text"), vector(1.0), &tenant).is_kept());
    assert!(cache.keep(("large", "a text"), vector(2.0), &tenant).is_kept());
    assert!(cache.keep(("small", "another"), vector(3.0), &tenant).is_kept());
    let found = |model, text| cache.find(model, text).map(|vector| vector[383]);
    assert_eq!(found("small", "a text"), Some(1.0));
    assert_eq!(found("large", "a text"), Some(2.0));
    assert_eq!(found("small", "another"), Some(3.0));
    assert_eq!((found("large", "another"), found("small", "a text ")), (None, None));
    assert!(cache.keep(("small", "a text"), vector(4.0), &tenant).is_kept());
    assert_eq!(found("small", "a text"), Some(4.0), "the newer one");
}

#[test]
fn it_is_one_of_the_managed_caches_and_keeps_for_as_long_as_is_said() {
    let (manager, clock) = (unbounded(), Arc::new(Hand::default()));
    let cache = EmbeddingCache::new(&manager, Arc::<Hand>::clone(&clock), MIB, 7);
    assert!(cache.keep(("small", "a text"), vector(1.0), &Tenant::system()).is_kept());
    let listed = manager.caches();
    let shown: Vec<_> = listed.iter().map(|cache| (cache.name(), cache.class())).collect();
    assert_eq!(shown, [(EmbeddingCache::NAME, Class::EmbeddingCache)]);
    assert!(manager.governor().reserved() >= 384 * 4);

    cache.control().set_ttl(Some(seconds(60)));
    clock.0.store(59, SeqCst);
    assert!(cache.find("small", "a text").is_some());
    clock.0.store(61, SeqCst);
    assert!(cache.find("small", "a text").is_none(), "out of date");
    drop((cache, listed));
    assert_eq!(manager.governor().reserved(), 0);
}

#[test]
fn a_vector_too_large_is_given_back() {
    let manager = unbounded();
    let cache = EmbeddingCache::new(&manager, Arc::new(Hand::default()), 4 << 10, 7);
    let kept = cache.keep(("small", "a text"), vector(1.0), &Tenant::system());
    let vectorizer_cache::Inserted::Refused(back, Refusal::TooLarge { .. }) = kept else {
        panic!("{kept:?}")
    };
    assert_eq!(back, vector(1.0));
}

#[test]
fn vectors_are_charged_at_what_they_take() {
    let manager = unbounded();
    let (cache, heap) = heap_of(|| {
        let cache = EmbeddingCache::new(&manager, Arc::new(Hand::default()), 64 * MIB, 7);
        for text in 0..2_000 {
            cache.keep(
                ("a model of some name", &format!("{text}")),
                vector(0.5),
                &Tenant::system(),
            );
        }
        cache
    });
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let ratio = cache.control().stats().bytes as f64 / heap.taken as f64;
    assert!((0.9..=1.1).contains(&ratio), "{ratio:.3} of {} charged", heap.taken);
}

//! What is measured, and how it is shown.

mod memory;

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use vectorizer_api::memory::MemoryReport;
use vectorizer_engine::Engine;

use self::memory::MemoryMetrics;

type Bytes = Gauge<u64, AtomicU64>;

/// One operation's requests with one outcome.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    operation: &'static str,
    status: u16,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: &'static str,
    contract: &'static str,
}

/// What is measured.
pub(crate) struct Telemetry {
    registry: Mutex<Registry>,
    requests: Family<Outcome, Counter>,
    latency: Family<Outcome, Histogram>,
    collections: Family<InState, Bytes>,
    points: Bytes,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// Buckets from 0.1 ms to 26 s.
fn latency_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 4.0, 10))
}

impl Telemetry {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::<Outcome, Counter>::default();
        let latency =
            Family::<Outcome, Histogram>::new_with_constructor(latency_histogram as fn() -> _);
        let points = Bytes::default();
        let collections = Family::<InState, Bytes>::default();
        let build = Family::<Build, Bytes>::default();
        let version =
            Build { version: env!("CARGO_PKG_VERSION"), contract: crate::CONTRACT_VERSION };
        build.get_or_create(&version).set(1);
        registry.register("vectorizer_build", "Versions of the server and its contract", build);
        registry.register(
            "vectorizer_server_requests",
            "Requests answered, by operation and status",
            requests.clone(),
        );
        registry.register(
            "vectorizer_server_latency_seconds",
            "Time to answer, by operation and status",
            latency.clone(),
        );
        registry.register(
            "vectorizer_collections",
            "Collections, by whether their segments are open",
            collections.clone(),
        );
        registry.register("vectorizer_points", "Points of all collections", points.clone());
        let registry = Mutex::new(registry);
        Self { registry, requests, latency, collections, points }
    }

    /// Counts an answered request.
    pub(crate) fn observe(&self, operation: &'static str, status: u16, took: Duration) {
        let outcome = Outcome { operation, status };
        self.requests.get_or_create(&outcome).inc();
        self.latency.get_or_create(&outcome).observe(took.as_secs_f64());
    }

    /// Everything measured, as text.
    pub(crate) fn show(&self, engine: &Engine, memory: MemoryReport) -> Result<String, fmt::Error> {
        let totals = engine.totals();
        for (state, count) in [("open", totals.open), ("closed", totals.closed)] {
            self.collections.get_or_create(&InState { state }).set(count as u64);
        }
        self.points.set(totals.points);
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        encode_registry(&mut text, &registry)?;
        let mut of_memory = Registry::default();
        of_memory.register_collector(Box::new(MemoryMetrics(memory)));
        encode(&mut text, &of_memory)?;
        Ok(text)
    }
}

//! What a process holds, looked at again and again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;

use crate::http::Connection;
use crate::metrics::Metrics;
use crate::server::{Server, resident};

const TICK: Duration = Duration::from_millis(20);
/// Looks at the process for one look at its metrics.
const METRICS_EVERY: u32 = 25;

/// The most bytes that were seen.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Seen {
    pub(crate) anonymous: u64,
    pub(crate) resident: u64,
    /// By its own books: reserved, with base and drift.
    pub(crate) booked: u64,
    pub(crate) drift: u64,
}

/// Looks until told to stop.
pub(crate) fn watch(server: &Server, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut connection = Connection::new(server.address);
    let mut look = 0;
    while !stop.load(Ordering::Relaxed) {
        if let Some((anonymous, all)) = resident(server.pid()) {
            seen.anonymous = seen.anonymous.max(anonymous);
            seen.resident = seen.resident.max(all);
        }
        if look % METRICS_EVERY == 0
            && let Ok(metrics) = Metrics::read(&mut connection)
        {
            let metric = |name: &str| metrics.get(name).unwrap_or(0);
            let drift = metric("vectorizer_memory_drift_bytes");
            let booked = metric("vectorizer_memory_total_bytes");
            seen.booked = seen.booked.max(booked);
            seen.drift = seen.drift.max(drift);
        }
        look += 1;
        std::thread::sleep(TICK);
    }
    seen
}

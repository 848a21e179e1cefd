//! What a process holds, looked at again and again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use vectorizer_bench::http::Connection;

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
    /// By its own books: reserved, with what it held before any reservation.
    pub(crate) booked: u64,
    pub(crate) drift: u64,
    /// Times that it told of itself, and that it did not answer.
    pub(crate) told: u64,
    pub(crate) silent: u64,
}

/// Looks until told to stop.
///
/// # Errors
/// The process is gone, or tells nothing of what is asked.
pub(crate) fn watch(server: &Server, stop: &AtomicBool) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut connection = Connection::new(server.address);
    let mut look = 0;
    while !stop.load(Ordering::Relaxed) {
        let (anonymous, all) = resident(server.pid()).context("the server is gone")?;
        seen.anonymous = seen.anonymous.max(anonymous);
        seen.resident = seen.resident.max(all);
        if look % METRICS_EVERY == 0 {
            match Metrics::read(&mut connection) {
                Ok(metrics) => seen.note(&metrics)?,
                Err(_) => seen.silent += 1,
            }
        }
        look += 1;
        std::thread::sleep(TICK);
    }
    Ok(seen)
}

impl Seen {
    fn note(&mut self, metrics: &Metrics) -> Result<()> {
        let reserved = metrics.get("vectorizer_memory_total_bytes")?;
        let booked = reserved + metrics.get("vectorizer_memory_base_bytes")?;
        self.booked = self.booked.max(booked);
        self.drift = self.drift.max(metrics.get("vectorizer_memory_drift_bytes")?);
        self.told += 1;
        Ok(())
    }
}

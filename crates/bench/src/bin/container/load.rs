//! What the clients do.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use vectorizer_testkit::random::Random;

use crate::pace::Pace;
use crate::server::Server;
use crate::tally::{Outcome, Tally};
use crate::tenants::Tenant;
use crate::vectors::Vectors;
use vectorizer_bench::http::Connection;

/// Points of one write.
pub(crate) const BATCH: u64 = 100;
/// Points of one page of a scroll, and of one delete.
const PAGE: u64 = 100;
/// How long a drop is asked for when the time is up.
const DROP_PATIENCE: Duration = Duration::from_secs(15);
/// Points of a collection that is made and dropped.
const CHURN_POINTS: u64 = 500;
/// A text that real payloads would have.
pub(crate) const TEXT: &str = "a few words as they stand in the documents that people search";

/// What all clients share.
pub(crate) struct Load {
    pub(crate) vectors: Arc<Vectors>,
    pub(crate) dim: usize,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) tally: Tally,
    pub(crate) stop: AtomicBool,
    /// Points that may yet be written; writers end when there are none.
    pub(crate) to_write: AtomicU64,
    /// Points of one collection; more are deleted.
    pub(crate) keep: u64,
    /// Batches of all writers.
    pub(crate) writes: Pace,
    /// Searches, and pages of scrolls.
    pub(crate) reads: Pace,
}

impl Load {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn any_tenant(&self, random: &mut Random) -> &Tenant {
        &self.tenants[random.below(self.tenants.len())]
    }

    /// One batch as JSON.
    fn points(&self, tenant: &Tenant, ids: std::ops::Range<u64>) -> Vec<u8> {
        let mut body = b"{\"points\":[".to_vec();
        for id in ids.clone() {
            if id > ids.start {
                body.push(b',');
            }
            body.extend(format!("{{\"id\":{id},\"vector\":").as_bytes());
            self.vectors.append_json(tenant.key(id), &mut body);
            let payload = json!({"n": id, "bucket": id % 100, "text": TEXT});
            body.extend(format!(",\"payload\":{payload}}}").as_bytes());
        }
        body.extend(b"]}");
        body
    }

    /// Writes batches, collection after collection, until nothing is left to write.
    pub(crate) fn write(&self, server: &Server, lane: usize) {
        let mut connection = Connection::new(server.address);
        let mut turn = lane;
        while !self.stopped() && self.take_batch() {
            self.writes.wait(|| self.stopped());
            turn += 1;
            let tenant = &self.tenants[turn % self.tenants.len()];
            tenant.write(|from| {
                let path = format!("/collections/{}/points", tenant.collection());
                let body = self.points(tenant, from..from + BATCH);
                let request = ("PUT", path.as_str(), body.as_slice());
                let put = self.tally.persist("write", &mut connection, request, || self.stopped());
                if put.is_some() { BATCH } else { 0 }
            });
        }
    }

    fn take_batch(&self) -> bool {
        let take = |left: u64| left.checked_sub(BATCH);
        self.to_write.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
    }

    /// Searches any collection, one query in four with a filter.
    pub(crate) fn search(&self, server: &Server, lane: u64) {
        let mut connection = Connection::new(server.address);
        let mut random = Random::new(1000 + lane);
        while !self.stopped() {
            self.reads.wait(|| self.stopped());
            let tenant = self.any_tenant(&mut random);
            let mut body = b"{\"limit\":10,\"query\":".to_vec();
            self.vectors.append_json(random.next_u64(), &mut body);
            let filtered = random.below(4) == 0;
            if filtered {
                let least = random.below(100);
                let range = json!({"must": [{"key": "bucket", "range": {"gte": least}}]});
                body.extend(format!(",\"filter\":{range}").as_bytes());
            }
            body.push(b'}');
            let kind = if filtered { "search with filter" } else { "search" };
            let path = format!("/collections/{}/points/query", tenant.collection());
            if matches!(self.ask(kind, &mut connection, ("POST", &path, &body)), Outcome::Refused) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// Reads pages of any collection.
    pub(crate) fn scroll(&self, server: &Server) {
        let mut connection = Connection::new(server.address);
        let mut random = Random::new(2000);
        while !self.stopped() {
            self.reads.wait(|| self.stopped());
            let tenant = self.any_tenant(&mut random);
            let points = usize::try_from(tenant.points()).unwrap_or(usize::MAX).max(1);
            let from = tenant.low() + random.below(points) as u64;
            let body = json!({"offset": from, "limit": PAGE, "with_payload": true}).to_string();
            let path = format!("/collections/{}/points/scroll", tenant.collection());
            self.ask("scroll", &mut connection, ("POST", &path, body.as_bytes()));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Deletes what is more than there should be, oldest first.
    pub(crate) fn delete(&self, server: &Server) {
        let mut connection = Connection::new(server.address);
        let mut turn = 0;
        while !self.stopped() {
            let tenant = &self.tenants[turn % self.tenants.len()];
            turn += 1;
            if tenant.points() <= self.keep {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            tenant.delete(PAGE, |from, to| {
                let mut ids = String::new();
                (from..to).for_each(|id| write!(ids, "{id},").unwrap_or_default());
                let body = format!("{{\"points\":[{}]}}", ids.trim_end_matches(','));
                let path = format!("/collections/{}/points/delete", tenant.collection());
                let request = ("POST", path.as_str(), body.as_bytes());
                let stop = || self.stopped();
                self.tally.persist("delete", &mut connection, request, stop).is_some()
            });
        }
    }

    /// Makes a collection, fills it a little, and drops it.
    pub(crate) fn churn(&self, server: &Server) {
        let mut connection = Connection::new(server.address);
        let tenant = Tenant::new(self.tenants.len() as u64, 0);
        let path = "/collections/passing";
        let create = create_body(self.dim);
        while !self.stopped() {
            let request = ("PUT", path, create.as_bytes());
            if self.tally.persist("create", &mut connection, request, || self.stopped()).is_none() {
                continue;
            }
            for batch in 0..CHURN_POINTS / BATCH {
                let body = self.points(&tenant, batch * BATCH..(batch + 1) * BATCH);
                self.ask("write", &mut connection, ("PUT", "/collections/passing/points", &body));
            }
            let request = ("DELETE", path, &b""[..]);
            let asked = Instant::now();
            let stop = || self.stopped() && asked.elapsed() > DROP_PATIENCE;
            self.tally.persist("drop", &mut connection, request, stop);
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    fn ask(
        &self,
        kind: &'static str,
        connection: &mut Connection,
        (method, path, body): (&str, &str, &[u8]),
    ) -> Outcome {
        let outcome = self.tally.ask(kind, connection, (method, path, body));
        if matches!(outcome, Outcome::Broken) {
            std::thread::sleep(Duration::from_millis(100));
        }
        outcome
    }
}

/// The body that creates a collection.
pub(crate) fn create_body(dim: usize) -> String {
    json!({"vectors": {"size": dim, "distance": "Euclid"}}).to_string()
}

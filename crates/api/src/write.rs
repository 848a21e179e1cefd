//! Writing: wait while writes are paced, submit, wait until it is durable and seen.

use std::sync::Arc;
use std::time::Duration;

use vectorizer_engine::{EngineError, FoundCollection, TaskQueue};
use vectorizer_memory::Tenant;
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{CollectionName, Operation, Payload, PointId, SequenceNumber};
use vectorizer_model::{check::PayloadLimits, limits};
use vectorizer_query::Select;

use crate::error::{ApiError, ErrorKind, Result};
use crate::guarded::Guarded;
use crate::point_quotas::{Claimed, PointClaim};
use crate::turn::Taken;

/// The pauses of a paced write double from here to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// A write that is still paced after so many pauses is refused: about half a minute.
const PAUSES_MAX: u32 = 300;

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Its position in the collection's history.
    pub seq: SequenceNumber,
    /// Points it wrote, changed or removed.
    pub points: u64,
}

impl Guarded<'_> {
    /// Writes; done when the write is durable and every later read sees it.
    pub(crate) async fn write(
        &self,
        collection: &CollectionName,
        operation: Operation,
    ) -> Result<Written> {
        if operation.selector().is_some() {
            return self.write_parts(collection, operation).await;
        }
        let found = self.collection(collection).await?;
        self.wait_for_pace(&found).await?;
        let (claim, _turn) = self.claim_points(&found, &operation).await?;
        let ticket = self.engine().submit(&found, operation, self.origin())?;
        let applied = Claimed::new(ticket, claim).await.map_err(EngineError::from)??;
        Ok(Written { seq: applied.seq, points: applied.points })
    }

    /// Writes to the points of a selector, part by part. What a part takes is read from pages, so
    /// that is found out on the search threads.
    async fn write_parts(
        &self,
        collection: &CollectionName,
        operation: Operation,
    ) -> Result<Written> {
        let found = self.collection(collection).await?;
        let queue = self.engine().view(&found)?.with_guard(self.guard().clone()).queue();
        let operation = Arc::new(operation);
        let (mut from, mut points) = (None, 0);
        loop {
            let part = self.write_part(&found, &queue, &operation, from).await;
            let (written, next) = part.map_err(|error| after(error, points))?;
            points += written.points;
            if next.is_none() {
                return Ok(Written { points, ..written });
            }
            from = next;
        }
    }

    async fn write_part(
        &self,
        found: &FoundCollection,
        queue: &TaskQueue,
        operation: &Arc<Operation>,
        from: Option<PointId>,
    ) -> Result<(Written, Option<PointId>)> {
        if !matches!(**operation, Operation::Delete(_)) {
            self.wait_for_pace(found).await?;
        }
        let (engine, found, origin) = (self.engine().clone(), found.clone(), self.origin());
        let operation = Arc::clone(operation);
        let submit = move || engine.submit_part(&found, &operation, from, origin);
        let part = self.engine().spawn(queue, submit)?.await.map_err(EngineError::from)??;
        let applied = part.ticket.await.map_err(EngineError::from)??;
        Ok((Written { seq: applied.seq, points: applied.points }, part.next))
    }

    /// Claims what a write may add to the points of the collection's owner, if these are bounded; with
    /// the turn of who looks which are there, held until the write is seen. If its client leaves
    /// before, the next who looks counts points of it twice, which is no fewer than there are.
    async fn claim_points(
        &self,
        found: &FoundCollection,
        operation: &Operation,
    ) -> Result<(Option<PointClaim>, Option<Taken<'_>>)> {
        let Operation::Upsert(batch) = operation else { return Ok((None, None)) };
        let owner = found.owner();
        let Some(quota) = self.point_quotas().of(owner.name()) else { return Ok((None, None)) };
        let fits = |claim: &PointClaim| {
            self.engine().points_of(owner).saturating_add(claim.of_all) <= quota.most
        };
        let claim = quota.claim(batch.len() as u64);
        if fits(&claim) {
            return Ok((Some(claim), None));
        }
        drop(claim);
        // Points that are there already are replaced and add nothing.
        let turn = quota.turn.take().await;
        let new = self.new_points(found.name(), &batch.ids).await?;
        let claim = quota.claim(new);
        if new == 0 || fits(&claim) {
            Ok((Some(claim), Some(turn)))
        } else {
            Err(full(owner, new, quota.most))
        }
    }

    /// How many of these points are not there yet.
    async fn new_points(&self, collection: &CollectionName, ids: &[PointId]) -> Result<u64> {
        let _held = self.draw(size_of_val(ids) as u64)?;
        let mut wanted = ids.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let count = wanted.len();
        let there = self.view(collection).await?.retrieve(wanted, Select::default()).await?;
        Ok(count.saturating_sub(there.len()) as u64)
    }

    async fn wait_for_pace(&self, found: &FoundCollection) -> Result<()> {
        let mut pause = PAUSE_MIN;
        for _ in 0..PAUSES_MAX {
            match self.engine().check_pace(found) {
                Err(EngineError::Paced { .. }) => self.sleep(pause).await,
                other => return Ok(other?),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Ok(self.engine().check_pace(found)?)
    }

    /// Whether all points that a payload change lists are there; nothing is changed if one is not.
    pub(crate) async fn check_points_exist(
        &self,
        collection: &CollectionName,
        points: &PointSelector,
    ) -> Result<()> {
        let view = self.view(collection).await?;
        let PointSelector::Ids(ids) = points else { return Ok(()) };
        check_count(ids)?;
        let mut wanted = ids.clone();
        wanted.sort_unstable();
        wanted.dedup();
        let mut found: Vec<PointId> = view
            .retrieve(wanted.clone(), Select::default())
            .await?
            .into_iter()
            .map(|record| record.id)
            .collect();
        found.sort_unstable();
        match wanted.iter().find(|id| found.binary_search(id).is_err()) {
            Some(id) => Err(ApiError::not_found(format!("no point with id {id} found"))),
            None => Ok(()),
        }
    }
}

/// A tenant's collections have as many points as they may.
fn full(owner: &Tenant, new: u64, most: u64) -> ApiError {
    let told = format!(
        "{new} points are new, and the collections of tenant {owner} may have {most} in all \
         (tenants.point_quotas.{owner}); delete points, or raise it"
    );
    let refused = ApiError::new(ErrorKind::ResourceExhausted, told);
    let refused = if new > most { refused } else { refused.with_retry() };
    ApiError { code: Some("point_quota_exceeded"), ..refused }
}

/// Says how many points were changed before the failure.
fn after(error: ApiError, points: u64) -> ApiError {
    if points == 0 {
        return error;
    }
    let message =
        format!("{}; {points} points were changed before, repeat it for the others", error.message);
    ApiError { message, ..error }
}

/// Whether one operation may list so many points.
pub(crate) fn check_count(ids: &[PointId]) -> Result<()> {
    if ids.len() <= limits::BATCH_POINTS_MAX {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "{} points listed; list at most {} at once",
        ids.len(),
        limits::BATCH_POINTS_MAX
    )))
}

/// Whether a payload can be stored.
pub(crate) fn check_payload(payload: &Payload) -> Result<()> {
    payload.check(&PayloadLimits::default()).map_err(|error| ApiError::invalid(error.to_string()))
}

//! Operations on the points that a filter names, in parts.
//!
//! Applying never refuses, so what an entry of the log will hold is reserved before it is logged.
//! A filter may name any number of points, and others by the time it is applied. Therefore such
//! an operation is logged as several entries, in id order. Each carries the filter together with
//! the ids of a bounded run of the points that it named when that entry was handed over. Applying
//! judges those points, and no others, by the filter once more: what was changed meanwhile is
//! left alone, what an entry takes is known, and a replay does the same.
//!
//! Each entry is all or nothing; the operation as a whole is not, and a failure on the way says
//! how many points were changed before it.

use std::sync::Arc;

use vectorizer_model::operation::PointSelector;
use vectorizer_model::{Condition, Filter, Operation, PointId};

use crate::applied::Applied;
use crate::collection::Collection;
use crate::cost::{Price, added_slack, check_selector};
use crate::engine::{Engine, Inner};
use crate::error::{EngineError, Result};
use crate::estimate::PART_POINTS_MAX;
use crate::leaf::LeafScroll;
use crate::origin::Origin;
use crate::target::Target;
use crate::ticket::Ticket;
use crate::view::ReadView;

/// An entry takes at most this share of a memtable, or names one point.
const PART_SHARE: u64 = 4;

/// A part of an operation that was handed over.
#[derive(Debug)]
pub struct Part {
    /// Done when the part is durable and seen.
    pub ticket: Ticket<Result<Applied>>,
    /// Where the next part begins, unless this is the last one.
    pub next: Option<PointId>,
}

/// An entry with what it takes.
pub(crate) struct Planned {
    pub(crate) operation: Operation,
    pub(crate) memtable: u64,
    pub(crate) next: Option<PointId>,
}

impl Engine {
    /// Hands over the next part of an operation that names points by filter, beginning at id
    /// `from`; any other operation is its own only part. Reads pages, so not for the threads of
    /// an async runtime.
    ///
    /// # Errors
    /// As [`Engine::submit`]; parts that were handed over before stay.
    pub fn submit_part<'a>(
        &self,
        collection: impl Into<Target<'a>>,
        operation: &Operation,
        from: Option<PointId>,
        origin: impl Into<Origin>,
    ) -> Result<Part> {
        let collection = self.inner().find(collection)?;
        self.check_pace_of(&collection, operation)?;
        let part = self.queue_part(&collection, operation, from, origin.into())?;
        self.inner().wake_committer();
        Ok(part)
    }

    /// As [`Self::submit_part`], whatever the pace, and nobody is woken to commit it.
    fn queue_part(
        &self,
        collection: &Arc<Collection>,
        operation: &Operation,
        from: Option<PointId>,
        origin: Origin,
    ) -> Result<Part> {
        let shard = self.inner().opened(collection)?;
        let Some(PointSelector::Filter(filter)) = operation.selector() else {
            let ticket = self.queue(collection, operation.clone(), origin)?;
            return Ok(Part { ticket, next: None });
        };
        self.inner().check_welcome(&shard, operation)?;
        let view = shard.view_for(&origin);
        let planned = self.inner().plan_part(&view, operation, filter, from)?;
        let ticket =
            self.inner().submit_planned(&shard, planned.operation, origin, planned.memtable)?;
        Ok(Part { ticket, next: planned.next })
    }

    /// Writes and waits until it is durable, after pauses if writes are paced.
    ///
    /// # Errors
    /// As [`Engine::submit`]; [`EngineError::Paced`] only after half a minute of trying;
    /// [`EngineError::Partly`] if parts of an operation by filter were done before the failure.
    pub fn write<'a>(
        &self,
        collection: impl Into<Target<'a>>,
        operation: Operation,
    ) -> Result<Applied> {
        let collection = &self.inner().find(collection)?;
        if !matches!(operation.selector(), Some(PointSelector::Filter(_))) {
            self.wait_for_pace(collection, &operation)?;
            let ticket = self.queue(collection, operation, Origin::default())?;
            self.inner().commit_here();
            return ticket.wait()?;
        }
        let (mut from, mut points) = (None, 0);
        loop {
            let written = self.write_part(collection, &operation, from);
            let (applied, next) = written.map_err(|error| error.after(points))?;
            points += applied.points;
            if next.is_none() {
                return Ok(Applied { points, ..applied });
            }
            from = next;
        }
    }

    fn write_part(
        &self,
        collection: &Arc<Collection>,
        operation: &Operation,
        from: Option<PointId>,
    ) -> Result<(Applied, Option<PointId>)> {
        self.wait_for_pace(collection, operation)?;
        let part = self.queue_part(collection, operation, from, Origin::default())?;
        self.inner().commit_here();
        Ok((part.ticket.wait()??, part.next))
    }

    /// Waits while writes are paced, half a minute at most.
    fn wait_for_pace(&self, collection: &Arc<Collection>, operation: &Operation) -> Result<()> {
        const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);
        const PAUSES: usize = 6_000;
        for _ in 0..PAUSES {
            match self.check_pace_of(collection, operation) {
                Err(EngineError::Paced { .. }) => std::thread::sleep(PAUSE),
                other => return other,
            }
        }
        self.check_pace_of(collection, operation)
    }
}

impl Inner {
    /// The entry for the next points that a filter names, and what it takes.
    pub(crate) fn plan_part(
        &self,
        view: &ReadView,
        operation: &Operation,
        filter: &Filter,
        from: Option<PointId>,
    ) -> Result<Planned> {
        check_selector(&PointSelector::Filter(filter.clone()))?;
        let scroll = LeafScroll { filter: filter.clone(), from, limit: PART_POINTS_MAX };
        let (mut ids, mut next) = view.scroll(&scroll)?;
        let price = Price::new(view, operation);
        let bound = self.node.config.memtable_bytes / PART_SHARE;
        let mut memtable = 0;
        for at in 0..ids.len() {
            let bytes = price.of(ids[at])?;
            if at > 0 && memtable + bytes > bound {
                next = Some(ids[at]);
                ids.truncate(at);
                break;
            }
            memtable += bytes;
        }
        if !matches!(operation, Operation::Delete(_)) {
            memtable += added_slack(view.state(), ids.len() as u64);
        }
        let points = PointSelector::Filter(among(filter, ids));
        Ok(Planned { operation: operation.with_selector(points), memtable, next })
    }
}

/// The filter, for these points only. What it says of ids at its top is said by them already.
fn among(filter: &Filter, ids: Vec<PointId>) -> Filter {
    let says_more = |condition: &&Condition| !matches!(condition, Condition::HasId(_));
    let further = filter.must.iter().filter(says_more).cloned();
    let must = std::iter::once(Condition::has_id(ids)).chain(further).collect();
    Filter { must, should: filter.should.clone(), must_not: filter.must_not.clone() }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::leaf::{PayloadSelector, Select};
    use crate::options::EngineOptions;
    use vectorizer_memory::{Governor, Limits};
    use vectorizer_model::filter::{Predicate, Scalar};
    use vectorizer_model::operation::PointBatch;

    use vectorizer_model::{CollectionName, CollectionSettings, KeyPath, Payload, Value};
    use vectorizer_vfs::crash::TraceDirectory;

    fn coloured(ids: &[u64], colour: &str) -> Operation {
        let payload = Payload([("colour".to_owned(), Value::Str(colour.to_owned()))].into());
        let payloads = ids.iter().map(|_| payload.clone()).collect();
        let ids = ids.iter().map(|id| PointId::Num(*id)).collect();
        Operation::Upsert(PointBatch { ids, vectors: Vec::new(), payloads })
    }

    #[test]
    fn a_part_leaves_alone_what_changed_after_it_was_planned() {
        let disk = TraceDirectory::new();
        let governor = Governor::new(Limits::of_root(1 << 30));
        let options = EngineOptions { background: false, ..EngineOptions::default() };
        let engine =
            Engine::open_in(disk.directory(), None, governor, options).expect("an empty folder");
        let name = CollectionName::new("things").expect("a name");
        let settings = CollectionSettings::new([]);
        let created = engine.create_collection(name.clone(), settings).expect("accepted");
        created.wait().expect("kept").expect("created");
        engine.write(&name, coloured(&[1, 2, 3], "red")).expect("room");
        let predicate = Predicate::Match(Scalar::Keyword("red".into()));
        let red = Condition::Field { key: KeyPath::key("colour"), predicate };
        let filter = Filter { must: vec![red], ..Filter::default() };
        let clear = Operation::ClearPayload { points: PointSelector::Filter(filter.clone()) };

        let collection = engine.inner().find(&name).expect("there");
        let shard = engine.inner().opened(&collection).expect("there");
        let planned = engine.inner().plan_part(&shard.view(), &clear, &filter, None).expect("room");
        engine.write(&name, coloured(&[2], "blue")).expect("room");
        engine.write(&name, coloured(&[4], "red")).expect("room");
        let origin = Origin::default();
        let ticket =
            engine.inner().submit_planned(&shard, planned.operation, origin, planned.memtable);
        engine.inner().wake_committer();
        let applied = ticket.expect("room").wait().expect("kept").expect("applied");
        assert_eq!(applied.points, 2, "1 and 3; 2 is blue by now, 4 was not there");
        let select = Select { payload: PayloadSelector::Everything, ..Select::default() };
        let ids = [1, 2, 3, 4].map(PointId::Num);
        let records = engine.view(&name).expect("there").records(&ids, &select).expect("readable");
        let empty: Vec<bool> = records
            .iter()
            .map(|record| record.payload.as_ref().is_none_or(|payload: &Arc<_>| payload.is_empty()))
            .collect();
        assert_eq!(empty, [true, false, true, false]);
    }
}

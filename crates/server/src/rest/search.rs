//! Searches.

use vectorizer_api::{Record, ScoredRecord};
use vectorizer_wire::answer::{QueryOut, ScoredOut};
use vectorizer_wire::query::{QueryBatchIn, QueryIn, SearchIn};

use super::call::{Call, Outcome};

fn records(points: &[ScoredRecord]) -> impl Iterator<Item = &Record> {
    points.iter().map(|point| &point.record)
}

pub(super) async fn query(mut call: Call) -> Outcome {
    let operation = call.read(|read: QueryIn, name, _| read.into_operation(name)).await?;
    let points = call.run(operation).await?;
    call.reply_records(QueryOut::new(&points), records(&points))
}

pub(super) async fn query_batch(mut call: Call) -> Outcome {
    let convert =
        |read: QueryBatchIn, name, door: &super::Door| read.into_operation(name, door.limits.batch);
    let operation = call.read(convert).await?;
    let answers = call.run(operation).await?;
    let shown: Vec<_> = answers.iter().map(|points| QueryOut::new(points)).collect();
    call.reply_records(shown, answers.iter().flat_map(|points| records(points)))
}

/// The older search, by the same operation.
pub(super) async fn search(mut call: Call) -> Outcome {
    let operation = call.read(|read: SearchIn, name, _| read.into_operation(name)).await?;
    let points = call.run(operation).await?;
    call.reply_records(ScoredOut::all(&points), records(&points))
}

//! Searches.

use vectorizer_wire::answer::{QueryOut, ScoredOut};
use vectorizer_wire::query::{QueryBatchIn, QueryIn, SearchIn};

use super::call::{Call, Outcome};

pub(super) async fn query(mut call: Call) -> Outcome {
    let operation = call.read(|read: QueryIn, name, _| read.into_operation(name)).await?;
    let points = call.run(operation).await?;
    call.reply_long(QueryOut::new(&points), points.len())
}

pub(super) async fn query_batch(mut call: Call) -> Outcome {
    let convert =
        |read: QueryBatchIn, name, door: &super::Door| read.into_operation(name, door.limits.batch);
    let operation = call.read(convert).await?;
    let answers = call.run(operation).await?;
    let items = answers.iter().map(Vec::len).sum();
    let shown: Vec<_> = answers.iter().map(|points| QueryOut::new(points)).collect();
    call.reply_long(shown, items)
}

/// The older search, by the same operation.
pub(super) async fn search(mut call: Call) -> Outcome {
    let operation = call.read(|read: SearchIn, name, _| read.into_operation(name)).await?;
    let points = call.run(operation).await?;
    call.reply_long(ScoredOut::all(&points), points.len())
}

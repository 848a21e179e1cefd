//! Requests on points and payloads.

use vectorizer_api::points::GetPoint;
use vectorizer_api::{Operation, Written};
use vectorizer_wire::WireError;
use vectorizer_wire::answer::{CountOut, PageOut, RecordOut, UpdateOut};
use vectorizer_wire::batch::UpdateBatchIn;
use vectorizer_wire::payload::{DeletePayloadIn, SetPayloadIn, into_clear};
use vectorizer_wire::points::{CountIn, RetrieveIn, ScrollIn, SelectorIn, UpsertIn, everything};

use super::call::{Call, Outcome};

/// Does a write and says where it stands.
async fn write<O: Operation<Output = Written>>(call: &Call, operation: O) -> Outcome {
    let written = call.run(operation).await?;
    call.reply(UpdateOut::new(written.seq, call.params()?.wait))
}

pub(super) async fn upsert(mut call: Call) -> Outcome {
    let operation = call.read(|read: UpsertIn, name, _| read.into_upsert(name)).await?;
    write(&call, operation).await
}

pub(super) async fn delete(mut call: Call) -> Outcome {
    let operation = call.read(|read: SelectorIn, name, _| read.into_delete(name)).await?;
    write(&call, operation).await
}

pub(super) async fn set_payload(mut call: Call) -> Outcome {
    let operation = call.read(|read: SetPayloadIn, name, _| read.into_set(name)).await?;
    write(&call, operation).await
}

pub(super) async fn overwrite_payload(mut call: Call) -> Outcome {
    let operation = call.read(|read: SetPayloadIn, name, _| read.into_overwrite(name)).await?;
    write(&call, operation).await
}

pub(super) async fn delete_payload(mut call: Call) -> Outcome {
    let operation = call.read(|read: DeletePayloadIn, name, _| read.into_delete(name)).await?;
    write(&call, operation).await
}

pub(super) async fn clear_payload(mut call: Call) -> Outcome {
    let operation = call.read(|read: SelectorIn, name, _| into_clear(read, name)).await?;
    write(&call, operation).await
}

pub(super) async fn batch(mut call: Call) -> Outcome {
    let convert = |read: UpdateBatchIn, name, door: &super::Door| {
        read.into_operation(name, door.limits.batch)
    };
    let operation = call.read(convert).await?;
    let written = call.run(operation).await?;
    let wait = call.params()?.wait;
    let shown: Vec<_> = written.iter().map(|written| UpdateOut::new(written.seq, wait)).collect();
    call.reply(shown)
}

pub(super) async fn get(call: Call) -> Outcome {
    let id = call.path(1).parse();
    let invalid =
        |error: vectorizer_model::id::ParsePointIdError| WireError::invalid(error.to_string());
    let id = id.map_err(invalid)?;
    let operation = GetPoint { collection: call.collection()?, id, select: everything() };
    let record = call.run(operation).await?;
    call.reply(RecordOut::new(&record))
}

pub(super) async fn retrieve(mut call: Call) -> Outcome {
    let operation = call.read(|read: RetrieveIn, name, _| read.into_get(name)).await?;
    let records = call.run(operation).await?;
    call.reply_records(RecordOut::all(&records), records.iter())
}

pub(super) async fn scroll(mut call: Call) -> Outcome {
    let operation = call.read(|read: ScrollIn, name, _| read.into_scroll(name)).await?;
    let page = call.run(operation).await?;
    call.reply_records(PageOut::new(&page), page.records.iter())
}

pub(super) async fn count(mut call: Call) -> Outcome {
    let operation = call.read(|read: CountIn, name, _| read.into_count(name)).await?;
    let count = call.run(operation).await?;
    call.reply(CountOut { count })
}

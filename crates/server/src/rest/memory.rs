//! Requests on the memory of the process. They are answered when it is full, too.

use std::time::SystemTime;

use vectorizer_api::memory::{EvictMemory, GetCacheStatus, GetMemory, ResetMemory, SetMemory};
use vectorizer_wire::memory::{EvictIn, SetIn, cache_status, evicted, memory};

use super::call::{Call, Outcome};

pub(super) async fn get(call: Call) -> Outcome {
    let report = call.run(GetMemory).await?;
    call.reply_bare(memory(&report, SystemTime::now()))
}

pub(super) async fn status(call: Call) -> Outcome {
    let report = call.run(GetCacheStatus).await?;
    call.reply_bare(cache_status(&report, SystemTime::now()))
}

pub(super) async fn set(mut call: Call) -> Outcome {
    let operation = call.read_urgent(|read: SetIn| SetMemory::from(read)).await?;
    let report = call.run(operation).await?;
    call.reply_bare(memory(&report, SystemTime::now()))
}

pub(super) async fn evict(mut call: Call) -> Outcome {
    let operation = call.read_urgent(|read: EvictIn| EvictMemory::from(read)).await?;
    let done = call.run(operation).await?;
    call.reply_bare(evicted(&done))
}

pub(super) async fn reset(call: Call) -> Outcome {
    call.run(ResetMemory).await?;
    call.reply_bare(serde_json::json!({ "reset": true }))
}

//! What the tests share: entries by number, and opening a log with its answer.

use std::ops::ControlFlow;
use std::sync::Arc;

use vectorizer_log::{Durability, Entry, Log, LogConfig, LogError, Recovery};
use vectorizer_model::{Epoch, RequestId, SequenceNumber, ShardId};
use vectorizer_vfs::Directory;

pub(crate) const NODE: u128 = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;

pub(crate) fn config(file_bytes: u64, durability: Durability) -> LogConfig {
    LogConfig { file_bytes, durability, node: NODE }
}

/// An entry that was replayed or committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) shard: u32,
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    pub(crate) request: u128,
    pub(crate) payload: Vec<u8>,
}

impl Seen {
    pub(crate) fn of<C>(entry: &Entry<C>) -> Self {
        Self {
            shard: entry.shard.0,
            epoch: entry.epoch.0,
            seq: entry.seq.0,
            request: entry.request.0,
            payload: entry.payload.clone(),
        }
    }
}

/// An entry whose bytes follow from its place, with its request number as the companion.
pub(crate) fn entry(shard: u32, seq: u64, payload_bytes: usize) -> Entry<u128> {
    let request = u128::from(shard) << 64 | u128::from(seq);
    let mut byte = u8::try_from((u64::from(shard) * 31 + seq * 7) % 251).unwrap();
    let payload = std::iter::repeat_with(|| {
        byte = byte.wrapping_mul(5).wrapping_add(17);
        byte
    });
    Entry {
        shard: ShardId(shard),
        epoch: Epoch(u64::from(shard) + 1),
        seq: SequenceNumber(seq),
        request: RequestId(request),
        payload: payload.take(payload_bytes).collect(),
        companion: request,
    }
}

pub(crate) struct Opened {
    pub(crate) log: Log<u128>,
    pub(crate) recovery: Recovery,
    pub(crate) seen: Vec<Seen>,
}

pub(crate) fn open(dir: Arc<dyn Directory>, config: LogConfig) -> Result<Opened, LogError> {
    let mut seen = Vec::new();
    let (log, recovery) = Log::open(dir, config, &mut |entry| {
        seen.push(Seen {
            shard: entry.shard.0,
            epoch: entry.epoch.0,
            seq: entry.seq.0,
            request: entry.request.0,
            payload: entry.payload.to_vec(),
        });
        ControlFlow::Continue(())
    })?;
    assert_eq!(recovery.entries, seen.len() as u64);
    Ok(Opened { log, recovery, seen })
}

/// Appends these as one group and commits it.
pub(crate) fn commit(log: &Log<u128>, entries: &[Entry<u128>]) -> vectorizer_log::Committed<u128> {
    for entry in entries {
        log.append(entry.clone()).unwrap();
    }
    let committed = log.commit().unwrap();
    assert_eq!(committed.entries, entries);
    committed
}

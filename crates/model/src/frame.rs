//! One operation with its place in history, as the log stores it and replicas exchange it.

use crate::{Epoch, Operation, RequestId, SequenceNumber, ShardId};

/// One entry of the node's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The shard whose history this is.
    pub shard: ShardId,
    /// The reign it was written in.
    pub epoch: Epoch,
    /// Its position in the shard's history: one more than the entry before it.
    pub seq: SequenceNumber,
    /// The request that made it.
    pub request: RequestId,
    /// What changes.
    pub operation: Operation,
}

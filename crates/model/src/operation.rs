//! What changes state: the entries of every log.
//!
//! An operation is deterministic: applying it is a pure function of the state before it and of
//! itself. Filters travel as filters; ids and times made by the server are fixed before append.

use crate::settings::FieldIndexKind;
use crate::vector::VectorColumn;
use crate::{
    CollectionName, CollectionSettings, Filter, KeyPath, Payload, PointId, ShardId, TenantName,
};

/// One entry of a shard's log.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Catalogue: a new collection with its one shard.
    CreateCollection {
        /// Unused until now.
        name: CollectionName,
        /// The shard that will hold it.
        shard: ShardId,
        /// What it is.
        settings: Box<CollectionSettings>,
        /// To whom its bytes are charged.
        tenant: TenantName,
    },
    /// Catalogue: a collection and its shard are gone.
    DropCollection {
        /// Which one.
        name: CollectionName,
    },
    /// The shard's settings are replaced by these.
    UpdateSettings(Box<CollectionSettings>),
    /// Points are written whole; a point that existed is replaced.
    Upsert(PointBatch),
    /// Points are gone.
    Delete(PointSelector),
    /// Keys of payloads are written.
    SetPayload {
        /// Which points.
        points: PointSelector,
        /// The keys and their values.
        payload: Payload,
        /// Where in the payload they go; absent means the top.
        at: Option<KeyPath>,
    },
    /// Payloads are replaced.
    OverwritePayload {
        /// Which points.
        points: PointSelector,
        /// What they hold afterwards.
        payload: Payload,
    },
    /// Keys of payloads are removed.
    DeletePayload {
        /// Which points.
        points: PointSelector,
        /// Which keys.
        keys: Vec<KeyPath>,
    },
    /// Payloads are emptied.
    ClearPayload {
        /// Which points.
        points: PointSelector,
    },
    /// A field is indexed from now on.
    CreateFieldIndex {
        /// Which field.
        key: KeyPath,
        /// What the index holds.
        kind: FieldIndexKind,
    },
    /// A field is no longer indexed.
    DropFieldIndex {
        /// Which field.
        key: KeyPath,
    },
}

impl Operation {
    /// The points that it concerns, unless it lists them as rows or concerns none.
    pub fn selector(&self) -> Option<&PointSelector> {
        match self {
            Self::Delete(points)
            | Self::SetPayload { points, .. }
            | Self::OverwritePayload { points, .. }
            | Self::DeletePayload { points, .. }
            | Self::ClearPayload { points } => Some(points),
            Self::CreateCollection { .. }
            | Self::DropCollection { .. }
            | Self::UpdateSettings(_)
            | Self::Upsert(_)
            | Self::CreateFieldIndex { .. }
            | Self::DropFieldIndex { .. } => None,
        }
    }

    /// The same for other points. An operation without a selector stays as it is.
    #[must_use]
    pub fn with_selector(&self, to: PointSelector) -> Self {
        match self {
            Self::Delete(_) => Self::Delete(to),
            Self::SetPayload { payload, at, .. } => {
                Self::SetPayload { points: to, payload: payload.clone(), at: at.clone() }
            }
            Self::OverwritePayload { payload, .. } => {
                Self::OverwritePayload { points: to, payload: payload.clone() }
            }
            Self::DeletePayload { keys, .. } => {
                Self::DeletePayload { points: to, keys: keys.clone() }
            }
            Self::ClearPayload { .. } => Self::ClearPayload { points: to },
            Self::CreateCollection { .. }
            | Self::DropCollection { .. }
            | Self::UpdateSettings(_)
            | Self::Upsert(_)
            | Self::CreateFieldIndex { .. }
            | Self::DropFieldIndex { .. } => self.clone(),
        }
    }
}

/// Which points an operation concerns.
#[derive(Debug, Clone, PartialEq)]
pub enum PointSelector {
    /// These, where they exist.
    Ids(Vec<PointId>),
    /// All that the filter admits when the operation is applied.
    Filter(Filter),
}

/// Many points, column by column. Row `i` of every column belongs to `ids[i]`; of two rows with
/// one id the later wins.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PointBatch {
    /// One id for each row.
    pub ids: Vec<PointId>,
    /// One column for each vector name that any row has.
    pub vectors: Vec<VectorColumn>,
    /// One payload for each row, or none at all if every payload is empty.
    pub payloads: Vec<Payload>,
}

impl PointBatch {
    /// Rows of the batch.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

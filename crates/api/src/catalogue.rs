//! All operations; every door offers these and no others.

use crate::collections::{
    CollectionExists, CreateCollection, DeleteCollection, GetCollection, ListCollections,
    UpdateCollection,
};
use crate::discovery::{DiscoverMimir, DiscoverTenants};
use crate::index::{CreateFieldIndex, DeleteFieldIndex};
use crate::memory::{EvictMemory, GetCacheStatus, GetMemory, ResetMemory, SetMemory};
use crate::operation::{Entry, Operation};
use crate::payload::{ClearPayload, DeletePayload, OverwritePayload, SetPayload};
use crate::points::{
    CountPoints, DeletePoints, GetPoint, GetPoints, ScrollPoints, UpdateBatch, UpsertPoints,
};
use crate::search::{QueryBatch, QueryPoints};

/// All operations.
pub const CATALOGUE: &[Entry] = &[
    ListCollections::ENTRY,
    GetCollection::ENTRY,
    CollectionExists::ENTRY,
    CreateCollection::ENTRY,
    UpdateCollection::ENTRY,
    DeleteCollection::ENTRY,
    UpsertPoints::ENTRY,
    GetPoints::ENTRY,
    GetPoint::ENTRY,
    DeletePoints::ENTRY,
    ScrollPoints::ENTRY,
    CountPoints::ENTRY,
    UpdateBatch::ENTRY,
    SetPayload::ENTRY,
    OverwritePayload::ENTRY,
    DeletePayload::ENTRY,
    ClearPayload::ENTRY,
    QueryPoints::ENTRY,
    QueryBatch::ENTRY,
    CreateFieldIndex::ENTRY,
    DeleteFieldIndex::ENTRY,
    GetMemory::ENTRY,
    SetMemory::ENTRY,
    GetCacheStatus::ENTRY,
    EvictMemory::ENTRY,
    ResetMemory::ENTRY,
    DiscoverTenants::ENTRY,
    DiscoverMimir::ENTRY,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = CATALOGUE.iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CATALOGUE.len());
    }
}

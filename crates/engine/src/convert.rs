//! Converting a collection from storage type `memory` to `mmap`. The files of both are the same, so
//! nothing is copied: the change is one entry of the collection's log, there whole or not at all.

use vectorizer_memory::Class;
use vectorizer_model::encode::{Canonical, Writer, encode_payload};
use vectorizer_model::settings::StorageType;
use vectorizer_model::{CollectionName, Filter, Operation, RequestId, SequenceNumber};

use crate::engine::Engine;
use crate::error::Result;
use crate::leaf::{LeafScroll, PayloadSelector, Record, Select, VectorSelector};
use crate::memtable::Memtable;

/// Bytes of points that are looked at together, about.
const PAGE_BYTES: u64 = 4 << 20;
/// Points of them, at most.
const PAGE_POINTS_MAX: u64 = 1024;

/// What a collection holds at one position of its history, in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest {
    /// The position.
    pub applied: SequenceNumber,
    /// Points.
    pub points: u64,
    /// CRC-32C over ids, versions, payloads and vectors of all of them, in the order of ids.
    pub crc: u32,
}

impl Engine {
    /// Makes a `memory` collection one of `mmap`, durably. False if it is one already. The engine is
    /// open under [`StorageRule::Converting`](crate::StorageRule::Converting).
    ///
    /// # Errors
    /// [`EngineError`](crate::EngineError); the collection is what it was, or what it was to be.
    pub fn convert_to_mmap(&self, name: &CollectionName) -> Result<bool> {
        let mut settings = (**self.view(name)?.settings()).clone();
        if settings.storage_type == StorageType::Mmap {
            return Ok(false);
        }
        settings.storage_type = StorageType::Mmap;
        let change = Operation::UpdateSettings(Box::new(settings));
        self.submit(name, change, RequestId::default())?.wait()??;
        // Into the manifest, which says it without the log.
        self.flush()?;
        Ok(true)
    }

    /// Reads every point of a collection.
    ///
    /// # Errors
    /// [`EngineError`](crate::EngineError): it is not there, unreadable, or memory is short.
    pub fn content_digest(&self, name: &CollectionName) -> Result<ContentDigest> {
        let view = self.view(name)?;
        // Pages as they are stored, decoded, and encoded again.
        let bytes = PAGE_BYTES * 3;
        let _page = self.governor().reserve(Class::Operations, view.tenant(), bytes)?;
        let select =
            Select { payload: PayloadSelector::Everything, vectors: VectorSelector::Everything };
        let row = Memtable::row_bytes(view.settings()).max(1);
        let limit = (PAGE_BYTES / row).clamp(1, PAGE_POINTS_MAX);
        let mut scroll = LeafScroll {
            filter: Filter::default(),
            from: None,
            limit: usize::try_from(limit).unwrap_or(1),
        };
        let mut digest = ContentDigest { applied: view.seq(), points: 0, crc: 0 };
        loop {
            let (ids, next) = view.scroll(&scroll)?;
            for record in view.records(&ids, &select)? {
                digest.points += 1;
                digest.crc = crc32c::crc32c_append(digest.crc, &bytes_of(&record));
            }
            scroll.from = next;
            if scroll.from.is_none() {
                return Ok(digest);
            }
        }
    }
}

fn bytes_of(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut to = Writer::new(&mut bytes);
    record.id.write(&mut to);
    to.u64(record.version.0);
    to.count(record.vectors.len());
    for (name, vector) in &record.vectors {
        to.text(&name.0);
        to.count(vector.len());
        for component in vector {
            to.u32(component.to_bits());
        }
    }
    if let Some(payload) = &record.payload {
        encode_payload(payload, &mut bytes);
    }
    bytes
}

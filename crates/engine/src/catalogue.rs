//! Which collections there are, and which shard holds each. See `docs/format/manifest.md`.
//!
//! The catalogue is shard 0 of the log: creations and removals are its entries, and its own small
//! file says what they came to at one position.

use std::collections::BTreeMap;

use vectorizer_model::encode::{DecodeError, Reader, Writer};
use vectorizer_model::{CollectionName, SequenceNumber, ShardId};
use vectorizer_vfs::Directory;

use crate::error::Result;
use crate::manifest::{StoreError, checked_body, read_whole, store_atomically, undecodable};

const MAGIC: &[u8; 8] = b"VZCATA01";
pub(crate) const FILE: &str = "catalogue";

/// The collections at one position of the catalogue's history.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Catalogue {
    /// A random number given to the data folder when it was made.
    pub(crate) node: u128,
    /// All entries up to here are in.
    pub(crate) applied: SequenceNumber,
    /// The number of the next shard.
    pub(crate) next_shard: u32,
    /// The shard of each collection.
    pub(crate) collections: BTreeMap<CollectionName, ShardId>,
}

impl Catalogue {
    /// No collections.
    pub(crate) fn new(node: u128) -> Self {
        Self { node, applied: SequenceNumber::ZERO, next_shard: 1, collections: BTreeMap::new() }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut to = Writer::new(&mut bytes);
        to.u128(self.node);
        to.u64(self.applied.0);
        to.u32(self.next_shard);
        to.count(self.collections.len());
        for (name, shard) in &self.collections {
            to.text(name.as_str());
            to.u32(shard.0);
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn read(from: &mut Reader<'_>) -> std::result::Result<Self, DecodeError> {
        let mut catalogue = Self::new(from.u128()?);
        catalogue.applied = SequenceNumber(from.u64()?);
        catalogue.next_shard = from.u32()?;
        for _ in 0..from.count(5)? {
            let at = from.at();
            let name = CollectionName::new(from.text()?).map_err(|_refused| {
                DecodeError::Invalid { what: "collection name", at, found: 0 }
            })?;
            catalogue.collections.insert(name, ShardId(from.u32()?));
        }
        from.finish()?;
        Ok(catalogue)
    }

    /// Writes the catalogue durably.
    ///
    /// # Errors
    /// As [`Manifest::store`](crate::manifest::Manifest::store).
    pub(crate) fn store(&self, directory: &dyn Directory) -> std::result::Result<(), StoreError> {
        store_atomically(directory, FILE, &self.to_bytes())
    }

    /// The stored catalogue; none in a new folder.
    ///
    /// # Errors
    /// [`EngineError::Damaged`] or the disk's refusal.
    pub(crate) fn load(directory: &dyn Directory) -> Result<Option<Self>> {
        if !directory.list()?.iter().any(|entry| entry.name == FILE) {
            return Ok(None);
        }
        let bytes = read_whole(directory, FILE)?;
        let body = checked_body(&bytes, *MAGIC, FILE)?;
        let catalogue = Self::read(&mut Reader::new(body));
        Ok(Some(catalogue.map_err(|error| undecodable(&error, FILE))?))
    }
}

/// The name of a shard's folder.
pub(crate) fn shard_folder(shard: ShardId) -> String {
    format!("{:010}", shard.0)
}

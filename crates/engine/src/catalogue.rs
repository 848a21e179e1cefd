//! Which collections there are, and which shard holds each. See `docs/format/manifest.md`.
//!
//! The catalogue is shard 0 of the log: creations and removals are its entries, and its own small
//! file says what they came to at one position.

use std::collections::BTreeMap;

use vectorizer_model::encode::{Canonical, DecodeError, Reader, Writer};
use vectorizer_model::{CollectionName, SequenceNumber, ShardId, TenantName};
use vectorizer_vfs::Directory;

use crate::error::Result;
use crate::manifest::{StoreError, checked_body, read_whole, store_atomically, undecodable};

/// All collections belong to the default tenant.
const MAGIC: [u8; 8] = *b"VZCATA01";
/// Each collection names its tenant.
const MAGIC_TENANTS: [u8; 8] = *b"VZCATA02";
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
    /// Where each collection is, and whose.
    pub(crate) collections: BTreeMap<CollectionName, Listed>,
}

/// A collection of the catalogue's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Listed {
    pub(crate) shard: ShardId,
    /// To whom its bytes are charged.
    pub(crate) tenant: TenantName,
}

impl Catalogue {
    /// No collections.
    pub(crate) fn new(node: u128) -> Self {
        Self { node, applied: SequenceNumber::ZERO, next_shard: 1, collections: BTreeMap::new() }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let tenants = self.collections.values().any(|listed| !listed.tenant.is_default());
        let mut bytes = if tenants { MAGIC_TENANTS } else { MAGIC }.to_vec();
        let mut to = Writer::new(&mut bytes);
        to.u128(self.node);
        to.u64(self.applied.0);
        to.u32(self.next_shard);
        to.count(self.collections.len());
        for (name, Listed { shard, tenant }) in &self.collections {
            to.text(name.as_str());
            to.u32(shard.0);
            if tenants {
                tenant.write(&mut to);
            }
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn read(from: &mut Reader<'_>, tenants: bool) -> std::result::Result<Self, DecodeError> {
        let mut catalogue = Self::new(from.u128()?);
        catalogue.applied = SequenceNumber(from.u64()?);
        catalogue.next_shard = from.u32()?;
        for _ in 0..from.count(5)? {
            let at = from.at();
            let name = CollectionName::new(from.text()?).map_err(|_refused| {
                DecodeError::Invalid { what: "collection name", at, found: 0 }
            })?;
            let shard = ShardId(from.u32()?);
            let tenant = if tenants { TenantName::read(from)? } else { TenantName::default() };
            catalogue.collections.insert(name, Listed { shard, tenant });
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
        Self::parse(&read_whole(directory, FILE)?).map(Some)
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let tenants = bytes.starts_with(&MAGIC_TENANTS);
        let body = checked_body(bytes, if tenants { MAGIC_TENANTS } else { MAGIC }, FILE)?;
        let catalogue = Self::read(&mut Reader::new(body), tenants);
        catalogue.map_err(|error| undecodable(&error, FILE))
    }
}

/// The name of a shard's folder.
pub(crate) fn shard_folder(shard: ShardId) -> String {
    format!("{:010}", shard.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROZEN: &[u8] = include_bytes!("../tests/golden/catalogue_v2");

    #[test]
    fn the_frozen_catalogue_of_tenants_is_read_and_written_alike() {
        let catalogue = Catalogue::parse(FROZEN).expect("format v2");
        let listed = catalogue.collections.iter();
        let told: Vec<_> =
            listed.map(|(name, of)| (name.as_str(), of.shard.0, of.tenant.as_str())).collect();
        assert_eq!(told, [("notes", 3, "acme"), ("others", 1, "default")]);
        assert_eq!((catalogue.applied, catalogue.next_shard), (SequenceNumber(7), 5));
        assert_eq!(catalogue.to_bytes(), FROZEN);
    }

    #[test]
    fn without_tenants_the_first_version_is_written() {
        let mut catalogue = Catalogue::parse(FROZEN).expect("format v2");
        for listed in catalogue.collections.values_mut() {
            listed.tenant = TenantName::default();
        }
        let bytes = catalogue.to_bytes();
        assert!(bytes.starts_with(b"VZCATA01"));
        assert_eq!(Catalogue::parse(&bytes).expect("format v1"), catalogue);
    }
}

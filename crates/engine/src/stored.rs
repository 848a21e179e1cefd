//! What a data folder says of its collections, without opening it.

use std::collections::BTreeMap;
use std::path::Path;

use vectorizer_model::CollectionName;
use vectorizer_model::settings::StorageType;
use vectorizer_vfs::OsDirectory;

use crate::catalogue::{Catalogue, FILE as CATALOGUE, Listed, shard_folder};
use crate::error::Result;
use crate::manifest::Manifest;
use crate::recovery::SHARDS_FOLDER;

/// The storage types of a data folder's collections, as catalogue and manifests have them; what
/// only the log knows is not among them. Nothing is changed, nor locked.
///
/// # Errors
/// Catalogue or a manifest is damaged, or the disk refuses. A folder that is not there, or holds no
/// data, has no collections.
pub fn stored_storage_types(
    path: impl AsRef<Path>,
) -> Result<BTreeMap<CollectionName, StorageType>> {
    let path = path.as_ref();
    if !path.join(CATALOGUE).exists() || !path.join(SHARDS_FOLDER).exists() {
        return Ok(BTreeMap::new());
    }
    let root = OsDirectory::open(path)?;
    let Some(catalogue) = Catalogue::load(&*root)? else { return Ok(BTreeMap::new()) };
    let folder = root.subdirectory(SHARDS_FOLDER)?;
    let present = folder.list()?;
    let mut found = BTreeMap::new();
    for (name, Listed { shard, .. }) in catalogue.collections {
        // What is missing is told by whoever opens the folder.
        let shard = shard_folder(shard);
        if !present.iter().any(|entry| entry.name == shard) {
            continue;
        }
        if let Some(manifest) = Manifest::load(&*folder.subdirectory(&shard)?)? {
            found.insert(name, manifest.settings.storage_type);
        }
    }
    Ok(found)
}

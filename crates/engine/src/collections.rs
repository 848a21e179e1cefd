//! Which collections there are, by name and by number, and which of them are open.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use vectorizer_memory::Tenant;
use vectorizer_model::{CollectionName, ShardId};

use crate::collection::Collection;

/// All collections of a node.
#[derive(Debug, Default)]
pub(crate) struct Collections(RwLock<Maps>);

#[derive(Debug, Default)]
struct Maps {
    by_name: BTreeMap<CollectionName, Arc<Collection>>,
    by_id: BTreeMap<ShardId, Arc<Collection>>,
    /// What background work looks at: nothing is done for a closed collection.
    open: BTreeMap<CollectionName, Arc<Collection>>,
}

impl Maps {
    /// All by name, or those of a tenant.
    fn of(&self, tenant: Option<&Tenant>) -> impl Iterator<Item = &Arc<Collection>> {
        let is_of = move |collection: &&Arc<Collection>| {
            tenant.is_none_or(|tenant| tenant.name() == collection.tenant.name())
        };
        self.by_name.values().filter(is_of)
    }
}

impl Collections {
    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one; it counts as open if it is.
    pub(crate) fn insert(&self, collection: Collection) -> Arc<Collection> {
        let collection = Arc::new(collection);
        let mut maps = self.write();
        maps.by_name.insert(collection.name.clone(), Arc::clone(&collection));
        maps.by_id.insert(collection.id, Arc::clone(&collection));
        if collection.is_open() {
            maps.open.insert(collection.name.clone(), Arc::clone(&collection));
        }
        collection
    }

    pub(crate) fn remove(&self, collection: &Collection) {
        let mut maps = self.write();
        maps.by_name.remove(&collection.name);
        maps.by_id.remove(&collection.id);
        maps.open.remove(&collection.name);
    }

    /// Says whether a collection is open from now on. The caller has its turn.
    pub(crate) fn set_open(&self, collection: &Arc<Collection>, open: bool) {
        let mut maps = self.write();
        if open {
            maps.open.insert(collection.name.clone(), Arc::clone(collection));
        } else {
            maps.open.remove(&collection.name);
        }
    }

    pub(crate) fn get(&self, name: &CollectionName) -> Option<Arc<Collection>> {
        self.read().by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: ShardId) -> Option<Arc<Collection>> {
        self.read().by_id.get(&id).cloned()
    }

    /// All with their tenants, by name.
    pub(crate) fn owned(&self) -> Vec<(CollectionName, Tenant)> {
        let owned =
            |(name, of): (&CollectionName, &Arc<Collection>)| (name.clone(), of.tenant.clone());
        self.read().by_name.iter().map(owned).collect()
    }

    /// The names of all, or of those of a tenant, sorted.
    pub(crate) fn names(&self, of: Option<&Tenant>) -> Vec<CollectionName> {
        let maps = self.read();
        let mut names = Vec::with_capacity(maps.of(of).count());
        names.extend(maps.of(of).map(|collection| collection.name.clone()));
        names
    }

    /// How many these are, and the bytes of their text.
    pub(crate) fn names_size(&self, of: Option<&Tenant>) -> (u64, u64) {
        let add = |(names, bytes), collection: &Arc<Collection>| {
            (names + 1, bytes + collection.name.as_str().len() as u64)
        };
        self.read().of(of).fold((0, 0), add)
    }

    /// All, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Collection>> {
        self.read().by_name.values().cloned().collect()
    }

    /// Those that are open, by name.
    pub(crate) fn open(&self) -> Vec<Arc<Collection>> {
        self.read().open.values().cloned().collect()
    }

    /// How many there are, and how many of them are open.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let maps = self.read();
        (maps.by_name.len(), maps.open.len())
    }
}

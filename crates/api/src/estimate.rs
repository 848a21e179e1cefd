//! What operations are expected to hold.

use vectorizer_engine::ReadView;
use vectorizer_memory::OperationKind;
use vectorizer_model::encode::encoded_payload_bytes;
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{CollectionName, Payload};
use vectorizer_query::Select;

use crate::context::Context;
use crate::error::Result;

/// What an operation is expected to hold, and what bounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// What bounds it.
    pub kind: OperationKind,
    /// Bytes.
    pub bytes: u64,
    /// Whether it frees memory, or is for administrators: then it is admitted when memory is full.
    pub frees: bool,
}

/// An operation that can tell what it will hold before it does anything.
pub trait MemoryAwareOperation {
    /// The collection that is opened before the operation is estimated, if it wants one open.
    fn opens(&self) -> Option<&CollectionName> {
        None
    }

    /// About the most that it will hold at once. Reads no page.
    ///
    /// # Errors
    /// Names what is not there.
    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate>;
}

/// Bytes of what takes little: names, settings, and their encoded form.
const LITTLE_BYTES: u64 = 16 << 10;
/// Bytes of an encoded point id, at most.
const ID_BYTES: u64 = 17;
/// Bytes of a report on memory, with the text that it is shown as.
const REPORT_BYTES: u64 = 256 << 10;
/// What each tenant adds to it.
const REPORTED_TENANT_BYTES: u64 = 4 << 10;
/// What each collection adds to what is told of tenants.
const REPORTED_COLLECTION_BYTES: u64 = 1 << 10;
/// Bytes of JSON of a collection in a list, besides its name.
const NAMED_BYTES: u64 = 16;
/// Text that grows is there twice while it is moved, the second time with as much to grow into.
const ENCODED_COPIES: u64 = 4;
/// Bytes of answers of an ordinary Mimir.
const MIMIR_BYTES: u64 = 256 << 10;
/// Bytes of a point in an encoded batch besides its vectors and payload.
const POINT_BYTES: u64 = 32;
/// Copies of an operation under way: encoded, decoded, and once more while it is applied.
const COPIES: u64 = 3;

impl Estimate {
    const fn of(kind: OperationKind, bytes: u64) -> Self {
        Self { kind, bytes, frees: false }
    }

    /// Of what shows a collection and its settings.
    pub(crate) const fn little() -> Self {
        Self::of(OperationKind::Scroll, LITTLE_BYTES)
    }

    /// Of what names the collections that the caller reaches: the names, which may be as many as it
    /// likes, and their text.
    pub(crate) fn of_names(context: &Context) -> Self {
        let (names, text) = context.engine().names_size(context.caller().only());
        let bytes = names_bytes((names, text)) + (names * NAMED_BYTES + text) * ENCODED_COPIES;
        Self::of(OperationKind::Scroll, LITTLE_BYTES + bytes)
    }

    /// Of what shows and changes the memory of the process: reports name every tenant.
    pub(crate) fn of_administration(context: &Context) -> Self {
        let tenants = context.engine().governor().usage().tenants.len() as u64;
        let bytes = REPORT_BYTES + tenants * REPORTED_TENANT_BYTES;
        Self { kind: OperationKind::Scroll, bytes, frees: true }
    }

    /// Of what tells which tenants there are, with the text that it is shown as.
    pub(crate) fn of_tenants(context: &Context) -> Self {
        let engine = context.engine();
        let tenants = engine.governor().usage().tenants.len() as u64;
        let collections = engine.collections().len() as u64;
        let bytes = tenants * REPORTED_TENANT_BYTES + collections * REPORTED_COLLECTION_BYTES;
        Self { kind: OperationKind::Scroll, bytes: LITTLE_BYTES + bytes, frees: true }
    }

    /// Of what asks Mimir; what it answers is drawn as it comes.
    pub(crate) const fn of_mimir() -> Self {
        Self::of(OperationKind::Scroll, MIMIR_BYTES)
    }

    /// Of a change of settings.
    pub(crate) const fn settings() -> Self {
        Self::of(OperationKind::Write, LITTLE_BYTES)
    }

    pub(crate) const fn search(bytes: u64) -> Self {
        Self::of(OperationKind::Search, bytes)
    }

    pub(crate) const fn scroll(bytes: u64) -> Self {
        Self::of(OperationKind::Scroll, bytes)
    }

    pub(crate) const fn facet(bytes: u64) -> Self {
        Self::of(OperationKind::Facet, bytes)
    }

    /// Of a write whose batch has so many points, components and bytes of payloads: its columns,
    /// and its copies under way.
    pub(crate) const fn batch(points: u64, components: u64, payloads: u64) -> Self {
        let columns = points * POINT_BYTES + components * 4;
        let encoded = columns + payloads;
        Self::of(OperationKind::Write, LITTLE_BYTES + columns + encoded * COPIES)
    }

    /// Of a change of payloads that brings one. Listed points are looked up first.
    pub(crate) fn change(
        context: &Context,
        collection: &CollectionName,
        points: &PointSelector,
        payload: Option<&Payload>,
    ) -> Result<Self> {
        let looked_up = match points {
            PointSelector::Ids(ids) => {
                view(context, collection)?.estimate_records(&Select::default(), ids.len())
            }
            PointSelector::Filter(_) => 0,
        };
        let brought = payload.map_or(0, encoded_payload_bytes);
        let listed = Self::listed(context, collection, points, brought)?;
        Ok(Self { bytes: listed.bytes.max(looked_up), ..listed })
    }

    /// Of an operation that lists points, or those that a filter names.
    pub(crate) fn listed(
        context: &Context,
        collection: &CollectionName,
        points: &PointSelector,
        brought: u64,
    ) -> Result<Self> {
        let (count, found) = view(context, collection)?.estimate_selected(points);
        // They are found before they are listed.
        let encoded = (count as u64 * ID_BYTES + brought) * COPIES;
        Ok(Self::of(OperationKind::Write, LITTLE_BYTES + encoded.max(found)))
    }

    /// The same of what frees memory.
    #[must_use]
    pub(crate) const fn that_frees(mut self) -> Self {
        self.frees = true;
        self
    }
}

/// Bytes of so many names with so much text, and of the list that shows them.
pub(crate) const fn names_bytes((names, text): (u64, u64)) -> u64 {
    names * (size_of::<CollectionName>() + size_of::<&str>()) as u64 + text
}

/// Everything acknowledged so far in a collection.
pub(crate) fn view(context: &Context, collection: &CollectionName) -> Result<ReadView> {
    Ok(context.engine().view(&context.reach(collection)?)?)
}

//! Builds the index of one payload field over a segment's flushed payloads.

use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{Budget, KeyPath, Ordinal};
use vectorizer_payload::FieldIndexBuilder;

use crate::component::{ComponentRef, ComponentWriter};
use crate::error::Result;
use crate::footer::{ComponentKind, SectionKind};
use crate::segment::Segment;
use crate::store::Store;

/// Reads every payload of a segment and writes the index of one field. Rows that were patched are
/// indexed as they are now; the planner believes no index about rows patched later.
///
/// # Errors
/// If a page cannot be read, or a refusing disk or budget; nothing is live.
pub fn write_field_index(
    store: &Store,
    segment: &Segment,
    key: &KeyPath,
    kind: FieldIndexKind,
    (file, budget): (u64, &mut dyn Budget),
) -> Result<ComponentRef> {
    let mut builder = FieldIndexBuilder::new(kind, key.clone());
    for ordinal in (0..segment.rows()).map(Ordinal) {
        builder.add(ordinal, &segment.payload(ordinal)?, budget)?;
    }
    let index = builder.finish(budget)?;
    let head = segment.record().head(ComponentKind::FieldIndex, &key.to_string());
    let mut out = ComponentWriter::create(&*store.directory, head, file)?;
    out.section(SectionKind::Index, &index.to_bytes())?;
    out.finish()
}

//! Builds the index of one payload field over a segment's flushed payloads.

use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::value::heap_bytes;
use vectorizer_model::{Budget, KeyPath, Ordinal, Payload};
use vectorizer_payload::{FieldIndex, FieldIndexBuilder, sample_rows};
use vectorizer_vfs::SequentialWriter;

use crate::component::{ComponentRef, ComponentWriter};
use crate::error::Result;
use crate::footer::{ComponentKind, SectionKind};
use crate::segment::Segment;
use crate::store::Store;

/// Buffers of the file while an index is written.
const WRITE_BYTES: u64 = (SequentialWriter::bytes_needed() + FieldIndex::WRITE_BYTES) as u64;
/// Bytes in memory of a payload besides those for each that it has on disk, about.
const PAYLOAD_BYTES: u64 = 1 << 10;
/// Those for each: the stored ones, and what they are decoded to.
const PAYLOAD_EXPANSION: u64 = 1 + 4;
/// Which rows are a sample.
const SEED: u64 = 0x5eed;

/// Reads every payload of a segment and writes the index of one field. Rows that were patched are
/// indexed as they are now; the planner believes no index about rows patched later.
///
/// # Errors
/// If a page cannot be read, or a refusing disk or budget; nothing is live, and a file already
/// created is for the caller to remove.
pub fn write_field_index(
    store: &Store,
    segment: &Segment,
    key: &KeyPath,
    kind: FieldIndexKind,
    (file, budget): (u64, &mut dyn Budget),
) -> Result<ComponentRef> {
    let mut builder = FieldIndexBuilder::new(kind, key.clone());
    let mut reader = PayloadReader { segment, room: 0 };
    for ordinal in (0..segment.rows()).map(Ordinal) {
        builder.add(ordinal, &reader.read(ordinal, budget)?, budget)?;
    }
    budget.shrink(reader.room);
    let index = builder.finish(budget)?;
    budget.try_grow(WRITE_BYTES)?;
    let head = segment.record().head(ComponentKind::FieldIndex, &key.to_string());
    let mut out = ComponentWriter::create(&*store.directory, head, file)?;
    out.begin(SectionKind::Index)?;
    index.write(|run| out.write(run))?;
    let written = out.finish()?;
    let held = WRITE_BYTES + index.bytes();
    drop(index);
    budget.shrink(held);
    Ok(written)
}

/// About what [`write_field_index`] takes from its budget, as a sample of the rows tells. `budget`
/// holds what looking at those takes.
///
/// # Errors
/// If a page cannot be read, or the budget refuses.
pub fn field_index_bytes(
    segment: &Segment,
    key: &KeyPath,
    kind: FieldIndexKind,
    budget: &mut dyn Budget,
) -> Result<u64> {
    let mut builder = FieldIndexBuilder::new(kind, key.clone());
    let mut reader = PayloadReader { segment, room: 0 };
    let sample = sample_rows(segment.rows(), SEED);
    for ordinal in &sample {
        builder.add(*ordinal, &reader.read(*ordinal, budget)?, budget)?;
    }
    budget.shrink(reader.room + builder.held());
    let sampled = u32::try_from(sample.len()).unwrap_or(u32::MAX);
    Ok(builder.bytes_for(segment.rows(), sampled) + reader.room + WRITE_BYTES)
}

/// Reads one payload at a time, with room for the largest so far.
struct PayloadReader<'a> {
    segment: &'a Segment,
    /// Bytes of the budget.
    room: u64,
}

impl PayloadReader<'_> {
    fn read(&mut self, ordinal: Ordinal, budget: &mut dyn Budget) -> Result<Payload> {
        let stored = self.segment.payload_len(ordinal)?;
        self.widen(PAYLOAD_BYTES.saturating_add(stored.saturating_mul(PAYLOAD_EXPANSION)), budget)?;
        let payload = self.segment.payload(ordinal)?;
        // Lists of little take far more.
        self.widen(stored.saturating_add(heap_bytes(&payload)), budget)?;
        Ok(payload)
    }

    fn widen(&mut self, bytes: u64, budget: &mut dyn Budget) -> Result<()> {
        let more = bytes.saturating_sub(self.room);
        if more > 0 {
            budget.try_grow(more)?;
            self.room += more;
        }
        Ok(())
    }
}

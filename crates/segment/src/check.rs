//! Whether what a segment's components stand for fits together, beyond their checksums.

use std::sync::Arc;

use vectorizer_hnsw::Links;
use vectorizer_model::{Ordinal, SequenceNumber, VectorName};

use crate::codes::CodeColumn;
use crate::component::ComponentRef;
use crate::error::{Result, SegmentError};
use crate::footer::ComponentKind;
use crate::graph::GraphColumn;
use crate::payloads::PatchRow;
use crate::segment::Segment;

impl Segment {
    /// Decodes everything that opening the segment did not, and tells of each row that contradicts
    /// the format: ids that do not ascend or that the id filter denies, versions after `applied`,
    /// payloads and patches that cannot be decoded, digests that do not follow from the rest, codes
    /// that no quantizer makes, links and index entries of rows that do not exist.
    ///
    /// Cost: reads every component once, row by row.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn check(
        &self,
        applied: SequenceNumber,
        damaged: &mut dyn FnMut(SegmentError),
    ) -> Result<()> {
        let mut check = Check { segment: self, damaged };
        check.rows(applied)?;
        check.patches(applied);
        for (name, parts) in self.vector_parts() {
            if let Some(codes) = &parts.codes {
                check.codes(name, codes)?;
            }
            if let Some(graph) = &parts.graph {
                check.graph(name, graph)?;
            }
        }
        check.indexes();
        Ok(())
    }
}

struct Check<'a> {
    segment: &'a Segment,
    damaged: &'a mut dyn FnMut(SegmentError),
}

impl Check<'_> {
    fn tell(&mut self, kind: ComponentKind, tag: &str, offset: u64, what: String) {
        let component = self.segment.record().component(kind, tag);
        let file = component.map_or_else(|| kind.name().to_owned(), ComponentRef::file_name);
        (self.damaged)(SegmentError::Malformed { file, offset, what });
    }

    fn rows(&mut self, applied: SequenceNumber) -> Result<()> {
        let table = self.segment.rows_table();
        let mut previous = None;
        for place in 0..table.rows() {
            let led = table.row_at(place).and_then(|row| Ok((row, table.place(row)?)));
            let ordinal = match led {
                Ok((row, back)) if back == place => row,
                Ok(_) => {
                    let what = format!("the id at {place} leads to a row that does not lead back");
                    self.tell(ComponentKind::Rows, "", table.place_in_order(place), what);
                    continue;
                }
                Err(damage @ SegmentError::Damaged { .. }) => {
                    (self.damaged)(damage);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let [id_at, version_at, digest_at] = table.places(ordinal)?;
            let (id, version) = (table.id(ordinal)?, table.version(ordinal)?);
            let mut wrong = |at, what| {
                let what = format!("row {}: {what}", ordinal.0);
                self.tell(ComponentKind::Rows, "", at, what);
            };
            if previous.is_some_and(|previous| previous >= id) {
                wrong(id_at, "its id is not above the one before it");
            }
            if !table.may_contain(id) {
                wrong(id_at, "the id filter denies its id");
            }
            if version > applied {
                wrong(version_at, "its version is after the manifest's position");
            }
            previous = Some(id);
            match self.segment.payload_column().read(ordinal) {
                Ok(payload) => {
                    let row = PatchRow { ordinal, version, payload: Arc::new(payload) };
                    if self.segment.digest_with(&row)? != table.digest(ordinal)? {
                        let what = "its digest does not follow from id, version, vectors, payload";
                        let what = format!("row {}: {what}", ordinal.0);
                        self.tell(ComponentKind::Rows, "", digest_at, what);
                    }
                }
                Err(error @ (SegmentError::Payload { .. } | SegmentError::Damaged { .. })) => {
                    let at = self.segment.payload_column().place(ordinal);
                    self.tell(ComponentKind::Payload, "", at, error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn patches(&mut self, applied: SequenceNumber) {
        let segment = self.segment;
        for ordinal in segment.patched().into_iter().flatten().map(Ordinal) {
            let read = || {
                let version = segment.version(ordinal)?;
                let payload = Arc::new(segment.payload(ordinal)?);
                let digest = segment.digest_with(&PatchRow { ordinal, version, payload })?;
                Ok::<_, SegmentError>(version <= applied && digest == segment.digest(ordinal)?)
            };
            let what = match read() {
                Ok(true) => continue,
                Ok(false) => "its version or digest does not hold".to_owned(),
                Err(error) => error.to_string(),
            };
            let what = format!("patch of row {}: {what}", ordinal.0);
            self.tell(ComponentKind::Patch, "", 0, what);
        }
    }

    fn codes(&mut self, name: &VectorName, codes: &CodeColumn) -> Result<()> {
        if let Some((row, at)) = codes.first_wrong()? {
            let what = format!("row {}: a code that its quantizer does not make", row.0);
            self.tell(ComponentKind::Codes, &name.0, at, what);
        }
        Ok(())
    }

    fn graph(&mut self, name: &VectorName, graph: &GraphColumn) -> Result<()> {
        let mut links = graph.links()?;
        let mut neighbors = Vec::new();
        for row in (0..links.rows()).map(Ordinal::from_index) {
            match links.neighbors(0, row, &mut neighbors) {
                Ok(()) => {}
                Err(error @ SegmentError::Graph(_)) => {
                    let what = format!("row {}: {error}", row.0);
                    self.tell(ComponentKind::Graph, &name.0, graph.place(row), what);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What an index says of its rows was checked when it was opened, but for how many there are,
    /// and whose they are.
    fn indexes(&mut self) {
        let components = &self.segment.record().components;
        for component in components.iter().filter(|c| c.kind == ComponentKind::FieldIndex) {
            let mut indexes = self.segment.indexes().iter();
            let index = indexes.find(|index| index.key().to_string() == component.tag);
            let what = match index {
                None => "it is the index of another field".to_owned(),
                Some(index) if index.rows() > self.segment.rows() => {
                    let (found, most) = (index.rows(), self.segment.rows());
                    format!("it names rows below {found}, and the segment has {most}")
                }
                Some(_) => continue,
            };
            self.tell(ComponentKind::FieldIndex, &component.tag, 0, what);
        }
    }
}

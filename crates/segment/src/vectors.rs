//! One vector name's stored components, and exact distances to them.

use vectorizer_kernels::{Rows, divided_by_length, kernels};
use vectorizer_memory::Reservation;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::{Datatype, Ordinal, RowLayout};

use crate::component::ComponentRef;
use crate::error::Result;
use crate::footer::SectionKind;
use crate::store::{OpenComponent, PagedSection, PooledReader, Store};

#[derive(Debug)]
pub(crate) struct VectorColumn {
    values: PagedSection,
    settings: VectorSettings,
    layout: RowLayout,
    /// One bit for each row; empty when every row has the vector.
    presence: Vec<u8>,
    rows: u32,
    _charge: Reservation,
}

impl VectorColumn {
    pub(crate) fn open(
        store: &Store,
        reference: &ComponentRef,
        settings: &VectorSettings,
    ) -> Result<Self> {
        let component = OpenComponent::open(store, reference)?;
        let rows = component.footer.rows;
        let values = component.section(SectionKind::Values)?;
        let layout = RowLayout::dense(settings.dim as usize * settings.datatype.bytes());
        if values.len() != layout.bytes(rows as usize) {
            return Err(component.damaged(0, "the number of vectors"));
        }
        let present = component.footer.section(SectionKind::Presence);
        let charge = store.charge(present.map_or(0, |section| section.len))?;
        let presence = component.read(store, SectionKind::Presence)?.unwrap_or_default();
        if !presence.is_empty() && presence.len() != (rows as usize).div_ceil(8) {
            return Err(component.damaged(0, "the presence bits"));
        }
        Ok(Self { values, settings: settings.clone(), layout, presence, rows, _charge: charge })
    }

    /// See [`PagedSection::warm`].
    pub(crate) fn warm(&self, room: &mut u64) -> Result<()> {
        self.values.warm(room)
    }

    /// Whether a row has this vector.
    #[inline]
    pub(crate) fn is_present(&self, ordinal: Ordinal) -> bool {
        self.presence.get(ordinal.index() / 8).is_none_or(|byte| byte >> (ordinal.0 % 8) & 1 == 1)
            && ordinal.0 < self.rows
    }

    /// A reader for [`VectorColumn::score`].
    pub(crate) fn reader(&self) -> Result<PooledReader> {
        self.values.reader()
    }

    /// Whether every row has this vector.
    pub(crate) fn is_complete(&self) -> bool {
        self.presence.is_empty()
    }

    /// The row's stored bytes, appended to `out`.
    pub(crate) fn read_bytes(&self, ordinal: Ordinal, out: &mut Vec<u8>) -> Result<()> {
        let start = self.layout.offset(ordinal);
        let range = start..start + self.layout.row_bytes();
        self.values.with_pinned(std::iter::once(range.clone()), |bytes| {
            out.extend_from_slice(bytes.get(range).unwrap_or_default());
        })
    }

    /// The row's vector, shape `[dim]`; none if it has none.
    pub(crate) fn read(&self, ordinal: Ordinal) -> Result<Option<Vec<f32>>> {
        if !self.is_present(ordinal) {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(self.layout.row_bytes());
        self.read_bytes(ordinal, &mut bytes)?;
        Ok(Some(decode_vector(self.settings.datatype, &bytes)))
    }

    /// The vectors of rows one after another, read side by side; shape `[n, dim]`, zeros for rows
    /// without.
    pub(crate) fn read_rows(&self, ordinals: &[Ordinal], out: &mut Vec<f32>) -> Result<()> {
        let (layout, row_bytes) = (self.layout, self.layout.row_bytes());
        let ranges = ordinals.iter().map(move |&ordinal| {
            let start = layout.offset(ordinal);
            start..start + row_bytes
        });
        let datatype = self.settings.datatype;
        self.values.with_pinned(ranges, |bytes| {
            let rows = Rows { bytes, layout };
            for &ordinal in ordinals {
                match datatype {
                    Datatype::Float32 => {
                        let words = rows.row(ordinal).as_chunks::<4>().0;
                        out.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
                    }
                    Datatype::Float16 | Datatype::Uint8 => {
                        out.extend(decode_vector(datatype, rows.row(ordinal)));
                    }
                }
            }
        })
    }

    /// Exact distances of rows to a query. Shapes: `query` is `[dim]`, `ordinals` and `out` are
    /// `[n]`.
    pub(crate) fn score(
        &self,
        reader: &mut PooledReader,
        query: &[f32],
        ordinals: &[Ordinal],
        out: &mut [f32],
    ) -> Result<()> {
        let (layout, row_bytes) = (self.layout, self.layout.row_bytes());
        let ranges = ordinals.iter().map(move |&ordinal| {
            let start = layout.offset(ordinal);
            start..start + row_bytes
        });
        let kernel = kernels().floats(self.settings.datatype).of(self.settings.metric);
        self.values.step(reader, ranges, |bytes| {
            let rows = Rows { bytes, layout };
            kernel.gather(query, rows, ordinals, out);
            if self.settings.divides_by_length() {
                for (distance, &ordinal) in out.iter_mut().zip(ordinals) {
                    let row = decode_vector(self.settings.datatype, rows.row(ordinal));
                    *distance = divided_by_length(*distance, &row);
                }
            }
        })
    }
}

/// The components that stored bytes stand for.
pub(crate) fn decode_vector(datatype: Datatype, bytes: &[u8]) -> Vec<f32> {
    match datatype {
        Datatype::Float32 => {
            bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        }
        Datatype::Float16 => {
            bytes.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()
        }
        Datatype::Uint8 => bytes.iter().map(|b| f32::from(*b)).collect(),
    }
}

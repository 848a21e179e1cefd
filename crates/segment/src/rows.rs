//! Ids, versions and digests of a segment's rows.
//!
//! Ordinals are ranks of ids, so the id column is the id table: integers first, then UUIDs, each
//! ascending.

use vectorizer_memory::Reservation;
use vectorizer_model::{Ordinal, PointId, SequenceNumber};

use crate::component::ComponentRef;
use crate::error::Result;
use crate::footer::SectionKind;
use crate::id_filter::IdFilter;
use crate::store::{OpenComponent, PagedSection, Store};

#[derive(Debug)]
pub(crate) struct RowTable {
    nums: PagedSection,
    uuids: PagedSection,
    versions: PagedSection,
    digests: PagedSection,
    filter: IdFilter,
    rows: u32,
    num_count: usize,
    _charge: Reservation,
}

impl RowTable {
    pub(crate) fn open(store: &Store, reference: &ComponentRef) -> Result<Self> {
        let component = OpenComponent::open(store, reference)?;
        let rows = component.footer.rows;
        let nums = component.section(SectionKind::NumIds)?;
        let uuids = component.section(SectionKind::UuidIds)?;
        let versions = component.section(SectionKind::Versions)?;
        let digests = component.section(SectionKind::Digests)?;
        let (count, num_count) = (rows as usize, nums.len() / 8);
        let fits = num_count + uuids.len() / 16 == count
            && versions.len() == count * 8
            && digests.len() == count * 8;
        if !fits {
            return Err(component.damaged(0, "the number of ids"));
        }
        let charge = store.charge(IdFilter::bytes_needed(count))?;
        let filter = component.read(store, SectionKind::IdFilter)?.unwrap_or_default();
        let filter =
            IdFilter::parse(&filter).ok_or_else(|| component.damaged(0, "the id filter"))?;
        Ok(Self { nums, uuids, versions, digests, filter, rows, num_count, _charge: charge })
    }

    /// Brings in the ids, which every hit needs; see [`PagedSection::warm`].
    pub(crate) fn warm(&self, room: &mut u64) -> Result<()> {
        self.nums.warm(room)?;
        self.uuids.warm(room)
    }

    /// Whether the id filter knows an id, as it must know every id of the segment.
    pub(crate) fn may_contain(&self, id: PointId) -> bool {
        self.filter.may_contain(id)
    }

    /// Where a row's id, version and digest lie in the file.
    pub(crate) fn places(&self, ordinal: Ordinal) -> [u64; 3] {
        let at = ordinal.index();
        let id = match at.checked_sub(self.num_count) {
            None => self.nums.place(at * 8),
            Some(uuid) => self.uuids.place(uuid * 16),
        };
        [id, self.versions.place(at * 8), self.digests.place(at * 8)]
    }

    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    /// The id of a row.
    pub(crate) fn id(&self, ordinal: Ordinal) -> Result<PointId> {
        match ordinal.index().checked_sub(self.num_count) {
            None => Ok(PointId::Num(u64::from_le_bytes(self.nums.word(ordinal.index())?))),
            Some(at) => Ok(PointId::Uuid(u128::from_le_bytes(self.uuids.word(at)?))),
        }
    }

    /// The first row whose id is not below `id`; the number of rows if there is none.
    pub(crate) fn lower_bound(&self, id: PointId) -> Result<Ordinal> {
        let (mut low, mut high) = match id {
            PointId::Num(_) => (0, self.num_count),
            PointId::Uuid(_) => (self.num_count, self.rows as usize),
        };
        while low < high {
            let middle = low.midpoint(high);
            if self.id(Ordinal::from_index(middle))? < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Ordinal::from_index(low))
    }

    /// The row of an id.
    pub(crate) fn find(&self, id: PointId) -> Result<Option<Ordinal>> {
        if !self.filter.may_contain(id) {
            return Ok(None);
        }
        let ordinal = self.lower_bound(id)?;
        Ok((ordinal.0 < self.rows && self.id(ordinal)? == id).then_some(ordinal))
    }

    /// Sequence number of the row's last change before its payload was patched.
    pub(crate) fn version(&self, ordinal: Ordinal) -> Result<SequenceNumber> {
        Ok(SequenceNumber(u64::from_le_bytes(self.versions.word(ordinal.index())?)))
    }

    /// The row's digest at that version.
    pub(crate) fn digest(&self, ordinal: Ordinal) -> Result<u64> {
        Ok(u64::from_le_bytes(self.digests.word(ordinal.index())?))
    }
}

//! Ids, versions and digests of a segment's rows.
//!
//! The id column is the sorted id table: integers first, then UUIDs, each ascending. The rows
//! themselves may be in another order, in which similar vectors lie side by side; then two tables
//! lead from the place of an id to its row and back.

use vectorizer_memory::Reservation;
use vectorizer_model::{Ordinal, PointId, SequenceNumber};

use crate::component::ComponentRef;
use crate::error::{Result, SegmentError};
use crate::footer::SectionKind;
use crate::id_filter::IdFilter;
use crate::store::{OpenComponent, PagedSection, Store};

#[derive(Debug)]
pub(crate) struct RowTable {
    /// The file's name, for reports of damage.
    file: String,
    nums: PagedSection,
    uuids: PagedSection,
    versions: PagedSection,
    digests: PagedSection,
    filter: IdFilter,
    rows: u32,
    num_count: usize,
    order: Option<RowOrder>,
    _charge: Reservation,
}

/// Rows in another order than their ids.
#[derive(Debug)]
struct RowOrder {
    /// The row of each place.
    rows: PagedSection,
    /// The place of each row.
    places: PagedSection,
}

impl RowOrder {
    fn open(component: &OpenComponent, rows: usize) -> Result<Option<Self>> {
        let tables = [SectionKind::RowsById, SectionKind::IdPlaces];
        let [by_id, places] = tables.map(|kind| component.optional(kind));
        match (by_id?, places?) {
            (None, None) => Ok(None),
            (Some(by_id), Some(places)) if [by_id.len(), places.len()] == [rows * 4; 2] => {
                Ok(Some(Self { rows: by_id, places }))
            }
            _ => Err(component.damaged(0, "the order of rows")),
        }
    }
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
        let order = RowOrder::open(&component, count)?;
        let charge = store.charge(IdFilter::bytes_needed(count))?;
        let filter = component.read(store, SectionKind::IdFilter)?.unwrap_or_default();
        let filter =
            IdFilter::parse(&filter).ok_or_else(|| component.damaged(0, "the id filter"))?;
        let file = reference.file_name();
        Ok(Self {
            file,
            nums,
            uuids,
            versions,
            digests,
            filter,
            rows,
            num_count,
            order,
            _charge: charge,
        })
    }

    /// Brings in the ids, which every hit needs; see [`PagedSection::warm`].
    pub(crate) fn warm(&self, room: &mut u64) -> Result<()> {
        self.nums.warm(room)?;
        self.uuids.warm(room)?;
        self.order.as_ref().map_or(Ok(()), |order| order.places.warm(room))
    }

    /// Whether the id filter knows an id, as it must know every id of the segment.
    pub(crate) fn may_contain(&self, id: PointId) -> bool {
        self.filter.may_contain(id)
    }

    /// Where a row's id, version and digest lie in the file.
    pub(crate) fn places(&self, ordinal: Ordinal) -> Result<[u64; 3]> {
        let (at, place) = (ordinal.index(), self.place(ordinal)? as usize);
        let id = match place.checked_sub(self.num_count) {
            None => self.nums.place(place * 8),
            Some(uuid) => self.uuids.place(uuid * 16),
        };
        Ok([id, self.versions.place(at * 8), self.digests.place(at * 8)])
    }

    /// Where the row of a place in the order of ids is told in the file.
    pub(crate) fn place_in_order(&self, place: u32) -> u64 {
        self.order.as_ref().map_or(0, |order| order.rows.place(place as usize * 4))
    }

    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    /// The id of a row.
    pub(crate) fn id(&self, ordinal: Ordinal) -> Result<PointId> {
        self.id_at(self.place(ordinal)?)
    }

    /// The place of a row's id in the order of ids.
    pub(crate) fn place(&self, ordinal: Ordinal) -> Result<u32> {
        match &self.order {
            None => Ok(ordinal.0),
            Some(order) => self.within(&order.places, ordinal.index()),
        }
    }

    /// The row of an id's place in the order of ids.
    pub(crate) fn row_at(&self, place: u32) -> Result<Ordinal> {
        match &self.order {
            None => Ok(Ordinal(place)),
            Some(order) => self.within(&order.rows, place as usize).map(Ordinal),
        }
    }

    /// A number of one of the tables of the order, below the number of rows.
    fn within(&self, table: &PagedSection, number: usize) -> Result<u32> {
        let found = u32::from_le_bytes(table.word(number)?);
        if found < self.rows {
            return Ok(found);
        }
        let what = "a number in the order of rows";
        Err(SegmentError::Damaged {
            file: self.file.clone(),
            offset: table.place(number * 4),
            what,
        })
    }

    /// The id of a place in the order of ids.
    pub(crate) fn id_at(&self, place: u32) -> Result<PointId> {
        match (place as usize).checked_sub(self.num_count) {
            None => Ok(PointId::Num(u64::from_le_bytes(self.nums.word(place as usize)?))),
            Some(at) => Ok(PointId::Uuid(u128::from_le_bytes(self.uuids.word(at)?))),
        }
    }

    /// The first place whose id is not below `id`; the number of rows if there is none.
    pub(crate) fn lower_bound(&self, id: PointId) -> Result<u32> {
        let num_count = u32::try_from(self.num_count).unwrap_or(self.rows);
        let (mut low, mut high) = match id {
            PointId::Num(_) => (0, num_count),
            PointId::Uuid(_) => (num_count, self.rows),
        };
        while low < high {
            let middle = low.midpoint(high);
            if self.id_at(middle)? < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The row of an id.
    pub(crate) fn find(&self, id: PointId) -> Result<Option<Ordinal>> {
        if !self.filter.may_contain(id) {
            return Ok(None);
        }
        let place = self.lower_bound(id)?;
        if place < self.rows && self.id_at(place)? == id {
            return self.row_at(place).map(Some);
        }
        Ok(None)
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

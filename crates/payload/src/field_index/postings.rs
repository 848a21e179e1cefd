//! For each value of a field, the rows that hold it.

use std::ops::Range;

use roaring::RoaringBitmap;

/// Values with more rows than this keep them as a bitmap: for fewer, four bytes a row cost less
/// than the containers of a bitmap.
const LIST_ROWS_MAX: usize = 512;

/// Rows by value. Value `i` has the rows `rows[starts[i]..starts[i + 1]]`, ascending; if that is
/// empty, it has a bitmap in `dense`. Lists lie in the order of their values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Postings {
    /// One more than there are values.
    pub(super) starts: Vec<u32>,
    pub(super) rows: Vec<u32>,
    /// By ascending value.
    pub(super) dense: Vec<(u32, RoaringBitmap)>,
    /// Rows of the bitmaps before each, and of all: so that a run of them is counted at once.
    dense_rows: Vec<u64>,
}

impl Postings {
    pub(super) fn new(starts: Vec<u32>, rows: Vec<u32>, dense: Vec<(u32, RoaringBitmap)>) -> Self {
        let mut dense_rows = Vec::with_capacity(dense.len() + 1);
        let mut before = 0;
        dense_rows.push(before);
        for (_, bitmap) in &dense {
            before += bitmap.len();
            dense_rows.push(before);
        }
        Self { starts, rows, dense, dense_rows }
    }

    /// Takes all rows as lists and keeps the long ones as bitmaps.
    pub(super) fn from_lists(mut starts: Vec<u32>, mut rows: Vec<u32>) -> Self {
        let mut dense = Vec::new();
        let mut kept = 0_usize;
        for value in 0..starts.len().saturating_sub(1) {
            let list = starts[value] as usize..starts[value + 1] as usize;
            starts[value] = to_u32(kept);
            if list.len() > LIST_ROWS_MAX {
                let mut bitmap: RoaringBitmap = rows[list].iter().collect();
                bitmap.optimize();
                // A clone has no spare capacity.
                dense.push((to_u32(value), bitmap.clone()));
            } else {
                rows.copy_within(list.clone(), kept);
                kept += list.len();
            }
        }
        if let Some(end) = starts.last_mut() {
            *end = to_u32(kept);
        }
        rows.truncate(kept);
        rows.shrink_to_fit();
        Self::new(starts, rows, dense)
    }

    /// Rows of all values; one that holds several of them counts as often.
    pub(super) fn count(&self) -> u64 {
        self.rows.len() as u64 + self.dense_rows.last().copied().unwrap_or(0)
    }

    /// Values there are.
    pub(super) fn values(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    fn list(&self, value: usize) -> &[u32] {
        &self.rows[self.starts[value] as usize..self.starts[value + 1] as usize]
    }

    fn dense_of(&self, value: usize) -> Option<&RoaringBitmap> {
        let found = self.dense.binary_search_by_key(&value, |(of, _)| *of as usize);
        found.ok().map(|at| &self.dense[at].1)
    }

    /// The bitmaps of a run of values.
    fn dense_in(&self, values: &Range<usize>) -> Range<usize> {
        let below = |end: usize| self.dense.partition_point(|(of, _)| (*of as usize) < end);
        below(values.start)..below(values.end)
    }

    /// The rows of one value, ascending.
    pub(super) fn each_row_of(&self, value: usize) -> impl Iterator<Item = u32> + '_ {
        let dense = self.dense_of(value).into_iter().flatten();
        self.list(value).iter().copied().chain(dense)
    }

    /// Rows of one value.
    pub(super) fn count_of(&self, value: usize) -> u64 {
        let listed = self.list(value).len() as u64;
        self.dense_of(value).map_or(listed, RoaringBitmap::len)
    }

    /// Rows of a run of values; one that holds several of them counts as often.
    pub(super) fn count_in(&self, values: &Range<usize>) -> u64 {
        if values.is_empty() {
            return 0;
        }
        let listed = u64::from(self.starts[values.end] - self.starts[values.start]);
        let dense = self.dense_in(values);
        listed + self.dense_rows[dense.end] - self.dense_rows[dense.start]
    }

    /// The rows of one value.
    pub(super) fn rows_of(&self, value: usize) -> RoaringBitmap {
        match self.dense_of(value) {
            Some(bitmap) => bitmap.clone(),
            None => self.list(value).iter().collect(),
        }
    }

    /// The rows of a run of values, of `rows` that there are.
    pub(super) fn rows_in(&self, values: &Range<usize>, rows: u32) -> RoaringBitmap {
        if values.is_empty() {
            return RoaringBitmap::new();
        }
        let lists = self.starts[values.start] as usize..self.starts[values.end] as usize;
        let mut bitmap = gather(self.rows[lists].iter().copied(), rows);
        for (_, dense) in &self.dense[self.dense_in(values)] {
            bitmap |= dense;
        }
        bitmap
    }

    /// The rows of some values, of `rows` that there are.
    pub(super) fn rows_of_any(&self, values: &[usize], rows: u32) -> RoaringBitmap {
        let lists = values.iter().map(|&value| self.list(value));
        let count = lists.clone().map(<[u32]>::len).sum();
        let mut listed = Vec::with_capacity(count);
        lists.for_each(|list| listed.extend_from_slice(list));
        let mut bitmap = gather(listed.into_iter(), rows);
        for dense in values.iter().filter_map(|&value| self.dense_of(value)) {
            bitmap |= dense;
        }
        bitmap
    }

    /// Of `wanted`, the rows that hold a value outside `values` (ascending). Walks all rows of all
    /// those values.
    pub(super) fn rows_outside(&self, values: &[usize], wanted: &RoaringBitmap) -> RoaringBitmap {
        let mut found = RoaringBitmap::new();
        for value in (0..self.values()).filter(|value| values.binary_search(value).is_err()) {
            match self.dense_of(value) {
                Some(bitmap) => found |= bitmap & wanted,
                None => found.extend(self.list(value).iter().filter(|&&row| wanted.contains(row))),
            }
        }
        found
    }

    /// Heap bytes, near enough.
    pub(super) fn bytes(&self) -> u64 {
        let lists = 4 * (self.starts.capacity() + self.rows.capacity());
        let lists = lists + 8 * self.dense_rows.capacity();
        let dense = self.dense.iter().map(|(_, bitmap)| bitmap_bytes(bitmap));
        lists as u64 + dense.sum::<u64>()
    }
}

/// A bitmap of rows in any order, repeats allowed.
fn gather(listed: impl ExactSizeIterator<Item = u32>, rows: u32) -> RoaringBitmap {
    /// With more rows to a listed one than this, sorting costs less than a bit for each row.
    const SPARSE: usize = 256;
    if listed.len() < rows as usize / SPARSE {
        let mut sorted: Vec<u32> = listed.collect();
        sorted.sort_unstable();
        return sorted.iter().collect();
    }
    let mut bits = vec![0_u8; (rows as usize).div_ceil(8)];
    for row in listed {
        if let Some(byte) = bits.get_mut(row as usize / 8) {
            *byte |= 1 << (row % 8);
        }
    }
    RoaringBitmap::from_lsb0_bytes(0, &bits)
}

/// Heap bytes of a bitmap, near enough.
pub(super) fn bitmap_bytes(bitmap: &RoaringBitmap) -> u64 {
    let stored = bitmap.statistics();
    size_of::<RoaringBitmap>() as u64
        + 48 * u64::from(stored.n_containers)
        + 2 * u64::from(stored.n_values_array_containers)
        + stored.n_bytes_run_containers
        + 8192 * u64::from(stored.n_bitset_containers)
}

/// Positions within lists whose length was checked when they were built.
fn to_u32(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

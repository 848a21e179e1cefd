//! A component of a file under one base address.

use std::ops::Range;
use std::sync::Arc;

use vectorizer_memory::Reservation;
use vectorizer_vfs::Mapping;

use crate::arena::Arena;
use crate::config::Residency;
use crate::frames::Frames;

/// An open component. Dropping it gives all of its bytes back.
#[derive(Debug)]
pub struct Region {
    pub(crate) backing: Backing,
    pub(crate) len: usize,
}

/// Where the bytes are.
#[derive(Debug)]
pub(crate) enum Backing {
    /// In frames of the pool.
    Governed(Arc<Frames>),
    /// In the page cache.
    Mapped {
        mapping: Mapping,
        /// Where in the mapping the region starts.
        start: usize,
    },
    /// In memory of its own.
    Pinned {
        arena: Arena,
        /// What it is charged to.
        reservation: Reservation,
    },
    /// Nowhere: there are none.
    Empty(Residency),
}

impl Region {
    /// Bytes of the region.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where its bytes are kept.
    pub fn residency(&self) -> Residency {
        match &self.backing {
            Backing::Governed(_) => Residency::Governed,
            Backing::Mapped { .. } => Residency::Mapped,
            Backing::Pinned { .. } => Residency::Pinned,
            Backing::Empty(residency) => *residency,
        }
    }

    /// Bytes reserved for this region alone; governed ones are the pool's.
    pub fn reserved(&self) -> u64 {
        match &self.backing {
            Backing::Pinned { reservation, .. } => reservation.bytes(),
            Backing::Governed(_) | Backing::Mapped { .. } | Backing::Empty(_) => 0,
        }
    }

    /// Says that `ranges` will be read soon. Mapped: the kernel starts reading them. Governed
    /// and pinned: nothing.
    pub fn prefetch(&self, ranges: impl IntoIterator<Item = Range<usize>>) {
        if let Backing::Mapped { mapping, start } = &self.backing {
            for range in ranges {
                let end = range.end.min(self.len);
                mapping.will_need(start + range.start.min(end)..start + end);
            }
        }
    }

    /// All its bytes, if they are always there: a mapped or a pinned region needs no step.
    #[inline]
    pub fn stable_bytes(&self) -> Option<&[u8]> {
        match &self.backing {
            Backing::Governed(_) => None,
            Backing::Mapped { .. } | Backing::Pinned { .. } | Backing::Empty(_) => {
                Some(self.bytes())
            }
        }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.backing {
            Backing::Governed(frames) => &frames.bytes()[..self.len],
            Backing::Mapped { mapping, start } => &mapping.as_slice()[*start..start + self.len],
            Backing::Pinned { arena, .. } => &arena.bytes()[..self.len],
            Backing::Empty(_) => &[],
        }
    }
}

//! Links of parts on their way to the finished graph.
//!
//! For each row of a part, ascending, the draft holds how many links it has (2 bytes), and those with
//! their distances (4 and 4 bytes), little-endian. It is read by the build that wrote it, which
//! remembers each part's checksum: what a disk gives back otherwise ends the build.

use std::ops::Range;

use vectorizer_model::{Ordinal, RowScorer, Scored};

use super::{NO_PART, Workshop};
use crate::insert::salt;
use crate::links::NO_LINK;
use crate::{Graph, HnswError, Links, Params, PartsError};

/// Bytes that are appended at once.
const APPENDED: usize = 16 << 10;
/// Bytes of a part that are read at once.
const READ: usize = 8 << 10;
/// Bytes of a link and its distance.
const LINK_BYTES: usize = 8;

/// Bytes that drafting a part takes beside its rows and links.
pub(super) const DRAFT_BYTES: u64 = 3 * APPENDED as u64;

/// Bytes of a row's links in the draft, at most.
pub(super) fn list_bytes(params: &Params) -> u64 {
    2 + LINK_BYTES as u64 * u64::from(params.m0())
}

/// Bytes that joining so many parts takes.
pub(super) fn join_bytes(parts: usize, params: &Params) -> u64 {
    let part = READ as u64 + list_bytes(params) + size_of::<Reading>() as u64;
    parts as u64 * part + 8 * list_bytes(params)
}

/// Where a part's links lie in the draft, and the checksum of those bytes.
#[derive(Debug, Clone)]
struct Place {
    range: Range<u64>,
    crc: u32,
}

/// Where the links of all parts lie in the draft.
#[derive(Debug, Default)]
pub(super) struct Drafted {
    parts: Vec<Place>,
}

impl Drafted {
    /// Drafts the links of the next part, whose rows are `members`.
    pub(super) fn put<W: Workshop>(
        &mut self,
        workshop: &mut W,
        members: &[u32],
        rows: &W::Rows,
        graph: &Graph,
    ) -> Result<(), PartsError<W::Error>> {
        let start = self.parts.last().map_or(0, |part| part.range.end);
        let mut part = Place { range: start..start, crc: 0 };
        let (mut links, mut distances) = (Vec::new(), Vec::new());
        let mut buffer = Vec::with_capacity(APPENDED + APPENDED / 2);
        for row in (0..members.len()).map(Ordinal::from_index) {
            let Ok(()) = (&mut &*graph).neighbors(0, row, &mut links);
            distances.resize(links.len(), 0.0);
            rows.prefetch(&links);
            rows.score(row, &links, &mut distances);
            #[expect(clippy::cast_possible_truncation, reason = "at most 2 * M_MAX links")]
            buffer.extend_from_slice(&(links.len() as u16).to_le_bytes());
            for (link, distance) in links.iter().zip(&distances) {
                buffer.extend_from_slice(&members[link.index()].to_le_bytes());
                buffer.extend_from_slice(&distance.to_le_bytes());
            }
            if buffer.len() >= APPENDED || row.index() + 1 == members.len() {
                workshop.append(&buffer).map_err(PartsError::Workshop)?;
                part.range.end += buffer.len() as u64;
                part.crc = crc32c::crc32c_append(part.crc, &buffer);
                buffer.clear();
            }
        }
        self.parts.push(part);
        Ok(())
    }
}

/// One part being read.
#[derive(Debug)]
struct Reading {
    part: usize,
    /// What was not read, and the checksum of all.
    left: Place,
    /// The checksum of what was read.
    crc: u32,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were taken.
    taken: usize,
}

impl Reading {
    /// The next bytes, as many as asked for.
    fn take<W: Workshop>(
        &mut self,
        workshop: &mut W,
        bytes: usize,
    ) -> Result<&[u8], PartsError<W::Error>> {
        if self.buffer.len() - self.taken < bytes {
            self.fill(workshop, bytes)?;
        }
        let start = self.taken;
        self.taken += bytes;
        Ok(&self.buffer[start..self.taken])
    }

    /// Reads on until so many bytes can be taken.
    fn fill<W: Workshop>(
        &mut self,
        workshop: &mut W,
        bytes: usize,
    ) -> Result<(), PartsError<W::Error>> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let (kept, left) = (self.buffer.len(), &mut self.left.range);
        let unread = usize::try_from(left.end - left.start).unwrap_or(usize::MAX);
        let more = (READ.max(bytes) - kept).min(unread);
        self.buffer.resize(kept + more, 0);
        let read = &mut self.buffer[kept..];
        workshop.read(left.start, read).map_err(PartsError::Workshop)?;
        left.start += more as u64;
        self.crc = crc32c::crc32c_append(self.crc, read);
        if left.is_empty() && self.crc != self.left.crc {
            return Err(self.damaged("its checksum").into());
        }
        if self.buffer.len() < bytes { Err(self.damaged("its length").into()) } else { Ok(()) }
    }

    /// That what comes next is not what was written.
    fn damaged(&self, what: &'static str) -> HnswError {
        let ahead = (self.buffer.len() - self.taken) as u64;
        HnswError::Draft { part: self.part, what, offset: self.left.range.start - ahead }
    }
}

/// All parts being read side by side, row by row.
#[derive(Debug)]
pub(super) struct Joint {
    parts: Vec<Reading>,
    rows: usize,
    found: Vec<Scored>,
    links: Vec<u32>,
}

impl Joint {
    /// Reads what was drafted for a graph of so many rows, with so many slots on layer 0.
    pub(super) fn new(drafted: Drafted, rows: usize, slots: usize) -> Self {
        let parts = drafted.parts.into_iter().enumerate().map(|(part, left)| Reading {
            part,
            left,
            crc: 0,
            buffer: Vec::with_capacity(READ + LINK_BYTES * slots),
            taken: 0,
        });
        Self {
            parts: parts.collect(),
            rows,
            found: Vec::with_capacity(2 * slots),
            links: vec![NO_LINK; slots],
        }
    }

    /// The links of the next row, which lies in these parts: those that it has on the layer above, at
    /// most half of all, and the nearest of the parts'. Shape `[slots]`.
    pub(super) fn next<W: Workshop>(
        &mut self,
        workshop: &mut W,
        (row, parts): (Ordinal, [u16; 2]),
        upper: &[Ordinal],
    ) -> Result<&[u32], PartsError<W::Error>> {
        self.found.clear();
        for part in parts.into_iter().filter(|part| *part != NO_PART) {
            self.read(workshop, usize::from(part))?;
        }
        let salt = salt(row);
        self.found.sort_unstable_by_key(|link| Scored {
            ordinal: Ordinal(link.ordinal.0 ^ salt),
            ..*link
        });
        // A link that both parts hold has the same distance in both.
        self.found.dedup();
        let others = self.found.iter().map(|link| link.ordinal).filter(|row| !upper.contains(row));
        let nearest = others.take(self.links.len() - upper.len());
        let links = nearest.chain(upper.iter().copied()).map(|link| link.0);
        let ends = std::iter::repeat(NO_LINK);
        self.links.iter_mut().zip(links.chain(ends)).for_each(|(slot, link)| *slot = link);
        Ok(&self.links)
    }

    /// Adds a part's links of its next row to those found.
    fn read<W: Workshop>(
        &mut self,
        workshop: &mut W,
        part: usize,
    ) -> Result<(), PartsError<W::Error>> {
        let part = &mut self.parts[part];
        let count = part.take(workshop, 2)?;
        let count = usize::from(u16::from_le_bytes([count[0], count[1]]));
        if count > self.links.len() {
            return Err(part.damaged("the number of a row's links").into());
        }
        let links = part.take(workshop, LINK_BYTES * count)?.as_chunks::<LINK_BYTES>().0;
        let links = links.iter().map(|&[a, b, c, d, e, f, g, h]| Scored {
            ordinal: Ordinal(u32::from_le_bytes([a, b, c, d])),
            distance: f32::from_le_bytes([e, f, g, h]),
        });
        let before = self.found.len();
        self.found.extend(links);
        if self.found[before..].iter().any(|link| link.ordinal.index() >= self.rows) {
            return Err(part.damaged("a link").into());
        }
        Ok(())
    }

    /// After the last row: nothing is left.
    pub(super) fn finish(&self) -> Result<(), HnswError> {
        let is_whole =
            |part: &&Reading| part.left.range.is_empty() && part.taken == part.buffer.len();
        let longer = self.parts.iter().find(|part| !is_whole(part));
        longer.map_or(Ok(()), |part| Err(part.damaged("its length")))
    }
}

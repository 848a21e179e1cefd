//! Links of parts on their way to the finished graph.
//!
//! For each row of a part, ascending, the draft holds how many links it has (2 bytes), and those with
//! their distances (4 and 4 bytes), little-endian. It is read as it was written, by one build.

use std::ops::Range;

use vectorizer_model::{Ordinal, RowScorer, Scored};

use super::{NO_PART, Workshop};
use crate::insert::salt;
use crate::links::NO_LINK;
use crate::{Graph, Links, Params, PartsError};

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

/// Where each part's links lie in the draft.
#[derive(Debug, Default)]
pub(super) struct Drafted {
    parts: Vec<Range<u64>>,
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
        let start = self.parts.last().map_or(0, |part| part.end);
        let mut end = start;
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
                end += buffer.len() as u64;
                buffer.clear();
            }
        }
        self.parts.push(start..end);
        Ok(())
    }
}

/// One part being read.
#[derive(Debug)]
struct Reading {
    left: Range<u64>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were taken.
    taken: usize,
}

impl Reading {
    /// The next bytes, as many as asked for.
    fn take<W: Workshop>(&mut self, workshop: &mut W, bytes: usize) -> Result<&[u8], W::Error> {
        if self.buffer.len() - self.taken < bytes {
            self.buffer.drain(..self.taken);
            self.taken = 0;
            let kept = self.buffer.len();
            let left = usize::try_from(self.left.end - self.left.start).unwrap_or(usize::MAX);
            let more = (READ.max(bytes) - kept).min(left);
            self.buffer.resize(kept + more, 0);
            workshop.read(self.left.start, &mut self.buffer[kept..])?;
            self.left.start += more as u64;
        }
        let start = self.taken;
        self.taken += bytes;
        Ok(&self.buffer[start..self.taken])
    }
}

/// All parts being read side by side, row by row.
#[derive(Debug)]
pub(super) struct Joint {
    parts: Vec<Reading>,
    found: Vec<Scored>,
    links: Vec<u32>,
}

impl Joint {
    pub(super) fn new(drafted: &Drafted, slots: usize) -> Self {
        let parts = drafted.parts.iter().map(|part| Reading {
            left: part.clone(),
            buffer: Vec::with_capacity(READ + LINK_BYTES * slots),
            taken: 0,
        });
        Self {
            parts: parts.collect(),
            found: Vec::with_capacity(2 * slots),
            links: vec![NO_LINK; slots],
        }
    }

    /// The links of the next row, which lies in these parts: the nearest of all. Shape `[slots]`.
    pub(super) fn next<W: Workshop>(
        &mut self,
        workshop: &mut W,
        (row, parts): (Ordinal, [u16; 2]),
    ) -> Result<&[u32], W::Error> {
        self.found.clear();
        for part in parts.into_iter().filter(|part| *part != NO_PART) {
            let part = &mut self.parts[usize::from(part)];
            let count = part.take(workshop, 2)?;
            let count = usize::from(u16::from_le_bytes([count[0], count[1]]));
            let links = part.take(workshop, LINK_BYTES * count)?;
            self.found.extend(links.as_chunks::<LINK_BYTES>().0.iter().map(
                |&[a, b, c, d, e, f, g, h]| Scored {
                    ordinal: Ordinal(u32::from_le_bytes([a, b, c, d])),
                    distance: f32::from_le_bytes([e, f, g, h]),
                },
            ));
        }
        let salt = salt(row);
        self.found.sort_unstable_by_key(|link| Scored {
            ordinal: Ordinal(link.ordinal.0 ^ salt),
            ..*link
        });
        // A link that both parts hold has the same distance in both.
        self.found.dedup();
        let nearest = self.found.iter().map(|link| link.ordinal.0);
        let ends = std::iter::repeat(NO_LINK);
        self.links.iter_mut().zip(nearest.chain(ends)).for_each(|(slot, link)| *slot = link);
        Ok(&self.links)
    }
}

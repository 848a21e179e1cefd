//! A build in parts: a graph that is larger than the memory it may be built in.
//!
//! Rows are divided into parts that lie close, each row into the two nearest, so that parts
//! overlap. Every part is linked in memory by itself, and its links are put into a draft. At the
//! end the draft is read row by row, and a row's lists become one, its nearest links first. The
//! upper layers, one row in `m`, are linked before, whole; their rows keep the links of layer 1 on
//! layer 0 too, because nearest links alone do not lead from one far region to another. (Subramanya
//! et al. 2019, "`DiskANN`: Fast Accurate Billion-point Nearest Neighbor Search on a Single Node",
//! 3.3, divides and joins so; there parts come of k-means.)
//!
//! Nothing is read or written at random: rows are loaded in ascending order, once for each part.

mod assign;
mod divide;
mod draft;
mod plan;

pub use plan::Plan;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use vectorizer_model::{Budget, BudgetExceeded, Ordinal, RowScorer};

use crate::build::{build, build_upper};
use crate::encode::Encoder;
use crate::level::level;
use crate::links::NO_LINK;
use crate::upper::{Layer, UpperLayers};
use crate::{HnswError, Host, Params, PartsError};
use draft::{Drafted, Joint};

/// Where a build in parts finds rows, and where it leaves links.
pub trait Workshop {
    /// Rows in memory, and distances between them; they are numbered as they were loaded.
    type Rows: RowScorer;
    /// Why rows or links could not be read or written.
    type Error;

    /// Rows there are.
    fn rows(&self) -> usize;

    /// Room for so many rows, none of them loaded; takes what the plan was told of so many.
    fn room(&self, rows: usize) -> Self::Rows;

    /// Keeps the first `kept` of the rows loaded before and loads `rows`, ascending, behind them.
    ///
    /// # Errors
    /// If they cannot be read.
    fn load(&self, into: &mut Self::Rows, kept: usize, rows: &[u32]) -> Result<(), Self::Error>;

    /// Appends to the draft.
    ///
    /// # Errors
    /// A refusing disk.
    fn append(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Fills `out` with what was appended, from a byte of it on.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&mut self, from: u64, out: &mut [u8]) -> Result<(), Self::Error>;

    /// Appends to the finished graph's bytes.
    ///
    /// # Errors
    /// A refusing disk.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// Builds the graph of all rows of a workshop and writes its bytes.
///
/// One seed and one worker give one graph. Takes [`Plan::bytes`] of the budget before any work,
/// and gives them back.
///
/// Cost: each row is linked in two parts, so up to twice that of [`build()`]; it is loaded for each,
/// and once to be assigned to them. A workshop whose rows cannot be read singly reads them all
/// once for every part.
///
/// # Errors
/// As [`build()`], and [`PartsError::Workshop`]; what was written is no graph then.
pub fn build_in_parts<W: Workshop>(
    workshop: &mut W,
    plan: &Plan,
    params: &Params,
    host: Host<'_>,
    budget: &mut dyn Budget,
) -> Result<(), PartsError<W::Error>> {
    params.check()?;
    budget.try_grow(plan.bytes())?;
    let built = InParts { workshop, plan, params, host }.run();
    budget.shrink(plan.bytes());
    built
}

/// One build.
struct InParts<'a, W> {
    workshop: &'a mut W,
    plan: &'a Plan,
    params: &'a Params,
    host: Host<'a>,
}

/// Which two parts each row lies in: the nearest, and in the upper half the other one.
type Places = Vec<AtomicU32>;

/// No part has this number.
const NO_PART: u16 = u16::MAX;

fn parts_of(place: &AtomicU32) -> [u16; 2] {
    let place = place.load(Relaxed);
    #[expect(clippy::cast_possible_truncation, reason = "two halves")]
    [place as u16, (place >> 16) as u16]
}

/// Bytes that a plan set aside for a build within this one.
#[derive(Debug)]
struct Allotment {
    left: u64,
    held: u64,
}

impl Budget for Allotment {
    fn try_grow(&mut self, bytes: u64) -> Result<(), BudgetExceeded> {
        let exceeded = BudgetExceeded { requested: bytes, available: self.left };
        self.left = self.left.checked_sub(bytes).ok_or(exceeded)?;
        self.held += bytes;
        Ok(())
    }

    fn shrink(&mut self, bytes: u64) {
        self.held -= bytes;
        self.left += bytes;
    }

    fn held(&self) -> u64 {
        self.held
    }
}

impl<W: Workshop> InParts<'_, W> {
    fn run(&mut self) -> Result<(), PartsError<W::Error>> {
        let upper = self.upper()?;
        let places = self.assign()?;
        let mut drafted = Drafted::default();
        for part in 0..self.plan.parts() {
            self.link(part, &places, &mut drafted)?;
        }
        self.join(&upper, &places, drafted)
    }

    fn check_cancelled(&self) -> Result<(), PartsError<W::Error>> {
        if (self.host.cancelled)() { Err(HnswError::Cancelled.into()) } else { Ok(()) }
    }

    fn allotment(&self) -> Allotment {
        Allotment { left: self.plan.build_bytes(), held: 0 }
    }

    /// Links the layers above 0, as the lowest of them were layer 0 of a graph of its own.
    fn upper(&self) -> Result<UpperLayers, PartsError<W::Error>> {
        let level = |row| self.plan.level(level(self.params.seed, row, self.params.m));
        let all = (0..self.workshop.rows()).map(Ordinal::from_index);
        let mut nodes = Vec::with_capacity(self.plan.upper_rows());
        nodes.extend(all.filter(|row| level(*row) > 0).map(|row| row.0));
        if nodes.is_empty() {
            // Any row will do to start from.
            let entry = (self.workshop.rows() > 0).then_some(Ordinal(0));
            return Ok(UpperLayers { m: self.params.m as usize, entry, layers: Vec::new() });
        }
        let mut rows = self.workshop.room(nodes.len());
        self.workshop.load(&mut rows, 0, &nodes).map_err(PartsError::Workshop)?;
        let draw = || nodes.iter().map(|node| level(Ordinal(*node)) - 1).collect();
        let (linked, budget) = (AtomicUsize::new(0), &mut self.allotment());
        let host = Host { inserted: &linked, ..self.host };
        let graph = build_upper(&rows, draw, self.params, host, budget)?;
        let number = |numbers: &mut Vec<u32>| {
            numbers.iter_mut().filter(|row| **row != NO_LINK).for_each(|row| {
                *row = nodes[*row as usize];
            });
        };
        let entry = graph.upper.entry.map(|entry| Ordinal(nodes[entry.index()]));
        let mut links = graph.level0;
        number(&mut links);
        let mut above = graph.upper.layers;
        for layer in &mut above {
            number(&mut layer.nodes);
            number(&mut layer.links);
        }
        above.insert(0, Layer { nodes, links });
        Ok(UpperLayers { m: self.params.m as usize, entry, layers: above })
    }

    /// Links the rows of one part and drafts their links.
    fn link(
        &mut self,
        part: u16,
        places: &Places,
        drafted: &mut Drafted,
    ) -> Result<(), PartsError<W::Error>> {
        self.check_cancelled()?;
        let mut members = Vec::with_capacity(self.plan.part_rows());
        members.extend((0_u32..).zip(places).filter_map(|(row, place)| {
            let there = parts_of(place).contains(&part);
            there.then_some(row)
        }));
        let mut rows = self.workshop.room(members.len());
        self.workshop.load(&mut rows, 0, &members).map_err(PartsError::Workshop)?;
        let (linked, budget) = (AtomicUsize::new(0), &mut self.allotment());
        let host = Host { inserted: &linked, ..self.host };
        let seed = self.params.seed.wrapping_add(1 + u64::from(part));
        let graph = build(&rows, &Params { seed, ..*self.params }, host, budget)?;
        drafted.put(self.workshop, &members, &rows, &graph)?;
        let own = members.iter().filter(|row| parts_of(&places[**row as usize])[0] == part);
        self.host.inserted.fetch_add(own.count(), Relaxed);
        Ok(())
    }

    /// Makes one list of each row's, and writes the graph.
    fn join(
        &mut self,
        upper: &UpperLayers,
        places: &Places,
        drafted: Drafted,
    ) -> Result<(), PartsError<W::Error>> {
        const ROWS_AT_ONCE: usize = 1 << 12;
        let slots = self.params.m0() as usize;
        let mut above = Vec::with_capacity(upper.m);
        let mut joint = Joint::new(drafted, places.len(), slots);
        let workshop = std::cell::RefCell::new(&mut *self.workshop);
        let write = |bytes: &[u8]| workshop.borrow_mut().write(bytes);
        let mut out = Encoder::begin(upper, places.len(), write).map_err(PartsError::Workshop)?;
        for (row, place) in places.iter().enumerate() {
            if row.is_multiple_of(ROWS_AT_ONCE) && (self.host.cancelled)() {
                return Err(HnswError::Cancelled.into());
            }
            let row = Ordinal::from_index(row);
            upper.neighbors(1, row, &mut above);
            let links = joint.next(&mut **workshop.borrow_mut(), (row, parts_of(place)), &above);
            out.block(links?).map_err(PartsError::Workshop)?;
        }
        joint.finish()?;
        out.finish().map_err(PartsError::Workshop)
    }
}

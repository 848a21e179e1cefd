//! Which extents to take away: a hand goes round all regions, cools what is warm and marks what
//! is cold. Marked extents wait in limbo until every step that could see them has ended. Then they
//! are taken out of it, and given back without the clock: nobody else may touch them.
//!
//! At most one batch is in limbo, and the next is marked only once all of it was taken or found
//! rescued. So an extent that was rescued from limbo cannot be given back by an earlier mark.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Weak};

use crate::epoch::Epochs;
use crate::frames::Frames;
use crate::registry::Registry;
use crate::state::ROUNDS_TO_COLD;

/// An extent of a region: `(region, extent)`.
pub(crate) type Extent = (u64, usize);

/// The hand, and what it marked.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    hand: Extent,
    limbo: VecDeque<(Weak<Frames>, usize)>,
    /// The last epoch whose steps could see limbo as resident.
    epoch: u64,
}

/// Extents that are nobody else's, to be given back.
#[derive(Debug, Default)]
#[must_use = "others wait for them to be given back"]
pub(crate) struct Taken {
    /// Adjacent ones in a run, by region.
    regions: Vec<(Arc<Frames>, Vec<Range<usize>>)>,
    bytes: u64,
}

impl Clock {
    pub(crate) fn limbo_is_empty(&self) -> bool {
        self.limbo.is_empty()
    }

    /// Marks at least `bytes` of cold extents, sparing those in `spared`, which is sorted.
    /// Limbo is empty before. Returns fewer bytes if there are no more.
    pub(crate) fn mark(
        &mut self,
        bytes: u64,
        spared: &[Extent],
        registry: &Registry,
        epochs: &Epochs,
    ) -> u64 {
        debug_assert!(self.limbo.is_empty(), "one batch at a time");
        let (mut rounds, mut marked) = (0, 0);
        while marked < bytes {
            let Some(frames) = registry.from(self.hand.0) else {
                rounds += 1;
                if rounds > ROUNDS_TO_COLD {
                    break;
                }
                self.hand = (0, 0);
                continue;
            };
            if frames.id != self.hand.0 {
                self.hand = (frames.id, 0);
            }
            marked += self.mark_within(&frames, bytes - marked, spared);
        }
        self.epoch = epochs.end();
        marked
    }

    /// Goes to the end of one region, or until enough is marked; how much was.
    fn mark_within(&mut self, frames: &Arc<Frames>, bytes: u64, spared: &[Extent]) -> u64 {
        let states = &frames.states;
        let mut marked = 0;
        for at in self.hand.1..states.len() {
            if marked >= bytes {
                self.hand.1 = at;
                return marked;
            }
            if !states.is_resident(at) || spared.binary_search(&(frames.id, at)).is_ok() {
                continue;
            }
            if states.cool_or_mark(at) {
                marked += frames.run_bytes(&(at..at + 1));
                self.limbo.push_back((Arc::downgrade(frames), at));
            }
        }
        self.hand = (frames.id + 1, 0);
        marked
    }

    /// Takes at least `bytes` of what is in limbo and was not rescued, once nobody can see it any
    /// more; fewer if there are no more.
    pub(crate) fn take(&mut self, bytes: u64, epochs: &Epochs) -> Taken {
        let mut taken = Taken::default();
        if self.limbo.is_empty() {
            return taken;
        }
        epochs.wait_past(self.epoch);
        while taken.bytes < bytes
            && let Some((frames, at)) = self.limbo.pop_front()
        {
            if let Some(frames) = frames.upgrade().filter(|frames| frames.states.take(at)) {
                taken.push(frames, at);
            }
        }
        taken
    }
}

impl Taken {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn push(&mut self, frames: Arc<Frames>, at: usize) {
        self.bytes += frames.run_bytes(&(at..at + 1));
        if self.regions.last().is_none_or(|(of, _)| of.id != frames.id) {
            self.regions.push((frames, Vec::new()));
        }
        let Some((_, runs)) = self.regions.last_mut() else { return };
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }

    /// Gives them back. Returns how many, and their bytes, which stay charged: they are the caller's.
    pub(crate) fn give_back(self) -> (u64, u64) {
        let freed = self.regions.into_iter().map(|(frames, runs)| frames.give_back_taken(&runs));
        freed.fold((0, 0), |(extents, bytes), (more, of)| (extents + more, bytes + of))
    }
}

//! Which extents to take away: a hand goes round all regions, cools what is warm and marks what
//! is cold. Marked extents wait in limbo until every step that could see them has ended.
//!
//! At most one batch is in limbo, and an extent in it is marked again only after the batch was
//! settled. So an extent that was rescued from limbo cannot be given back by an earlier mark.

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
    limbo: Vec<(Weak<Frames>, usize)>,
    limbo_bytes: u64,
    /// The last epoch whose steps could see limbo as resident.
    epoch: u64,
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
        let mut rounds = 0;
        while self.limbo_bytes < bytes {
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
            self.mark_within(&frames, bytes, spared);
        }
        self.epoch = epochs.end();
        self.limbo_bytes
    }

    /// Goes to the end of one region, or until enough is marked.
    fn mark_within(&mut self, frames: &Arc<Frames>, bytes: u64, spared: &[Extent]) {
        let states = &frames.states;
        for at in self.hand.1..states.len() {
            if self.limbo_bytes >= bytes {
                self.hand.1 = at;
                return;
            }
            if !states.is_resident(at) || spared.binary_search(&(frames.id, at)).is_ok() {
                continue;
            }
            if states.cool_or_mark(at) {
                self.limbo_bytes += frames.run_bytes(&(at..at + 1));
                self.limbo.push((Arc::downgrade(frames), at));
            }
        }
        self.hand = (frames.id + 1, 0);
    }

    /// Gives back what is in limbo and was not rescued, once nobody can see it any more. Returns
    /// how many extents, and their bytes, which stay charged: they are the caller's.
    pub(crate) fn settle(&mut self, epochs: &Epochs) -> (u64, u64) {
        if self.limbo.is_empty() {
            return (0, 0);
        }
        epochs.wait_past(self.epoch);
        let mut freed = (0, 0);
        let mut run: Option<(Arc<Frames>, Range<usize>)> = None;
        for (frames, at) in self.limbo.drain(..) {
            let Some(frames) = frames.upgrade().filter(|frames| frames.states.take(at)) else {
                continue;
            };
            run = match run {
                Some((of, extents)) if of.id == frames.id && extents.end == at => {
                    Some((of, extents.start..at + 1))
                }
                other => {
                    give_back(other, &mut freed);
                    Some((frames, at..at + 1))
                }
            };
        }
        give_back(run, &mut freed);
        self.limbo_bytes = 0;
        freed
    }
}

fn give_back(run: Option<(Arc<Frames>, Range<usize>)>, freed: &mut (u64, u64)) {
    if let Some((frames, extents)) = run {
        freed.0 += extents.len() as u64;
        freed.1 += frames.give_back_taken(extents);
    }
}

//! All the disks that crashes could have left of one trace.

use super::effect::Effect;
use super::random::SplitMix64;
use super::replay::{Mode, Replay};
use super::trace::TraceDirectory;
use super::world::Tree;
use crate::traits::Space;

/// A disk as a crash may have left it.
#[derive(Debug)]
pub struct CrashImage {
    /// How many effects of the trace had happened.
    pub cut: usize,
    /// Which of them, if not durable, are there. Cut and mode are what
    /// [`TraceDirectory::image`] needs to rebuild the image.
    pub mode: Mode,
    /// The disk.
    pub directory: TraceDirectory,
}

/// The disks of all crashes, by cut.
#[derive(Debug)]
pub struct CrashImages {
    trace: Vec<Effect>,
    space: Space,
    replay: Replay,
    random: SplitMix64,
    /// Random images per cut.
    rounds: usize,
    cut: usize,
    /// Images of this cut so far.
    round: usize,
}

impl CrashImages {
    pub(super) fn new(
        origin: &Tree,
        trace: Vec<Effect>,
        space: Space,
        (seed, rounds): (u64, usize),
    ) -> Self {
        let (replay, random) = (Replay::new(origin), SplitMix64::new(seed));
        Self { trace, space, replay, random, rounds, cut: 0, round: 0 }
    }

    /// Skips all cuts before `cut`, such as those before the work under test.
    #[must_use]
    pub fn starting_at(mut self, cut: usize) -> Self {
        while self.cut < cut && self.next_cut() {}
        self
    }

    /// Lets one more effect happen, if there is one.
    fn next_cut(&mut self) -> bool {
        let Some(effect) = self.trace.get(self.cut) else { return false };
        self.replay.advance(effect);
        self.cut += 1;
        self.round = 0;
        true
    }
}

impl Iterator for CrashImages {
    type Item = CrashImage;

    fn next(&mut self) -> Option<CrashImage> {
        if self.round >= self.rounds + 2 && !self.next_cut() {
            return None;
        }
        let mode = match self.round {
            0 => Mode::CutOnly,
            1 => Mode::LoseUnsynced,
            _ => Mode::Random(self.random.next()),
        };
        self.round += 1;
        let directory = TraceDirectory::holding(self.replay.image(mode), self.space);
        Some(CrashImage { cut: self.cut, mode, directory })
    }
}

//! How much of the limit is held by what cannot be reclaimed, in steps: a pure state machine.
//!
//! A step is entered at its line and left a margin below it, so that what is held near a line does
//! not flap.

/// How near the process is to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum PressureLevel {
    /// Below the warning line.
    #[default]
    Normal,
    /// An operator should know.
    Warning,
    /// Background work that takes memory pauses.
    Critical,
    /// Memory is cleaned up; operations that free none are refused if that did not help.
    Cleanup,
}

impl PressureLevel {
    /// Every level, lowest first.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Warning, Self::Critical, Self::Cleanup];

    /// The name in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Cleanup => "cleanup",
        }
    }
}

/// Where the steps begin, as parts of the limit, and how far below its line each ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PressureLines {
    /// [`PressureLevel::Warning`].
    pub warning: f64,
    /// [`PressureLevel::Critical`].
    pub critical: f64,
    /// [`PressureLevel::Cleanup`].
    pub cleanup: f64,
    /// How far below its line a step ends.
    pub margin: f64,
}

/// One level to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PressureChange {
    /// Before.
    pub from: PressureLevel,
    /// Now.
    pub to: PressureLevel,
}

/// The state: the lines, and the level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PressureLadder {
    lines: PressureLines,
    level: PressureLevel,
}

impl PressureLadder {
    /// A ladder at its foot.
    pub const fn new(lines: PressureLines) -> Self {
        Self { lines, level: PressureLevel::Normal }
    }

    /// The level now.
    pub const fn level(&self) -> PressureLevel {
        self.level
    }

    /// Replaces the lines; the level follows at the next observation.
    pub const fn set_lines(&mut self, lines: PressureLines) {
        self.lines = lines;
    }

    /// Takes in how many bytes cannot be reclaimed, of how many that may be held.
    pub fn observe(&mut self, unreclaimable: u64, limit: u64) -> Option<PressureChange> {
        let PressureLines { warning, critical, cleanup, margin } = self.lines;
        let part = unreclaimable as f64 / limit.max(1) as f64;
        let from = self.level;
        let is_reached = |level: PressureLevel, line: f64| {
            let line = if from >= level { line - margin } else { line };
            (part >= line).then_some(level)
        };
        self.level = is_reached(PressureLevel::Cleanup, cleanup)
            .or_else(|| is_reached(PressureLevel::Critical, critical))
            .or_else(|| is_reached(PressureLevel::Warning, warning))
            .unwrap_or_default();
        (from != self.level).then_some(PressureChange { from, to: self.level })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PressureLevel::{Cleanup, Critical, Normal, Warning};

    const LINES: PressureLines =
        PressureLines { warning: 0.75, critical: 0.85, cleanup: 0.90, margin: 0.05 };

    #[test]
    fn steps_begin_at_their_lines_and_end_below_them() {
        let mut ladder = PressureLadder::new(LINES);
        let steps = [
            (749, Normal),
            (750, Warning),
            (701, Warning),
            (849, Warning),
            (850, Critical),
            (801, Critical),
            (899, Critical),
            (900, Cleanup),
            (851, Cleanup),
            (849, Critical),
            (799, Warning),
            (701, Warning),
            (699, Normal),
            (749, Normal),
            (2_000, Cleanup),
            (0, Normal),
        ];
        for (held, level) in steps {
            let from = ladder.level();
            let change = ladder.observe(held, 1_000);
            assert_eq!(ladder.level(), level, "{held}");
            let changed = (from != level).then_some(PressureChange { from, to: level });
            assert_eq!(change, changed, "{held}");
        }
    }

    #[test]
    fn a_limit_of_nothing_is_full() {
        let mut ladder = PressureLadder::new(LINES);
        assert_eq!(ladder.observe(0, 0), None);
        assert_eq!(ladder.observe(1, 0).map(|change| change.to), Some(Cleanup));
    }
}

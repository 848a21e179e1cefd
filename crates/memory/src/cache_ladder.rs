//! How full the caches are, in steps: a pure state machine from usage and limit to changes.
//!
//! A step is entered at its line and left a margin below it, so that usage near a line does not
//! flap. The run of evictions is apart from the steps: it begins at the eviction line and goes on
//! down to the warning line.

/// How full the caches are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CacheLevel {
    /// Below the warning line.
    #[default]
    Normal,
    /// Near the limit.
    Warning,
    /// So near that entries are evicted.
    Eviction,
    /// Evictions do not keep up.
    Emergency,
}

impl CacheLevel {
    /// The name in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Warning => "warning",
            Self::Eviction => "eviction",
            Self::Emergency => "emergency",
        }
    }
}

/// Where the steps begin, in thousandths of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLines {
    /// Where a warning is given, and where evictions end.
    pub warning: u16,
    /// Where evictions begin.
    pub eviction: u16,
    /// Where the alert is given.
    pub emergency: u16,
    /// How far below its line a step ends.
    pub margin: u16,
}

impl Default for CacheLines {
    fn default() -> Self {
        Self { warning: 800, eviction: 900, emergency: 950, margin: 50 }
    }
}

impl CacheLines {
    /// A share in thousandths, rounded: two shares are as far apart as these are.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 1000")]
    pub fn permille(share: f64) -> u16 {
        (share.clamp(0.0, 1.0) * 1000.0).round() as u16
    }

    /// Those of the warning and of evictions, in thousandths; the alert is not given before evictions
    /// begin.
    pub fn of(warning: u16, eviction: u16) -> Self {
        let lines = Self::default();
        Self { warning, eviction, emergency: lines.emergency.max(eviction), ..lines }
    }
}

/// One step to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLevelChange {
    /// Before.
    pub from: CacheLevel,
    /// Now.
    pub to: CacheLevel,
}

/// What an observation of usage leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStep {
    /// The change of level, if there is one.
    pub change: Option<CacheLevelChange>,
    /// Bytes to evict before the run of evictions ends; 0 if there is none.
    pub evict: u64,
}

/// The state: level, and whether evictions are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheLadder {
    lines: CacheLines,
    level: CacheLevel,
    evicting: bool,
}

impl CacheLadder {
    /// A ladder at its foot.
    pub const fn new(lines: CacheLines) -> Self {
        Self { lines, level: CacheLevel::Normal, evicting: false }
    }

    /// The level now.
    pub const fn level(&self) -> CacheLevel {
        self.level
    }

    /// The lines in force.
    pub const fn lines(&self) -> CacheLines {
        self.lines
    }

    /// Replaces the lines; the level follows at the next observation.
    pub fn set_lines(&mut self, lines: CacheLines) {
        self.lines = lines;
    }

    /// Takes in how many bytes are used of how many. Caches without a byte are always normal.
    pub fn observe(&mut self, usage: u64, limit: u64) -> CacheStep {
        let lines = self.lines;
        let line = |permille: u16| part(limit, permille);
        let reached = |permille: u16, held: bool| {
            let back = if held { lines.margin } else { 0 };
            usage > 0 && usage >= line(permille.saturating_sub(back))
        };
        let from = self.level;
        let steps = [
            (CacheLevel::Warning, lines.warning),
            (CacheLevel::Eviction, lines.eviction),
            (CacheLevel::Emergency, lines.emergency),
        ];
        let reached = steps.into_iter().rev().find(|(level, at)| reached(*at, from >= *level));
        self.level = reached.map_or(CacheLevel::Normal, |(level, _)| level);
        let excess = usage.saturating_sub(line(lines.warning));
        let begins = usage > 0 && usage >= line(lines.eviction);
        self.evicting = excess > 0 && (self.evicting || begins);
        CacheStep {
            change: (from != self.level).then_some(CacheLevelChange { from, to: self.level }),
            evict: if self.evicting { excess } else { 0 },
        }
    }
}

/// So many thousandths, rounded down.
fn part(bytes: u64, permille: u16) -> u64 {
    let part = u128::from(bytes) * u128::from(permille) / 1000;
    u64::try_from(part).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_entered_at_their_line_and_left_below_it() {
        use CacheLevel::{Emergency, Eviction, Normal, Warning};
        let mut ladder = CacheLadder::default();
        for (usage, level, evict) in [
            (0, Normal, 0),
            (799, Normal, 0),
            (800, Warning, 0),
            (760, Warning, 0),
            (899, Warning, 0),
            (900, Eviction, 100),
            (870, Eviction, 70),
            (950, Emergency, 150),
            (900, Emergency, 100),
            (899, Eviction, 99),
            (850, Eviction, 50),
            (849, Warning, 49),
            (801, Warning, 1),
            (800, Warning, 0),
            (850, Warning, 0),
            (749, Normal, 0),
            (980, Emergency, 180),
            (0, Normal, 0),
        ] {
            let from = ladder.level();
            let step = ladder.observe(usage, 1000);
            assert_eq!((ladder.level(), step.evict), (level, evict), "at {usage}");
            let change = (from != level).then_some(CacheLevelChange { from, to: level });
            assert_eq!(step.change, change, "at {usage}");
        }
    }

    #[test]
    fn caches_without_a_byte_are_normal_and_a_limit_of_zero_evicts_what_is_held() {
        let mut ladder = CacheLadder::default();
        assert_eq!(ladder.observe(0, 0), CacheStep { change: None, evict: 0 });
        assert_eq!(ladder.observe(5, 0).evict, 5);
        assert_eq!(ladder.level(), CacheLevel::Emergency);
    }
}

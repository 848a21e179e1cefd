//! When it is time to tell that much is held which nobody reserved.

use vectorizer_model::bytes::MIB;

/// So much is worth an alarm, whatever the limit is.
const BYTES_MAX: u64 = 160 * MIB;
/// This share of the limit is, if that is less.
const LIMIT_PERCENT: u64 = 8;
/// Less is what an allocator keeps.
const BYTES_MIN: u64 = 32 * MIB;
/// So many readings in a row: what was freed a moment ago may still be counted.
const READINGS: u32 = 3;

/// Looks at one reading after another.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// Readings in a row that were above the line, until it is raised.
    above: u32,
    raised: bool,
}

impl Alarm {
    fn line(limit: u64) -> u64 {
        (limit / 100 * LIMIT_PERCENT).clamp(BYTES_MIN, BYTES_MAX)
    }

    /// Whether this reading raises it, if giving back what the allocator keeps does not help.
    pub(super) fn is_due(&self, drift: u64, limit: u64) -> bool {
        !self.raised && drift > Self::line(limit) && self.above + 1 >= READINGS
    }

    /// Takes in a reading. Says whether it is raised from now on, or no more, if that changes. It
    /// ends at half of what raises it.
    pub(super) fn observe(&mut self, drift: u64, limit: u64) -> Option<bool> {
        let line = Self::line(limit);
        self.above = if drift > line { (self.above + 1).min(READINGS) } else { 0 };
        let raised = if self.raised { drift > line / 2 } else { self.above >= READINGS };
        let changes = raised != self.raised;
        self.raised = raised;
        changes.then_some(raised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1000 * MIB;

    #[test]
    fn what_stays_is_told_once_and_what_goes_at_once_is_not() {
        let mut alarm = Alarm::default();
        let mut told = |drifts: &[u64]| -> Vec<Option<bool>> {
            drifts.iter().map(|drift| alarm.observe(drift * MIB, LIMIT)).collect()
        };
        assert_eq!(told(&[81, 81, 80, 81, 81]), [None; 5], "never three in a row");
        assert_eq!(told(&[81, 81, 41, 81]), [Some(true), None, None, None]);
        assert_eq!(told(&[40, 40, 81, 81]), [Some(false), None, None, None]);
        assert_eq!(told(&[81, 0]), [Some(true), Some(false)]);
    }

    #[test]
    fn it_is_due_at_the_reading_that_raises_it() {
        let mut alarm = Alarm::default();
        for due in [false, false, true, false] {
            assert_eq!(alarm.is_due(100 * MIB, LIMIT), due);
            alarm.observe(100 * MIB, LIMIT);
        }
        assert!(!Alarm { above: 2, raised: false }.is_due(80 * MIB, LIMIT));
    }

    #[test]
    fn prometheus_is_given_the_same_line() {
        let deploy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        let rules = std::fs::read_to_string(deploy.join("prometheus/alerts.yml")).expect("rules");
        let share = format!("0.{LIMIT_PERCENT:02} * vectorizer_memory_limit_bytes");
        let line = format!("clamp_max(clamp_min({share}, {BYTES_MIN}), {BYTES_MAX})");
        assert!(rules.contains(&format!("expr: vectorizer_memory_drift_bytes > {line}\n")));
    }

    #[test]
    fn a_leak_of_200_mib_is_worth_it_under_any_limit() {
        for (limit, line) in [(64, 32), (1000, 80), (4000, 160), (1 << 20, 160)] {
            assert_eq!(Alarm::line(limit * MIB), line * MIB);
        }
    }
}

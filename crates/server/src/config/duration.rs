//! Durations as people write them: `500ms`, `30s`, `5m`, and ranges of them: `150-300ms`.

use std::time::Duration;

const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A number with its unit.
pub(super) fn read(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    let millis = number.parse::<u64>().ok()?.checked_mul(*factor)?;
    Some(Duration::from_millis(millis))
}

/// Longer than nothing.
pub(super) fn read_some(text: &str) -> Option<Duration> {
    read(text).filter(|duration| !duration.is_zero())
}

/// Two durations, the first less than the second; the first may leave its unit to the second.
pub(super) fn read_range(text: &str) -> Option<(Duration, Duration)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (from.trim(), to.trim());
    let unit = to.trim_start_matches(|c: char| c.is_ascii_digit());
    let bare = !from.is_empty() && from.chars().all(|c| c.is_ascii_digit());
    let from = if bare { read_some(&format!("{from}{unit}")) } else { read_some(from) };
    let (from, to) = (from?, read_some(to)?);
    (from < to).then_some((from, to))
}

/// In the largest unit that is exact.
pub(super) fn shown(duration: Duration) -> String {
    let millis = duration.as_millis();
    let exact = |factor: u64| millis > 0 && millis.is_multiple_of(u128::from(factor));
    let (unit, factor) = UNITS.iter().rev().find(|(_, f)| exact(*f)).unwrap_or(&UNITS[0]);
    format!("{}{unit}", millis / u128::from(*factor))
}

/// Both in the unit of milliseconds.
pub(super) fn shown_range((from, to): (Duration, Duration)) -> String {
    format!("{}-{}ms", from.as_millis(), to.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, millis) in
            [("500ms", 500), ("1s", 1_000), ("5 m", 300_000), ("2h", 7_200_000), ("0s", 0)]
        {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5s", "1 week", "99999999999999999999s"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read_some("0s"), None);
    }

    #[test]
    fn ranges_ascend_and_share_a_unit() {
        let of = |from, to| Some((Duration::from_millis(from), Duration::from_millis(to)));
        assert_eq!(read_range("150-300ms"), of(150, 300));
        assert_eq!(read_range("500ms - 2s"), of(500, 2_000));
        for text in ["300ms", "300-150ms", "1-1s", "150-300", "-300ms", "0-1s"] {
            assert_eq!(read_range(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for text in ["300ms", "1500ms", "30s", "5m", "1h", "2d", "0ms"] {
            assert_eq!(shown(read(text).unwrap()), text);
        }
        assert_eq!(shown_range(read_range("1-2s").unwrap()), "1000-2000ms");
    }
}

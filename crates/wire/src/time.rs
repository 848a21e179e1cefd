//! Points in time as text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY_SECONDS: u64 = 24 * 60 * 60;
/// Days of 400 years, after which the calendar repeats.
const ERA_DAYS: u64 = 146_097;
/// Days from the first of March of the year 0 to 1970.
const EPOCH_DAYS: u64 = 719_468;

/// The moment so long before another, by RFC 3339, in seconds.
pub(crate) fn ago(now: SystemTime, ago: Duration) -> String {
    let then = now.checked_sub(ago).and_then(|then| then.duration_since(UNIX_EPOCH).ok());
    rfc_3339(then.unwrap_or_default().as_secs())
}

/// After Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin with March, so that
/// the leap day is a year's last.
fn rfc_3339(seconds: u64) -> String {
    let days = seconds / DAY_SECONDS + EPOCH_DAYS;
    let (era, day) = (days / ERA_DAYS, days % ERA_DAYS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let of_day = seconds % DAY_SECONDS;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_705_678_200, "2024-01-19T15:30:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc_3339(seconds), text);
        }
        let now = UNIX_EPOCH + Duration::from_mins(1);
        assert_eq!(ago(now, Duration::from_secs(59)), "1970-01-01T00:00:01Z");
    }
}

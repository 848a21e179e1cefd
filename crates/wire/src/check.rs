//! Bounds of numbers, told in the contract's style.

use std::fmt::{Display, Write as _};

use crate::error::{Result, WireError};

/// Collects the violations of one body, so that all are told at once.
#[derive(Debug, Default)]
pub(crate) struct Checks(String);

impl Checks {
    /// A value that must not be less than `min`.
    pub(crate) fn min<T: PartialOrd + Display + Copy>(
        &mut self,
        field: &str,
        value: Option<T>,
        min: T,
    ) {
        if let Some(value) = value.filter(|value| *value < min) {
            self.add(field, value, format_args!("{min} or larger"));
        }
    }

    /// A value that must lie within bounds.
    pub(crate) fn range<T: PartialOrd + Display + Copy>(
        &mut self,
        field: &str,
        value: Option<T>,
        (min, max): (T, T),
    ) {
        if let Some(value) = value.filter(|value| !(*value >= min && *value <= max)) {
            self.add(field, value, format_args!("from {min} to {max}"));
        }
    }

    fn add(&mut self, field: &str, value: impl Display, allowed: impl Display) {
        let separator = if self.0.is_empty() { "" } else { "; " };
        let text = &mut self.0;
        let written = write!(text, "{separator}{field}: value {value} invalid, must be {allowed}");
        debug_assert!(written.is_ok(), "writing to a string succeeds");
    }

    /// All violations, if there are any.
    pub(crate) fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(WireError::Validation(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_told_together() {
        let mut checks = Checks::default();
        checks.min("limit", Some(0), 1);
        checks.range("vectors.size", Some(70_000), (1, 65_536));
        checks.min("offset", None::<u64>, 1);
        checks.range("quantile", Some(f64::NAN), (0.5, 1.0));
        let told = checks.finish().unwrap_err().to_string();
        assert_eq!(
            told,
            "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger; \
             vectors.size: value 70000 invalid, must be from 1 to 65536; \
             quantile: value NaN invalid, must be from 0.5 to 1]"
        );
    }
}

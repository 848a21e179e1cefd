//! Numbers of different kinds, compared without rounding.

use vectorizer_model::Value;
use vectorizer_model::filter::Range;

/// Integers up to this magnitude are floats, too.
const EXACT_MAX: i128 = 1 << f64::MANTISSA_DIGITS;

/// The integers within a [`Range`]: none if `low > high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IntegerBounds {
    pub(crate) low: i128,
    pub(crate) high: i128,
}

impl IntegerBounds {
    /// Bounds beyond 128 bits saturate, which no stored integer reaches.
    #[expect(clippy::cast_possible_truncation, reason = "saturation is meant")]
    pub(crate) fn of(range: &Range) -> Self {
        let bounds = [range.gt, range.gte, range.lt, range.lte];
        if bounds.iter().flatten().any(|bound| bound.is_nan()) {
            return Self { low: 1, high: 0 };
        }
        let above = range.gt.map(|bound| (bound.floor() as i128).saturating_add(1));
        let from = range.gte.map(|bound| bound.ceil() as i128);
        let below = range.lt.map(|bound| (bound.ceil() as i128).saturating_sub(1));
        let to = range.lte.map(|bound| bound.floor() as i128);
        Self {
            low: above.into_iter().chain(from).max().unwrap_or(i128::MIN),
            high: below.into_iter().chain(to).min().unwrap_or(i128::MAX),
        }
    }

    fn contains(self, integer: i128) -> bool {
        self.low <= integer && integer <= self.high
    }
}

/// Whether the value is a number within the range. Truth values are no numbers.
pub(crate) fn in_range(range: &Range, value: &Value) -> bool {
    let integer = match *value {
        Value::Int(integer) => i128::from(integer),
        Value::UInt(integer) => i128::from(integer),
        Value::Float(number) => return range.contains(number),
        Value::Null | Value::Bool(_) | Value::Str(_) | Value::Array(_) | Value::Object(_) => {
            return false;
        }
    };
    match exact_float(integer) {
        Some(number) => range.contains(number),
        None => IntegerBounds::of(range).contains(integer),
    }
}

/// The float that equals the integer, if its magnitude is small enough for every integer to have
/// one.
pub(crate) fn exact_float(integer: i128) -> Option<f64> {
    (-EXACT_MAX..=EXACT_MAX).contains(&integer).then_some(integer as f64)
}

/// A key that orders integers as floats order; both zeros have the same one. Not for NaN.
pub(crate) fn float_key(number: f64) -> i64 {
    let bits = (number + 0.0).to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float_keys_keep_the_order() {
        let numbers = [
            f64::NEG_INFINITY,
            f64::MIN,
            -1.5,
            -1.0,
            -f64::MIN_POSITIVE,
            0.0,
            f64::MIN_POSITIVE,
            1.0,
            f64::MAX,
            f64::INFINITY,
        ];
        for pair in numbers.windows(2) {
            assert!(float_key(pair[0]) < float_key(pair[1]), "{pair:?}");
        }
        assert_eq!(float_key(-0.0), float_key(0.0));
    }

    #[test]
    fn large_integers_are_not_rounded() {
        let bound = Range { lte: Some(9_007_199_254_740_992.0), ..Range::default() };
        assert!(in_range(&bound, &Value::Int(9_007_199_254_740_992)));
        assert!(!in_range(&bound, &Value::Int(9_007_199_254_740_993)));
        let above = Range { gt: Some(18_446_744_073_709_550_000.0), ..Range::default() };
        assert!(in_range(&above, &Value::UInt(u64::MAX)));
        assert!(!in_range(&above, &Value::Int(i64::MAX)));
    }
}

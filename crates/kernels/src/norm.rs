//! Lengths of vectors. The same bits on every machine, since normalised vectors are stored.

/// The Euclidean length, summed in double precision.
///
/// Shapes: `values` is `[dim]`; an empty vector has length 0.
pub fn norm(values: &[f32]) -> f64 {
    let mut sums = [0.0_f64; 4];
    let (blocks, rest) = values.as_chunks::<4>();
    for block in blocks {
        for (sum, &value) in sums.iter_mut().zip(block) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    for (sum, &value) in sums.iter_mut().zip(rest) {
        *sum += f64::from(value) * f64::from(value);
    }
    ((sums[0] + sums[1]) + (sums[2] + sums[3])).sqrt()
}

/// Scales a vector to length 1 and returns the length it had.
///
/// Shapes: `values` is `[dim]`, finite. A vector of length 0 stays as it is.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a component divided by the length is at most 1"
)]
pub fn normalise(values: &mut [f32]) -> f64 {
    let length = norm(values);
    if length > 0.0 {
        for value in values {
            *value = (f64::from(*value) / length) as f32;
        }
    }
    length
}

/// A product with a row of components, divided by the row's length; a row of length 0 stays at 0.
#[expect(clippy::cast_possible_truncation, reason = "distances are singles")]
pub fn divided_by_length(product: f32, row: &[f32]) -> f32 {
    let length = norm(row);
    if length > 0.0 { (f64::from(product) / length) as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_length_after_normalising() {
        for scale in [1e-30_f32, 1.0, 1e30] {
            let mut values: Vec<f32> = (1_i16..=131).map(|i| f32::from(i) * scale).collect();
            let length = norm(&values);
            assert!((normalise(&mut values) - length).abs() <= length * 1e-12);
            assert!((norm(&values) - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn zero_stays_zero() {
        let mut values = [0.0_f32; 5];
        assert!(normalise(&mut values) <= 0.0);
        assert!(values.iter().all(|&value| value.abs() <= 0.0));
        assert!(normalise(&mut []) <= 0.0);
    }
}

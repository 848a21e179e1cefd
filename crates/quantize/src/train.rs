//! From a sample of rows to a range and a step.

use crate::levels::Levels;

/// Components that a range is learnt from, about: enough for a stable quantile, 4 MiB.
const SAMPLE_VALUES: usize = 1 << 20;

/// Whether all components are whole numbers that are codes themselves, and spread so widely that a
/// range learnt from them would be no finer.
pub(crate) fn fills_levels(rows: &[f32], levels: Levels) -> bool {
    let max = f32::from(levels.max());
    let mut largest = 0.0_f32;
    for &value in rows {
        let is_code = (0.0..=max).contains(&value) && value.fract() <= 0.0;
        if !is_code {
            return false;
        }
        largest = largest.max(value);
    }
    largest > max / 4.0
}

/// Evenly spread rows, about [`SAMPLE_VALUES`] components and at least one row.
///
/// Shapes: `rows` is `[n, dim]` with `n > 0`.
pub(crate) fn sample(rows: &[f32], dim: usize) -> Vec<f32> {
    let wanted = (SAMPLE_VALUES / dim).max(1);
    let stride = (rows.len() / dim).div_ceil(wanted);
    let picked = rows.chunks_exact(dim).step_by(stride);
    picked.flatten().copied().collect()
}

/// The central range that holds the share `quantile` of the values; values are not empty.
pub(crate) fn range(mut values: Vec<f32>, quantile: f32) -> (f32, f32) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count, not negative"
    )]
    let clipped = (values.len() as f64 * (1.0 - f64::from(quantile)) / 2.0) as usize;
    let last = values.len() - 1;
    let clipped = clipped.min(last / 2);
    let high = *values.select_nth_unstable_by(last - clipped, f32::total_cmp).1;
    let low = *values.select_nth_unstable_by(clipped, f32::total_cmp).1;
    (low, high)
}

/// The step that spreads `steps` steps over a range; for an empty one a step that suits its size.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a step is smaller than the bounds it came from"
)]
pub(crate) fn step(high: f32, low: f32, steps: u8) -> f32 {
    let span = f64::from(high) - f64::from(low);
    let span = if span > 0.0 { span } else { f64::from(high.abs()).max(1.0) };
    ((span / f64::from(steps)) as f32).max(f32::MIN_POSITIVE)
}

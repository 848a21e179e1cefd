//! Progress bars on the standard error, if a person is watching.

use indicatif::{ProgressBar, ProgressStyle};

const ROWS: &str =
    "{bar:30} {percent:>3}% {human_pos}/{human_len} rows, {per_sec}, {eta} left {msg}";
const BYTES: &str =
    "{bar:30} {percent:>3}% {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left {msg}";
const OPEN: &str = "{spinner} {human_pos} rows, {per_sec}, {elapsed} {msg}";

/// A bar for so many rows.
pub(crate) fn rows(total: Option<u64>) -> ProgressBar {
    match total {
        Some(total) => bar(total, ROWS),
        None => spinner(),
    }
}

/// A bar for so many bytes.
pub(crate) fn bytes(total: u64) -> ProgressBar {
    bar(total, BYTES)
}

fn spinner() -> ProgressBar {
    styled(ProgressBar::new_spinner(), OPEN)
}

fn bar(total: u64, template: &str) -> ProgressBar {
    styled(ProgressBar::new(total), template)
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_unusable) => bar,
    }
}

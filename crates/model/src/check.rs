//! What doors check before they accept a value: bounds, shapes and finite numbers.
//!
//! Everything that passes can be encoded, decoded and applied. Each error names the place, the
//! value found and what would mend it; nothing is changed by a check.
//!
//! # Layout
//! One file for each noun: [`payload`], [`filter`], [`settings`], [`batch`].

pub mod batch;
pub mod filter;
pub mod payload;
pub mod settings;

pub use batch::BatchError;
pub use filter::FilterError;
pub use payload::{PayloadError, PayloadLimits};
pub use settings::{SettingsError, SettingsField};

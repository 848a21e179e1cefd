//! Distance arithmetic over stored rows: scalar truth, AVX2 and AVX-512, chosen once at start.
//!
//! A kernel compares one query with rows of bytes. It comes in three forms: one row (`pair`), rows
//! named by ordinal with software prefetch (`gather`), and consecutive rows (`scan`). The last two
//! take many rows in one call, so that no candidate costs a dynamic call of its own.
//!
//! It is not a place for ranking, quantization or storage: it knows bytes, layouts and sums.
//!
//! Invariants:
//! - [`scalar`] is the truth. Integer kernels equal it exactly on every instruction set; float
//!   kernels differ by rounding, since they add in another order.
//! - What is stored never depends on the instruction set: [`normalise`] is scalar everywhere.
//! - Multi-byte components of rows are little-endian and need no alignment.
//!
//! # Layout
//! - [`scalar`]: the truth; `x86`: the same functions, faster
//! - [`rows`]: rows of a column; [`mod@prefetch`]: loading them ahead; `drive`: the loops over rows
//! - [`table`]: tables of kernels; [`dispatch`]: the one this process uses
//! - [`mod@norm`]: lengths of vectors; [`cast`]: components as bytes

pub mod cast;
pub mod dispatch;
mod drive;
pub mod norm;
pub mod prefetch;
pub mod rows;
pub mod scalar;
pub mod table;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use cast::f32_bytes;
pub use dispatch::{available, kernels};
pub use norm::{divided_by_length, norm, normalise};
pub use prefetch::prefetch;
pub use rows::{Rows, prefetch_rows};
pub use table::{FloatKernels, Kernel, Kernels, MetricKernel};

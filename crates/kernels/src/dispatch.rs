//! The choice of one table of kernels for this process.

use std::sync::OnceLock;

use crate::drive;
use crate::scalar;
use crate::table::{FloatKernels, Kernel, Kernels};

impl Kernels {
    /// The truth, which every processor has.
    pub fn scalar() -> &'static Self {
        &SCALAR
    }
}

/// The fastest kernels of this processor, chosen at the first call.
pub fn kernels() -> &'static Kernels {
    static CHOSEN: OnceLock<&'static Kernels> = OnceLock::new();
    CHOSEN.get_or_init(|| available().pop().unwrap_or(&SCALAR))
}

/// All kernels that this processor can run, slowest first.
pub fn available() -> Vec<&'static Kernels> {
    let mut tables = vec![&SCALAR];
    #[cfg(target_arch = "x86_64")]
    {
        tables.extend(crate::x86::avx2::detect());
        tables.extend(crate::x86::avx512::detect());
    }
    tables
}

/// A scalar function in its three forms.
macro_rules! entry {
    ($kernel:ident, $query:ty, $bytes:literal) => {
        Kernel {
            pair: scalar::$kernel,
            gather: |query: &[$query], rows, ordinals, out| {
                drive::check_shape(query.len(), $bytes, rows);
                drive::gather(rows, ordinals, out, |_| (), |row| scalar::$kernel(query, row));
            },
            scan: |query: &[$query], rows, first, out| {
                drive::check_shape(query.len(), $bytes, rows);
                drive::scan(rows, first, out, |row| scalar::$kernel(query, row));
            },
        }
    };
}

static SCALAR: Kernels = Kernels {
    name: "scalar",
    f32: FloatKernels {
        l2: entry!(l2_f32, f32, 4),
        dot: entry!(dot_f32, f32, 4),
        l1: entry!(l1_f32, f32, 4),
    },
    f16: FloatKernels {
        l2: entry!(l2_f16, f32, 2),
        dot: entry!(dot_f16, f32, 2),
        l1: entry!(l1_f16, f32, 2),
    },
    u8: FloatKernels {
        l2: entry!(l2_f32_u8, f32, 1),
        dot: entry!(dot_f32_u8, f32, 1),
        l1: entry!(l1_f32_u8, f32, 1),
    },
    l2_u8: entry!(l2_u8, u8, 1),
    l2_u7: entry!(l2_u7, u8, 1),
    l1_u8: entry!(l1_u8, u8, 1),
    dot_u8_i8: entry!(dot_u8_i8, i8, 1),
    dot_u7_i8: entry!(dot_u7_i8, i8, 1),
};

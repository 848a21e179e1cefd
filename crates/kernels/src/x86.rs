//! What the x86-64 instruction sets share: the shape of a row kernel.

/// The last `N` values; if there are fewer, all of them followed by zeros.
#[inline]
pub(crate) fn last_or_padded<T: Copy + Default, const N: usize>(values: &[T]) -> [T; N] {
    if let Some(last) = values.last_chunk() {
        return *last;
    }
    let mut padded = [T::default(); N];
    padded[..values.len()].copy_from_slice(values);
    padded
}

/// A row kernel: four independent sums over blocks of four vectors, then single vectors, then one
/// partial vector. The partial one is the row's last full vector again, of which only the lanes
/// that have not been counted are kept (a row shorter than a vector is padded with zeros instead).
///
/// `zero`, `keep` (the last so many lanes, others zero), `finish` (four sums to one) and the loads
/// come from the instruction set; every `step` adds nothing where both vectors are zero.
macro_rules! row_kernel {
    (
        $features:literal, $lanes:literal lanes, $zero:ident, $keep:ident, $finish:ident;
        $($kernel:ident: $query:ty, $load_query:ident, $bytes:literal $load_row:ident, $step:ident
            => $out:ty;)*
    ) => {$(
        #[inline]
        #[target_feature(enable = $features)]
        fn $kernel(query: &[$query], row: &[u8]) -> $out {
            const LANES: usize = $lanes;
            const BYTES: usize = $bytes;
            debug_assert_eq!(query.len() * BYTES, row.len() * LANES, "one component for each");
            let mut sums = [$zero(); 4];
            let (query_blocks, query_rest) = query.as_chunks::<{ 4 * LANES }>();
            let (row_blocks, row_rest) = row.as_chunks::<{ 4 * BYTES }>();
            for (query, row) in query_blocks.iter().zip(row_blocks) {
                let query = query.as_chunks::<LANES>().0;
                let row = row.as_chunks::<BYTES>().0;
                for ((sum, query), row) in sums.iter_mut().zip(query).zip(row) {
                    *sum = $step(*sum, $load_query(query), $load_row(row));
                }
            }
            let (query_vectors, query_tail) = query_rest.as_chunks::<LANES>();
            let row_vectors = row_rest.as_chunks::<BYTES>().0;
            for ((sum, query), row) in sums.iter_mut().zip(query_vectors).zip(row_vectors) {
                *sum = $step(*sum, $load_query(query), $load_row(row));
            }
            if !query_tail.is_empty() {
                let lanes = if query.len() < LANES { LANES } else { query_tail.len() };
                let last_query = $keep($load_query(&last_or_padded(query)), lanes);
                let last_row = $keep($load_row(&last_or_padded(row)), lanes);
                sums[3] = $step(sums[3], last_query, last_row);
            }
            $finish(sums)
        }
    )*};
}

/// A row kernel in its three forms, as an entry of a table.
///
/// The table must be handed out only after the features have been found on this processor.
macro_rules! entry {
    ($features:literal, $kernel:ident: $query:ty, $bytes:literal => $out:ty) => {{
        #[target_feature(enable = $features)]
        fn gather(query: &[$query], rows: Rows<'_>, ordinals: &[Ordinal], out: &mut [$out]) {
            drive::check_shape(query.len(), $bytes, rows);
            drive::gather(rows, ordinals, out, prefetch, |row| $kernel(query, row));
        }
        #[target_feature(enable = $features)]
        fn scan(query: &[$query], rows: Rows<'_>, first: Ordinal, out: &mut [$out]) {
            drive::check_shape(query.len(), $bytes, rows);
            drive::scan(rows, first, out, |row| $kernel(query, row));
        }
        Kernel {
            pair: |query, row| {
                // SAFETY: the processor has the features, or nobody would hold this table.
                unsafe { $kernel(query, row) }
            },
            gather: |query, rows, ordinals, out| {
                // SAFETY: the processor has the features, or nobody would hold this table.
                unsafe { gather(query, rows, ordinals, out) }
            },
            scan: |query, rows, first, out| {
                // SAFETY: the processor has the features, or nobody would hold this table.
                unsafe { scan(query, rows, first, out) }
            },
        }
    }};
}

/// The whole table of an instruction set; its module defines the row kernels by these names.
macro_rules! table {
    ($features:literal, $name:literal) => {
        Kernels {
            name: $name,
            f32: FloatKernels {
                l2: entry!($features, l2_f32: f32, 4 => f32),
                dot: entry!($features, dot_f32: f32, 4 => f32),
                l1: entry!($features, l1_f32: f32, 4 => f32),
            },
            f16: FloatKernels {
                l2: entry!($features, l2_f16: f32, 2 => f32),
                dot: entry!($features, dot_f16: f32, 2 => f32),
                l1: entry!($features, l1_f16: f32, 2 => f32),
            },
            u8: FloatKernels {
                l2: entry!($features, l2_f32_u8: f32, 1 => f32),
                dot: entry!($features, dot_f32_u8: f32, 1 => f32),
                l1: entry!($features, l1_f32_u8: f32, 1 => f32),
            },
            l2_u8: entry!($features, l2_u8: u8, 1 => u32),
            l2_u7: entry!($features, l2_u7: u8, 1 => u32),
            l1_u8: entry!($features, l1_u8: u8, 1 => u32),
            dot_u8_i8: entry!($features, dot_u8_i8: i8, 1 => i32),
            dot_u7_i8: entry!($features, dot_u7_i8: i8, 1 => i32),
        }
    };
}

pub(crate) mod avx2;
pub(crate) mod avx512;

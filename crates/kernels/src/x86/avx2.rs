//! The kernels in AVX2, with FMA and F16C.
//!
//! Facts relied on: loads are unaligned and read exactly the array behind the reference; the table
//! leaves this module only through [`detect`], after all three features were found.
//!
//! Why nothing overflows (codes up to `DIMENSION_MAX` components, checked in `scalar.rs`):
//! - `maddubs` adds two products in an `i16` and saturates at -32768 and 32767. Differences of
//!   codes up to 127 reach 2 * 127 * 127 = 32258; their products with any `i8` lie from
//!   2 * 127 * -128 = -32512 to 2 * 127 * 127 = 32258: both stay within. With codes up to 255 they
//!   would not, so that the full-range kernels widen to 16 bits first;
//! - `madd` adds two products of `i16` in an `i32`: 255 * 255 * 2 stays within;
//! - a sum of `i32` lanes wraps like the `u32` it is read as.
#![expect(unsafe_code, reason = "vector loads, and calls of detected instructions")]

use std::arch::x86_64::{
    __m256, __m256i, _mm_add_epi32, _mm_add_ps, _mm_add_ss, _mm_cvtsi64_si128, _mm_cvtsi128_si32,
    _mm_cvtss_f32, _mm_loadu_si128, _mm_movehl_ps, _mm_shuffle_epi32, _mm_shuffle_ps,
    _mm256_abs_epi8, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps, _mm256_and_si256,
    _mm256_andnot_ps, _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_castsi256_si128,
    _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32, _mm256_cvtph_ps, _mm256_extractf128_ps,
    _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_or_si256, _mm256_sad_epu8, _mm256_set1_epi16,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_slli_epi16, _mm256_srai_epi16,
    _mm256_srli_epi16, _mm256_sub_epi8, _mm256_sub_ps, _mm256_subs_epu8, _mm256_unpackhi_epi8,
    _mm256_unpacklo_epi8,
};

use vectorizer_model::Ordinal;

use crate::drive;
use crate::prefetch::prefetch;
use crate::rows::Rows;
use crate::table::{FloatKernels, Kernel, Kernels};
use crate::x86::last_or_padded;

/// The table, if this processor has the features.
pub(crate) fn detect() -> Option<&'static Kernels> {
    let found = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    found.then_some(&AVX2)
}

static AVX2: Kernels = table!("avx2,fma,f16c", "avx2");

row_kernel! {
    "avx2,fma,f16c", 8 lanes, zero_floats, keep_floats, sum_floats;
    l2_f32: f32, load_floats, 32 load_f32, add_square => f32;
    dot_f32: f32, load_floats, 32 load_f32, add_product => f32;
    l1_f32: f32, load_floats, 32 load_f32, add_difference => f32;
    l2_f16: f32, load_floats, 16 load_f16, add_square => f32;
    dot_f16: f32, load_floats, 16 load_f16, add_product => f32;
    l1_f16: f32, load_floats, 16 load_f16, add_difference => f32;
    l2_f32_u8: f32, load_floats, 8 load_u8, add_square => f32;
    dot_f32_u8: f32, load_floats, 8 load_u8, add_product => f32;
    l1_f32_u8: f32, load_floats, 8 load_u8, add_difference => f32;
}

row_kernel! {
    "avx2,fma,f16c", 32 lanes, zero_codes, keep_codes, sum_unsigned;
    l2_u8: u8, load_codes, 32 load_codes, add_square_u8 => u32;
    l2_u7: u8, load_codes, 32 load_codes, add_square_u7 => u32;
    l1_u8: u8, load_codes, 32 load_codes, add_difference_u8 => u32;
}

row_kernel! {
    "avx2,fma,f16c", 32 lanes, zero_codes, keep_codes, sum_signed;
    dot_u8_i8: i8, load_signed, 32 load_codes, add_product_u8 => i32;
    dot_u7_i8: i8, load_signed, 32 load_codes, add_product_u7 => i32;
}

#[inline]
#[target_feature(enable = "avx2")]
fn zero_floats() -> __m256 {
    _mm256_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_floats(values: &[f32; 8]) -> __m256 {
    // SAFETY: the array has the 32 bytes that are read.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_f32(bytes: &[u8; 32]) -> __m256 {
    _mm256_castsi256_ps(load_codes(bytes))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn load_f16(bytes: &[u8; 16]) -> __m256 {
    // SAFETY: the array has the 16 bytes that are read.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "every load takes a reference to an array")]
#[inline]
#[target_feature(enable = "avx2")]
fn load_u8(bytes: &[u8; 8]) -> __m256 {
    let bytes = _mm_cvtsi64_si128(i64::from_le_bytes(*bytes));
    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))
}

/// Keeps the last `lanes` lanes and zeroes the others.
#[inline]
#[target_feature(enable = "avx2")]
fn keep_floats(values: __m256, lanes: usize) -> __m256 {
    const KEPT: [[u8; 32]; 9] = kept_lanes::<9>(4);
    _mm256_and_ps(values, load_f32(&KEPT[lanes]))
}

/// Keeps the last `lanes` lanes and zeroes the others.
#[inline]
#[target_feature(enable = "avx2")]
fn keep_codes(codes: __m256i, lanes: usize) -> __m256i {
    const KEPT: [[u8; 32]; 33] = kept_lanes::<33>(1);
    _mm256_and_si256(codes, load_codes(&KEPT[lanes]))
}

/// For each count of lanes, the mask of the last so many.
const fn kept_lanes<const COUNTS: usize>(lane_bytes: usize) -> [[u8; 32]; COUNTS] {
    let mut masks = [[0; 32]; COUNTS];
    let mut lanes = 0;
    while lanes < COUNTS {
        let mut byte = 32 - lanes * lane_bytes;
        while byte < 32 {
            masks[lanes][byte] = 0xff;
            byte += 1;
        }
        lanes += 1;
    }
    masks
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_square(sum: __m256, query: __m256, row: __m256) -> __m256 {
    let difference = _mm256_sub_ps(query, row);
    _mm256_fmadd_ps(difference, difference, sum)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_product(sum: __m256, query: __m256, row: __m256) -> __m256 {
    _mm256_fmadd_ps(query, row, sum)
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_difference(sum: __m256, query: __m256, row: __m256) -> __m256 {
    let difference = _mm256_sub_ps(query, row);
    _mm256_add_ps(sum, _mm256_andnot_ps(_mm256_set1_ps(-0.0), difference))
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum_floats(sums: [__m256; 4]) -> f32 {
    let sum = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
    let four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<0b01>(two, two)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn zero_codes() -> __m256i {
    _mm256_setzero_si256()
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_codes(codes: &[u8; 32]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read.
    unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_signed(codes: &[i8; 32]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read.
    unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
}

/// One of the two saturating differences is zero, the other is the absolute difference.
#[inline]
#[target_feature(enable = "avx2")]
fn add_square_u8(sum: __m256i, query: __m256i, row: __m256i) -> __m256i {
    let difference = _mm256_or_si256(_mm256_subs_epu8(query, row), _mm256_subs_epu8(row, query));
    let low = _mm256_unpacklo_epi8(difference, _mm256_setzero_si256());
    let high = _mm256_unpackhi_epi8(difference, _mm256_setzero_si256());
    let squares = _mm256_add_epi32(_mm256_madd_epi16(low, low), _mm256_madd_epi16(high, high));
    _mm256_add_epi32(sum, squares)
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_square_u7(sum: __m256i, query: __m256i, row: __m256i) -> __m256i {
    let difference = _mm256_abs_epi8(_mm256_sub_epi8(query, row));
    let pairs = _mm256_maddubs_epi16(difference, difference);
    _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

/// The sums fill the low halves of 64-bit lanes; the high halves stay zero.
#[inline]
#[target_feature(enable = "avx2")]
fn add_difference_u8(sum: __m256i, query: __m256i, row: __m256i) -> __m256i {
    _mm256_add_epi32(sum, _mm256_sad_epu8(query, row))
}

/// Even and odd codes, each widened to 16 bits in place.
#[inline]
#[target_feature(enable = "avx2")]
fn add_product_u8(sum: __m256i, query: __m256i, row: __m256i) -> __m256i {
    let even_query = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(query));
    let even_row = _mm256_and_si256(row, _mm256_set1_epi16(0xff));
    let odd_query = _mm256_srai_epi16::<8>(query);
    let odd_row = _mm256_srli_epi16::<8>(row);
    let products = _mm256_add_epi32(
        _mm256_madd_epi16(even_query, even_row),
        _mm256_madd_epi16(odd_query, odd_row),
    );
    _mm256_add_epi32(sum, products)
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_product_u7(sum: __m256i, query: __m256i, row: __m256i) -> __m256i {
    let pairs = _mm256_maddubs_epi16(row, query);
    _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum_signed(sums: [__m256i; 4]) -> i32 {
    let sum =
        _mm256_add_epi32(_mm256_add_epi32(sums[0], sums[1]), _mm256_add_epi32(sums[2], sums[3]));
    let four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b01>(two)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum_unsigned(sums: [__m256i; 4]) -> u32 {
    sum_signed(sums).cast_unsigned()
}

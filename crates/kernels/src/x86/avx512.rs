//! The kernels in AVX-512: F, BW, VL and VNNI.
//!
//! Facts relied on: loads are unaligned and read exactly the array behind the reference; the table
//! leaves this module only through [`detect`], after all features were found.
//!
//! Why nothing overflows (codes up to `DIMENSION_MAX` components, checked in `scalar.rs`):
//! `dpbusd` and `dpwssd` add all products of a lane in 32 bits without saturation; a sum of `i32`
//! lanes wraps like the `u32` it is read as. `dpbusd` reads its second operand as signed, so that
//! it squares differences only up to 127.
#![expect(unsafe_code, reason = "vector loads, and calls of detected instructions")]

use std::arch::x86_64::{
    __m512, __m512i, _mm_loadu_si128, _mm256_loadu_si256, _mm512_abs_epi8, _mm512_abs_ps,
    _mm512_add_epi32, _mm512_add_ps, _mm512_castsi512_ps, _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32,
    _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_maskz_mov_epi8, _mm512_maskz_mov_ps, _mm512_or_si512,
    _mm512_reduce_add_epi32, _mm512_reduce_add_ps, _mm512_sad_epu8, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_sub_epi8, _mm512_sub_ps, _mm512_subs_epu8, _mm512_unpackhi_epi8,
    _mm512_unpacklo_epi8,
};

use vectorizer_model::Ordinal;

use crate::drive;
use crate::prefetch::prefetch;
use crate::rows::Rows;
use crate::table::{FloatKernels, Kernel, Kernels};
use crate::x86::last_or_padded;

/// The table, if this processor has the features.
pub(crate) fn detect() -> Option<&'static Kernels> {
    let found = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni");
    found.then_some(&AVX512)
}

static AVX512: Kernels = table!("avx512f,avx512bw,avx512vl,avx512vnni", "avx512");

row_kernel! {
    "avx512f,avx512bw,avx512vl,avx512vnni", 16 lanes, zero_floats, keep_floats, sum_floats;
    l2_f32: f32, load_floats, 64 load_f32, add_square => f32;
    dot_f32: f32, load_floats, 64 load_f32, add_product => f32;
    l1_f32: f32, load_floats, 64 load_f32, add_difference => f32;
    l2_f16: f32, load_floats, 32 load_f16, add_square => f32;
    dot_f16: f32, load_floats, 32 load_f16, add_product => f32;
    l1_f16: f32, load_floats, 32 load_f16, add_difference => f32;
    l2_f32_u8: f32, load_floats, 16 load_u8, add_square => f32;
    dot_f32_u8: f32, load_floats, 16 load_u8, add_product => f32;
    l1_f32_u8: f32, load_floats, 16 load_u8, add_difference => f32;
}

row_kernel! {
    "avx512f,avx512bw,avx512vl,avx512vnni", 64 lanes, zero_codes, keep_codes, sum_unsigned;
    l2_u8: u8, load_codes, 64 load_codes, add_square_u8 => u32;
    l2_u7: u8, load_codes, 64 load_codes, add_square_u7 => u32;
    l1_u8: u8, load_codes, 64 load_codes, add_difference_u8 => u32;
}

row_kernel! {
    "avx512f,avx512bw,avx512vl,avx512vnni", 64 lanes, zero_codes, keep_codes, sum_signed;
    dot_u8_i8: i8, load_signed, 64 load_codes, add_product_codes => i32;
    dot_u7_i8: i8, load_signed, 64 load_codes, add_product_codes => i32;
}

#[inline]
#[target_feature(enable = "avx512f")]
fn zero_floats() -> __m512 {
    _mm512_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_floats(values: &[f32; 16]) -> __m512 {
    // SAFETY: the array has the 64 bytes that are read.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_f32(bytes: &[u8; 64]) -> __m512 {
    _mm512_castsi512_ps(load_codes(bytes))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_f16(bytes: &[u8; 32]) -> __m512 {
    // SAFETY: the array has the 32 bytes that are read.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_u8(bytes: &[u8; 16]) -> __m512 {
    // SAFETY: the array has the 16 bytes that are read.
    let bytes = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))
}

/// Keeps the last `lanes` lanes (1 to 16) and zeroes the others.
#[inline]
#[target_feature(enable = "avx512f")]
fn keep_floats(values: __m512, lanes: usize) -> __m512 {
    _mm512_maskz_mov_ps(u16::MAX << (16 - lanes), values)
}

/// Keeps the last `lanes` lanes (1 to 64) and zeroes the others.
#[inline]
#[target_feature(enable = "avx512bw")]
fn keep_codes(codes: __m512i, lanes: usize) -> __m512i {
    _mm512_maskz_mov_epi8(u64::MAX << (64 - lanes), codes)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add_square(sum: __m512, query: __m512, row: __m512) -> __m512 {
    let difference = _mm512_sub_ps(query, row);
    _mm512_fmadd_ps(difference, difference, sum)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add_product(sum: __m512, query: __m512, row: __m512) -> __m512 {
    _mm512_fmadd_ps(query, row, sum)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add_difference(sum: __m512, query: __m512, row: __m512) -> __m512 {
    _mm512_add_ps(sum, _mm512_abs_ps(_mm512_sub_ps(query, row)))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn sum_floats(sums: [__m512; 4]) -> f32 {
    _mm512_reduce_add_ps(_mm512_add_ps(
        _mm512_add_ps(sums[0], sums[1]),
        _mm512_add_ps(sums[2], sums[3]),
    ))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn zero_codes() -> __m512i {
    _mm512_setzero_si512()
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_codes(codes: &[u8; 64]) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read.
    unsafe { _mm512_loadu_si512(codes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_signed(codes: &[i8; 64]) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read.
    unsafe { _mm512_loadu_si512(codes.as_ptr().cast()) }
}

/// One of the two saturating differences is zero, the other is the absolute difference.
#[inline]
#[target_feature(enable = "avx512bw,avx512vnni")]
fn add_square_u8(sum: __m512i, query: __m512i, row: __m512i) -> __m512i {
    let difference = _mm512_or_si512(_mm512_subs_epu8(query, row), _mm512_subs_epu8(row, query));
    let low = _mm512_unpacklo_epi8(difference, _mm512_setzero_si512());
    let high = _mm512_unpackhi_epi8(difference, _mm512_setzero_si512());
    _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(sum, low, low), high, high)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vnni")]
fn add_square_u7(sum: __m512i, query: __m512i, row: __m512i) -> __m512i {
    let difference = _mm512_abs_epi8(_mm512_sub_epi8(query, row));
    _mm512_dpbusd_epi32(sum, difference, difference)
}

/// The sums fill the low halves of 64-bit lanes; the high halves stay zero.
#[inline]
#[target_feature(enable = "avx512bw")]
fn add_difference_u8(sum: __m512i, query: __m512i, row: __m512i) -> __m512i {
    _mm512_add_epi32(sum, _mm512_sad_epu8(query, row))
}

#[inline]
#[target_feature(enable = "avx512vnni")]
fn add_product_codes(sum: __m512i, query: __m512i, row: __m512i) -> __m512i {
    _mm512_dpbusd_epi32(sum, row, query)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn sum_signed(sums: [__m512i; 4]) -> i32 {
    _mm512_reduce_add_epi32(_mm512_add_epi32(
        _mm512_add_epi32(sums[0], sums[1]),
        _mm512_add_epi32(sums[2], sums[3]),
    ))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn sum_unsigned(sums: [__m512i; 4]) -> u32 {
    sum_signed(sums).cast_unsigned()
}

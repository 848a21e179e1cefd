//! Components as the bytes that rows are made of, without a copy.
//!
//! Facts relied on: the target is little-endian (checked at compile time); an `f32` has no padding;
//! a `u8` has no alignment and no invalid values.
#![expect(unsafe_code, reason = "views initialised floats as their bytes")]

#[cfg(not(target_endian = "little"))]
compile_error!("stored components are little-endian and are read in place");

/// The little-endian bytes of components, as rows store them.
///
/// Shapes: `values` is `[n]`; the result has `4 * n` bytes.
#[inline]
pub fn f32_bytes(values: &[f32]) -> &[u8] {
    // SAFETY: the pointer is valid for that many initialised bytes for as long as `values` is
    // borrowed, and bytes have neither alignment nor invalid values.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

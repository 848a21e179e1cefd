//! Every bound on what users may ask, with its reason.

use crate::bytes::MIB;

/// Bytes of a collection's name: what file systems and URLs carry without escapes of their own.
pub const COLLECTION_NAME_BYTES_MAX: usize = 255;
/// Bytes of a tenant's name: it stands in every refusal and in labels of metrics.
pub const TENANT_NAME_BYTES_MAX: usize = 64;
/// Bytes of a vector's name, as of a collection's.
pub const VECTOR_NAME_BYTES_MAX: usize = 255;
/// Bytes of an indexed field's key: it stands in every answer about its collection.
pub const KEY_BYTES_MAX: usize = 1 << 10;
/// Components of a dense vector; the contract's limit.
pub const DIMENSION_MAX: u32 = 65_536;
/// Nesting of payloads and filters: deep enough for people, shallow enough for any stack.
pub const DEPTH_MAX: usize = 64;
/// Bytes of one stored payload: a page of text a thousand times over.
pub const PAYLOAD_BYTES_MAX: usize = 32 << 20;
/// Conditions of one filter, nested ones included: each is asked of every candidate.
pub const FILTER_CONDITIONS_MAX: usize = 1 << 14;
/// Ids and values that one filter lists: as many as a write has points.
pub const FILTER_VALUES_MAX: usize = 1 << 20;
/// Points of one write operation.
pub const BATCH_POINTS_MAX: usize = 1 << 20;
/// Bytes of one encoded operation, so that replay needs no more than this at once.
pub const OPERATION_BYTES_MAX: u64 = 256 * MIB;
/// Results of one query.
pub const LIMIT_MAX: usize = 1 << 20;
/// `limit + offset` of one query: each leaf returns this many.
pub const WINDOW_MAX: usize = 1 << 20;
/// Candidate list of a graph search.
pub const EF_MAX: usize = 1 << 16;
/// Links of a graph node on the upper layers; layer 0 has twice as many.
pub const M_MAX: u32 = 256;
/// Rows of one segment; ordinals are 32 bits and the last one is a sentinel.
pub const SEGMENT_ROWS_MAX: usize = u32::MAX as usize - 1;

const _: () = assert!(LIMIT_MAX <= WINDOW_MAX, "a full page must fit the window");
const _: () = assert!(PAYLOAD_BYTES_MAX as u64 <= OPERATION_BYTES_MAX, "a payload must fit");

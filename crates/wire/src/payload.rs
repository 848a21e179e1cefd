//! Requests on payloads.

use serde::Deserialize;
use vectorizer_api::payload::{ClearPayload, DeletePayload, OverwritePayload, SetPayload};
use vectorizer_model::CollectionName;
use vectorizer_model::operation::PointSelector;

use crate::error::{Result, WireError};
use crate::filter::FilterIn;
use crate::id::Id;
use crate::object::objects;
use crate::points::{SelectorIn, point_selector};
use crate::select::{key_path, key_paths};
use crate::unsupported::Unsupported;
use crate::value::PayloadIn;

objects!(SetPayloadIn, DeletePayloadIn);

/// Keys of payloads to write, or payloads to replace.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct SetPayloadIn {
    payload: PayloadIn,
    points: Option<Vec<Id>>,
    filter: Option<FilterIn>,
    key: Option<String>,
    #[serde(default, rename = "shard_key")]
    _shard_key: Unsupported,
}

/// Keys of payloads to remove.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct DeletePayloadIn {
    keys: Vec<String>,
    points: Option<Vec<Id>>,
    filter: Option<FilterIn>,
    #[serde(default, rename = "shard_key")]
    _shard_key: Unsupported,
}

impl SetPayloadIn {
    /// The operation that writes keys.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_set(self, collection: CollectionName) -> Result<SetPayload> {
        let points = either(self.points, self.filter)?;
        let at = self.key.as_deref().map(key_path).transpose()?;
        Ok(SetPayload { collection, points, payload: self.payload.0, at })
    }

    /// The operation that replaces payloads; with a key it writes there, as the contract does.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_overwrite(self, collection: CollectionName) -> Result<OverwritePayload> {
        if self.key.is_some() {
            return Err(WireError::unsupported("`key` of a replaced payload"));
        }
        let points = either(self.points, self.filter)?;
        Ok(OverwritePayload { collection, points, payload: self.payload.0 })
    }
}

impl DeletePayloadIn {
    /// The operation.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_delete(self, collection: CollectionName) -> Result<DeletePayload> {
        let points = either(self.points, self.filter)?;
        Ok(DeletePayload { collection, points, keys: key_paths(&self.keys)? })
    }
}

/// The operation that empties the payloads of the selected points.
///
/// # Errors
/// [`WireError`] names what does not fit.
pub fn into_clear(selector: SelectorIn, collection: CollectionName) -> Result<ClearPayload> {
    Ok(ClearPayload { collection, points: selector.into_selector()? })
}

fn either(points: Option<Vec<Id>>, filter: Option<FilterIn>) -> Result<PointSelector> {
    point_selector(points, filter)
}

//! Whether an operation, once it is logged, can be applied, stored and read again: what the
//! decoder refuses, and what would contradict stored rows, is refused before it is logged.

use vectorizer_model::check::{PayloadError, PayloadLimits};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{CollectionSettings, KeyPath, Operation, Payload, limits};

use crate::error::{EngineError, Result};

/// Checks what needs no look at the points. A batch is checked where its memory is counted.
///
/// # Errors
/// [`EngineError::InvalidOperation`] names what does not fit.
pub(crate) fn check(operation: &Operation, settings: &CollectionSettings) -> Result<()> {
    match operation {
        Operation::SetPayload { points, payload, at } => {
            check_selector(points)?;
            check_payload(payload, at.as_ref())
        }
        Operation::OverwritePayload { points, payload } => {
            check_selector(points)?;
            check_payload(payload, None)
        }
        Operation::Delete(points)
        | Operation::DeletePayload { points, .. }
        | Operation::ClearPayload { points } => check_selector(points),
        Operation::UpdateSettings(changed) => check_vectors(settings, changed),
        Operation::CreateFieldIndex { key, .. } => check_key(key),
        Operation::Upsert(_)
        | Operation::DropFieldIndex { .. }
        | Operation::CreateCollection { .. }
        | Operation::DropCollection { .. } => Ok(()),
    }
}

fn invalid(error: &dyn std::fmt::Display) -> EngineError {
    EngineError::InvalidOperation(error.to_string())
}

fn check_selector(points: &PointSelector) -> Result<()> {
    match points {
        PointSelector::Ids(ids) if ids.len() > limits::BATCH_POINTS_MAX => {
            let (found, most) = (ids.len(), limits::BATCH_POINTS_MAX);
            Err(invalid(&format!("operation names {found} points; name at most {most} at once")))
        }
        PointSelector::Ids(_) | PointSelector::Filter(_) => Ok(()),
    }
}

fn check_key(key: &KeyPath) -> Result<()> {
    let (found, most) = (key.to_string().len(), limits::KEY_BYTES_MAX);
    if found > most {
        let what = format!("the key of a field index has {found} bytes; at most {most} are taken");
        return Err(invalid(&what));
    }
    Ok(())
}

/// The payload as it stands below the path: what it is set into is as deep as the path is long.
fn check_payload(payload: &Payload, at: Option<&KeyPath>) -> Result<()> {
    let limits = PayloadLimits::default();
    payload.check(&limits).map_err(|error| invalid(&error))?;
    let depth = payload.depth() + at.map_or(0, |at| at.steps().len());
    if depth > limits.depth_max {
        return Err(invalid(&PayloadError::TooDeep { depth, depth_max: limits.depth_max }));
    }
    Ok(())
}

/// Stored rows cannot follow a vector that changes its shape.
fn check_vectors(now: &CollectionSettings, changed: &CollectionSettings) -> Result<()> {
    let refused = |name: &str, what: &str| {
        Err(invalid(&format!(
            "vector `{name}` cannot change its {what}; create another collection for it"
        )))
    };
    let names = now.vectors.keys().chain(changed.vectors.keys());
    for name in names {
        let (Some(before), Some(after)) = (now.vectors.get(name), changed.vectors.get(name)) else {
            return refused(&name.0, "presence");
        };
        if before.dim != after.dim {
            return refused(&name.0, "dimension");
        }
        if before.metric != after.metric {
            return refused(&name.0, "metric");
        }
        if before.datatype != after.datatype {
            return refused(&name.0, "datatype");
        }
    }
    Ok(())
}

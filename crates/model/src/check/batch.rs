//! Whether a batch of points fits its collection.

use super::payload::{PayloadError, PayloadLimits};
use crate::operation::PointBatch;
use crate::vector::VectorColumn;
use crate::{CollectionSettings, Datatype, PointId, VectorName, limits};

/// A batch that its collection cannot take; none of it was applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BatchError {
    /// More points than one operation may carry.
    #[error("batch has {points} points; send at most {} at once", limits::BATCH_POINTS_MAX)]
    TooManyPoints {
        /// Points given.
        points: usize,
    },
    /// A column has another length than the ids ask for.
    #[error("{what} count is {found}, where the points ask for {expected}")]
    CountMismatch {
        /// `payload`, `presence flag` or `component`.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The collection has no vector of this name.
    #[error("vector name `{name}` is not one of the collection's")]
    UnknownVector {
        /// The name given.
        name: VectorName,
    },
    /// Two columns of one name.
    #[error("vector name `{name}` occurs twice")]
    RepeatedVector {
        /// The name given.
        name: VectorName,
    },
    /// Vectors of another dimension.
    #[error("vector dimension error: expected dim: {expected}, got {found}")]
    DimensionMismatch {
        /// Which vector.
        name: VectorName,
        /// The collection's dimension.
        expected: u32,
        /// The dimension given.
        found: u32,
    },
    /// A component that is not finite, or not once it is stored.
    #[error(
        "component {component} of vector `{name}` of point {id} is {value}, which {datatype:?} \
        cannot keep; give a finite number within its range"
    )]
    NotFinite {
        /// The point.
        id: PointId,
        /// Which of its vectors.
        name: VectorName,
        /// Index of the component in the vector.
        component: usize,
        /// What was given.
        value: f32,
        /// How it would be stored.
        datatype: Datatype,
    },
    /// A payload that cannot be stored.
    #[error("payload of point {id} cannot be stored: {source}")]
    Payload {
        /// The point.
        id: PointId,
        /// Why.
        source: PayloadError,
    },
}

impl PointBatch {
    /// Checks lengths, vector names, dimensions, components and payloads.
    ///
    /// Points may lack vectors, and a zero vector is allowed under every metric (under cosine it
    /// is kept as it is). Cost: one pass over the components and payloads.
    ///
    /// # Errors
    /// [`BatchError`] names the first fault.
    pub fn validate(&self, settings: &CollectionSettings) -> Result<(), BatchError> {
        let points = self.len();
        if points > limits::BATCH_POINTS_MAX {
            return Err(BatchError::TooManyPoints { points });
        }
        for (position, column) in self.vectors.iter().enumerate() {
            if self.vectors[..position].iter().any(|before| before.name == column.name) {
                return Err(BatchError::RepeatedVector { name: column.name.clone() });
            }
            self.check_column(column, settings)?;
        }
        if !self.payloads.is_empty() {
            check_count("payload", points, self.payloads.len())?;
        }
        let limits = PayloadLimits::default();
        for (&id, payload) in self.ids.iter().zip(&self.payloads) {
            payload.check(&limits).map_err(|source| BatchError::Payload { id, source })?;
        }
        Ok(())
    }

    fn check_column(
        &self,
        column: &VectorColumn,
        settings: &CollectionSettings,
    ) -> Result<(), BatchError> {
        let name = || column.name.clone();
        let Some(vector) = settings.vectors.get(&column.name) else {
            return Err(BatchError::UnknownVector { name: name() });
        };
        let (expected, found) = (vector.dim, column.dim);
        if expected != found {
            return Err(BatchError::DimensionMismatch { name: name(), expected, found });
        }
        if !column.present.is_empty() {
            check_count("presence flag", self.len(), column.present.len())?;
        }
        let rows = column.rows_present(self.len());
        check_count("component", rows * column.dim as usize, column.values.len())?;
        self.check_components(column, vector.datatype)
    }

    fn check_components(
        &self,
        column: &VectorColumn,
        datatype: Datatype,
    ) -> Result<(), BatchError> {
        let stays_finite = |value: &f32| match datatype {
            Datatype::Float16 => datatype.round(*value).is_finite(),
            Datatype::Float32 | Datatype::Uint8 => value.is_finite(),
        };
        if column.values.iter().all(stays_finite) {
            return Ok(());
        }
        let dim = column.dim.max(1) as usize;
        let all_present = column.present.is_empty();
        let has_vector = |row: &usize| all_present || column.present.get(*row) == Some(&true);
        let ids = (0..self.len()).filter(has_vector).map(|row| self.ids[row]);
        for (id, vector) in ids.zip(column.values.chunks(dim)) {
            if let Some(component) = vector.iter().position(|value| !stays_finite(value)) {
                let (name, value) = (column.name.clone(), vector[component]);
                return Err(BatchError::NotFinite { id, name, component, value, datatype });
            }
        }
        Ok(())
    }
}

fn check_count(what: &'static str, expected: usize, found: usize) -> Result<(), BatchError> {
    if expected == found {
        return Ok(());
    }
    Err(BatchError::CountMismatch { what, expected, found })
}

#[cfg(test)]
mod tests;

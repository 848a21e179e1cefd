//! Writes points whole; those that were there are replaced.

use vectorizer_model::encode::encoded_payload_bytes;
use vectorizer_model::operation::PointBatch;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{
    self as model, CollectionName, CollectionSettings, Payload, PointId, VectorName, limits,
};

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::write::Written;

/// Writes points whole; those that were there are replaced. One bad point, and nothing changes.
#[derive(Debug, Clone, PartialEq)]
pub struct UpsertPoints {
    /// Where.
    pub collection: CollectionName,
    /// The points; of two with one id the later wins.
    pub points: Vec<NewPoint>,
}

/// A point to write.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPoint {
    /// Its id.
    pub id: PointId,
    /// Its vectors.
    pub vectors: Vec<(VectorName, Vec<f32>)>,
    /// Its payload.
    pub payload: Payload,
}

impl MemoryAwareOperation for UpsertPoints {
    fn opens(&self) -> Option<&CollectionName> {
        Some(&self.collection)
    }

    fn estimate_memory_usage(&self, _: &Context) -> Result<Estimate> {
        let points = &self.points;
        let components = |point: &NewPoint| {
            point.vectors.iter().map(|(_, vector)| vector.len() as u64).sum::<u64>()
        };
        let payloads = points.iter().map(|point| encoded_payload_bytes(&point.payload)).sum();
        let components = points.iter().map(components).sum();
        Ok(Estimate::batch(points.len() as u64, components, payloads))
    }
}

impl Operation for UpsertPoints {
    const ENTRY: Entry = Entry {
        name: "upsert_points",
        summary: "Writes points whole; those that were there are replaced",
        access: Access::Write,
    };

    type Output = Written;

    async fn execute(self, context: &Guarded<'_>) -> Result<Written> {
        let settings = std::sync::Arc::clone(context.view(&self.collection).await?.settings());
        let _columns = context.draw(columns_bytes(&self.points))?;
        let batch = columns(self.points, &settings)?;
        context.write(&self.collection, model::Operation::Upsert(batch)).await
    }
}

/// Bytes of the points' columns; their payloads move there as they are.
fn columns_bytes(points: &[NewPoint]) -> u64 {
    let vectors = points.iter().flat_map(|point| &point.vectors);
    let components: usize = vectors.map(|(_, vector)| vector.len()).sum();
    let moved = size_of::<PointId>() + size_of::<Payload>();
    (points.len() * moved + components * size_of::<f32>()) as u64
}

/// The points column by column.
fn columns(points: Vec<NewPoint>, settings: &CollectionSettings) -> Result<PointBatch> {
    let rows = points.len();
    if rows > limits::BATCH_POINTS_MAX {
        let most = limits::BATCH_POINTS_MAX;
        return Err(ApiError::invalid(format!("{rows} points given; send at most {most} at once")));
    }
    let mut batch = PointBatch::default();
    batch.ids.reserve_exact(rows);
    batch.payloads.reserve_exact(rows);
    batch.vectors = settings
        .vectors
        .iter()
        .map(|(name, vector)| VectorColumn {
            name: name.clone(),
            dim: vector.dim,
            values: Vec::new(),
            present: Vec::with_capacity(rows),
        })
        .collect();
    for (row, point) in points.into_iter().enumerate() {
        let NewPoint { id, vectors, payload } = point;
        batch.ids.push(id);
        batch.payloads.push(payload);
        for (name, vector) in vectors {
            add(&mut batch.vectors, id, &name, (row, rows), &vector)?;
        }
        batch.vectors.iter_mut().for_each(|column| column.present.resize(row + 1, false));
    }
    batch.vectors.retain(|column| column.present.contains(&true));
    for column in &mut batch.vectors {
        if !column.present.contains(&false) {
            column.present = Vec::new();
        }
    }
    if batch.payloads.iter().all(Payload::is_empty) {
        batch.payloads = Vec::new();
    }
    Ok(batch)
}

/// Adds the vector of a row to its column.
fn add(
    columns: &mut [VectorColumn],
    id: PointId,
    name: &VectorName,
    (row, rows): (usize, usize),
    vector: &[f32],
) -> Result<()> {
    let Some(column) = columns.iter_mut().find(|column| column.name == *name) else {
        return Err(ApiError::invalid(format!("Not existing vector name error: {name}")));
    };
    let (dim, found) = (column.dim as usize, vector.len());
    if dim != found {
        return Err(ApiError::invalid(format!(
            "Vector dimension error: expected dim: {dim}, got {found} (point {id})"
        )));
    }
    if column.values.is_empty() {
        column.values.reserve_exact((rows - row) * dim);
    }
    column.values.extend_from_slice(vector);
    column.present.push(true);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_model::Metric;
    use vectorizer_model::settings::VectorSettings;

    fn settings() -> CollectionSettings {
        let vector = VectorSettings::new(2, Metric::Dot);
        CollectionSettings::new([(VectorName::unnamed(), vector)])
    }

    fn point(id: u64, vector: Option<&[f32]>) -> NewPoint {
        let vectors = vector.map(|vector| (VectorName::unnamed(), vector.to_vec()));
        let (id, payload) = (PointId::Num(id), Payload::new());
        NewPoint { id, vectors: vectors.into_iter().collect(), payload }
    }

    #[test]
    fn rows_become_columns() {
        let points = vec![point(1, Some(&[1.0, 2.0])), point(2, None), point(3, Some(&[3.0, 4.0]))];
        let batch = columns(points, &settings()).expect("fits");
        assert_eq!(batch.vectors[0].values, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(batch.vectors[0].present, [true, false, true]);
        assert!(batch.payloads.is_empty());
        assert!(batch.validate(&settings()).is_ok());
        let batch = columns(vec![point(1, Some(&[1.0, 2.0]))], &settings()).expect("fits");
        assert!(batch.vectors[0].present.is_empty());
        assert!(columns(Vec::new(), &settings()).expect("fits").vectors.is_empty());
    }

    #[test]
    fn the_point_that_does_not_fit_is_named() {
        let points = vec![point(1, Some(&[1.0, 2.0])), point(2, Some(&[1.0]))];
        let error = columns(points, &settings()).expect_err("does not fit");
        assert_eq!(error.message, "Vector dimension error: expected dim: 2, got 1 (point 2)");
    }
}

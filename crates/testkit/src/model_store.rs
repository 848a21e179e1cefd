//! A collection as a plain map: what the engine must agree with.
//!
//! The store knows no segments, indexes or files. How filters are judged and payloads changed is
//! given to it as functions, as those belong to the payload layer.

use std::collections::BTreeMap;

use vectorizer_model::operation::{PointBatch, PointSelector};
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::{
    CollectionSettings, Filter, KeyPath, Metric, Operation, Payload, PointId, SequenceNumber,
    VectorName,
};

use crate::oracle;

/// What the store borrows from the payload layer.
#[derive(Debug, Clone, Copy)]
pub struct PayloadFunctions {
    /// Whether a filter admits a point.
    pub matches: fn(&Filter, PointId, &Payload) -> bool,
    /// Writes the keys of the last argument, at the path or at the top.
    pub set_at: fn(&mut Payload, Option<&KeyPath>, &Payload),
    /// Removes what the paths lead to.
    pub delete_keys: fn(&mut Payload, &[KeyPath]),
}

/// One point.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelPoint {
    /// The operation that last changed it.
    pub version: SequenceNumber,
    /// Its vectors as they are stored; see [`stored_vector`].
    pub vectors: BTreeMap<VectorName, Vec<f32>>,
    /// Its payload.
    pub payload: Payload,
}

/// A point found by [`ModelStore::search`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Which point.
    pub id: PointId,
    /// Smaller is nearer.
    pub distance: f64,
}

/// A collection as a plain map.
#[derive(Debug, Clone)]
pub struct ModelStore {
    /// The collection's settings now.
    pub settings: CollectionSettings,
    /// Every point by id.
    pub points: BTreeMap<PointId, ModelPoint>,
    /// The last operation applied.
    pub applied: SequenceNumber,
    functions: PayloadFunctions,
}

impl ModelStore {
    /// An empty collection.
    pub fn new(settings: CollectionSettings, functions: PayloadFunctions) -> Self {
        let (points, applied) = (BTreeMap::new(), SequenceNumber::ZERO);
        Self { settings, points, applied, functions }
    }

    /// Applies one operation of the shard's log. Operations of the catalogue change nothing here.
    ///
    /// # Panics
    /// If `seq` does not come after the last one, or a batch does not fit the settings.
    pub fn apply(&mut self, seq: SequenceNumber, operation: &Operation) {
        assert!(seq > self.applied, "operations come in order");
        self.applied = seq;
        let functions = self.functions;
        match operation {
            Operation::CreateCollection { .. } | Operation::DropCollection { .. } => {}
            Operation::UpdateSettings(settings) => self.settings = (**settings).clone(),
            Operation::Upsert(batch) => self.upsert(seq, batch),
            Operation::Delete(points) => {
                for id in self.selected(points) {
                    self.points.remove(&id);
                }
            }
            Operation::SetPayload { points, payload, at } => {
                let set = |held: &mut Payload| (functions.set_at)(held, at.as_ref(), payload);
                self.change_payloads(seq, points, set);
            }
            Operation::OverwritePayload { points, payload } => {
                self.change_payloads(seq, points, |held| *held = payload.clone());
            }
            Operation::DeletePayload { points, keys } => {
                self.change_payloads(seq, points, |held| (functions.delete_keys)(held, keys));
            }
            Operation::ClearPayload { points } => {
                self.change_payloads(seq, points, |held| *held = Payload::new());
            }
            Operation::CreateFieldIndex { key, kind } => {
                self.settings.field_indexes.insert(key.clone(), *kind);
            }
            Operation::DropFieldIndex { key } => {
                self.settings.field_indexes.remove(key);
            }
        }
    }

    /// The points that a selector means and that exist, by id.
    pub fn selected(&self, points: &PointSelector) -> Vec<PointId> {
        match points {
            PointSelector::Ids(ids) => {
                let mut existing = ids.clone();
                existing.retain(|id| self.points.contains_key(id));
                existing.sort_unstable();
                existing.dedup();
                existing
            }
            PointSelector::Filter(filter) => self.admitted(filter),
        }
    }

    /// The points that a filter admits, by id.
    pub fn admitted(&self, filter: &Filter) -> Vec<PointId> {
        let matches = self.functions.matches;
        let points = self.points.iter();
        let admitted = points.filter(|(id, point)| matches(filter, **id, &point.payload));
        admitted.map(|(id, _)| *id).collect()
    }

    /// The `limit` points nearest to `query` under a vector name, among those that the filter
    /// admits and that have the vector; equal distances by id.
    ///
    /// # Panics
    /// If the settings have no such vector, or the query another dimension.
    pub fn search(
        &self,
        name: &VectorName,
        query: &[f32],
        filter: &Filter,
        limit: usize,
    ) -> Vec<Hit> {
        let metric = self.settings.vectors[name].metric;
        let vector_of = |id: &PointId| self.points.get(id)?.vectors.get(name);
        let admitted = self.admitted(filter);
        let mut hits: Vec<Hit> = admitted
            .into_iter()
            .filter_map(|id| Some((id, vector_of(&id)?)))
            .map(|(id, vector)| Hit { id, distance: oracle::distance(metric, query, vector) })
            .collect();
        hits.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
        hits.truncate(limit);
        hits
    }

    fn upsert(&mut self, seq: SequenceNumber, batch: &PointBatch) {
        let mut points: Vec<ModelPoint> = (0..batch.len())
            .map(|row| ModelPoint {
                version: seq,
                vectors: BTreeMap::new(),
                payload: batch.payloads.get(row).cloned().unwrap_or_default(),
            })
            .collect();
        for column in &batch.vectors {
            let settings = &self.settings.vectors[&column.name];
            for (point, vector) in points.iter_mut().zip(column.rows(batch.len())) {
                let stored = vector.map(|vector| stored_vector(settings, vector));
                point.vectors.extend(stored.map(|vector| (column.name.clone(), vector)));
            }
        }
        self.points.extend(batch.ids.iter().copied().zip(points));
    }

    fn change_payloads(
        &mut self,
        seq: SequenceNumber,
        points: &PointSelector,
        change: impl Fn(&mut Payload),
    ) {
        for id in self.selected(points) {
            if let Some(point) = self.points.get_mut(&id) {
                change(&mut point.payload);
                point.version = seq;
            }
        }
    }
}

/// A vector as a collection keeps it: of unit length under cosine (zero stays zero), then rounded
/// to the datatype. Lengths are computed in double precision, so that the last bits may differ
/// from the engine's.
pub fn stored_vector(settings: &VectorSettings, vector: &[f32]) -> Vec<f32> {
    let square: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let length = match settings.metric {
        Metric::Cosine if square > 0.0 => square.sqrt(),
        Metric::Cosine | Metric::L2 | Metric::Dot | Metric::Manhattan => 1.0,
    };
    #[expect(clippy::cast_possible_truncation, reason = "stored vectors are singles")]
    let scaled = |&x: &f32| (f64::from(x) / length) as f32;
    vector.iter().map(scaled).map(|x| settings.datatype.round(x)).collect()
}

#[cfg(test)]
mod tests;

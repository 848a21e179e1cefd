//! An engine to test with, and short ways to say what it should do.

use std::sync::Arc;

use vectorizer_engine::{Engine, EngineOptions, Hit, LeafSearch, Residency, Scratch, SearchParams};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::operation::PointBatch;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{
    CollectionName, CollectionSettings, Filter, Metric, Operation, Payload, PointId, VectorName,
};
use vectorizer_vfs::Directory;

pub(crate) fn governor() -> Arc<Governor> {
    Governor::new(Limits::of_root(2 << 30))
}

/// Small bounds, and no threads: every step happens when the test asks for it.
pub(crate) fn options() -> EngineOptions {
    EngineOptions {
        residency: Residency::Governed,
        search_threads: 1,
        build_threads: 1,
        graph_rows_min: 20,
        background: false,
        disk_percent_max: 100,
        // So small that histories close log files and let them go.
        log_file_bytes: 6 << 10,
        ..EngineOptions::default()
    }
}

pub(crate) fn open(root: &Arc<dyn Directory>) -> Engine {
    Engine::open_in(Arc::clone(root), None, governor(), options()).expect("opens")
}

pub(crate) fn settings(dim: u32, metric: Metric) -> CollectionSettings {
    CollectionSettings::new([(VectorName::unnamed(), VectorSettings::new(dim, metric))])
}

pub(crate) fn create(engine: &Engine, name: CollectionName, settings: CollectionSettings) {
    let created = engine.create_collection(name, settings);
    created.expect("accepted").wait().expect("done").expect("created");
}

pub(crate) fn name() -> CollectionName {
    CollectionName::new("things").expect("a name")
}

pub(crate) fn batch(points: &[(u64, Vec<f32>)], payload: impl Fn(u64) -> Payload) -> Operation {
    let dim = points.first().map_or(0, |(_, vector)| vector.len());
    Operation::Upsert(PointBatch {
        ids: points.iter().map(|(id, _)| PointId::Num(*id)).collect(),
        vectors: vec![VectorColumn {
            name: VectorName::unnamed(),
            dim: u32::try_from(dim).expect("small"),
            values: points.iter().flat_map(|(_, vector)| vector.clone()).collect(),
            present: Vec::new(),
        }],
        payloads: points.iter().map(|(id, _)| payload(*id)).collect(),
    })
}

pub(crate) fn search(engine: &Engine, query: &[f32], limit: usize, exact: bool) -> Vec<Hit> {
    let search = LeafSearch {
        vector: VectorName::unnamed(),
        query: query.to_vec(),
        filter: Filter::default(),
        limit,
        params: SearchParams { exact, ..SearchParams::default() },
        distance_below: None,
    };
    let view = engine.view(&name()).expect("there");
    view.search(&search, &mut Scratch::new()).expect("readable")
}

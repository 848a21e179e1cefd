//! The engine as a library: open a folder, write, search with a filter, open it again.
//!
//! `cargo run --example embedded -p vectorizer-engine [FOLDER]`. Every answer is checked, so that
//! this page cannot go stale.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use vectorizer_engine::{
    Engine, EngineOptions, LeafSearch, PayloadSelector, Scratch, SearchParams, Select,
    VectorSelector,
};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::filter::{Predicate, Scalar};
use vectorizer_model::operation::PointBatch;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{
    CollectionName, CollectionSettings, Condition, Filter, KeyPath, Metric, Operation, Payload,
    PointId, Value, VectorName,
};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args_os().nth(1) {
        Some(folder) => run(Path::new(&folder)),
        None => run(tempfile::tempdir()?.path()),
    }
}

fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let colours = CollectionName::new("colours")?;

    // One governor for each process: everything that grows takes its bytes from it.
    let engine = open(folder)?;
    // What comes later is a ticket: wait for it, or await it.
    engine.create_collection(colours.clone(), settings())?.wait()??;
    // Done when it is durable and every later view shows it.
    engine.write(&colours, Operation::Upsert(batch()))?;
    assert_eq!(nearest(&engine, &colours)?, ["coral", "orange"]);

    // The last clone to go flushes and closes; a folder is open once at a time.
    drop(engine);
    let engine = open(folder)?;
    assert_eq!(engine.info(&colours)?.points, 4);
    assert_eq!(nearest(&engine, &colours)?, ["coral", "orange"]);
    Ok(())
}

fn open(folder: &Path) -> Result<Engine, Box<dyn Error>> {
    let governor = Governor::new(Limits::of_root(256 << 20));
    Ok(Engine::open(folder, governor, EngineOptions::default())?)
}

/// One vector of three components, compared by Euclidean distance.
fn settings() -> CollectionSettings {
    let vector = VectorSettings::new(3, Metric::L2);
    CollectionSettings::new([(VectorName::unnamed(), vector)])
}

/// Four points, column by column.
fn batch() -> PointBatch {
    let points = [
        (1, [1.0, 0.39, 0.28], "tomato", "red"),
        (2, [1.0, 0.5, 0.31], "coral", "orange"),
        (3, [1.0, 0.65, 0.0], "orange", "orange"),
        (4, [0.53, 0.81, 0.92], "skyblue", "blue"),
    ];
    let text = |text: &str| Value::Str(text.into());
    PointBatch {
        ids: points.iter().map(|point| PointId::Num(point.0)).collect(),
        vectors: vec![VectorColumn {
            name: VectorName::unnamed(),
            dim: 3,
            values: points.iter().flat_map(|point| point.1).collect(),
            // Every row has the vector.
            present: Vec::new(),
        }],
        payloads: points
            .iter()
            .map(|point| {
                Payload(BTreeMap::from([
                    ("name".into(), text(point.2)),
                    ("family".into(), text(point.3)),
                ]))
            })
            .collect(),
    }
}

/// The names of the two colours nearest to a red that is not one, nearest first.
fn nearest(engine: &Engine, collection: &CollectionName) -> Result<Vec<String>, Box<dyn Error>> {
    let red = Condition::Field {
        key: KeyPath::key("family"),
        predicate: Predicate::Match(Scalar::Keyword("red".into())),
    };
    let question = LeafSearch {
        vector: VectorName::unnamed(),
        query: vec![1.0, 0.4, 0.3],
        filter: Filter { must_not: vec![red], ..Filter::default() },
        limit: 2,
        params: SearchParams::default(),
        distance_below: None,
    };
    // A view shows one moment, whatever is written meanwhile. A thread keeps its scratch.
    let view = engine.view(collection)?;
    let hits = view.search(&question, &mut Scratch::default())?;
    let ids: Vec<PointId> = hits.iter().map(|hit| hit.id).collect();
    let select = Select { payload: PayloadSelector::Everything, vectors: VectorSelector::Nothing };
    let records = view.records(&ids, &select)?;
    let name = |payload: &Payload| match payload.0.get("name") {
        Some(Value::Str(name)) => name.clone(),
        _ => String::new(),
    };
    Ok(records.iter().filter_map(|record| record.payload.as_deref()).map(name).collect())
}

//! Filling a folder through the library, before there is a server.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use vectorizer_engine::{Engine, EngineOptions};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::bytes::{GIB, MIB};
use vectorizer_model::operation::PointBatch;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{
    CollectionName, CollectionSettings, Metric, Operation, Payload, PointId, Value, VectorName,
};

use crate::load::TEXT;
use crate::tenants::Tenant;
use crate::vectors::Vectors;

const BATCH: u64 = 1000;

/// What was filled in.
#[derive(Debug, Serialize)]
pub(crate) struct Preloaded {
    points: u64,
    seconds: f64,
    /// Points without a graph when the folder was closed.
    backlog: u64,
}

/// Makes every tenant's collection and its points.
pub(crate) fn preload(
    folder: &Path,
    tenants: &[Tenant],
    vectors: &Vectors,
    dim: usize,
) -> Result<Preloaded> {
    let started = Instant::now();
    let governor = Governor::new(Limits::of_root(8 * GIB));
    // A folder as a server under a small budget leaves it: many flushes.
    let options = EngineOptions {
        memtable_bytes: 16 * MIB,
        backlog_bytes_max: u64::MAX,
        ..EngineOptions::default()
    };
    let engine = Engine::open(folder, governor, options)?;
    let mut backlog = 0;
    for tenant in tenants {
        let name = CollectionName::new(&tenant.collection())?;
        let vector = VectorSettings::new(u32::try_from(dim)?, Metric::L2);
        let settings = CollectionSettings::new([(VectorName::unnamed(), vector)]);
        engine.create_collection(name.clone(), settings)?.wait()??;
        for from in (0..tenant.high()).step_by(usize::try_from(BATCH)?) {
            let ids = from..(from + BATCH).min(tenant.high());
            engine.write(&name, Operation::Upsert(batch(tenant, ids, vectors, dim)?))?;
        }
    }
    engine.flush()?;
    for name in engine.collections() {
        let info = engine.info(&name)?;
        backlog += info.backlog_rows;
    }
    engine.close()?;
    let points = tenants.iter().map(Tenant::points).sum();
    Ok(Preloaded { points, seconds: started.elapsed().as_secs_f64(), backlog })
}

fn batch(
    tenant: &Tenant,
    ids: std::ops::Range<u64>,
    vectors: &Vectors,
    dim: usize,
) -> Result<PointBatch> {
    let payload = |id: u64| {
        let number = |value: u64| Value::Int(value.cast_signed());
        Payload(
            [
                ("n".into(), number(id)),
                ("bucket".into(), number(id % 100)),
                ("text".into(), Value::Str(TEXT.into())),
            ]
            .into(),
        )
    };
    Ok(PointBatch {
        ids: ids.clone().map(PointId::Num).collect(),
        vectors: vec![VectorColumn {
            name: VectorName::unnamed(),
            dim: u32::try_from(dim)?,
            values: ids.clone().flat_map(|id| vectors.row(tenant.key(id))).collect(),
            present: Vec::new(),
        }],
        payloads: ids.map(payload).collect(),
    })
}

//! Whether everything acknowledged is there, and nothing else.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::server::Server;
use crate::tenants::Tenant;
use crate::vectors::Vectors;
use vectorizer_bench::http::Connection;

/// Points of one page.
const PAGE: usize = 1000;
/// Of so many points one is compared in full.
const COMPARED_EVERY: u64 = 997;
/// How long a refused question is asked again.
const PATIENCE: Duration = Duration::from_mins(2);

/// Compares every collection's ids with those acknowledged, and some points in full.
///
/// # Errors
/// What is missing, left over or changed.
pub(crate) fn check(server: &Server, tenants: &[Tenant], vectors: &Vectors) -> Result<()> {
    let mut connection = Connection::new(server.address);
    for tenant in tenants {
        let path = format!("/collections/{}", tenant.collection());
        let count = ask(&mut connection, &format!("{path}/points/count"), &json!({"exact": true}))?;
        let count = count["count"].as_u64();
        let (low, high) = (tenant.low(), tenant.high());
        let name = tenant.collection();
        ensure!(count == Some(tenant.points()), "{name} counts {count:?} of {low}..{high}");
        check_ids(&mut connection, &path, low..high).with_context(|| name.clone())?;
        let compared = (low..high).step_by(usize::try_from(COMPARED_EVERY)?).take(200);
        for id in compared {
            let body = json!({"ids": [id], "with_vector": true, "with_payload": true});
            let found = ask(&mut connection, &format!("{path}/points"), &body)?;
            let vector: Vec<f32> = serde_json::from_value(found[0]["vector"].clone())?;
            ensure!(vector == vectors.row(tenant.key(id)), "{name}: the vector of {id} changed");
            let number = found[0]["payload"]["n"].as_u64();
            ensure!(number == Some(id), "{name}: the payload of {id} holds {number:?}");
        }
    }
    Ok(())
}

fn check_ids(connection: &mut Connection, path: &str, ids: std::ops::Range<u64>) -> Result<()> {
    let (mut expected, mut offset) = (ids.clone(), Value::Null);
    loop {
        let body = json!({"limit": PAGE, "offset": offset, "with_payload": false});
        let page = ask(connection, &format!("{path}/points/scroll"), &body)?;
        for point in page["points"].as_array().context("points")? {
            let (id, next) = (point["id"].as_u64(), expected.next());
            ensure!(id == next, "{id:?} is where {next:?} should be, of {ids:?}");
        }
        offset = page["next_page_offset"].clone();
        if offset.is_null() {
            let missing = expected.next();
            ensure!(missing.is_none(), "{missing:?} is missing, of {ids:?}");
            return Ok(());
        }
    }
}

/// The result of a question, asked again while it is refused.
fn ask(connection: &mut Connection, path: &str, body: &Value) -> Result<Value> {
    let since = Instant::now();
    loop {
        let answer = connection.ask("POST", path, body.to_string().as_bytes())?;
        if answer.status == 200 {
            return Ok(answer.json()?["result"].take());
        }
        let busy = matches!(answer.status, 429 | 503) && since.elapsed() < PATIENCE;
        ensure!(busy, "{path}: {}: {}", answer.status, answer.json()?);
        std::thread::sleep(Duration::from_millis(250));
    }
}

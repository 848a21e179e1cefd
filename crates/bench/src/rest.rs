//! The same query through the library and over a kept REST connection, turn by turn.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use vectorizer_bench::http::{Connection, request};
use vectorizer_engine::{Hit, Scratch};
use vectorizer_model::PointId;

use crate::args::Args;
use crate::door::Door;
use crate::latency::{HEADER, Latency, microseconds};
use crate::query;
use crate::source::{Payloads, Source};
use crate::store::{COLLECTION, Store};

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    data: String,
    rows: usize,
    dim: usize,
    k: usize,
    /// Bytes of one request, head included.
    request_bytes: usize,
    library: Latency,
    rest: Latency,
    added_p50_us: f64,
    config: serde_json::Value,
}

pub(crate) fn run(args: &Args) -> Result<Report> {
    let source = Source::load(args)?;
    let Store { folder: _folder, engine, name, .. } =
        Store::prepare(args, &source, Payloads::None)?;
    let searches = query::plain_searches(&source, args.k);
    let path = format!("/collections/{COLLECTION}/points/query");
    let post = |query: &[f32]| {
        let body = serde_json::json!({ "query": query, "limit": args.k });
        request("POST", &path, "", body.to_string().as_bytes())
    };
    let requests: Vec<Vec<u8>> = source.queries.iter().map(post).collect();
    let door = Door::open(engine.clone())?;
    let mut connection = Connection::new(door.address);
    let mut scratch = Scratch::new();
    for (search, request) in searches.iter().zip(&requests) {
        let hits = engine.view(&name)?.search(search, &mut scratch)?;
        same_ids(&hits, &connection.send(request)?.body)?;
    }
    let (mut library, mut rest) = (Vec::new(), Vec::new());
    let started = Instant::now();
    while rest.is_empty() || started.elapsed().as_secs_f64() < args.seconds {
        let number = rest.len() % searches.len();
        let asked = Instant::now();
        engine.view(&name)?.search(&searches[number], &mut scratch)?;
        library.push(microseconds(asked.elapsed()));
        let asked = Instant::now();
        let answer = connection.send(&requests[number])?;
        rest.push(microseconds(asked.elapsed()));
        ensure!(answer.status == 200, "the server answered {}", answer.status);
    }
    drop(connection);
    door.close()?;
    let (library, rest) = (latency(library), latency(rest));
    Ok(Report {
        data: source.name.clone(),
        rows: source.rows,
        dim: source.dim,
        k: args.k,
        request_bytes: requests.first().map_or(0, Vec::len),
        added_p50_us: rest.p50_us - library.p50_us,
        library,
        rest,
        config: args.config(),
    })
}

/// The two take turns, so the speed of each comes from the time of its own calls.
fn latency(samples: Vec<f64>) -> Latency {
    let seconds = samples.iter().sum::<f64>() / 1e6;
    Latency::of(samples, Duration::from_secs_f64(seconds))
}

fn same_ids(hits: &[Hit], answer: &[u8]) -> Result<()> {
    let answer: serde_json::Value = serde_json::from_slice(answer)?;
    let points = answer["result"]["points"].as_array().context("an answer without points")?;
    let found: Vec<_> = points.iter().map(|point| point["id"].as_u64().map(PointId::Num)).collect();
    let expected: Vec<_> = hits.iter().map(|hit| Some(hit.id)).collect();
    ensure!(found == expected, "REST answered {found:?}, the library {expected:?}");
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} vectors of {} components", self.data, self.rows, self.dim)?;
        writeln!(f, "{:<10}{HEADER}", "")?;
        writeln!(f, "{:<10}{}", "library", self.library)?;
        writeln!(f, "{:<10}{}", "REST", self.rest)?;
        write!(
            f,
            "REST adds {:.0} us to p50, for requests of {} bytes",
            self.added_p50_us, self.request_bytes
        )
    }
}

//! Measures a build and its searches: seconds, recall@10, queries per second on one thread.
//!
//! ```text
//! recall --base base.npy --query query.npy --truth truth.npy [--m 16] [--ef-construct 200]
//!        [--workers 2] [--ef 16,32,64] [--metric l2|cosine] [--bits 8|7] [--memory 100,50,25,10]
//! ```
//! `--memory` builds in parts within so many percent of what the build at once takes.
//! Vectors are `[n, dim]` of u8, f16 or f32, truth is `[queries, k]` of i32. Traversal reads one
//! byte for each component; answers are rescored from f32.

#![expect(clippy::print_stdout, clippy::panic, reason = "a tool that reports to a person")]

mod codes;
mod npy;
mod parts;

use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use codes::{Codes, prefetch, touch};
use vectorizer_hnsw::build::bytes_needed;
use vectorizer_hnsw::{
    Executor, GraphBytes, Host, Links, Params, Scratch, SearchParams, build, search,
};
use vectorizer_model::budget::Unbounded;
use vectorizer_model::{AllRows, Metric, Ordinal, RowScorer};
use vectorizer_quantize::Levels;

struct Threads(usize);

impl Executor for Threads {
    fn workers(&self) -> usize {
        self.0
    }

    fn run(&self, task: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            for worker in 0..self.0 {
                scope.spawn(move || task(worker));
            }
        });
    }
}

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args();
    arguments.by_ref().find(|argument| argument == name)?;
    arguments.next()
}

fn number(name: &str, default: u32) -> u32 {
    argument(name).map_or(default, |text| text.parse().expect("a number"))
}

struct Set {
    dim: usize,
    base: Vec<f32>,
    query: Vec<f32>,
    truth: Vec<i32>,
    truth_len: usize,
}

fn load() -> Set {
    let path = |name: &str| argument(name).unwrap_or_else(|| panic!("{name} PATH is missing"));
    let (base, dim) = npy::floats(&path("--base"));
    let (query, _) = npy::floats(&path("--query"));
    let (truth, truth_len) = npy::integers(&path("--truth"));
    Set { dim, base, query, truth, truth_len }
}

fn exact(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += (a - b) * (a - b);
        }
    }
    lanes.iter().sum()
}

fn main() {
    let set = load();
    let metric = match argument("--metric").as_deref() {
        Some("cosine") => Metric::Cosine,
        _ => Metric::L2,
    };
    let levels = if number("--bits", 8) == 7 { Levels::U7 } else { Levels::U8 };
    let codes = Codes::new(&set.base, set.dim, metric, levels);
    let rows = codes.rows();
    let params = Params {
        m: number("--m", 16),
        ef_construct: number("--ef-construct", 200),
        seed: u64::from(number("--seed", 1)),
    };
    let executor = Threads(number("--workers", 2) as usize);
    let inserted = AtomicUsize::new(0);
    let host = Host { executor: &executor, cancelled: &|| false, inserted: &inserted, hint: touch };
    let needed = bytes_needed(rows, &params, executor.0) + codes.bytes_of(rows);
    let percents = argument("--memory").unwrap_or("100".into());
    for percent in percents.split(',').map(|percent| percent.parse::<u64>().expect("a number")) {
        let start = Instant::now();
        let bytes = if percent < 100 {
            parts::build(&codes, (needed * percent / 100, &params), host)
        } else {
            let graph = build(&codes, &params, host, &mut Unbounded::default());
            encoded(&graph.expect("a graph"))
        };
        let seconds = start.elapsed().as_secs_f32();
        println!("build: {seconds:.2} s, {rows} rows, {percent} % of {needed} bytes, {params:?}");
        report(&set, &codes, &bytes);
    }
}

fn encoded(graph: &vectorizer_hnsw::Graph) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = graph.encode(|part| {
        bytes.extend_from_slice(part);
        Ok::<_, std::convert::Infallible>(())
    });
    written.expect("memory");
    bytes
}

fn report(set: &Set, codes: &Codes, bytes: &[u8]) {
    let (degree, reached) = degree(bytes);
    println!("bytes: {}, mean degree {degree:.2}, {reached} rows reached", bytes.len());
    // Pages of their own begin where pages begin.
    let align = 64 - bytes.as_ptr().addr() % 64;
    let mut aligned = vec![0; align];
    aligned.extend_from_slice(bytes);
    let default = "16,24,32,48,64,96,128,192,256";
    for ef in argument("--ef").unwrap_or(default.into()).split(',') {
        measure(set, codes, bytes, ef.parse().expect("a number"));
    }
}

/// Mean links of a row on layer 0, and rows that they lead to from the entry.
fn degree(bytes: &[u8]) -> (f32, usize) {
    let mut links = GraphBytes::parse(bytes).expect("the graph just written");
    let (mut out, mut total) = (Vec::new(), 0);
    let rows = links.rows();
    let mut seen = vec![false; rows];
    let mut left: Vec<Ordinal> = links.entry().map(|(entry, _)| entry).into_iter().collect();
    for row in &left {
        seen[row.index()] = true;
    }
    let mut reached = 0;
    while let Some(row) = left.pop() {
        links.neighbors(0, row, &mut out).expect("intact");
        (reached, total) = (reached + 1, total + out.len());
        left.extend(out.iter().filter(|link| !std::mem::replace(&mut seen[link.index()], true)));
    }
    (total as f32 / rows as f32, reached)
}

fn measure(set: &Set, codes: &Codes, bytes: &[u8], ef: usize) {
    let mut links = GraphBytes::with_hint(bytes, prefetch).expect("the graph just written");
    let mut all = AllRows { rows: codes.rows() as u64 };
    let mut scratch = Scratch::new();
    let queries = set.query.chunks_exact(set.dim);
    let count = queries.len();
    let rescored = (2 * 10).min(ef);
    let params = SearchParams { ef, limit: rescored, visit_limit: usize::MAX, seeds: &[] };
    let (mut best, mut hits, mut visits) = (f64::INFINITY, 0, (0, 0));
    for _ in 0..15 {
        let start = Instant::now();
        hits = 0;
        visits = (0, 0);
        for (query, truth) in queries.clone().zip(set.truth.chunks_exact(set.truth_len)) {
            let mut scorer = codes.query(query);
            let outcome = search(&mut links, &mut scorer, &mut all, &params, &mut scratch);
            let Ok(vectorizer_hnsw::Outcome::Done(done)) = outcome else {
                panic!("an intact graph")
            };
            visits = (visits.0 + done.scored, visits.1 + done.expanded);
            let mut rescored: Vec<(f32, u32)> = Vec::with_capacity(rescored);
            for row in scratch.results() {
                let base = &set.base[row.ordinal.index() * set.dim..][..set.dim];
                rescored.push((exact(query, base), row.ordinal.0));
            }
            rescored.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let found = rescored.iter().take(10);
            hits += found.filter(|row| truth[..10].contains(&row.1.cast_signed())).count();
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!(
        "ef {ef:4}: recall@10 {:.4}, {:8.0} QPS, {} scored, {} expanded",
        hits as f32 / (10 * count) as f32,
        count as f64 / best,
        visits.0 / count,
        visits.1 / count,
    );
}

//! What was measured, as a table for people or as a line of JSON.
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use vectorizer_model::bytes::ByteCount;

use crate::args::Args;
use crate::search::Point;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) peer: &'static str,
    pub(crate) data: String,
    pub(crate) rows: usize,
    pub(crate) dim: usize,
    pub(crate) ingest_s: f64,
    pub(crate) ingest_rate: f64,
    pub(crate) backlog_rows_at_ack: u64,
    /// From the first write until graphs cover every row.
    pub(crate) build_s: f64,
    pub(crate) segments: usize,
    pub(crate) points: Vec<Point>,
    pub(crate) open_s: f64,
    pub(crate) first_answer_s: f64,
    pub(crate) rss_bytes: u64,
    pub(crate) rss_data_bytes: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) component_bytes: BTreeMap<&'static str, u64>,
    pub(crate) config: serde_json::Value,
}

pub(crate) fn print(args: &Args, report: &Report) -> Result<()> {
    if args.json {
        println!("{}", serde_json::to_string(report)?);
        return Ok(());
    }
    println!("{}: {} vectors of {} components", report.data, report.rows, report.dim);
    println!(
        "ingest    {:.2} s, {:.0} vectors/s acknowledged ({} rows without a graph then)",
        report.ingest_s, report.ingest_rate, report.backlog_rows_at_ack
    );
    println!(
        "indexed   {:.2} s after the first write, {} segments",
        report.build_s, report.segments
    );
    println!(
        "start     {:.0} ms to open, {:.0} ms to the first answer",
        report.open_s * 1e3,
        report.first_answer_s * 1e3
    );
    println!(
        "memory    {} peak, of which {} before the engine was opened",
        ByteCount(report.rss_bytes),
        ByteCount(report.rss_data_bytes)
    );
    println!("disk      {}", ByteCount(report.disk_bytes));
    for (component, bytes) in report.component_bytes.iter().filter(|(_, bytes)| **bytes > 0) {
        let each = *bytes as f64 / report.rows.max(1) as f64;
        println!("  {component:<10} {each:>8.1} bytes/vector");
    }
    println!(
        "{:>6} {:>8} {:>10} {:>9} {:>9} {:>9}",
        "ef", "recall", "QPS", "p50 us", "p95 us", "p99 us"
    );
    for point in &report.points {
        println!(
            "{:>6} {:>8.4} {:>10.0} {:>9.1} {:>9.1} {:>9.1}",
            point.ef, point.recall, point.qps, point.p50_us, point.p95_us, point.p99_us
        );
    }
    Ok(())
}

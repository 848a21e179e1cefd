//! `collections` and `info`: what a server holds.

use serde_json::{Value, json};

use crate::cli::{ClientArgs, InfoArgs};
use crate::client::{Client, collection_path};
use crate::failure::Failure;
use crate::output::{Output, line, lines_of};

/// Lists the collections with their points.
pub(crate) fn list(args: &ClientArgs, output: Output) -> anyhow::Result<()> {
    let client = Client::new(args)?;
    let rows = overview(&client)?;
    output.answer(&json!(rows), |_| {
        if rows.is_empty() {
            return "no collections; `vectorizer import NAME FILE` makes one".to_owned();
        }
        let width = rows.iter().filter_map(|r| r["name"].as_str()).map(str::len).max();
        let width = width.unwrap_or(0).max(10);
        let mut text = format!("{:width$}  {:>12}  status\n", "collection", "points");
        for row in &rows {
            let (name, status) = (row["name"].as_str(), row["status"].as_str());
            let points = row["points"].to_string();
            let (name, status) = (name.unwrap_or("?"), status.unwrap_or("?"));
            line(&mut text, format_args!("{name:width$}  {points:>12}  {status}"));
        }
        text
    })
}

/// Shows the server or one collection.
pub(crate) fn info(args: &InfoArgs, output: Output) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let answer = if let Some(name) = &args.collection {
        client.get(&collection_path(name, ""))?
    } else {
        let root = client.get_whole("/")?;
        json!({ "url": client.url(), "server": root, "collections": overview(&client)?.len() })
    };
    output.answer(&answer, |answer| {
        // What it holds comes before how it is set.
        let mut holds = answer.clone();
        let config = holds.as_object_mut().and_then(|members| members.remove("config"));
        lines_of(&holds) + &lines_of(&json!({ "config": config }))
    })
}

fn overview(client: &Client) -> Result<Vec<Value>, Failure> {
    let listed = client.get("/collections")?;
    let names = listed["collections"].as_array().cloned().unwrap_or_default();
    let mut rows = Vec::new();
    for name in names.iter().filter_map(|entry| entry["name"].as_str()) {
        // A collection may be dropped while the list is being read.
        if let Some(info) = client.find(&collection_path(name, ""))? {
            let (points, status) = (&info["points_count"], &info["status"]);
            rows.push(json!({ "name": name, "points": points, "status": status }));
        }
    }
    Ok(rows)
}

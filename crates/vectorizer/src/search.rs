//! `search`: the points nearest to a vector, a stored point, or each row of a file.

use anyhow::Context;
use serde_json::{Value, json};

use crate::cli::SearchArgs;
use crate::client::{Client, collection_path};
use crate::import::matrix::Matrix;
use crate::output::{Output, line, plain};

/// Queries of one request.
const QUERIES_MAX: usize = 100;

/// Searches a collection.
pub(crate) fn run(args: &SearchArgs, output: Output) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let filter = parse_filter(args.filter.as_deref())?;
    if let Some(file) = &args.query.file {
        return search_file(&client, args, &filter, file, output);
    }
    let query = match (&args.query.vector, &args.query.id) {
        (Some(vector), _) => {
            serde_json::from_str(vector).context("--vector is no JSON, such as '[0.1, 0.2]'")?
        }
        (None, Some(id)) => match id.parse::<u64>() {
            Ok(number) => json!(number),
            Err(_not_a_number) => json!(id),
        },
        (None, None) => Value::Null,
    };
    let path = collection_path(&args.collection, "/points/query");
    let answer = client.post(&path, &request(args, &filter, &query).to_string())?;
    output.answer(&answer["points"], table)
}

fn search_file(
    client: &Client,
    args: &SearchArgs,
    filter: &Value,
    file: &std::path::Path,
    output: Output,
) -> anyhow::Result<()> {
    let path = collection_path(&args.collection, "/points/query/batch");
    let mut matrix = Matrix::open_file(file)?;
    let mut row = 0;
    loop {
        let mut searches = Vec::new();
        while searches.len() < QUERIES_MAX
            && let Some(query) = matrix.next_vector()?
        {
            searches.push(request(args, filter, &query));
        }
        if searches.is_empty() {
            return Ok(());
        }
        let answers = client.post(&path, &json!({ "searches": searches }).to_string())?;
        for answer in answers.as_array().context("the server's answer is no list")? {
            let found = json!({ "query": row, "points": answer["points"] });
            output.answer(&found, |found| format!("query {row}\n{}", table(&found["points"])))?;
            row += 1;
        }
    }
}

fn request(args: &SearchArgs, filter: &Value, query: &Value) -> Value {
    let mut request = json!({
        "query": query,
        "limit": args.limit,
        "filter": filter,
        "params": { "exact": args.exact },
        "with_payload": true,
    });
    if let Some(name) = &args.using {
        request["using"] = json!(name);
    }
    request
}

/// A filter, or null where there is none.
pub(crate) fn parse_filter(text: Option<&str>) -> anyhow::Result<Value> {
    match text {
        None => Ok(Value::Null),
        Some(text) => serde_json::from_str(text).context("--filter is no JSON"),
    }
}

fn table(points: &Value) -> String {
    let points = points.as_array().map_or(&[][..], Vec::as_slice);
    if points.is_empty() {
        return "nothing found".to_owned();
    }
    let width = points.iter().map(|point| plain(&point["id"]).len()).max().unwrap_or(0).max(2);
    let mut text = format!("{:>12}  {:width$}  payload\n", "score", "id");
    for point in points {
        let (score, id) = (plain(&point["score"]), plain(&point["id"]));
        let payload = Some(&point["payload"]).filter(|payload| !payload.is_null());
        let payload = payload.map(Value::to_string).unwrap_or_default();
        line(&mut text, format_args!("{score:>12}  {id:width$}  {payload}"));
    }
    text
}

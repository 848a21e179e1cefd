//! Points as JSON lines: `{"id": 1, "vector": [..], "payload": {..}}`.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value, json};
use vectorizer_model::PointId;

use super::rows::{BODY_BYTES, Batch, Rows, vector_settings};
use crate::cli::MetricName;

/// Bytes of one line.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Lines that are read one by one.
pub(super) struct Lines {
    input: BufReader<Box<dyn Read + Send>>,
    total_bytes: Option<u64>,
    bytes_read: u64,
    /// Lines read so far, empty ones included.
    line: u64,
    /// A point that was read ahead, to learn its vector's dimension.
    ahead: Option<Map<String, Value>>,
    /// Hashes of the ids so far.
    ids: HashSet<u64>,
}

impl Lines {
    pub(super) fn new(input: Box<dyn Read + Send>, total_bytes: Option<u64>) -> Self {
        let input = BufReader::new(input);
        Self { input, total_bytes, bytes_read: 0, line: 0, ahead: None, ids: HashSet::new() }
    }

    /// The next point; none at the end.
    fn next_point(&mut self) -> anyhow::Result<Option<Map<String, Value>>> {
        if let Some(point) = self.ahead.take() {
            return Ok(Some(point));
        }
        loop {
            let mut text = Vec::new();
            let limit = LINE_BYTES_MAX + 1;
            let bytes = self.input.by_ref().take(limit).read_until(b'\n', &mut text)? as u64;
            if bytes == 0 {
                return Ok(None);
            }
            self.line += 1;
            self.bytes_read += bytes;
            let line = self.line;
            ensure!(bytes < limit, "line {line} is longer than {LINE_BYTES_MAX} bytes");
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let point = read_point(&text).with_context(|| format!("line {line}"))?;
            self.ids.insert(point.1.placement_hash());
            return Ok(Some(point.0));
        }
    }
}

fn read_point(text: &[u8]) -> anyhow::Result<(Map<String, Value>, PointId)> {
    let mut point: Map<String, Value> =
        serde_json::from_slice(text).context("it is no JSON object")?;
    if let Some(key) = point.keys().find(|key| !matches!(key.as_str(), "id" | "vector" | "payload"))
    {
        bail!("the key `{key}` is not known; a point has id, vector and payload");
    }
    let id = match point.get("id") {
        Some(Value::Number(number)) => number.as_u64().map(PointId::Num),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let id = id.context("`id` is missing, or neither an unsigned integer nor a UUID")?;
    match point.get("vector") {
        Some(Value::Array(_) | Value::Object(_)) => {}
        None => {
            // A point without vectors is still a point.
            point.insert("vector".to_owned(), json!({}));
        }
        Some(_) => bail!("`vector` is neither a list nor an object"),
    }
    Ok((point, id))
}

impl Rows for Lines {
    fn total_rows(&self) -> Option<u64> {
        None
    }

    fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    fn dim(&self) -> Option<u64> {
        None
    }

    fn vectors(&mut self, metric: MetricName) -> anyhow::Result<Value> {
        let point = self.next_point()?.context("the file has no points")?;
        let settings = |vector: &Value| {
            let dim = vector.as_array().map(|components| components.len() as u64)?;
            Some(vector_settings(dim, metric, "float32"))
        };
        let vectors = match point["vector"].as_object() {
            Some(named) => {
                let all =
                    named.iter().map(|(name, vector)| Some((name.clone(), settings(vector)?)));
                all.collect::<Option<Map<_, _>>>().map(Value::Object)
            }
            None => settings(&point["vector"]),
        };
        self.ahead = Some(point);
        vectors.context("line 1: a vector is no list")
    }

    fn skip(&mut self, rows: u64) -> anyhow::Result<()> {
        for _ in 0..rows {
            let point = self.next_point()?;
            ensure!(point.is_some(), "the file has fewer than the {rows} rows imported before");
        }
        Ok(())
    }

    fn next_batch(&mut self, rows_max: u64) -> anyhow::Result<Option<Batch>> {
        let mut body = br#"{"points":["#.to_vec();
        let mut rows = 0;
        while rows < rows_max && body.len() < BODY_BYTES {
            let Some(point) = self.next_point()? else { break };
            if rows > 0 {
                body.push(b',');
            }
            serde_json::to_writer(&mut body, &point)?;
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        body.extend_from_slice(b"]}");
        let bytes_read = self.bytes_read;
        Ok(Some(Batch { rows, body: String::from_utf8(body)?, bytes_read }))
    }

    fn distinct(&self) -> u64 {
        self.ids.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn lines(text: &'static str) -> Lines {
        Lines::new(Box::new(Cursor::new(text)), Some(text.len() as u64))
    }

    #[test]
    fn points_pass_through_and_are_counted_once() {
        let mut lines = lines(
            "{\"id\":1,\"vector\":[0.1,2],\"payload\":{\"a\":[1.0,null]}}\n\n\
             {\"id\":1,\"vector\":[3,4]}\n{\"id\":\"550e8400-e29b-41d4-a716-446655440000\",\
             \"vector\":[5,6]}",
        );
        let vectors = lines.vectors(MetricName::Dot).unwrap();
        assert_eq!(vectors, json!({ "size": 2, "distance": "Dot", "datatype": "float32" }));
        let batch = lines.next_batch(2).unwrap().unwrap();
        let body = "{\"points\":[{\"id\":1,\"payload\":{\"a\":[1.0,null]},\"vector\":[0.1,2]},\
                    {\"id\":1,\"vector\":[3,4]}]}";
        let (read, expected): (Value, Value) =
            (serde_json::from_str(&batch.body).unwrap(), serde_json::from_str(body).unwrap());
        assert_eq!(read, expected);
        assert_eq!(lines.next_batch(2).unwrap().unwrap().rows, 1);
        assert!(lines.next_batch(2).unwrap().is_none());
        assert_eq!(lines.distinct(), 2);
    }

    #[test]
    fn faults_name_the_line() {
        for text in [
            "{\"id\":1,\"vector\":[1]}\nnope\n",
            "{\"id\":1,\"vector\":[1]}\n{\"id\":-1,\"vector\":[1]}\n",
            "{\"id\":1,\"vector\":[1]}\n{\"id\":1,\"vector\":7}\n",
            "{\"id\":1,\"vector\":[1]}\n{\"id\":1,\"vector\":[1],\"text\":\"x\"}\n",
        ] {
            let error = lines(text).next_batch(9).unwrap_err();
            assert!(error.to_string().contains("line 2"), "{error:#}");
        }
    }
}

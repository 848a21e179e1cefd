//! The document of what this server answers: the doors' routes over the shapes of this crate.

use serde_json::{Map, Value, json};

use crate::error::WireError;

/// The shapes of requests and answers that are supported; kept by hand, beside the types.
const SCHEMAS: &str = include_str!("../openapi/schemas.json");

/// One route of a door.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    /// The operation's name.
    pub operation: &'a str,
    /// What it does.
    pub summary: &'a str,
    /// `get`, `put`, `post`, `patch` or `delete`.
    pub method: &'a str,
    /// The path, parameters in braces.
    pub template: &'a str,
    /// The schema of its body, if it has one.
    pub request: Option<&'a str>,
    /// The schema of its result.
    pub response: Response<'a>,
    /// Whether it writes, and so can be waited for.
    pub writes: bool,
    /// Whether nobody needs a key.
    pub open: bool,
}

/// What an answer holds.
#[derive(Debug, Clone, Copy)]
pub enum Response<'a> {
    /// A result of this schema, in the envelope.
    Schema(&'a str),
    /// A list of results of this schema, in the envelope.
    List(&'a str),
    /// True or false, in the envelope.
    Bool,
    /// An object of this schema, without an envelope.
    Bare(&'a str),
    /// Plain text.
    Text,
    /// Text of this media type.
    TextOf(&'a str),
    /// This document.
    Document,
}

/// The document, as JSON text.
///
/// # Errors
/// The shapes are not JSON, which a test rules out.
pub fn document(version: &str, paths: &[Path<'_>]) -> Result<String, WireError> {
    let schemas: Value =
        serde_json::from_str(SCHEMAS).map_err(|error| WireError::Format(error.to_string()))?;
    let mut shown = Map::new();
    for path in paths {
        let place = shown.entry(path.template).or_insert_with(|| json!({}));
        place[path.method] = operation(path);
    }
    let document = json!({
        "openapi": "3.0.1",
        "info": {
            "title": "Vectorizer",
            "version": version,
            "description": "What this server answers: a part of the contract of version 1.19.",
        },
        "security": [{ "api-key": [] }, { "bearerAuth": [] }, {}],
        "paths": shown,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "api-key": { "type": "apiKey", "in": "header", "name": "api-key" },
                "bearerAuth": { "type": "http", "scheme": "bearer" },
            },
        },
    });
    Ok(document.to_string())
}

fn operation(path: &Path<'_>) -> Value {
    let mut parameters: Vec<Value> = path.template.split('{').skip(1).map(path_parameter).collect();
    let in_collection = path.template.starts_with("/collections");
    if in_collection {
        parameters.push(query_parameter("timeout", json!({ "type": "integer", "minimum": 1 })));
    }
    if path.template.starts_with("/api/discovery") {
        parameters.push(query_parameter("fresh", json!({ "type": "boolean" })));
    }
    if path.writes {
        let orders = json!({ "type": "string", "enum": ["weak", "medium", "strong"] });
        parameters.push(query_parameter("wait", json!({ "type": "boolean" })));
        parameters.push(query_parameter("ordering", orders));
    }
    let mut shown = json!({
        "operationId": path.operation,
        "summary": path.summary,
        "parameters": parameters,
        "responses": {
            "200": { "description": "done", "content": content(path.response) },
        },
    });
    if path.open {
        shown["security"] = json!([]);
    } else {
        shown["responses"]["401"] =
            json!({ "description": "no key", "content": text("text/plain") });
    }
    if in_collection {
        let error = json!({ "application/json": { "schema": reference("ErrorResponse") } });
        shown["responses"]["4XX"] = json!({ "description": "refused", "content": error });
        shown["responses"]["5XX"] = json!({ "description": "failed", "content": error });
    }
    if let Some(request) = path.request {
        let content = json!({ "application/json": { "schema": reference(request) } });
        shown["requestBody"] = json!({ "content": content });
    }
    shown
}

fn path_parameter(rest: &str) -> Value {
    let name = rest.split('}').next().unwrap_or(rest);
    let schema = match name {
        "id" => reference("ExtendedPointId"),
        _ => json!({ "type": "string" }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn query_parameter(name: &str, schema: Value) -> Value {
    let mut shown = json!({ "name": name, "in": "query", "required": false });
    shown["schema"] = schema;
    shown
}

fn content(response: Response<'_>) -> Value {
    let schema = match response {
        Response::Schema(name) => enveloped(reference(name)),
        Response::List(name) => enveloped(json!({ "type": "array", "items": reference(name) })),
        Response::Bool => enveloped(json!({ "type": "boolean" })),
        Response::Bare(name) => reference(name),
        Response::Text => return text("text/plain"),
        Response::TextOf(kind) => return text(kind),
        Response::Document => json!({ "type": "object" }),
    };
    json!({ "application/json": { "schema": schema } })
}

fn text(kind: &str) -> Value {
    json!({ kind: { "schema": { "type": "string" } } })
}

fn enveloped(mut result: Value) -> Value {
    let result = result.take();
    json!({
        "type": "object",
        "required": ["result", "status", "time"],
        "properties": {
            "result": result,
            "status": { "type": "string" },
            "time": { "type": "number", "format": "float" },
        },
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reference within a value.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        if let Some(fields) = value.as_object() {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|field| references(field, found));
        }
        for element in value.as_array().into_iter().flatten() {
            references(element, found);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let path = Path {
            operation: "get_point",
            summary: "s",
            method: "get",
            template: "/collections/{collection_name}/points/{id}",
            request: Some("QueryRequest"),
            response: Response::Schema("Record"),
            writes: false,
            open: false,
        };
        let text = document("1.19.0", &[path]).expect("a document");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let schemas = &document["components"]["schemas"];
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50);
        for reference in found {
            let name = reference.trim_start_matches("#/components/schemas/");
            assert!(schemas.get(name).is_some(), "{reference}");
        }
    }
}

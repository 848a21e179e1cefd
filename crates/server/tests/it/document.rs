//! `/openapi.json` held against what the server answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::client::{Client, Reply};
use crate::server::{Folder, Server};

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// Other spellings, which are read for older clients and not shown.
const OLDER: [&str; 2] = ["field_type", "with_vectors"];

/// A path of the document with its braces filled.
fn filled(template: &str) -> String {
    let template = template.replace("{collection_name}", "c").replace("{id}", "1");
    template.replace("{field_name}", "f")
}

#[test]
fn the_document_lists_the_routes_and_no_other() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let client = server.client();
    let document = client.get("/openapi.json").json();
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() > 20);
    for (template, methods) in paths {
        for method in METHODS {
            let reply = client.send(&method.to_uppercase(), &filled(template), "");
            assert_eq!(!reply.is_nowhere(), methods.get(method).is_some(), "{method} {template}");
        }
    }
    for absent in
        ["points/recommend", "points/discover", "points/search/groups", "facet", "cluster"]
    {
        let reply = client.post(&format!("/collections/c/{absent}"), &json!({}));
        assert!(reply.is_nowhere(), "{absent}: {}", reply.body);
    }
}

/// Sends bodies to one route and compares what it knows with the schemas.
struct Reader<'a> {
    client: &'a Client,
    schemas: &'a Value,
    method: String,
    path: String,
    /// Schemas that are compared already.
    seen: BTreeSet<*const Value>,
    compared: usize,
}

/// The schema that another one only names.
fn referred(schema: &Value) -> Option<&str> {
    Some(schema["$ref"].as_str()?.trim_start_matches("#/components/schemas/"))
}

type Wrap<'a> = &'a dyn Fn(Value) -> Value;

impl<'a> Reader<'a> {
    fn send(&self, body: &Value) -> String {
        let reply: Reply = self.client.send(&self.method, &self.path, &body.to_string());
        assert!((400..500).contains(&reply.status), "{} {}: {body}", self.method, self.path);
        reply.json()["status"]["error"].as_str().expect("a text").to_owned()
    }

    /// The schemas that a value may have, references followed.
    fn alternatives(&self, schema: &'a Value) -> Vec<&'a Value> {
        if let Some(name) = referred(schema) {
            return self.alternatives(&self.schemas[name]);
        }
        match ["anyOf", "oneOf", "allOf"].iter().find_map(|key| schema[key].as_array()) {
            Some(parts) => parts.iter().flat_map(|part| self.alternatives(part)).collect(),
            None => vec![schema],
        }
    }

    /// Compares what is read at a place with its schema, and everything below it.
    fn compare(&mut self, schema: &'a Value, wrap: Wrap<'_>) {
        let alternatives = self.alternatives(schema);
        for items in alternatives.iter().filter_map(|schema| schema.get("items")) {
            self.compare(items, &|value| wrap(json!([value])));
        }
        let objects: Vec<&Value> =
            alternatives.into_iter().filter(|schema| schema["properties"].is_object()).collect();
        // Some are told apart by their `type`, others by what they have.
        if objects.iter().all(|object| object["properties"]["type"].is_object()) {
            for object in objects {
                self.compare_objects(&[object], wrap);
            }
        } else {
            self.compare_objects(&objects, wrap);
        }
    }

    /// Compares the fields that are read at a place with those of its alternatives together.
    fn compare_objects(&mut self, objects: &[&'a Value], wrap: Wrap<'_>) {
        let Some(first) = objects.first() else { return };
        if !self.seen.insert(std::ptr::from_ref::<Value>(first)) {
            return;
        }
        let fields = objects.iter().filter_map(|object| object["properties"].as_object()).flatten();
        let fields: BTreeMap<&str, &Value> =
            fields.map(|(name, schema)| (name.as_str(), schema)).collect();
        if fields.is_empty() {
            return;
        }
        let required = match objects {
            [only] => self.required(only),
            _ => Map::new(),
        };
        let with = |name: &str, value: Value| {
            let mut object = required.clone();
            object.insert(name.to_owned(), value);
            wrap(Value::Object(object))
        };
        // The keys of some objects are vector names, of which only the empty one is there.
        if fields.keys().eq([&""]) {
            return self.compare(&objects[0]["properties"][""], &|value| with("", value));
        }
        let told = self.send(&with("?", json!(0)));
        assert!(told.contains("unknown") && told.contains("`?`"), "{}: {told}", self.path);
        let listed = told.split_once("unknown field `?`, ").map_or("", |(_, listed)| listed);
        let mut known: BTreeSet<&str> = listed.split('`').skip(1).step_by(2).collect();
        if listed.is_empty() {
            // Nothing says what is known: ask for each.
            let read = |name: &&str| !self.send(&with(name, json!({ "?": 0 }))).contains("unknown");
            known.extend(fields.keys().copied().filter(read));
        }
        for field in fields.keys() {
            assert!(known.contains(field), "{}: `{field}` is not read: {told}", self.path);
        }
        let undocumented = |name: &&&str| !fields.contains_key(*name) && !OLDER.contains(*name);
        for name in known.iter().filter(undocumented) {
            let told = self.send(&with(name, json!({ "?": 0 })));
            assert!(told.contains("not supported"), "{}: `{name}` is missing: {told}", self.path);
        }
        self.compared += 1;
        for object in objects {
            for (name, below) in object["properties"].as_object().into_iter().flatten() {
                self.compare(below, &|value| with(name, value));
            }
        }
    }

    /// Values for what an object must have.
    fn required(&self, object: &Value) -> Map<String, Value> {
        let names = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        names.map(|name| (name.to_owned(), self.example(&object["properties"][name]))).collect()
    }

    fn example(&self, schema: &Value) -> Value {
        if let Some(name) = referred(schema) {
            return self.example(&self.schemas[name]);
        }
        if let Some(first) = schema["anyOf"].get(0).or_else(|| schema["oneOf"].get(0)) {
            return self.example(first);
        }
        match schema["type"].as_str() {
            Some("string") => schema["enum"].get(0).cloned().unwrap_or(json!("a")),
            Some("array") => json!([]),
            Some("object") => Value::Object(self.required(schema)),
            Some("boolean") => json!(true),
            _ => json!(1),
        }
    }
}

#[test]
fn bodies_are_read_as_the_document_says() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let client = server.client();
    client.put("/collections/c", &json!({ "vectors": { "size": 1, "distance": "Dot" } })).result();
    let document = client.get("/openapi.json").json();
    let mut compared = 0;
    for (template, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_null() {
                continue;
            }
            let mut reader = Reader {
                client: &client,
                schemas: &document["components"]["schemas"],
                method: method.to_uppercase(),
                path: filled(template),
                seen: BTreeSet::new(),
                compared: 0,
            };
            reader.compare(schema, &|value| value);
            assert!(reader.compared > 0, "{method} {template}");
            compared += reader.compared;
        }
    }
    assert!(compared > 60, "{compared} objects compared");
}

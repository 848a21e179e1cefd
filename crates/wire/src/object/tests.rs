//! No object of any request may be a list.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::batch::UpdateBatchIn;
use crate::collections::{CreateIn, UpdateIn};
use crate::index::CreateIndexIn;
use crate::json::decode;
use crate::payload::{DeletePayloadIn, SetPayloadIn};
use crate::points::{CountIn, RetrieveIn, ScrollIn, SelectorIn, UpsertIn};
use crate::query::{QueryBatchIn, QueryIn, SearchIn};

fn accepts<T: DeserializeOwned>(body: &Value) -> bool {
    decode::<T>(body.to_string().as_bytes()).is_ok()
}

/// Whether one kind of request may have a body.
type Accepts = fn(&Value) -> bool;

/// A right body of every request, with every object that it may have.
fn bodies() -> Vec<(Accepts, Value)> {
    let hnsw = json!({ "m": 4, "ef_construct": 10, "full_scan_threshold": 10,
        "max_indexing_threads": 1, "on_disk": true, "memory": "cold", "payload_m": 1,
        "inline_storage": true });
    let codes = json!({ "scalar": { "type": "int8", "quantile": 0.9, "always_ram": true } });
    let optimizers = json!({ "deleted_threshold": 0.2, "vacuum_min_vector_number": 1000 });
    let vector = json!({ "size": 3, "distance": "Dot", "hnsw_config": hnsw,
        "quantization_config": codes });
    let diff = json!({ "": { "hnsw_config": hnsw, "quantization_config": codes } });
    let params = json!({ "on_disk_payload": true, "payload": { "memory": "cold" } });
    let filter = json!({
        "must": [{ "key": "a", "match": { "value": 1 } }, { "has_id": [1] }],
        "should": { "key": "a", "range": { "gt": 1, "gte": 1, "lt": 2, "lte": 2 } },
        "must_not": [{ "must": [{ "is_empty": { "key": "a" } }] }],
    });
    let upsert = json!({ "points": [{ "id": 1, "vector": { "": [1] } }] });
    let columns = json!({ "batch": { "ids": [1], "vectors": { "": [[1]] } } });
    let search = json!({ "hnsw_ef": 1, "exact": true,
        "quantization": { "ignore": true, "rescore": true, "oversampling": 2.0 } });
    let query = json!({ "query": { "nearest": [1] }, "filter": filter, "params": search,
        "with_payload": { "include": ["a"] } });
    let selector = json!({ "filter": filter });
    let set = json!({ "payload": {}, "filter": filter });
    let remove = json!({ "keys": [], "filter": filter });
    let create = json!({ "vectors": vector, "hnsw_config": hnsw, "payload": { "memory": "cold" },
        "wal_config": { "wal_capacity_mb": 1 }, "optimizers_config": optimizers,
        "quantization_config": codes });
    let update = json!({ "vectors": diff, "params": params, "hnsw_config": hnsw,
        "optimizers_config": optimizers, "quantization_config": codes });
    vec![
        (accepts::<CreateIn>, create),
        (accepts::<UpdateIn>, update),
        (
            accepts::<CreateIndexIn>,
            json!({ "field_name": "a", "field_schema": { "type": "bool" } }),
        ),
        (accepts::<UpsertIn>, upsert.clone()),
        (accepts::<UpsertIn>, columns),
        (accepts::<SelectorIn>, selector.clone()),
        (accepts::<RetrieveIn>, json!({ "ids": [1] })),
        (accepts::<ScrollIn>, selector.clone()),
        (accepts::<CountIn>, selector.clone()),
        (accepts::<SetPayloadIn>, set.clone()),
        (accepts::<DeletePayloadIn>, remove.clone()),
        (
            accepts::<UpdateBatchIn>,
            json!({ "operations": [
            { "upsert": upsert }, { "delete": selector }, { "set_payload": set },
            { "delete_payload": remove },
        ] }),
        ),
        (accepts::<QueryIn>, query.clone()),
        (accepts::<QueryBatchIn>, json!({ "searches": [query] })),
        (
            accepts::<SearchIn>,
            json!({ "vector": [1], "limit": 1, "filter": filter,
            "params": search }),
        ),
    ]
}

/// Paths of all objects below a value, and its own.
fn objects(value: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(members) = value.as_object() {
        found.push(path.to_owned());
        for (name, member) in members {
            objects(member, &format!("{path}/{name}"), found);
        }
    }
    for (at, element) in value.as_array().into_iter().flatten().enumerate() {
        objects(element, &format!("{path}/{at}"), found);
    }
}

#[test]
fn a_list_is_no_object() {
    for (accepts, body) in bodies() {
        assert!(accepts(&body), "{body}");
        let mut paths = Vec::new();
        objects(&body, "", &mut paths);
        for path in paths {
            let mut wrong = body.clone();
            let object = wrong.pointer_mut(&path).expect("it is there");
            let members = object.as_object().into_iter().flat_map(|members| members.values());
            *object = members.cloned().collect();
            assert!(!accepts(&wrong), "{path} of {body} may be a list");
            // In these places an empty list is one of what they also take lists of.
            let lists = ["/vector", "/vectors", "/query", "/with_payload", "/should"];
            *wrong.pointer_mut(&path).expect("it is there") = json!([]);
            let list = lists.iter().any(|name| path.ends_with(name));
            assert!(list || !accepts(&wrong), "{path} of {body} may be an empty list");
        }
    }
}

//! Thousands of small collections in a real process: what a start, and what searching them all,
//! takes of a small budget.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use ureq::Agent;
use vectorizer_engine::Engine;
use vectorizer_model::operation::PointBatch;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{
    CollectionName, CollectionSettings, Metric, Operation, Payload, PointId, VectorName,
};
use vectorizer_server::config::{Configuration, Sources};
use vectorizer_vfs::crash::TraceDirectory;

use crate::memory::status;
use crate::support::Server;

const MANY: u64 = 2_000;
const FEW: u64 = 20;
const POINTS: u64 = 3;
const LIMIT: u64 = 256 << 20;
/// What an idle collection may take.
const IDLE_BYTES_MAX: u64 = 100_000;

fn name(number: u64) -> CollectionName {
    CollectionName::new(&format!("c{number}")).expect("a name")
}

fn points(collection: u64) -> Operation {
    Operation::Upsert(PointBatch {
        ids: (0..POINTS).map(PointId::Num).collect(),
        vectors: vec![VectorColumn {
            name: VectorName::unnamed(),
            dim: 2,
            values: (0..POINTS).flat_map(|point| [collection as f32, point as f32]).collect(),
            present: Vec::new(),
        }],
        payloads: (0..POINTS).map(|_| Payload::new()).collect(),
    })
}

/// A folder with so many collections, written through the library and closed. It comes about in
/// memory, where syncing the files of each costs nothing.
fn fill(folder: &Path, collections: u64) {
    let flags = vec![("memory.limit".to_owned(), "256MB".to_owned(), "--set".to_owned())];
    let sources = Sources { flags, ..Sources::default() };
    let Configuration { settings, budget, .. } =
        Configuration::load(&sources, Path::new("/")).expect("valid");
    let options = budget.engine_options(&settings);
    let disk = TraceDirectory::new();
    let engine = Engine::open_in(disk.directory(), None, budget.governor(), options);
    let engine = engine.expect("opens");
    let of_two =
        || CollectionSettings::new([(VectorName::unnamed(), VectorSettings::new(2, Metric::L2))]);
    let create = |number| engine.create_collection(name(number), of_two()).expect("accepted");
    let created: Vec<_> = (0..collections).map(create).collect();
    for created in created {
        created.wait().expect("done").expect("created");
    }
    for number in 0..collections {
        engine.write(&name(number), points(number)).expect("written");
    }
    engine.close().expect("closed");
    for (path, bytes) in disk.contents() {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("written");
    }
}

/// The ids that a search of a collection finds, nearest to its last point first.
fn search(agent: &Agent, url: &str, number: u64) -> Vec<u64> {
    let url = format!("{url}/collections/{}/points/query", name(number).as_str());
    let query = json!({ "query": [number, POINTS - 1], "limit": POINTS });
    let post = agent.post(&url).header("content-type", "application/json");
    let mut response = post.send(query.to_string()).expect("an answer");
    let body = response.body_mut().read_to_string().expect("text");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let hits = body["result"]["points"].as_array().unwrap_or_else(|| panic!("{body}"));
    hits.iter().map(|hit| hit["id"].as_u64().expect("a number")).collect()
}

/// Anonymous bytes of a server on a folder of so many collections when it is ready, and once each
/// of them was searched.
fn held(collections: u64) -> (u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fill(&data, collections);
    let server = Server::start(&data, &["--memory-limit", "256MB"]);
    let agent: Agent = Agent::config_builder().http_status_as_error(false).build().into();
    let anonymous = || status(server.child.id(), "RssAnon");
    let idle = anonymous();
    for number in 0..collections {
        assert_eq!(search(&agent, &server.url, number), [2, 1, 0], "collection {number}");
    }
    let searched = anonymous();
    assert_eq!(server.stop().0, Some(0));
    (idle, searched)
}

#[test]
fn two_thousand_collections_start_and_are_searched_within_256_mib() {
    let (few, _) = held(FEW);
    let (idle, searched) = held(MANY);
    let each = idle.saturating_sub(few) / (MANY - FEW);
    let told = format!("{few} bytes with few, {idle} idle, {searched} searched: {each} for each");
    assert!(each < IDLE_BYTES_MAX, "{told}");
    assert!(idle < LIMIT && searched < LIMIT, "{told}");
}

//! Rows at the same distance are ordered by id, wherever they lie.

use std::fs;
use std::ops::Range;
use std::path::Path;

use vectorizer_engine::{Engine, EngineError, Hit, LeafSearch, Scratch, SearchParams};
use vectorizer_model::{Filter, Metric, Payload, PointId, VectorName};
use vectorizer_segment::footer::SectionKind;
use vectorizer_testkit::random::Random;
use vectorizer_vfs::OsDirectory;

use crate::support::{batch, create, governor, name, options, settings};
use crate::verify::files;

/// So many components that the rows are too many to be scanned.
const DIM: u32 = 512;
const ROWS: u64 = 2300;
const EQUAL: usize = 60;

fn other(id: u64) -> Vec<f32> {
    let mut random = Random::new(id);
    (0..DIM).map(|_| random.below(2000) as f32 / 1000.0 - 1.0).collect()
}

/// One segment with a graph in which `EQUAL` rows, whose ids are returned, have the vector of the query.
fn filled(folder: &Path) -> (Engine, Vec<u64>) {
    let root = OsDirectory::open(folder).expect("opens");
    let engine = Engine::open_in(root, None, governor(), options()).expect("opens");
    create(&engine, name(), settings(DIM, Metric::L2));
    let mut random = Random::new(3);
    let mut ids: Vec<u64> = (0..ROWS).collect();
    random.shuffle(&mut ids);
    let mut equal = ids[500..500 + EQUAL].to_vec();
    let points: Vec<_> =
        ids.iter().map(|id| (*id, if equal.contains(id) { query() } else { other(*id) })).collect();
    for part in points.chunks(400) {
        engine.write(&name(), batch(part, |_| Payload::new())).expect("written");
    }
    engine.flush().expect("flushed");
    engine.settle().expect("settled");
    let info = engine.info(&name()).expect("there");
    assert_eq!((info.segments, info.indexed_rows), (1, ROWS));
    equal.sort_unstable();
    (engine, equal)
}

fn query() -> Vec<f32> {
    vec![0.25; DIM as usize]
}

fn search(engine: &Engine, limit: usize, params: SearchParams) -> Result<Vec<Hit>, EngineError> {
    let search = LeafSearch {
        vector: VectorName::unnamed(),
        query: query(),
        filter: Filter::default(),
        limit,
        params,
        distance_below: None,
    };
    engine.view(&name()).expect("there").search(&search, &mut Scratch::new())
}

#[test]
fn equal_rows_come_by_id_however_many_are_wanted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (engine, equal) = filled(folder.path());
    for exact in [false, true] {
        for rescore in [Some(true), Some(false)] {
            for limit in [1, 2, 7, 10, 31, 59, 60] {
                let params = SearchParams { exact, rescore, ..SearchParams::default() };
                let hits = search(&engine, limit, params).expect("readable");
                let found: Vec<u64> = hits
                    .iter()
                    .map(|hit| match hit.id {
                        PointId::Num(id) => id,
                        PointId::Uuid(_) => unreachable!("none was written"),
                    })
                    .collect();
                assert_eq!(found, equal[..limit], "{exact} {rescore:?} {limit}");
            }
        }
    }
}

/// Where a section of a component lies, by the table of its last page (`docs/format/component.md`).
fn section(bytes: &[u8], kind: SectionKind) -> Option<Range<usize>> {
    let page = bytes.last_chunk::<4096>().filter(|page| page.starts_with(b"VZCOMP01"))?;
    let entries = page[32..].as_chunks::<24>().0.iter();
    let entry = entries.take(usize::from(page[24])).find(|entry| entry[0] == kind as u8)?;
    let word = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().expect("eight bytes"));
    let start = usize::try_from(word(8)).ok()?;
    Some(start..start + usize::try_from(word(16)).ok()?)
}

#[test]
fn a_damaged_order_of_rows_is_an_error_with_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(filled(folder.path()));
    let mut damaged = String::new();
    for path in files(&folder.path().join("shards")) {
        let mut bytes = fs::read(&path).expect("readable");
        let Some(range) = section(&bytes, SectionKind::IdPlaces) else { continue };
        bytes[range].fill(0xff);
        fs::write(&path, bytes).expect("written");
        damaged = path.file_name().expect("a name").to_string_lossy().into_owned();
    }
    assert!(!damaged.is_empty(), "no segment has an order of its own");
    let root = OsDirectory::open(folder.path()).expect("opens");
    let engine = Engine::open_in(root, None, governor(), options()).expect("opens");
    let error = search(&engine, 10, SearchParams::default()).expect_err("the order is damaged");
    let said = error.to_string();
    assert!(said.contains(&damaged) && said.contains("order of rows"), "{said}");
}

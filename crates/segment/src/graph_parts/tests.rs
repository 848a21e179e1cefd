//! Files of builds that end well, fail, or are cancelled.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use vectorizer_hnsw::{HnswError, Inline, Links};
use vectorizer_memory::{Governor, Limits, Tenant};
use vectorizer_model::budget::Unbounded;
use vectorizer_model::{Metric, SegmentId};
use vectorizer_pages::{Config, Misses, Pool, Residency};
use vectorizer_quantize::{Levels, ScalarQuantizer};
use vectorizer_testkit::allocation::heap_of;
use vectorizer_vfs::crash::{Faults, Operation, TraceDirectory};

use super::*;
use crate::graph::GraphColumn;
use crate::store::{Frames, Store};

const ROWS: u32 = 3_000;
const DIM: usize = 12;
const FILES: GraphFiles = GraphFiles { graph: 7, draft: 8 };

/// A folder with codes.
struct Folder {
    disk: TraceDirectory,
    store: Store,
    codes: CodeColumn,
    reference: ComponentRef,
    plan: GraphPlan,
}

impl Folder {
    fn new() -> Self {
        Self::of(ROWS, DIM)
    }

    fn of(rows: u32, dim: usize) -> Self {
        let disk = TraceDirectory::new();
        let governor = Governor::new(Limits::of_root(64 << 20));
        let config = Config { capacity: 4 << 20, misses: Misses::Threads, ..Config::default() };
        let frames = Arc::new(Frames::new(Pool::new(&governor, config).unwrap()));
        let (directory, residency) = (disk.directory(), Residency::Governed);
        let store = Store { directory, frames, residency, governor, tenant: Tenant::system() };
        let sample = [0.0, 1.0].repeat(dim / 2);
        let quantizer = ScalarQuantizer::train(Metric::L2, Levels::U8, dim, &sample, 1.0).unwrap();
        let head = head(ComponentKind::Codes, rows);
        let mut out = ComponentWriter::create(&*store.directory, head, 1).unwrap();
        out.section(SectionKind::Quantizer, &quantizer.to_bytes()).unwrap();
        out.begin(SectionKind::Codes).unwrap();
        let layout = vectorizer_model::RowLayout::paged(dim);
        let mut bytes = Vec::new();
        for row in 0..rows {
            bytes.resize(layout.offset(Ordinal(row)), 0);
            let of =
                |at: u32| row.wrapping_mul(0x9e37_79b9).rotate_left(5 * at % 32).to_le_bytes()[1];
            bytes.extend((0..u32::try_from(dim).unwrap()).map(of));
        }
        out.write(&bytes).unwrap();
        let reference = out.finish().unwrap();
        let codes = CodeColumn::open(&store, &reference).unwrap();
        let params = Params { m: 8, ef_construct: 20, seed: 3 };
        let limit = VERIFY_BYTES.max(buffer_bytes(&codes) + u64::from(rows) * (dim as u64 + 75));
        let plan = GraphPlan::within(limit, &codes, rows as usize, (&params, 1)).unwrap();
        Self { disk, store, codes, reference, plan }
    }

    fn build(&self, cancelled: &(dyn Fn() -> bool + Sync)) -> (Built<ComponentRef>, u64) {
        let (mut budget, inserted) = (Unbounded::default(), AtomicUsize::new(0));
        let host = Host { executor: &Inline, cancelled, inserted: &inserted, hint: |_| () };
        let to = (&*self.store.directory, head(ComponentKind::Graph, ROWS));
        let codes = (&self.codes, &self.reference);
        let built = build(to, codes, FILES, (&self.plan, host), &mut budget);
        (built, budget.held())
    }

    fn files(&self) -> Vec<String> {
        self.disk.contents().into_keys().collect()
    }
}

fn head(kind: ComponentKind, rows: u32) -> ComponentHead {
    ComponentHead { kind, tag: String::new(), segment: SegmentId(1), rows }
}

#[test]
fn a_build_leaves_a_graph_and_no_draft() {
    let folder = Folder::new();
    let (built, held) = folder.build(&|| false);
    let graph = GraphColumn::open(&folder.store, &built.unwrap()).unwrap();
    let (mut links, mut out, mut total) = (graph.links().unwrap(), Vec::new(), 0);
    for row in (0..ROWS).map(Ordinal) {
        links.neighbors(0, row, &mut out).unwrap();
        total += out.len();
    }
    assert!(total > 5 * ROWS as usize, "{total} links");
    assert_eq!((folder.files(), held), (vec![file_name(1), file_name(7)], 0));
}

#[test]
fn codes_are_loaded_as_they_are_stored() {
    let folder = Folder::new();
    let to = (&*folder.store.directory, head(ComponentKind::Graph, ROWS));
    let site = Site::open(to, (&folder.codes, &folder.reference), FILES).unwrap();
    let whole = folder.codes.load(1 << 20).unwrap();
    let mut some = site.room(600);
    let rows = |step: usize| (5..ROWS).step_by(step).take(500).collect::<Vec<u32>>();
    let mut distances = ([0.0; 500], [0.0; 500]);
    for (kept, step) in [(0, 1), (100, 5), (3, 3)] {
        site.load(&mut some, kept, &rows(step)).unwrap();
        let here: Vec<Ordinal> = (kept..kept + 500).map(Ordinal::from_index).collect();
        let there: Vec<Ordinal> = rows(step).into_iter().map(Ordinal).collect();
        vectorizer_model::RowScorer::score(&some, here[9], &here, &mut distances.0);
        vectorizer_model::RowScorer::score(&whole, there[9], &there, &mut distances.1);
        assert_eq!(distances.0.map(f32::to_bits), distances.1.map(f32::to_bits));
    }
}

#[test]
fn failing_disks_leave_no_file() {
    let calls = [
        Operation::Create,
        Operation::Open,
        Operation::Read,
        Operation::Write,
        Operation::SyncFile,
    ];
    for call in calls {
        let mut failed = 0;
        for skipped in [0, 1, 2, 5, 20] {
            let folder = Folder::new();
            folder.disk.set_faults(Faults::none().fail(call, skipped));
            let (built, held) = folder.build(&|| false);
            assert_eq!(held, 0);
            let Err(error) = built else { break };
            failed += 1;
            assert!(matches!(error, PartsError::Workshop(_)), "{call:?}: {error}");
            assert_eq!(folder.files(), [file_name(1)], "{call:?} after {skipped}");
        }
        assert!(failed > 0, "{call:?}");
    }
}

#[test]
fn cancelled_builds_leave_no_file() {
    let asked = AtomicUsize::new(0);
    let whole = Folder::new().build(&|| asked.fetch_add(1, Relaxed) == usize::MAX);
    whole.0.unwrap();
    let all = asked.load(Relaxed);
    for at in [0, all / 3, all - 1] {
        let (folder, asked) = (Folder::new(), AtomicUsize::new(0));
        let (built, held) = folder.build(&|| asked.fetch_add(1, Relaxed) >= at);
        assert!(matches!(built, Err(PartsError::Hnsw(HnswError::Cancelled))), "{at} of {all}");
        assert_eq!((folder.files(), held), (vec![file_name(1)], 0));
    }
}

#[test]
fn reading_codes_takes_one_buffer() {
    // A page each: the second reading is longer than the first, and the last is of two rows.
    let folder = Folder::of(500, 4096);
    let to = (&*folder.store.directory, head(ComponentKind::Graph, 500));
    let site = Site::open(to, (&folder.codes, &folder.reference), FILES).unwrap();
    let rows: Vec<u32> = (0..40).chain(100..164).chain(298..300).collect();
    let mut loaded = site.room(rows.len());
    let (done, heap) = heap_of(|| site.load(&mut loaded, 0, &rows));
    done.unwrap();
    let most = i64::try_from(read_bytes(&folder.codes)).unwrap();
    assert!(heap.held == 0 && heap.peak <= most, "{heap:?}, buffer {most}");
}

#[test]
fn damaged_codes_are_told_and_no_graph_is_left() {
    let folder = Folder::new();
    let place = folder.codes.place(100);
    let file = folder.store.directory.open(&file_name(1), Access::Write).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).unwrap();
    file.write_all_at(&[byte[0] ^ 1], place).unwrap();
    let (built, held) = folder.build(&|| false);
    let told = matches!(built, Err(PartsError::Workshop(SegmentError::Damaged { .. })));
    assert!(told, "{built:?}");
    assert_eq!((folder.files(), held), (vec![file_name(1)], 0));
    let told = matches!(folder.codes.load(1 << 20), Err(SegmentError::Damaged { .. }));
    assert!(told, "as a whole too");
}

#[test]
fn a_damaged_draft_leaves_no_file() {
    let folder = Folder::new();
    let to = (&*folder.store.directory, head(ComponentKind::Graph, ROWS));
    let mut site = Site::open(to, (&folder.codes, &folder.reference), FILES).unwrap();
    let draft = Arc::clone(&site.draft);
    let (flipped, inserted) = (AtomicBool::new(false), AtomicUsize::new(0));
    let damage = || {
        let mut byte = [0];
        if draft.read_exact_at(&mut byte, 5).is_ok() && !flipped.swap(true, Relaxed) {
            draft.write_all_at(&[byte[0] ^ 1], 5).unwrap();
        }
        false
    };
    let host = Host { executor: &Inline, cancelled: &damage, inserted: &inserted, hint: |_| () };
    let plan = &folder.plan;
    let built =
        build_in_parts(&mut site, &plan.plan, &plan.params, host, &mut Unbounded::default());
    let built = site.close(built);
    let told = matches!(built, Err(PartsError::Hnsw(HnswError::Draft { .. })));
    assert!(told && flipped.into_inner(), "{built:?}");
    assert_eq!(folder.files(), [file_name(1)]);
}

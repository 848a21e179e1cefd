//! A build in parts whose draft lies in memory.

use std::convert::Infallible;

use vectorizer_hnsw::{Host, Params, Plan, Workshop, build_in_parts};
use vectorizer_model::RowScorer;
use vectorizer_model::budget::Unbounded;

use crate::codes::{Codes, Loaded};

struct Memory<'a> {
    codes: &'a Codes,
    draft: Vec<u8>,
    graph: Vec<u8>,
}

impl Workshop for Memory<'_> {
    type Rows = Loaded;
    type Error = Infallible;

    fn rows(&self) -> usize {
        self.codes.rows()
    }

    fn room(&self, rows: usize) -> Loaded {
        self.codes.room(rows)
    }

    fn load(&self, into: &mut Loaded, kept: usize, rows: &[u32]) -> Result<(), Infallible> {
        self.codes.load(into, kept, rows);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.draft.extend_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, from: u64, out: &mut [u8]) -> Result<(), Infallible> {
        let from = usize::try_from(from).expect("in memory");
        out.copy_from_slice(&self.draft[from..from + out.len()]);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.graph.extend_from_slice(bytes);
        Ok(())
    }
}

/// The bytes of a graph that is built within `limit` bytes.
pub(crate) fn build(codes: &Codes, (limit, params): (u64, &Params), host: Host<'_>) -> Vec<u8> {
    let mut workshop = Memory { codes, draft: Vec::new(), graph: Vec::new() };
    let bytes_of = |rows| codes.bytes_of(rows);
    let workers = host.executor.workers();
    let plan = Plan::within(limit, (codes.rows(), &bytes_of), params, workers);
    let plan = plan.expect("a limit that allows some plan");
    println!("{plan:?}");
    build_in_parts(&mut workshop, &plan, params, host, &mut Unbounded::default()).expect("a graph");
    println!("draft: {} bytes", workshop.draft.len());
    workshop.graph
}

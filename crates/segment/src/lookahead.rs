//! What a walk of a graph will read next: whoever has to wait for a disk reads it in the same wait.
//!
//! A walk goes from candidate to candidate, each known only when the one before it was scored. But
//! most of those that wait now will have their turn, so their links can be asked for, and the codes of
//! their neighbours where the links are resident. What is found does not depend on it. (`DiskANN`'s
//! beam asks side by side too, and expands what it asked for, in whatever order.)

use std::cell::Cell;

use vectorizer_model::Ordinal;
use vectorizer_pages::Ahead;

use crate::codes::CodeColumn;
use crate::graph::GraphColumn;

/// Candidates that are looked ahead for.
const CANDIDATES: usize = 4;

/// The candidates of one walk that wait.
#[derive(Debug)]
pub(crate) struct Lookahead<'a> {
    graph: &'a GraphColumn,
    codes: &'a CodeColumn,
    waiting: Cell<[Option<Ordinal>; CANDIDATES]>,
}

impl<'a> Lookahead<'a> {
    /// Of a walk of `graph` that scores `codes`.
    pub(crate) fn new(graph: &'a GraphColumn, codes: &'a CodeColumn) -> Self {
        Self { graph, codes, waiting: Cell::default() }
    }

    /// Who waits from now on, the next one first.
    pub(crate) fn note(&self, mut waiting: impl Iterator<Item = Ordinal>) {
        self.waiting.set(std::array::from_fn(|_| waiting.next()));
    }

    /// Asks for what those that wait will read.
    pub(crate) fn want(&self, ahead: &mut Ahead<'_>) {
        let mut neighbors = Vec::new();
        for waiting in self.waiting.get().into_iter().flatten() {
            self.graph.want(ahead, waiting, &mut neighbors);
            for neighbor in &neighbors {
                self.codes.want(ahead, *neighbor);
            }
        }
    }
}

//! Behaviour of the graph: what it finds, what it keeps true, what its bytes allow.

mod basis;
mod bytes;
mod filtered;
mod graph;
mod parts;
mod recall;
mod support;

#[global_allocator]
static ALLOCATOR: vectorizer_testkit::allocation::CountingAllocator =
    vectorizer_testkit::allocation::CountingAllocator;

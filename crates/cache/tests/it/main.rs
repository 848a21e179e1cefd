//! The cache as its users see it.

mod behaviour;
mod embedding;
mod fixture;
mod footprint;
mod hit_ratio;
mod pitfalls;
mod properties;
mod shared_items;
mod stress;
mod tenants;

/// Counts what the allocator takes, so that charges are held against it.
#[global_allocator]
static ALLOCATOR: vectorizer_testkit::allocation::CountingAllocator =
    vectorizer_testkit::allocation::CountingAllocator;

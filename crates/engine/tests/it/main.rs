//! The engine through its door, against a plain model.

mod support;

#[global_allocator]
static ALLOCATOR: vectorizer_testkit::allocation::CountingAllocator =
    vectorizer_testkit::allocation::CountingAllocator;

mod basics;
mod crashes;
mod heap;
mod history;
mod parts;
mod properties;
mod verify;

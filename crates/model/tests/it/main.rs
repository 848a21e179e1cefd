//! Behaviour of the model as its users see it.

mod encoding;
mod golden;
mod heap;

use vectorizer_testkit::allocation::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

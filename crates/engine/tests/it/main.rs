//! The engine through its door, against a plain model.

mod support;

#[global_allocator]
static ALLOCATOR: vectorizer_testkit::allocation::CountingAllocator =
    vectorizer_testkit::allocation::CountingAllocator;

mod admission;
mod basics;
mod cached;
mod cramped;
mod crashes;
mod faults;
mod filtered;
mod full;
mod golden;
mod heap;
mod history;
mod idle;
mod judged;
mod lanes;
mod lost_log;
mod parts;
mod pressure;
mod properties;
mod remains;
mod scrolls;
mod several;
mod stops;
mod storage_types;
mod tenants;
mod ties;
mod verify;

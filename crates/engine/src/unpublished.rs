//! The files of a flush, a merge or a build until a manifest names them: work that fails leaves none.

use std::collections::BTreeSet;
use std::ops::Range;

use vectorizer_segment::file_name;

use crate::node::report;
use crate::shard::Shard;

/// The files of one piece of work, by number. Those that the manifest does not name when it is
/// dropped are removed: tried again and again, work that memory or the disk refuses would fill the
/// disk. It is dropped before another may change what the manifest names.
#[derive(Debug)]
pub(crate) struct Unpublished<'a> {
    shard: &'a Shard,
    numbers: Vec<Range<u64>>,
}

impl<'a> Unpublished<'a> {
    /// None yet.
    pub(crate) fn new(shard: &'a Shard) -> Self {
        Self { shard, numbers: Vec::new() }
    }

    /// The first of `count` file numbers that no file of the shard has had. Not every one has to
    /// become a file.
    pub(crate) fn allocate(&mut self, count: u64) -> u64 {
        let first = self.shard.allocate_files(count);
        self.numbers.push(first..first + count);
        first
    }
}

impl Drop for Unpublished<'_> {
    fn drop(&mut self) {
        // On the disk a manifest may name them that nobody knows to be the current one.
        if std::thread::panicking() || self.shard.check_stands().is_err() {
            return;
        }
        let named: BTreeSet<u64> = self.shard.state().manifest.files().collect();
        let numbers = self.numbers.iter().cloned().flatten();
        for number in numbers.filter(|number| !named.contains(number)) {
            match self.shard.directory.remove(&file_name(number)) {
                Err(error) if !error.is_not_found() => {
                    report("a file of work that failed stays until the next start", &error);
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}

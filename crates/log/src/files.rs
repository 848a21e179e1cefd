//! The files that live, and who pins them.
//!
//! A shard pins a file while the file holds an entry of it that no manifest covers. Only the
//! oldest files go, so that a gap in the numbers always means a loss.

use std::collections::{BTreeMap, VecDeque};

use vectorizer_model::{SequenceNumber, ShardId};

/// The name of the file with this number.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:010}.log")
}

/// The number in a file's name; `None` for names that are not the log's.
pub(crate) fn file_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".log")?.parse().ok()?;
    (number > 0 && file_name(number) == name).then_some(number)
}

#[derive(Debug)]
struct LiveFile {
    number: u64,
    bytes: u64,
    /// The highest seq of each shard that pins the file.
    pins: BTreeMap<ShardId, SequenceNumber>,
}

/// All files, oldest first; the last one grows.
#[derive(Debug, Default)]
pub(crate) struct LiveFiles {
    files: VecDeque<LiveFile>,
}

impl LiveFiles {
    /// A new last file.
    pub(crate) fn push(&mut self, number: u64, bytes: u64) {
        self.files.push_back(LiveFile { number, bytes, pins: BTreeMap::new() });
    }

    /// The last file's length.
    pub(crate) fn set_last_bytes(&mut self, bytes: u64) {
        if let Some(last) = self.files.back_mut() {
            last.bytes = bytes;
        }
    }

    /// The last file holds this entry.
    pub(crate) fn pin(&mut self, shard: ShardId, seq: SequenceNumber) {
        if let Some(last) = self.files.back_mut() {
            let highest = last.pins.entry(shard).or_insert(seq);
            *highest = seq.max(*highest);
        }
    }

    /// The shard's entries after `seq` are void.
    pub(crate) fn truncate(&mut self, shard: ShardId, seq: SequenceNumber) {
        for file in &mut self.files {
            if let Some(highest) = file.pins.get_mut(&shard) {
                *highest = seq.min(*highest);
            }
        }
    }

    /// The shard's entries up to `seq` are not needed.
    pub(crate) fn release(&mut self, shard: ShardId, seq: SequenceNumber) {
        for file in &mut self.files {
            if file.pins.get(&shard).is_some_and(|&highest| highest <= seq) {
                file.pins.remove(&shard);
            }
        }
    }

    /// None of the shard's entries is needed.
    pub(crate) fn forget(&mut self, shard: ShardId) {
        for file in &mut self.files {
            file.pins.remove(&shard);
        }
    }

    /// The oldest file, if it may go.
    pub(crate) fn oldest_free(&self) -> Option<(u64, u64)> {
        let closed = self.files.len() > 1;
        let oldest = self.files.front().filter(|_| closed)?;
        oldest.pins.is_empty().then_some((oldest.number, oldest.bytes))
    }

    /// The oldest file is gone.
    pub(crate) fn remove_oldest(&mut self) {
        self.files.pop_front();
    }

    /// A shard that pins the oldest pinned file, apart from the one that grows.
    pub(crate) fn oldest_pin(&self) -> Option<(ShardId, SequenceNumber)> {
        let closed = self.files.len().saturating_sub(1);
        let pins = self.files.iter().take(closed).map(|file| &file.pins);
        pins.flatten().next().map(|(&shard, &highest)| (shard, highest))
    }

    /// Every shard that pins a file, with its highest seq.
    pub(crate) fn shards(&self) -> Vec<(ShardId, SequenceNumber)> {
        let mut shards = BTreeMap::new();
        for (&shard, &seq) in self.files.iter().flat_map(|file| &file.pins) {
            let highest = shards.entry(shard).or_insert(seq);
            *highest = seq.max(*highest);
        }
        shards.into_iter().collect()
    }

    /// Number of files.
    pub(crate) fn count(&self) -> u64 {
        self.files.len() as u64
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_not_ours() {
        assert_eq!(file_name(1), "0000000001.log");
        for number in [1, 9_999_999_999, u64::MAX] {
            assert_eq!(file_number(&file_name(number)), Some(number));
        }
        for name in ["0000000000.log", "1.log", "0000000001.log.tmp", "+000000001.log", "x"] {
            assert_eq!(file_number(name), None, "{name}");
        }
    }
}

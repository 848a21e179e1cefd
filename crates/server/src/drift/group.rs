//! The process's cgroup: what it holds in all, and what the kernel keeps in it for the process.

use std::path::Path;

use vectorizer_vfs::{CgroupMemory, cgroup_memory};

/// The group is looked up each time after so many measurements.
const TICKS: u32 = 10;

/// The group as it was looked up last.
#[derive(Debug)]
pub(super) struct Group {
    ticks: u32,
    found: Option<CgroupMemory>,
    /// What the kernel kept when that was first told.
    base: Option<u64>,
}

impl Group {
    /// The group below `root`, and what the kernel keeps in it before the process does anything.
    pub(super) fn new(root: &Path) -> Self {
        let mut group = Self { ticks: 0, found: look_up(root), base: None };
        group.beside(root);
        group
    }

    /// What the group holds, page cache included. To be called once for each measurement: it lies
    /// in several files, is only shown, and is read now and then.
    pub(super) fn usage(&mut self, root: &Path) -> Option<u64> {
        if self.ticks == 0 {
            self.found = look_up(root);
        }
        self.ticks = (self.ticks + 1) % TICKS;
        self.found.as_ref()?.usage
    }

    /// What the kernel keeps for the process beside its anonymous memory, beyond what it kept at
    /// first; nothing if the group is not its own, or does not tell.
    pub(super) fn beside(&mut self, root: &Path) -> u64 {
        let told = self.found.as_ref().and_then(|group| group.beside(root).ok().flatten());
        told.map_or(0, |now| now.saturating_sub(*self.base.get_or_insert(now)))
    }
}

fn look_up(root: &Path) -> Option<CgroupMemory> {
    cgroup_memory(root).ok().flatten()
}

//! The operations under way, and what those that ended used.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::limits::{OperationId, OperationKind};
use crate::Clock;
use crate::sync::{Mutex, lock};

/// An operation may take so long before it is reported.
const OVERDUE: Duration = Duration::from_mins(5);

/// An operation that is under way for longer than it should be; its bytes stay charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// Which.
    pub operation: OperationId,
    /// Bytes that it holds.
    pub bytes: u64,
    /// For how long.
    pub age: Duration,
}

/// What an operation that ended had asked for and used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Its name.
    pub name: &'static str,
    /// Bytes that it was estimated to need.
    pub estimate: u64,
    /// The most that it used at once.
    pub peak: u64,
}

/// What operations of one kind used since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OperationUsage {
    /// Operations that ended.
    pub finished: u64,
    /// Those that used more than they were estimated to need.
    pub outgrown: u64,
    /// The last.
    pub last: Option<Finished>,
}

#[derive(Debug)]
struct UnderWay {
    operation: OperationId,
    bytes: u64,
    since: Duration,
    reported: bool,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    under_way: BTreeMap<u64, UnderWay>,
    usage: [OperationUsage; OperationKind::COUNT],
}

/// The operations under way.
#[derive(Debug)]
pub(super) struct Registry {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Registry {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    pub(super) fn begin(&self, operation: OperationId, bytes: u64) -> u64 {
        let since = self.now();
        let mut state = lock(&self.state);
        let number = state.next;
        state.next += 1;
        let under_way = UnderWay { operation, bytes, since, reported: false };
        state.under_way.insert(number, under_way);
        number
    }

    pub(super) fn set_bytes(&self, number: u64, bytes: u64) {
        if let Some(under_way) = lock(&self.state).under_way.get_mut(&number) {
            under_way.bytes = bytes;
        }
    }

    pub(super) fn end(&self, number: u64, estimate: u64, peak: u64) {
        let mut state = lock(&self.state);
        let Some(UnderWay { operation, .. }) = state.under_way.remove(&number) else { return };
        let usage = &mut state.usage[operation.kind.index()];
        usage.finished += 1;
        usage.outgrown += u64::from(peak > estimate);
        usage.last = Some(Finished { name: operation.name, estimate, peak });
    }

    pub(super) fn usage(&self, kind: OperationKind) -> OperationUsage {
        lock(&self.state).usage[kind.index()]
    }

    /// Bytes that operations under way hold, and how many they are.
    pub(super) fn held(&self) -> (u64, usize) {
        let state = lock(&self.state);
        let bytes = state.under_way.values().map(|under_way| under_way.bytes).sum();
        (bytes, state.under_way.len())
    }

    /// Those that are under way for too long, each told once. Builds may take as long as they do.
    pub(super) fn overdue(&self) -> Vec<Overdue> {
        let now = self.now();
        let mut state = lock(&self.state);
        let mut overdue = Vec::new();
        for under_way in state.under_way.values_mut() {
            let age = now.saturating_sub(under_way.since);
            let exempt = under_way.operation.kind == OperationKind::Build;
            if age > OVERDUE && !exempt && !std::mem::replace(&mut under_way.reported, true) {
                let (operation, bytes) = (under_way.operation.clone(), under_way.bytes);
                overdue.push(Overdue { operation, bytes, age });
            }
        }
        overdue
    }
}

//! One after the other, without a runtime: an async lock of plain std parts.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

#[derive(Debug, Default)]
struct State {
    taken: bool,
    /// By their numbers, the earliest first.
    waiting: BTreeMap<u64, Waker>,
    next: u64,
}

/// A turn that one task has at a time.
#[derive(Debug, Default)]
pub(crate) struct Turn(Mutex<State>);

/// The turn; dropping it passes it on.
#[derive(Debug)]
pub(crate) struct Taken<'a>(&'a Turn);

/// Who waits for the turn; dropping it gives up.
#[derive(Debug)]
pub(crate) struct Waits<'a> {
    turn: &'a Turn,
    number: Option<u64>,
}

impl Turn {
    /// Waits for the turn and takes it.
    pub(crate) fn take(&self) -> Waits<'_> {
        Waits { turn: self, number: None }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Future for Waits<'a> {
    type Output = Taken<'a>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Taken<'a>> {
        let turn = self.turn;
        let mut state = turn.lock();
        if !state.taken {
            state.taken = true;
            return Poll::Ready(Taken(turn));
        }
        let number = *self.number.get_or_insert_with(|| {
            state.next += 1;
            state.next
        });
        let waker = state.waiting.entry(number).or_insert_with(|| cx.waker().clone());
        if !waker.will_wake(cx.waker()) {
            waker.clone_from(cx.waker());
        }
        Poll::Pending
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.turn.lock().waiting.remove(&number);
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.taken = false;
        // All are woken, so that one that gave up cannot keep the others waiting.
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().for_each(Waker::wake);
    }
}

/// Turns by number, each there as long as somebody is in its line: whoever waits in one holds up
/// nobody in another.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<BTreeMap<u32, Arc<Turn>>>);

/// A place in the line for one of the turns.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    turns: &'a Turns,
    number: u32,
    turn: Arc<Turn>,
}

impl Turns {
    /// A place in a line. It takes the few bytes of an operation that changes settings.
    pub(crate) fn line(&self, number: u32) -> Line<'_> {
        let turn = Arc::clone(self.lock().entry(number).or_default());
        Line { turns: self, number, turn }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Turn>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line<'_> {
    /// Waits for the turn and takes it.
    pub(crate) fn take(&self) -> Waits<'_> {
        self.turn.take()
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let mut turns = self.turns.lock();
        // The map's and this one: places are taken under the lock alone.
        if Arc::strong_count(&self.turn) == 2 {
            turns.remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::Wake;

    #[derive(Default)]
    struct Counts(AtomicUsize);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn take<'a>(turn: &'a Turn, cx: &mut Context<'_>) -> Taken<'a> {
        let Poll::Ready(taken) = pin!(turn.take()).poll(cx) else { panic!("nobody has the turn") };
        taken
    }

    #[test]
    fn the_next_waits_until_the_turn_is_passed_on() {
        let turn = Turn::default();
        let mut cx = Context::from_waker(Waker::noop());
        let first = take(&turn, &mut cx);
        let mut second = pin!(turn.take());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        drop(first);
        assert!(second.as_mut().poll(&mut cx).is_ready());
    }

    #[test]
    fn whoever_waits_is_woken_once_however_often_it_looks() {
        let turn = Turn::default();
        let first = take(&turn, &mut Context::from_waker(Waker::noop()));
        let (before, now) = (Arc::new(Counts::default()), Arc::new(Counts::default()));
        let mut second = pin!(turn.take());
        for counts in [&before, &now, &now, &now] {
            let waker = Waker::from(Arc::clone(counts));
            assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        {
            let waker = Waker::from(Arc::clone(&before));
            let mut gives_up = pin!(turn.take());
            assert!(gives_up.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(turn.lock().waiting.len(), 1);
        drop(first);
        assert_eq!((before.0.load(SeqCst), now.0.load(SeqCst)), (0, 1));
    }

    #[test]
    fn lines_hold_each_other_up_as_little_as_they_stay() {
        let turns = Turns::default();
        let mut cx = Context::from_waker(Waker::noop());
        let (one, same, other) = (turns.line(1), turns.line(1), turns.line(2));
        let taken = take(&one.turn, &mut cx);
        assert!(pin!(same.take()).poll(&mut cx).is_pending());
        assert!(pin!(other.take()).poll(&mut cx).is_ready());
        drop(taken);
        drop((one, other));
        assert_eq!(turns.lock().len(), 1, "somebody is in the line still");
        drop(same);
        assert!(turns.lock().is_empty());
    }
}

//! One after the other, without a runtime: an async lock of plain std parts.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

#[derive(Debug, Default)]
struct State {
    taken: bool,
    waiting: VecDeque<Waker>,
}

/// A turn that one task has at a time.
#[derive(Debug, Default)]
pub(crate) struct Turn(Mutex<State>);

/// The turn; dropping it passes it on.
#[derive(Debug)]
pub(crate) struct Taken<'a>(&'a Turn);

impl Turn {
    /// Waits for the turn and takes it.
    pub(crate) async fn take(&self) -> Taken<'_> {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.taken {
                state.waiting.push_back(cx.waker().clone());
                return Poll::Pending;
            }
            state.taken = true;
            Poll::Ready(Taken(self))
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.taken = false;
        // All are woken, so that one that gave up cannot keep the others waiting.
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Context;

    #[test]
    fn the_next_waits_until_the_turn_is_passed_on() {
        let turn = Turn::default();
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(first) = pin!(turn.take()).poll(&mut cx) else {
            panic!("nobody has the turn");
        };
        let mut second = pin!(turn.take());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        drop(first);
        assert!(second.as_mut().poll(&mut cx).is_ready());
    }
}

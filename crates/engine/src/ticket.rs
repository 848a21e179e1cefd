//! A result that comes later: a std future that can also be blocked on.
//!
//! The engine knows no async runtime. Whoever submits work gets a [`Ticket`]; the thread that
//! finishes the work completes the matching [`Completer`]. No thread waits for each writer.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Work that was dropped before it was done, such as by a closing engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was abandoned before it was done")]
pub struct Abandoned;

#[derive(Debug)]
enum State<T> {
    Pending(Option<Waker>),
    Done(T),
    Taken,
    Abandoned,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    done: Condvar,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, state: State<T>) {
        let before = std::mem::replace(&mut *self.lock(), state);
        self.done.notify_all();
        if let State::Pending(Some(waker)) = before {
            waker.wake();
        }
    }
}

/// The receiving half: await it, or block on it with [`Ticket::wait`].
#[derive(Debug)]
#[must_use = "the result comes only through the ticket"]
pub struct Ticket<T>(Arc<Shared<T>>);

/// The sending half. Dropping it unfinished abandons the ticket.
#[derive(Debug)]
pub struct Completer<T>(Option<Arc<Shared<T>>>);

/// A ticket and the half that completes it.
pub fn ticket<T>() -> (Completer<T>, Ticket<T>) {
    let shared = Arc::new(Shared { state: Mutex::new(State::Pending(None)), done: Condvar::new() });
    (Completer(Some(Arc::clone(&shared))), Ticket(shared))
}

impl<T> Completer<T> {
    /// Hands over the result.
    pub fn complete(mut self, result: T) {
        if let Some(shared) = self.0.take() {
            shared.finish(State::Done(result));
        }
    }
}

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.finish(State::Abandoned);
        }
    }
}

impl<T> Ticket<T> {
    /// A ticket that is done already.
    pub fn ready(result: T) -> Self {
        let (completer, ticket) = ticket();
        completer.complete(result);
        ticket
    }

    /// Blocks this thread until the result is there.
    ///
    /// # Errors
    /// [`Abandoned`] if the work was dropped.
    pub fn wait(self) -> Result<T, Abandoned> {
        let mut state = self.0.lock();
        loop {
            match std::mem::replace(&mut *state, State::Taken) {
                State::Done(result) => return Ok(result),
                State::Abandoned | State::Taken => return Err(Abandoned),
                pending @ State::Pending(_) => *state = pending,
            }
            state = self.0.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, Abandoned>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Done(result) => Poll::Ready(Ok(result)),
            State::Abandoned | State::Taken => Poll::Ready(Err(Abandoned)),
            State::Pending(_) => {
                *state = State::Pending(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_thread_gets_the_result() {
        let (completer, ticket) = ticket();
        let waiter = std::thread::spawn(move || ticket.wait());
        completer.complete(7);
        assert_eq!(waiter.join().expect("no panic"), Ok(7));
    }

    #[test]
    fn a_dropped_completer_abandons() {
        let (completer, ticket) = ticket::<u8>();
        drop(completer);
        assert_eq!(ticket.wait(), Err(Abandoned));
    }

    #[test]
    fn a_future_is_woken() {
        let (completer, mut ticket) = ticket();
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(Pin::new(&mut ticket).poll(&mut cx), Poll::Pending);
        completer.complete(1);
        assert_eq!(Pin::new(&mut ticket).poll(&mut cx), Poll::Ready(Ok(1)));
    }
}

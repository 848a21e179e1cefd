//! Waiting for room.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::Reservation;
use crate::ask::Ask;
use crate::books::Books;
use crate::error::Result;
use crate::queue::{Outcome, Seat};
use crate::sync::{Thread, current};

/// A place in line for bytes that did not fit at once.
///
/// A future without a clock: the caller races it with a timer of its own and calls
/// [`Waiting::give_up`] when that wins. Dropping it leaves the line.
#[must_use = "dropping it leaves the line"]
#[derive(Debug)]
pub struct Waiting {
    books: Arc<Books>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Granted(Reservation),
    InLine(Arc<Seat>),
    Done,
}

impl Waiting {
    pub(crate) fn granted(books: &Arc<Books>, ask: Ask<'_>) -> Self {
        let stage = Stage::Granted(Reservation::of_charged(books, ask));
        Self { books: Arc::clone(books), stage }
    }

    pub(crate) fn in_line(books: &Arc<Books>, seat: Arc<Seat>) -> Self {
        Self { books: Arc::clone(books), stage: Stage::InLine(seat) }
    }

    /// Whether the bytes did not fit at once.
    pub(crate) fn is_in_line(&self) -> bool {
        matches!(self.stage, Stage::InLine(_))
    }

    /// Leaves the line. Returns the bytes if they were granted meanwhile, or fit now.
    ///
    /// # Errors
    /// The refusal of now, as [`Governor::reserve`](crate::Governor::reserve) has it.
    pub fn give_up(mut self) -> Result<Reservation> {
        let seat = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Granted(reservation) => return Ok(reservation),
            Stage::InLine(seat) => seat,
            Stage::Done => unreachable!("it is consumed by whoever ends it"),
        };
        if !self.books.leave(&seat) {
            self.books.try_admit(seat.ask())?;
        }
        Ok(Reservation::of_charged(&self.books, seat.ask()))
    }

    /// Waits on this thread. `park` returns when it was unparked or a little time went by: true
    /// to wait on, false to give up.
    ///
    /// # Errors
    /// Those of [`Waiting::give_up`].
    pub fn block(mut self, mut park: impl FnMut() -> bool) -> Result<Reservation> {
        let waker = Waker::from(Arc::new(Unpark(current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(granted) = Pin::new(&mut self).poll(&mut context) {
                return granted;
            }
            if !park() {
                return self.give_up();
            }
        }
    }
}

impl Future for Waiting {
    type Output = Result<Reservation>;

    /// # Panics
    /// Polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let seat = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Granted(reservation) => return Poll::Ready(Ok(reservation)),
            Stage::InLine(seat) => seat,
            Stage::Done => unreachable!("polled after it was ready"),
        };
        let mut outcome = seat.outcome();
        let admitted = match &mut *outcome {
            Outcome::Waiting(waker) => {
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                    *waker = Some(context.waker().clone());
                }
                drop(outcome);
                self.stage = Stage::InLine(seat);
                return Poll::Pending;
            }
            Outcome::Granted => Ok(()),
            // Says why; and if the limit was raised again meanwhile, it may fit.
            Outcome::Refused => self.books.try_admit(seat.ask()),
        };
        drop(outcome);
        Poll::Ready(admitted.map(|()| Reservation::of_charged(&self.books, seat.ask())))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Stage::InLine(seat) = &self.stage
            && self.books.leave(seat)
        {
            self.books.give_back(seat.ask());
        }
    }
}

/// Unparks a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

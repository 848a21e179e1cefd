//! Awaiting several futures at the same time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::access::BoxFuture;

enum Slot<'a, T> {
    Waiting(BoxFuture<'a, T>),
    Done(Option<T>),
}

/// All results, in the order of the futures.
pub(crate) struct Join<'a, T>(Vec<Slot<'a, T>>);

impl<'a, T> Join<'a, T> {
    pub(crate) fn new(futures: impl IntoIterator<Item = BoxFuture<'a, T>>) -> Self {
        Self(futures.into_iter().map(Slot::Waiting).collect())
    }
}

impl<T: Unpin> Future for Join<'_, T> {
    type Output = Vec<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<T>> {
        let mut waiting = false;
        for slot in &mut self.0 {
            let Slot::Waiting(future) = slot else { continue };
            match future.as_mut().poll(cx) {
                Poll::Ready(result) => *slot = Slot::Done(Some(result)),
                Poll::Pending => waiting = true,
            }
        }
        if waiting {
            return Poll::Pending;
        }
        let take = |slot: &mut Slot<'_, T>| match slot {
            Slot::Done(result) => result.take(),
            Slot::Waiting(_) => None,
        };
        Poll::Ready(self.0.iter_mut().filter_map(take).collect())
    }
}

/// Awaits all futures at the same time; the results keep their order.
pub async fn join_all<'a, T: Unpin>(
    futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'a>,
) -> Vec<T> {
    let boxed = futures.into_iter().map(|future| Box::pin(future) as BoxFuture<'a, T>);
    Join::new(boxed.collect::<Vec<_>>()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn results_keep_the_order_of_the_futures() {
        let (late, ticket) = vectorizer_engine::ticket::ticket::<u8>();
        let waits: BoxFuture<'static, u8> = Box::pin(async move { ticket.await.unwrap_or(0) });
        let mut join = Join::new([waits, Box::pin(std::future::ready(2))]);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut join).poll(&mut cx).is_pending());
        late.complete(1);
        assert_eq!(Pin::new(&mut join).poll(&mut cx), Poll::Ready(vec![1, 2]));
    }
}

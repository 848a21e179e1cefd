//! Looks at Grafana Mimir through its documented HTTP API.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use vectorizer_query::BoxFuture;

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::found::mimir::{MimirAnswer, MimirEndpoint, MimirFound, MimirSource};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

/// Looks at the components and tenants of Mimir.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiscoverMimir {
    /// Whether what is kept is passed over.
    pub fresh: bool,
}

impl MemoryAwareOperation for DiscoverMimir {
    fn estimate_memory_usage(&self, _: &Context) -> Result<Estimate> {
        Ok(Estimate::of_mimir())
    }
}

impl Operation for DiscoverMimir {
    const ENTRY: Entry = Entry {
        name: "discover_mimir",
        summary: "Shows the components and tenants of Grafana Mimir",
        access: Access::Read,
    };

    type Output = MimirFound;

    async fn execute(self, context: &Guarded<'_>) -> Result<MimirFound> {
        let Some(source) = context.mimir() else {
            let told = "telemetry.mimir.url is not set, so there is no Mimir to look at; give it \
                        an address such as http://mimir:9009 and start again";
            return Err(ApiError::not_found(told));
        };
        let asked = MimirEndpoint::ALL.map(|endpoint| {
            let part = part(context, source, endpoint, self.fresh);
            let part = async move { part.await.map(|came_to| (endpoint, came_to)) };
            Box::pin(part) as BoxFuture<'_, Result<(MimirEndpoint, MimirAnswer)>>
        });
        let parts = all(asked.into()).await.into_iter().collect::<Result<_>>()?;
        Ok(MimirFound { address: source.address().to_owned(), parts })
    }
}

/// What is kept of an endpoint's answer, or what it answers now.
async fn part(
    context: &Guarded<'_>,
    source: &Arc<dyn MimirSource>,
    endpoint: MimirEndpoint,
    fresh: bool,
) -> Result<MimirAnswer> {
    let caches = context.discovery();
    let begun = caches.now();
    let kept = if fresh { None } else { caches.mimir(endpoint) };
    if let Some(found) = kept {
        return Ok(Ok(found));
    }
    let _turn = caches.line(endpoint).turn.take().await;
    if let Some(came_to) = caches.lately(endpoint, begun) {
        return Ok(came_to);
    }
    let memory = context.draw(0)?;
    Ok(caches.keep_mimir(endpoint, source.ask(endpoint, memory).await))
}

/// What all of these come to, side by side.
async fn all<T>(mut under_way: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = under_way.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, done) in under_way.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(output) = Pin::new(future).poll(cx)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

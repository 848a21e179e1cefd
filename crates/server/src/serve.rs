//! Listening, serving and stopping.

mod patience;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use vectorizer_api::{Context, Sleep};
use vectorizer_engine::Engine;

use crate::admission::HEAD_BYTES_MAX;
use crate::config::{ServerConfig, ServerLimits};
use crate::error::ServerError;
use crate::mimir::MimirClient;
use crate::rest::{Door, normalise, router};
use patience::Patient;

/// Serves until `shutdown` is done, then drains, flushes and returns.
///
/// `on_ready` is told the address once the doors are open; port 0 has become a real one.
///
/// # Errors
/// [`ServerError`]: the configuration cannot be served, or the engine did not close cleanly.
pub async fn run(
    config: ServerConfig,
    engine: Engine,
    on_ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    let listener = listen(&config).await?;
    let sleep: Sleep = Arc::new(|duration| Box::pin(tokio::time::sleep(duration)));
    let mut context = Context::new(engine.clone(), sleep, config.collection_defaults);
    if let Some(url) = &config.mimir_url {
        let client = MimirClient::new(url.reveal(), config.limits.mimir_timeout);
        context = context.with_mimir(Arc::new(client));
    }
    if let Err(error) = context.set_cache_settings(config.cache_settings) {
        tracing::warn!(%error, "caches keep entries by their default policy");
    }
    if config.tenants.enabled {
        context = context.with_point_quotas(config.tenants.point_quotas.clone());
    }
    let checks = tokio::spawn(check_memory(context.clone(), config.memory_check_interval));
    let door = Door::new(context, &config)?;
    if let Ok(address) = listener.local_addr() {
        on_ready(address);
    }
    accept(&listener, &door, config.limits, shutdown).await;
    drop(listener);
    checks.abort();
    let closed = tokio::task::spawn_blocking(move || engine.close()).await;
    match closed {
        Ok(closed) => closed.map_err(ServerError::Close),
        Err(panicked) => Err(ServerError::Panicked(panicked.to_string())),
    }
}

/// Looks at memory now and then, so that peaks are known though nobody asks.
async fn check_memory(context: Context, interval: Duration) {
    loop {
        context.check_memory();
        tokio::time::sleep(interval).await;
    }
}

async fn listen(config: &ServerConfig) -> Result<TcpListener, ServerError> {
    let host = || config.host.clone();
    let ip = config.address().ok_or_else(|| ServerError::Host { host: host() })?;
    if !ip.is_loopback() && !config.has_key() && !config.allow_unauthenticated {
        return Err(ServerError::Unauthenticated { host: host() });
    }
    let address = SocketAddr::new(ip, config.rest_port);
    TcpListener::bind(address).await.map_err(|source| ServerError::Bind { address, source })
}

/// Accepts connections until told to stop, then lets requests under way finish.
async fn accept(
    listener: &TcpListener,
    door: &Arc<Door>,
    limits: ServerLimits,
    shutdown: impl Future<Output = ()> + Send,
) {
    let router = router(door);
    let room = Arc::new(Semaphore::new(door.admission.connections_max()));
    let (stop, stopped) = watch::channel(false);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = &mut shutdown => break,
        };
        match (permit, accepted) {
            (Ok(permit), Ok((stream, _))) => {
                let (held, stopped) = (door.admission.connection(), stopped.clone());
                let serving = serve(stream, router.clone(), limits, stopped);
                drop(tokio::spawn(async move {
                    serving.await;
                    drop((permit, held));
                }));
            }
            (_, Err(error)) => {
                // Such as too many open files; others may be closed meanwhile.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (Err(_closed), Ok(_)) => break,
        }
    }
    door.stop();
    stop.send_replace(true);
    drop(stopped);
    if tokio::time::timeout(limits.drain_timeout, stop.closed()).await.is_err() {
        tracing::warn!("requests were still under way when the server stopped");
    }
}

/// Serves one connection until the client leaves, is too slow, or the server stops.
async fn serve(
    stream: TcpStream,
    router: Router,
    limits: ServerLimits,
    mut stopped: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps waiting to fill packets");
    }
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        normalise(request.uri_mut());
        let answered = TowerToHyperService::new(router.clone()).call(request);
        async move { Ok::<_, Infallible>(answered.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream, limits.write_stall_timeout)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

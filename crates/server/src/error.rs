//! Why the server did not start or ended.

use std::net::SocketAddr;

/// Why the server did not start or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The host is not an address.
    #[error("`{host}` is not an address to listen on; give an IP address or `localhost`")]
    Host {
        /// What was given.
        host: String,
    },
    /// Anybody who reaches the address could do anything.
    #[error(
        "listening on {host} would let anybody in; set `auth.api_key`, or \
         `server.allow_unauthenticated: true` if the network is trusted"
    )]
    Unauthenticated {
        /// Where it would have listened.
        host: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; give another port, 0 takes a free one")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The engine could not flush everything; the log holds it.
    #[error("the engine did not close cleanly: {0}")]
    Close(vectorizer_engine::EngineError),
    /// The document of what is answered could not be made: a bug.
    #[error("the API document could not be made: {0}")]
    Document(#[from] vectorizer_wire::WireError),
    /// Tenants cannot be bounded by their quotas.
    #[error("the tenants' quotas cannot be set: {0}; raise memory.limit")]
    Tenants(#[from] vectorizer_api::ApiError),
    /// Closing the engine panicked: a bug.
    #[error("closing the engine panicked: {0}")]
    Panicked(String),
}

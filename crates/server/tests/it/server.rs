//! A server in this process, over a folder of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use vectorizer_engine::{Engine, EngineOptions, StorageRule};
use vectorizer_memory::{CacheMemoryManager, Governor, Limits, MemoryGuard};
use vectorizer_server::{ServerConfig, ServerError};

use crate::client::Client;

/// A folder that goes with its value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vectorizer-doors-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) governor: Arc<Governor>,
    pub(crate) caches: Arc<CacheMemoryManager>,
    pub(crate) guard: Arc<MemoryGuard>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServerError>>>,
}

pub(crate) fn config() -> ServerConfig {
    ServerConfig { rest_port: 0, ..ServerConfig::default() }
}

impl Server {
    pub(crate) fn start(folder: &Folder) -> Self {
        Self::start_with(folder, config(), Limits::of_root(1 << 30))
    }

    pub(crate) fn start_with(folder: &Folder, config: ServerConfig, limits: Limits) -> Self {
        let governor = Governor::new(limits);
        let engine = open(&folder.0, Arc::clone(&governor));
        Self::start_on(engine, governor, config)
    }

    /// Serves an engine under the rules of cluster mode.
    pub(crate) fn start_in_cluster_mode(folder: &Folder, config: ServerConfig) -> Self {
        let governor = Governor::new(Limits::of_root(1 << 30));
        let options = EngineOptions { storage: StorageRule::MmapOnly, ..options() };
        let engine = Engine::open(&folder.0, Arc::clone(&governor), options).expect("an engine");
        Self::start_on(engine, governor, config)
    }

    fn start_on(engine: Engine, governor: Arc<Governor>, config: ServerConfig) -> Self {
        let (caches, guard) = (Arc::clone(engine.caches()), Arc::clone(engine.memory_guard()));
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            let shutdown = async move {
                drop(stopped.await);
            };
            let ready = move |address| ready.send(address).expect("the test waits");
            runtime.block_on(vectorizer_server::run(config, engine, ready, shutdown))
        });
        let address = address.recv().expect("the server is ready");
        Self { address, governor, caches, guard, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Stops as an operator would.
    pub(crate) fn stop(mut self) {
        self.end().expect("a clean stop");
    }

    fn end(&mut self) -> Result<(), ServerError> {
        drop(self.stop.take());
        match self.thread.take() {
            Some(thread) => thread.join().expect("no panic"),
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.end());
    }
}

pub(crate) fn open(path: &Path, governor: Arc<Governor>) -> Engine {
    Engine::open(path, governor, options()).expect("an engine")
}

fn options() -> EngineOptions {
    EngineOptions { search_threads: 2, build_threads: 1, ..EngineOptions::default() }
}

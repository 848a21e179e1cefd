//! The settings of one node: doors, folder, collections.

use super::{FLAG, KnownKey, PORT, key};

/// Doors and folder.
pub(super) const DOORS: [KnownKey; 8] = [
    key(
        "server.host",
        "an IP address or localhost",
        "127.0.0.1",
        "The address to listen on; anything but loopback needs an API key.",
    ),
    key("server.rest_port", PORT, "15001", "The port of the REST door; 0 takes a free one."),
    key("server.mcp_port", PORT, "15002", "The port kept for the MCP door, not opened yet."),
    key("server.grpc_port", PORT, "15003", "The port kept for the gRPC door, not opened yet."),
    key(
        "server.allow_unauthenticated",
        FLAG,
        "false",
        "Whether to listen off loopback without an API key.",
    ),
    key("storage.path", "a folder", "./data", "The data folder; created if absent."),
    key(
        "storage.durability",
        "fsync or os",
        "fsync",
        "When a write is acknowledged: fsync survives the loss of power, os only the death of the \
         process.",
    ),
    key(
        "storage.residency",
        "auto, governed or mapped",
        "auto",
        "Who holds index pages: governed is the memory budget, strictly; mapped is the kernel's \
         page cache; auto is governed in cluster mode and where memory.limit or a cgroup sets a \
         limit.",
    ),
];

/// Collections, the file watcher, who may come in.
pub(super) const COLLECTIONS: [KnownKey; 9] = [
    key(
        "collections.defaults.storage_type",
        "mmap or memory",
        "mmap",
        "Where a new collection's index lives: mmap is on disk with cached pages, memory also \
         pins it in memory; cluster mode allows mmap alone.",
    ),
    key(
        "collections.defaults.quantization",
        "int8 or off",
        "int8",
        "The codes that searches walk on; answers are rescored from the originals.",
    ),
    key(
        "collections.defaults.hnsw.m",
        "a number from 0 to 256",
        "16",
        "Links of each node of the graph; more is better recall, more memory and slower builds; 0 \
         means no graph.",
    ),
    key(
        "collections.defaults.hnsw.ef_construct",
        "a number from 4 to 65536",
        "100",
        "Candidates that are looked at while a graph is built.",
    ),
    key(
        "collections.defaults.hnsw.full_scan_threshold",
        "a number of KiB",
        "10000",
        "Kept and shown for clients; what a search costs decides whether it scans.",
    ),
    key(
        "collections.idle_unload",
        "a duration such as 30s, 5m or 1h, or off",
        "5m",
        "How long nobody wants a collection before it is closed; off closes collections only when \
         memory, files or mappings are short.",
    ),
    key(
        "file_watcher.enabled",
        FLAG,
        "false",
        "Whether folders are watched and indexed; not built yet, and never in cluster mode.",
    ),
    key("auth.api_key", "a text", "", "The key that clients must show."),
    key("auth.api_key_file", "a file", "", "A file that holds the key, instead of auth.api_key."),
];

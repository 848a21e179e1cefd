//! The settings of cluster mode.

use super::{FLAG, KnownKey, PORT, key};

const TIME: &str = "a duration such as 500ms or 2s";
const NAME: &str = "1 to 128 letters, digits, dots, dashes or underscores";

/// Who the node is, and the rules of cluster mode.
pub(super) const NODE: [KnownKey; 7] = [
    key(
        "cluster.enabled",
        FLAG,
        "false",
        "Cluster mode: its rules are checked before anything starts. Alias: CLUSTER_ENABLED.",
    ),
    key("cluster.node_id", NAME, "", "The node's name, unique in the cluster. Alias: NODE_ID."),
    key("cluster.region", NAME, "", "Where the node is, for placement."),
    key(
        "cluster.max_cache_memory_bytes",
        "a byte count such as 1073741824 or 1GB",
        "1GB",
        "What caches may hold in cluster mode, at most; recommended are 100 MB to 1 GB.",
    ),
    key(
        "cluster.enforce_mmap_storage",
        FLAG,
        "true",
        "Whether collections must be of storage type mmap; cluster mode insists on it.",
    ),
    key(
        "cluster.disable_file_watcher",
        FLAG,
        "true",
        "Whether the file watcher stays off; cluster mode insists on it.",
    ),
    key(
        "cluster.seed_nodes",
        "a list of addresses such as node-1.cluster.local:7946",
        "[]",
        "Nodes to join by; refused until nodes can join. Alias: SEED_NODES, parted by commas.",
    ),
];

/// Who is alive, and what is agreed on.
pub(super) const AGREEMENT: [KnownKey; 9] = [
    key("cluster.swim.probe_interval", TIME, "300ms", "How often another node is probed."),
    key("cluster.swim.probe_timeout", TIME, "100ms", "How long a probe waits for its answer."),
    key(
        "cluster.swim.suspect_timeout",
        TIME,
        "2s",
        "How long a node that does not answer is suspected before it counts as down.",
    ),
    key("cluster.swim.gossip_fanout", "a number from 1 to 64", "3", "Nodes told in each round."),
    key("cluster.swim.port", PORT, "7946", "The UDP port of membership."),
    key(
        "cluster.raft.election_timeout",
        "a range such as 150-300ms",
        "1000-2000ms",
        "How long a node waits for the leader before it stands for election.",
    ),
    key("cluster.raft.heartbeat_interval", TIME, "250ms", "How often the leader is heard."),
    key(
        "cluster.raft.snapshot_interval",
        "a number of entries from 100 on",
        "10000",
        "Entries between snapshots of the metadata.",
    ),
    key("cluster.raft.port", PORT, "7947", "The TCP port between nodes."),
];

/// Where shards lie, how they are copied and moved.
pub(super) const SHARDS: [KnownKey; 12] = [
    key(
        "cluster.sharding.strategy",
        "hybrid, collection or vector",
        "hybrid",
        "How collections are split: whole, by point, or by point once they are large.",
    ),
    key(
        "cluster.sharding.total_shards",
        "256, which the format of the cluster fixes",
        "256",
        "Slots that placement distributes.",
    ),
    key("cluster.sharding.replication_factor", "a number from 1 to 16", "3", "Copies of a shard."),
    key(
        "cluster.sharding.virtual_nodes",
        "a number from 1 to 4096",
        "150",
        "Points of each node on the ring.",
    ),
    key(
        "cluster.replication.method",
        "gossip",
        "gossip",
        "How replicas compare what they hold; a majority acknowledges writes in any case.",
    ),
    key("cluster.replication.sync_interval", TIME, "100ms", "How often replicas compare."),
    key(
        "cluster.replication.batch_size",
        "a number from 1 to 100000",
        "1000",
        "Entries shipped together.",
    ),
    key("cluster.replication.compression", FLAG, "true", "Whether shipped entries are compressed."),
    key(
        "cluster.rebalancing.auto_enabled",
        FLAG,
        "true",
        "Whether shards move by themselves when nodes are loaded unevenly.",
    ),
    key(
        "cluster.rebalancing.trigger_threshold",
        "a share above 0, at most 1, such as 0.2",
        "0.2",
        "The imbalance from which they do.",
    ),
    key(
        "cluster.rebalancing.max_concurrent_migrations",
        "a number from 1 to 64",
        "2",
        "Shards that move at once.",
    ),
    key(
        "cluster.rebalancing.throttle_mb_per_sec",
        "a number from 1 to 100000",
        "100",
        "How fast a shard moves, in MB each second.",
    ),
];

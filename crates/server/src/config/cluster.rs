//! The settings of cluster mode, typed.

use std::time::Duration;

use vectorizer_model::bytes::GIB;

use super::duration;
use super::resolve::Resolver;
use super::violation::Violation;

/// The settings of cluster mode. Who wants to know whether it is on asks
/// [`Self::in_cluster_mode`]; `docs/specs/CLUSTER.md` lists who does.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterSettings {
    mode: Mode,
    /// The node's name.
    pub node_id: Option<String>,
    /// Where the node is.
    pub region: Option<String>,
    /// Bytes that caches may hold, at most.
    pub max_cache_memory_bytes: u64,
    /// Whether collections must be of storage type `mmap`.
    pub enforce_mmap_storage: bool,
    /// Whether the file watcher stays off.
    pub disable_file_watcher: bool,
    /// Nodes to join by.
    pub seed_nodes: Vec<String>,
    /// Who is alive.
    pub swim: SwimSettings,
    /// What is agreed on.
    pub raft: RaftSettings,
    /// Where shards lie.
    pub sharding: ShardingSettings,
    /// How they are copied.
    pub replication: ReplicationSettings,
    /// How they move.
    pub rebalancing: RebalancingSettings,
}

/// Which rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Standalone,
    Cluster,
    /// The rules are told at start and not enforced.
    Unchecked,
}

/// Membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwimSettings {
    /// How often another node is probed.
    pub probe_interval: Duration,
    /// How long a probe waits for its answer.
    pub probe_timeout: Duration,
    /// How long a node is suspected before it counts as down.
    pub suspect_timeout: Duration,
    /// Nodes told in each round.
    pub gossip_fanout: u64,
    /// The UDP port.
    pub port: u16,
}

/// Agreement on the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaftSettings {
    /// The least and the longest wait for the leader.
    pub election_timeout: (Duration, Duration),
    /// How often the leader is heard.
    pub heartbeat_interval: Duration,
    /// Entries between snapshots.
    pub snapshot_interval: u64,
    /// The TCP port.
    pub port: u16,
}

/// How collections are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardingStrategy {
    /// Whole while they are small, by point once they are large.
    Hybrid,
    /// Never.
    Collection,
    /// By point.
    Vector,
}

/// Where shards lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardingSettings {
    /// How collections are split.
    pub strategy: ShardingStrategy,
    /// Slots that placement distributes.
    pub total_shards: u64,
    /// Copies of a shard.
    pub replication_factor: u64,
    /// Points of each node on the ring.
    pub virtual_nodes: u64,
}

/// How replicas compare what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicationMethod {
    /// By exchanging digests.
    Gossip,
}

/// How shards are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicationSettings {
    /// How replicas compare.
    pub method: ReplicationMethod,
    /// How often.
    pub sync_interval: Duration,
    /// Entries shipped together.
    pub batch_size: u64,
    /// Whether they are compressed.
    pub compression: bool,
}

/// How shards move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RebalancingSettings {
    /// Whether they move by themselves.
    pub auto_enabled: bool,
    /// From which imbalance.
    pub trigger_threshold: f64,
    /// How many at once.
    pub max_concurrent_migrations: u64,
    /// How fast each.
    pub throttle_mb_per_sec: u64,
}

impl ClusterSettings {
    /// Whether the rules of cluster mode hold.
    pub fn in_cluster_mode(&self) -> bool {
        self.mode != Mode::Standalone
    }

    /// Whether the rules of cluster mode are told at start and not enforced.
    pub fn is_unchecked(&self) -> bool {
        self.mode == Mode::Unchecked
    }

    /// Has the rules of cluster mode told and not enforced.
    pub(super) fn skip_validation(&mut self) {
        if self.in_cluster_mode() {
            self.mode = Mode::Unchecked;
        }
    }
}

/// What the node's own sections say.
pub(super) fn read(from: &mut Resolver) -> ClusterSettings {
    let settings = ClusterSettings {
        mode: if from.flag("cluster.enabled", false) { Mode::Cluster } else { Mode::Standalone },
        node_id: from.text("cluster.node_id", is_name),
        region: from.text("cluster.region", is_name),
        max_cache_memory_bytes: from.bytes("cluster.max_cache_memory_bytes", GIB),
        enforce_mmap_storage: from.flag("cluster.enforce_mmap_storage", true),
        disable_file_watcher: from.flag("cluster.disable_file_watcher", true),
        seed_nodes: from.list("cluster.seed_nodes", is_address),
        swim: swim(from),
        raft: raft(from),
        sharding: sharding(from),
        replication: replication(from),
        rebalancing: rebalancing(from),
    };
    check(from, &settings);
    settings
}

fn swim(from: &mut Resolver) -> SwimSettings {
    let millis = Duration::from_millis;
    SwimSettings {
        probe_interval: from.duration("cluster.swim.probe_interval", millis(300)),
        probe_timeout: from.duration("cluster.swim.probe_timeout", millis(100)),
        suspect_timeout: from.duration("cluster.swim.suspect_timeout", millis(2_000)),
        gossip_fanout: from.number("cluster.swim.gossip_fanout", 3, 1, 64),
        port: from.port("cluster.swim.port", 7_946),
    }
}

fn raft(from: &mut Resolver) -> RaftSettings {
    let millis = Duration::from_millis;
    RaftSettings {
        election_timeout: from.take(
            "cluster.raft.election_timeout",
            (millis(1_000), millis(2_000)),
            duration::read_range,
            |range| duration::shown_range(*range),
        ),
        heartbeat_interval: from.duration("cluster.raft.heartbeat_interval", millis(250)),
        snapshot_interval: from.number("cluster.raft.snapshot_interval", 10_000, 100, u64::MAX),
        port: from.port("cluster.raft.port", 7_947),
    }
}

fn sharding(from: &mut Resolver) -> ShardingSettings {
    let strategies = [
        ("hybrid", ShardingStrategy::Hybrid),
        ("collection", ShardingStrategy::Collection),
        ("vector", ShardingStrategy::Vector),
    ];
    ShardingSettings {
        strategy: from.choice("cluster.sharding.strategy", ShardingStrategy::Hybrid, &strategies),
        total_shards: from.number("cluster.sharding.total_shards", 256, 256, 256),
        replication_factor: from.number("cluster.sharding.replication_factor", 3, 1, 16),
        virtual_nodes: from.number("cluster.sharding.virtual_nodes", 150, 1, 4_096),
    }
}

fn replication(from: &mut Resolver) -> ReplicationSettings {
    let methods = [("gossip", ReplicationMethod::Gossip)];
    let every = Duration::from_millis(100);
    ReplicationSettings {
        method: from.choice("cluster.replication.method", ReplicationMethod::Gossip, &methods),
        sync_interval: from.duration("cluster.replication.sync_interval", every),
        batch_size: from.number("cluster.replication.batch_size", 1_000, 1, 100_000),
        compression: from.flag("cluster.replication.compression", true),
    }
}

fn rebalancing(from: &mut Resolver) -> RebalancingSettings {
    let migrations = "cluster.rebalancing.max_concurrent_migrations";
    RebalancingSettings {
        auto_enabled: from.flag("cluster.rebalancing.auto_enabled", true),
        trigger_threshold: from.share("cluster.rebalancing.trigger_threshold", 0.2),
        max_concurrent_migrations: from.number(migrations, 2, 1, 64),
        throttle_mb_per_sec: from.number(
            "cluster.rebalancing.throttle_mb_per_sec",
            100,
            1,
            100_000,
        ),
    }
}

/// What single values cannot show.
fn check(from: &mut Resolver, settings: &ClusterSettings) {
    let ClusterSettings { swim, raft, .. } = settings;
    let pairs = [
        ("cluster.swim.probe_timeout", swim.probe_timeout, "cluster.swim.probe_interval"),
        (
            "cluster.raft.heartbeat_interval",
            raft.heartbeat_interval,
            "cluster.raft.election_timeout",
        ),
    ];
    for ((first, low, second), high) in
        pairs.into_iter().zip([swim.probe_interval, raft.election_timeout.0])
    {
        if low >= high {
            let (low, high) = (duration::shown(low), duration::shown(high));
            let (given, against) = (from.origin_of(first), from.origin_of(second));
            let what = format!("{first} is {low} ({given}) and {second} {high} ({against})");
            from.violations.push(Violation::Order { what, first, second });
        }
    }
    let nodes = settings.seed_nodes.len();
    if settings.in_cluster_mode() && nodes > 0 {
        let origin = from.origin_of("cluster.seed_nodes");
        from.violations.push(Violation::SeedNodes { nodes, origin });
    }
}

/// A name that stands in addresses, labels and file names.
fn is_name(text: &str) -> bool {
    let admits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=128).contains(&text.len()) && text.chars().all(admits)
}

/// A host and a port.
pub fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_name(host),
    };
    is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for text in ["node-1.cluster.local:7946", "10.0.0.1:1", "[::1]:7946"] {
            assert!(is_address(text), "{text}");
        }
        for text in ["node-1", "node-1:", "node-1:0", ":7946", "::1:7946", "http://a:1", "a b:1"] {
            assert!(!is_address(text), "{text}");
        }
    }

    #[test]
    fn names_are_short_and_plain() {
        assert!(is_name("vectorizer-0") && is_name("us-east_1.a"));
        assert!(!is_name("") && !is_name("a/b") && !is_name(&"x".repeat(129)));
    }
}

//! Every setting there is: its key, what it expects, its default and what it does.

/// A setting that can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownKey {
    /// Its path in the configuration file.
    pub path: &'static str,
    /// What its value looks like.
    pub expects: &'static str,
    /// The default as it is written; empty where there is none.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
}

const fn key(
    path: &'static str,
    expects: &'static str,
    default: &'static str,
    about: &'static str,
) -> KnownKey {
    KnownKey { path, expects, default, about }
}

const PORT: &str = "a port from 0 to 65535";
const FLAG: &str = "true or false";

/// Every setting, in the order of the configuration file.
pub const KEYS: [KnownKey; 16] = [
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
         page cache; auto is governed where memory.limit or a cgroup sets a limit.",
    ),
    key(
        "memory.limit",
        "a byte count such as 512MB or 4GB",
        "",
        "What the whole process may hold; without it 90 percent of the cgroup's limit, else half \
         of the machine's memory.",
    ),
    key(
        "collections.defaults.storage_type",
        "mmap or memory",
        "mmap",
        "Where a new collection's index lives: mmap is on disk with cached pages, memory also \
         pins it in memory.",
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
    key("auth.api_key", "a text", "", "The key that clients must show."),
    key("auth.api_key_file", "a file", "", "A file that holds the key, instead of auth.api_key."),
];

/// How environment variables that are settings begin.
pub const VARIABLE_PREFIX: &str = "VECTORIZER__";

impl KnownKey {
    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        variable_of(self.path)
    }
}

/// The environment variable of a path.
pub(super) fn variable_of(path: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

/// The setting with this path.
pub fn find(path: &str) -> Option<&'static KnownKey> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether settings lie below this path.
pub(super) fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The setting that an unknown path most likely means.
pub(super) fn closest(path: &str) -> Option<&'static str> {
    let path = path.to_ascii_lowercase().replace('-', "_");
    let last = path.rsplit('.').next().unwrap_or_default();
    // The nearer, the lower: the same last name, then a word of it, then a likeness of the whole.
    let near = |a: &str, b: &str| a.len() >= 3 && distance(a, b) <= a.len() / 4;
    let score = |key: &KnownKey| {
        let known_last = key.path.rsplit('.').next().unwrap_or_default();
        let whole = distance(&path, key.path);
        let is_word = known_last.split('_').any(|word| near(last, word) || near(word, last));
        let is_part = known_last.len() >= 3 && last.contains(known_last);
        if last == known_last || near(last, known_last) {
            (0, whole)
        } else if is_word || is_part {
            (1, 0)
        } else {
            (2, whole)
        }
    };
    let best = KEYS.iter().min_by_key(|key| score(key))?;
    let (likeness, whole) = score(best);
    (likeness < 2 || whole <= path.len() / 3).then_some(best.path)
}

/// Single characters to insert, remove, replace or swap with the next, to make one text of the
/// other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for (line, from) in a.iter().enumerate() {
        let mut row = vec![line + 1];
        for (column, to) in b.iter().enumerate() {
            let replaced = rows[line][column] + usize::from(from != to);
            let mut least = replaced.min(rows[line][column + 1] + 1).min(row[column] + 1);
            if line > 0 && column > 0 && *from == b[column - 1] && a[line - 1] == *to {
                least = least.min(rows[line - 1][column - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_setting_is_suggested() {
        for (given, meant) in [
            ("server.port", Some("server.rest_port")),
            ("server.rest_prot", Some("server.rest_port")),
            ("server.prot", Some("server.rest_port")),
            ("sever.host", Some("server.host")),
            ("rest_port", Some("server.rest_port")),
            ("storage.durabilty", Some("storage.durability")),
            ("memory.limits", Some("memory.limit")),
            ("auth.apikey", Some("auth.api_key")),
            ("server.REST-PORT", Some("server.rest_port")),
            ("collections.default.hnsw.m", Some("collections.defaults.hnsw.m")),
            ("wal.segments", None),
        ] {
            assert_eq!(closest(given), meant, "{given}");
        }
    }

    #[test]
    fn distances_count_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("prot", "port"), 1);
    }

    #[test]
    fn sections_are_not_settings() {
        assert!(is_section("server"));
        assert!(is_section("collections.defaults.hnsw"));
        assert!(!is_section("serv"));
        assert!(!is_section("server.host"));
    }
}

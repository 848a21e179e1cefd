//! Every setting there is: its key, what it expects, its default and what it does.

mod cluster;
mod memory;
mod node;

/// Ends the path of a setting of which there is one for each name that users give.
const ANY_NAME: &str = ".NAME";

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
const BYTES: &str = "a byte count such as 512MB or 4GB";
const SHARE: &str = "a share above 0, at most 1, such as 0.8";
const COUNT: &str = "a number from 0 on";

const SECTIONS: [&[KnownKey]; 7] = [
    &node::DOORS,
    &memory::LIMITS,
    &memory::CACHES,
    &node::COLLECTIONS,
    &cluster::NODE,
    &cluster::AGREEMENT,
    &cluster::SHARDS,
];

/// Every setting, in the order of the configuration file.
pub fn all() -> impl Iterator<Item = &'static KnownKey> {
    SECTIONS.into_iter().flatten()
}

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
    all().find(|key| match key.path.strip_suffix(ANY_NAME) {
        None => key.path == path,
        Some(section) => name_below(path, section).is_some(),
    })
}

/// The name that a path gives below a section of free names.
pub(super) fn name_below<'p>(path: &'p str, section: &str) -> Option<&'p str> {
    path.strip_prefix(section)?.strip_prefix('.').filter(|name| !name.is_empty())
}

/// Whether settings lie below this path.
pub(super) fn is_section(path: &str) -> bool {
    all().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The setting that an unknown path most likely means.
pub(super) fn closest(path: &str) -> Option<&'static str> {
    let path = path.to_ascii_lowercase().replace('-', "_");
    let last = path.rsplit('.').next().unwrap_or_default();
    let section = path.split_once('.').map(|(section, _)| section);
    // The nearer, the lower: the same last name, then a word of it, then a likeness of the whole;
    // and what is likely at all is sought in its own section first.
    let near = |a: &str, b: &str| a.len() >= 3 && distance(a, b) <= a.len() / 4;
    let score = |key: &KnownKey| {
        let known_last = key.path.rsplit('.').next().unwrap_or_default();
        let whole = distance(&path, key.path);
        let is_word = known_last.split('_').any(|word| near(last, word) || near(word, last));
        let is_part = known_last.len() >= 3 && last.contains(known_last);
        let likeness = if last == known_last || near(last, known_last) {
            (0, whole)
        } else if is_word || is_part {
            (1, 0)
        } else {
            (2, whole)
        };
        let home = key.path.split('.').next().unwrap_or_default();
        let elsewhere = section.is_some_and(|section| !near(section, home));
        (likeness.0 == 2, elsewhere, likeness)
    };
    let best = all().min_by_key(|key| score(key))?;
    let (_, _, (likeness, whole)) = score(best);
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
            ("swim.port", Some("cluster.swim.port")),
            ("cluster.servers", None),
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

    #[test]
    fn some_settings_have_names_of_the_users() {
        assert_eq!(find("tenants.quotas.acme").map(|key| key.path), Some("tenants.quotas.NAME"));
        assert_eq!(find("tenants.quotas"), None);
        assert!(is_section("tenants.quotas"));
        assert_eq!(name_below("tenants.quotas.acme.com", "tenants.quotas"), Some("acme.com"));
    }
}

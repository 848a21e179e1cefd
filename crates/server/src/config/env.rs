//! Environment variables that are settings: `VECTORIZER__SERVER__REST_PORT=8080`, and the shorter
//! names that some of them also have.

use super::keys::{VARIABLE_PREFIX, variable_of};
use super::origin::{Given, Origin, Text};

/// Variables that stand for a setting, and the setting's path.
const ALIASES: [(&str, &str); 10] = [
    ("CLUSTER_ENABLED", "cluster.enabled"),
    ("NODE_ID", "cluster.node_id"),
    ("SEED_NODES", "cluster.seed_nodes"),
    ("CACHE_MEMORY_PERCENT", "memory.cache.percent"),
    ("CACHE_MAX_ITEMS", "memory.cache.max_items"),
    ("CACHE_TENANT_MAX_ITEMS", "memory.cache.tenant_max_items"),
    ("CACHE_MIMIR_MAX_ITEMS", "memory.cache.mimir_max_items"),
    ("CACHE_MEMORY_THRESHOLD", "memory.cache.memory_threshold"),
    ("CACHE_EVICTION_THRESHOLD", "memory.cache.eviction_threshold"),
    ("CACHE_EVICTION_POLICY", "memory.cache.eviction_policy"),
];

/// The settings among these variables, and what is to be told of aliases that say otherwise.
pub(super) fn read(variables: &[(String, String)]) -> (Vec<Given>, Vec<String>) {
    let (mut given, mut clashes) = (Vec::new(), Vec::new());
    for (name, value) in variables {
        if let Some(path) = name.strip_prefix(VARIABLE_PREFIX) {
            given.push(setting(path.replace("__", ".").to_ascii_lowercase(), name, value));
        }
    }
    for (alias, path) in ALIASES {
        // Some environments set what they do not use to nothing.
        let found = variables.iter().find(|(name, value)| name == alias && !value.is_empty());
        let Some((_, value)) = found else { continue };
        match given.iter().find(|given| given.path == path) {
            None => given.push(setting(path.to_owned(), alias, value)),
            Some(own) if own.text.as_str() != value => {
                let (own, named) = (own.text.as_str(), variable_of(path));
                clashes.push(format!("{alias}={value} is not used: {named}={own} outranks it"));
            }
            Some(_same) => {}
        }
    }
    (given, clashes)
}

fn setting(path: String, name: &str, value: &str) -> Given {
    Given { path, text: Text::Plain(value.to_owned()), origin: Origin::Variable(name.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        variables.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn two_underscores_part_the_sections() {
        let variables = owned(&[
            ("VECTORIZER__SERVER__REST_PORT", "1"),
            ("VECTORIZER_URL", "x"),
            ("HOME", "/"),
        ]);
        let (given, clashes) = read(&variables);
        assert_eq!((given.len(), clashes.len()), (1, 0));
        assert_eq!(given[0].path, "server.rest_port");
    }

    #[test]
    fn an_alias_stands_for_its_setting_and_yields_to_it() {
        let page = include_str!("../../../../docs/users/configuration.md");
        for (alias, path) in ALIASES {
            assert!(page.contains(&format!("| `{alias}` | `{path}` |")), "{alias} is not told");
            assert!(super::super::keys::find(path).is_some(), "{path}");
            let (given, clashes) = read(&owned(&[(alias, "7")]));
            assert_eq!((given[0].path.as_str(), clashes.len()), (path, 0));
            assert_eq!(given[0].origin, Origin::Variable(alias.to_owned()));
            let own = variable_of(path);
            let (given, clashes) = read(&owned(&[(alias, "7"), (&own, "8")]));
            assert_eq!((given.len(), given[0].text.as_str()), (1, "8"));
            assert_eq!(clashes, [format!("{alias}=7 is not used: {own}=8 outranks it")]);
            assert_eq!(read(&owned(&[(alias, "8"), (&own, "8")])).1.len(), 0);
            assert_eq!(read(&owned(&[(alias, "")])).0.len(), 0);
        }
    }
}

//! Precedence, suggestions, all violations at once, the budget rule, and the example file.

mod cluster;
mod memory;
mod tenants;

use std::fs;
use std::path::{Path, PathBuf};

use vectorizer_engine::{Durability, Residency};

use super::keys;
use super::{BudgetRule, Configuration, MEMORY_FLOOR, Secret, Sources};

/// A machine of made-up readings.
struct Machine(PathBuf);

impl Machine {
    fn new(name: &str, total_kib: u64) -> Self {
        let nonce = std::process::id();
        let root = std::env::temp_dir().join(format!("vectorizer-config-{name}-{nonce}"));
        fs::create_dir_all(root.join("proc/self")).unwrap();
        fs::write(root.join("proc/meminfo"), format!("MemTotal: {total_kib} kB\n")).unwrap();
        let status = "VmRSS: 9000 kB\nRssAnon: 3072 kB\n";
        fs::write(root.join("proc/self/status"), status).unwrap();
        Self(root)
    }

    fn with_cgroup(self, limit: &str) -> Self {
        let group = self.0.join("sys/fs/cgroup/box");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("memory.max"), limit).unwrap();
        fs::write(group.join("memory.current"), "1\n").unwrap();
        fs::write(self.0.join("proc/self/cgroup"), "0::/box\n").unwrap();
        let mount = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        fs::write(self.0.join("proc/self/mountinfo"), mount).unwrap();
        self
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.0.join("config.yml");
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn sources(file: Option<PathBuf>, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Sources {
    let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    Sources {
        file,
        file_text: None,
        variables: variables.iter().map(owned).collect(),
        flags: flags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned(), format!("--set {key}")))
            .collect(),
        skip_cluster_validation: false,
    }
}

fn load(root: &Path, sources: &Sources) -> Result<Configuration, String> {
    Configuration::load(sources, root).map_err(|violations| violations.to_string())
}

#[test]
fn flags_outrank_variables_outrank_the_file_outranks_defaults() {
    let machine = Machine::new("precedence", 8 << 20);
    let file = machine.file("server:\n  rest_port: 1\nstorage: {durability: os}\n");
    let variable = ("VECTORIZER__SERVER__REST_PORT", "2");
    let flag = ("server.rest_port", "3");
    let table: [(Option<PathBuf>, &[_], &[_], u16, &str); 5] = [
        (None, &[], &[], 15_001, "default"),
        (Some(file.clone()), &[], &[], 1, "file"),
        (Some(file.clone()), &[variable], &[], 2, "environment"),
        (Some(file.clone()), &[variable], &[flag], 3, "flag"),
        (Some(file.clone()), &[], &[flag], 3, "flag"),
    ];
    for (file, variables, flags, port, layer) in table {
        let loaded = load(&machine.0, &sources(file, variables, flags)).unwrap();
        assert_eq!(loaded.settings.server.rest_port, port);
        let shown = loaded.settings.shown.iter().find(|s| s.key == "server.rest_port").unwrap();
        assert_eq!(shown.origin.layer(), layer);
        assert_eq!(shown.value.as_deref(), Some(port.to_string().as_str()));
    }
    let loaded = load(&machine.0, &sources(Some(file.clone()), &[], &[])).unwrap();
    assert_eq!(loaded.settings.durability, Durability::Os);
    let shown = &loaded.settings.shown;
    let origin = &shown.iter().find(|s| s.key == "storage.durability").unwrap().origin;
    assert_eq!(origin.to_string(), format!("{}:3", file.display()));
}

#[test]
fn unknown_settings_are_refused_with_a_suggestion() {
    let machine = Machine::new("unknown", 8 << 20);
    let file = machine.file("server:\n  port: 1\n");
    let variables = [("VECTORIZER__MEMORY__LIMITS", "1GB"), ("VECTORIZER__XYZZY", "1")];
    let refusal = load(&machine.0, &sources(Some(file), &variables, &[])).unwrap_err();
    assert!(refusal.contains("3 problems"), "{refusal}");
    assert!(refusal.contains("`server.port` ("), "{refusal}");
    assert!(
        refusal.contains("config.yml:2) is not a setting; did you mean `server.rest_port`?"),
        "{refusal}"
    );
    assert!(refusal.contains("did you mean VECTORIZER__MEMORY__LIMIT?"), "{refusal}");
    assert!(refusal.contains("VECTORIZER__XYZZY is not a setting"), "{refusal}");
}

#[test]
fn all_violations_are_told_at_once_each_with_its_mend() {
    let machine = Machine::new("all", 8 << 20);
    let file = machine.file(
        "server:\n  host: 0.0.0.0\n  rest_port: many\n  mcp_port: 15003\nstorage: fast\n\
         memory:\n  limit: 1MB\ncollections:\n  defaults:\n    hnsw: {m: 1000, ef_construct: [1]}\n",
    );
    let variables = [("VECTORIZER__STORAGE__DURABILITY", "always")];
    let refusal = load(&machine.0, &sources(Some(file), &variables, &[])).unwrap_err();
    for part in [
        "8 problems",
        "server.rest_port is `many`",
        "config.yml:3); give it a port from 0 to 65535",
        "server.mcp_port and server.grpc_port are both 15003",
        "storage is a section",
        "memory.limit is 1.0 MiB",
        "give it at least 64.0 MiB",
        "collections.defaults.hnsw.m is `1000`",
        "give it a number from 0 to 256",
        "collections.defaults.hnsw.ef_construct is `[..]`",
        "storage.durability is `always` (VECTORIZER__STORAGE__DURABILITY); give it fsync or os",
        "server.host is 0.0.0.0",
        "server.allow_unauthenticated: true",
    ] {
        assert!(refusal.contains(part), "{part} is not in:\n{refusal}");
    }
}

#[test]
fn off_is_a_word_and_not_a_truth_value() {
    let machine = Machine::new("word", 8 << 20);
    let file = machine.file("collections: {defaults: {quantization: off}}\n");
    let loaded = load(&machine.0, &sources(Some(file), &[], &[])).unwrap();
    let quantization = loaded.settings.server.collection_defaults.quantization;
    assert_eq!(quantization, vectorizer_model::settings::Quantization::Off);
}

#[test]
fn off_loopback_needs_a_key_or_a_word() {
    let machine = Machine::new("exposed", 8 << 20);
    let key_file = machine.0.join("key");
    fs::write(&key_file, "secret\n").unwrap();
    let host = ("VECTORIZER__SERVER__HOST", "0.0.0.0");
    let file = ("VECTORIZER__AUTH__API_KEY_FILE", key_file.to_str().unwrap());
    let key = ("VECTORIZER__AUTH__API_KEY", "another");
    let with = |variables: &[(&str, &str)]| load(&machine.0, &sources(None, variables, &[]));
    assert!(with(&[host]).unwrap_err().contains("auth.api_key"));
    with(&[host, ("VECTORIZER__SERVER__ALLOW_UNAUTHENTICATED", "true")]).unwrap();
    with(&[("VECTORIZER__SERVER__HOST", "localhost")]).unwrap();
    with(&[("VECTORIZER__SERVER__HOST", "::1")]).unwrap();
    let loaded = with(&[host, file]).unwrap();
    assert_eq!(loaded.settings.server.api_key, Some(Secret::new("secret")));
    assert!(!format!("{loaded:?}").contains("secret"), "secrets are not shown");
    assert!(with(&[host, file, key]).unwrap_err().contains("both given"));
    let flag = [("auth.api_key", "flagged")];
    let loaded = load(&machine.0, &sources(None, &[host, file], &flag)).unwrap();
    assert_eq!(loaded.settings.server.api_key, Some(Secret::new("flagged")));
    let refusal = with(&[host, ("VECTORIZER__AUTH__API_KEY", "")]).unwrap_err();
    assert!(refusal.contains("1 problem\n"), "{refusal}");
    let digits = sources(Some(machine.file("auth: {api_key: 007}\n")), &[], &[]);
    assert!(load(&machine.0, &digits).unwrap_err().contains("in quotes"));
}

#[test]
fn the_budget_is_a_share_of_the_cgroup_or_of_the_machine() {
    let free = Machine::new("machine", 8 << 20);
    let loaded = load(&free.0, &Sources::default()).unwrap();
    assert_eq!(loaded.budget.limit, 4 << 30);
    assert_eq!(loaded.budget.base, 3 << 20);
    assert_eq!(loaded.budget.residency, Residency::Mapped);
    assert_eq!(loaded.budget.rule.to_string(), "half of the machine's 8.0 GiB");

    let boxed = Machine::new("cgroup", 8 << 20).with_cgroup("1073741824\n");
    let loaded = load(&boxed.0, &Sources::default()).unwrap();
    assert_eq!(loaded.budget.limit, (1 << 30) / 10 * 9);
    assert_eq!(loaded.budget.residency, Residency::Governed);
    assert!(matches!(loaded.budget.rule, BudgetRule::Cgroup { bytes: 1_073_741_824, .. }));

    let unlimited = Machine::new("unlimited", 8 << 20).with_cgroup("max\n");
    let loaded = load(&unlimited.0, &Sources::default()).unwrap();
    assert!(matches!(loaded.budget.rule, BudgetRule::Machine { .. }));
}

#[test]
fn a_given_limit_outranks_the_rule_and_names_its_origin() {
    let boxed = Machine::new("given", 8 << 20).with_cgroup("1073741824\n");
    let given = sources(None, &[], &[("memory.limit", "2GB")]);
    let loaded = load(&boxed.0, &given).unwrap();
    assert_eq!((loaded.budget.limit, loaded.budget.above_cgroup), (2 << 30, Some(1 << 30)));
    assert_eq!(loaded.budget.rule.to_string(), "memory.limit, --set memory.limit");
    assert_eq!(loaded.budget.residency, Residency::Governed);
    let mapped = [("memory.limit", "2GB"), ("storage.residency", "mapped")];
    let loaded = load(&boxed.0, &sources(None, &[], &mapped)).unwrap();
    assert_eq!(loaded.budget.residency, Residency::Mapped);
}

#[test]
fn budgets_that_nothing_fits_in_are_refused_with_the_floor() {
    let tiny = Machine::new("tiny", 8 << 20).with_cgroup("33554432\n");
    let refusal = load(&tiny.0, &Sources::default()).unwrap_err();
    assert!(refusal.contains("at least 64.0 MiB are needed"), "{refusal}");
    for bytes in ["0", "63MB"] {
        let given = sources(None, &[], &[("memory.limit", bytes)]);
        assert!(load(&tiny.0, &given).unwrap_err().contains("give it at least 64.0 MiB"));
    }
    assert_eq!(MEMORY_FLOOR, 64 << 20);
}

#[test]
fn unreadable_limits_are_not_taken_for_none() {
    let machine = Machine::new("unreadable", 8 << 20);
    fs::write(machine.0.join("proc/self/cgroup"), "0::/box\n").unwrap();
    fs::write(machine.0.join("proc/self/mountinfo"), "").unwrap();
    let refusal = load(&machine.0, &Sources::default()).unwrap_err();
    assert!(refusal.contains("set memory.limit"), "{refusal}");
    load(&machine.0, &sources(None, &[], &[("memory.limit", "1GB")])).unwrap();
}

#[test]
fn the_example_file_shows_every_setting_with_its_default() {
    let machine = Machine::new("example", 8 << 20);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let example = root.join("config.example.yml");
    let loaded = load(&machine.0, &sources(Some(example.clone()), &[], &[])).unwrap();
    let defaults = load(&machine.0, &Sources::default()).unwrap();
    let text = fs::read_to_string(&example).unwrap();
    for (key, (example, default)) in
        keys::all().zip(loaded.settings.shown.iter().zip(&defaults.settings.shown))
    {
        assert_eq!((example.key.as_str(), default.key.as_str()), (key.path, key.path));
        assert_eq!(example.value.as_deref().unwrap_or(""), default.value.as_deref().unwrap_or(""));
        assert_eq!(default.value.as_deref().unwrap_or(""), key.default, "{}", key.path);
        let name = key.path.rsplit('.').next().unwrap();
        assert!(text.contains(format!("{name}: {}", key.default).trim_end()), "{}", key.path);
        assert!(text.contains(key.about), "{} is not explained as in the table", key.path);
        let layer = if key.default.is_empty() { "default" } else { "file" };
        assert_eq!(loaded.settings.shown.len(), keys::all().count());
        assert_eq!(example.origin.layer(), layer, "{}", key.path);
    }
}

#[test]
fn the_reference_page_names_every_setting() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/users/configuration.md")).unwrap();
    for key in keys::all() {
        let default = match key.default {
            "" => "none".to_owned(),
            default => format!("`{default}`"),
        };
        let (path, expects, about) = (key.path, key.expects, key.about);
        let row = format!("| `{path}` | {expects} | {default} | {about} |");
        assert!(page.contains(&row), "docs/users/configuration.md wants the row\n{row}");
    }
    let is_setting = |line: &&str| {
        let first = line.strip_prefix("| `").and_then(|line| line.split_once("` |"));
        first.is_some_and(|(path, _)| path.contains('.'))
    };
    let rows = page.lines().filter(is_setting).count();
    assert_eq!(rows, keys::all().count(), "docs/users/configuration.md has rows of no setting");
}

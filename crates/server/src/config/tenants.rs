//! Tenants: whether requests have one, what each may hold, and the keys that show who asks.

use std::collections::BTreeMap;

use vectorizer_model::TenantName;
use vectorizer_model::bytes::ByteCount;

use super::keys;
use super::origin::{Given, Text};
use super::resolve::{Resolver, shown_bytes};
use super::secret::{HIDDEN, Secret};
use super::violation::Violation;

/// Whether requests have tenants, and what each may hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TenantSettings {
    /// Whether they have; otherwise all are of the default tenant.
    pub enabled: bool,
    /// What each tenant may hold.
    pub quotas: BTreeMap<TenantName, u64>,
    /// What each tenant may hold that has no quota of its own, but for the default one.
    pub default_quota: Option<u64>,
    /// Points that each tenant's collections may have.
    pub point_quotas: BTreeMap<TenantName, u64>,
    /// Bytes of each tenant in caches that others give up theirs for first.
    pub guarantees: BTreeMap<TenantName, u64>,
    /// The key of each tenant that has one.
    pub keys: BTreeMap<TenantName, Secret>,
}

const KEYS: &str = "tenants.keys";
const KEY_FILES: &str = "tenants.key_files";

pub(super) fn read(from: &mut Resolver, operators_key: Option<&Secret>) -> TenantSettings {
    TenantSettings {
        enabled: from.flag("tenants.enabled", false),
        quotas: from.tenant_bytes("tenants.quotas.NAME"),
        default_quota: from.given_bytes("tenants.default_quota").map(|(bytes, _)| bytes),
        point_quotas: from.tenant_counts("tenants.point_quotas.NAME"),
        guarantees: from.tenant_bytes("tenants.guarantees.NAME"),
        keys: from.tenant_keys(operators_key),
    }
}

impl Resolver {
    /// What is given below a section of tenants' names.
    fn of_tenants(&mut self, section: &str) -> Vec<(TenantName, Given)> {
        let given: Vec<Given> = self.given.values().cloned().collect();
        let mut named = Vec::new();
        for given in given {
            let Some(name) = keys::name_below(&given.path, section) else { continue };
            match TenantName::new(name) {
                Ok(name) => named.push((name, given)),
                Err(cause) => {
                    let Given { path: key, origin, .. } = given;
                    self.violations.push(Violation::TenantName { key, origin, cause });
                }
            }
        }
        named
    }

    /// Byte counts above 0; `known` ends with `.NAME`.
    fn tenant_bytes(&mut self, known: &'static str) -> BTreeMap<TenantName, u64> {
        let read = |text: &str| text.parse::<ByteCount>().ok().map(|ByteCount(bytes)| bytes);
        self.tenant_numbers(known, read, shown_bytes)
    }

    /// Counts above 0; `known` ends with `.NAME`.
    fn tenant_counts(&mut self, known: &'static str) -> BTreeMap<TenantName, u64> {
        self.tenant_numbers(known, |text| text.parse().ok(), |count| count.to_string())
    }

    fn tenant_numbers(
        &mut self,
        known: &'static str,
        read: impl Fn(&str) -> Option<u64>,
        shown: impl Fn(u64) -> String,
    ) -> BTreeMap<TenantName, u64> {
        let mut named = BTreeMap::new();
        for (name, Given { path, text, origin }) in self.of_tenants(known.trim_end_matches(".NAME"))
        {
            match read(text.as_str()) {
                Some(number) if number > 0 => {
                    self.show(&path, Some(shown(number)), origin);
                    named.insert(name, number);
                }
                _ => self.refuse(known, &path, text.as_str().to_owned(), origin),
            }
        }
        named
    }

    /// The keys from wherever they are, never shown.
    fn tenant_keys(&mut self, operators_key: Option<&Secret>) -> BTreeMap<TenantName, Secret> {
        let enabled =
            self.given.get("tenants.enabled").is_some_and(|of| of.text.as_str() == "true");
        let mut found = BTreeMap::new();
        let mut known: Vec<String> =
            operators_key.map(|key| key.reveal().to_owned()).into_iter().collect();
        let mut given = self.of_tenants(KEYS);
        given.extend(self.of_tenants(KEY_FILES));
        for (name, given) in given {
            let Some(key) = self.tenant_key(&given) else { continue };
            let wrong = if !enabled {
                let mend = "give true to tenants.enabled, or leave the key out";
                Some(("is given, but tenants.enabled is false", mend))
            } else if key.is_empty() {
                Some(("is empty", "give a key or leave it out"))
            } else if known.contains(&key) {
                let mend = "give each tenant and the operator a key of its own";
                Some(("shows somebody else too", mend))
            } else if found.contains_key(&name) {
                Some(("is a second key of the tenant", "leave one out"))
            } else {
                None
            };
            if let Some((what, mend)) = wrong {
                self.refuse_key(&given, what, mend);
            } else {
                known.push(key.clone());
                found.insert(name, Secret::new(key));
            }
        }
        found
    }

    /// The key that is given itself, or in a file.
    fn tenant_key(&mut self, given: &Given) -> Option<String> {
        let text = given.text.as_str().to_owned();
        if keys::name_below(&given.path, KEY_FILES).is_some() {
            self.show(&given.path, Some(text.clone()), given.origin.clone());
            return match std::fs::read_to_string(&text) {
                Ok(key) => Some(key.trim_end_matches(['\r', '\n']).to_owned()),
                Err(cause) => {
                    let mend = "give tenants.key_files.NAME the path of a readable file";
                    let path = text.into();
                    self.violations.push(Violation::Unreadable { path, cause, mend });
                    None
                }
            };
        }
        self.show(&given.path, Some(HIDDEN.to_owned()), given.origin.clone());
        if let Text::Plain(key) = &given.text {
            return Some(key.clone());
        }
        self.refuse_key(given, "is not a text", "write it in quotes");
        None
    }

    fn refuse_key(&mut self, given: &Given, what: &'static str, mend: &'static str) {
        let (key, origin) = (given.path.clone(), given.origin.clone());
        self.violations.push(Violation::TenantKey { key, origin, what, mend });
    }
}

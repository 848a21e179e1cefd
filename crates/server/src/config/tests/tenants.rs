//! Tenants: names, quotas, guarantees, and keys that are never shown.

use std::fs;

use vectorizer_model::TenantName;
use vectorizer_model::bytes::{GIB, MIB};

use super::{Machine, load, sources};

#[test]
fn tenants_have_quotas_guarantees_and_keys_by_name() {
    let machine = Machine::new("tenant-keys", 8 << 20);
    let of = |text: &str| load(&machine.0, &sources(Some(machine.file(text)), &[], &[]));
    let key = machine.0.join("key");
    fs::write(&key, "from a file\n").unwrap();
    let text = format!(
        "tenants:\n  enabled: true\n  default_quota: 1GB\n  guarantees: {{acme: 10MB}}\n  \
         point_quotas: {{acme: 7}}\n  \
         keys: {{acme.com: 'by itself'}}\n  key_files: {{other: {}}}\n",
        key.display()
    );
    let loaded = of(&text).unwrap();
    let tenants = &loaded.settings.server.tenants;
    assert_eq!(tenants.default_quota, Some(GIB));
    assert_eq!(tenants.guarantees.get(&TenantName::new("acme").unwrap()), Some(&(10 * MIB)));
    assert_eq!(tenants.point_quotas.get(&TenantName::new("acme").unwrap()), Some(&7));
    let keys = tenants.keys.iter().map(|(name, key)| (name.as_str(), key.reveal()));
    assert!(keys.eq([("acme.com", "by itself"), ("other", "from a file")]));
    assert!(loaded.settings.server.has_key());
    let told = format!("{loaded:?} {tenants:?} {:?}", loaded.settings.server);
    assert!(!told.contains("by itself") && !told.contains("from a file"), "{told}");
    let shown = |key: &str| {
        let shown = loaded.settings.shown.iter().find(|shown| shown.key == key);
        shown.and_then(|shown| shown.value.clone())
    };
    assert_eq!(shown("tenants.keys.acme.com").as_deref(), Some("(hidden)"));
    assert_eq!(shown("tenants.key_files.other"), Some(key.display().to_string()));
}

#[test]
fn what_is_wrong_with_tenants_is_told_with_its_mend() {
    let machine = Machine::new("tenant-faults", 8 << 20);
    let of =
        |text: &str| load(&machine.0, &sources(Some(machine.file(text)), &[], &[])).unwrap_err();
    for (text, told) in [
        ("{quotas: {a b: 1GB}}", "the tenant's name holds the character ' '"),
        ("{quotas: {system: 1GB}}", "choose another"),
        ("{keys: {a: k}}", "tenants.keys.a is given, but tenants.enabled is false"),
        ("{enabled: true, keys: {a: ''}}", "tenants.keys.a is empty"),
        ("{enabled: true, keys: {a: 12}}", "tenants.keys.a is not a text"),
        ("{enabled: true, keys: {a: k, b: k}}", "tenants.keys.b shows somebody else too"),
        ("{enabled: true, key_files: {a: /nowhere}}", "give tenants.key_files.NAME"),
        ("{enabled: true, default_quota: 0}", "tenants.default_quota is `0`"),
    ] {
        let refusal = of(&format!("tenants: {text}\n"));
        assert!(refusal.contains(told), "{text}: {refusal}");
        assert!(refusal.contains("1 problem"), "{text}: {refusal}");
    }
    let both = "auth: {api_key: k}\ntenants: {enabled: true, keys: {a: k}}\n";
    assert!(of(both).contains("tenants.keys.a shows somebody else too"));
}

#[test]
fn a_tenants_key_keeps_the_world_out() {
    let machine = Machine::new("tenant-world", 8 << 20);
    let of = |text: &str| load(&machine.0, &sources(Some(machine.file(text)), &[], &[]));
    let tenants = "tenants: {enabled: true, keys: {a: k}}\n";
    assert!(of("server: {host: 0.0.0.0}\n").unwrap_err().contains("there is no API key"));
    assert!(of(&format!("server: {{host: 0.0.0.0}}\n{tenants}")).is_ok());
}

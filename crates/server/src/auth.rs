//! Who may come in: whoever shows a key, if there is one.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use vectorizer_model::TenantName;

use crate::config::ServerConfig;

/// The keys that requests may show.
pub(crate) struct Auth {
    operator: Option<Box<[u8]>>,
    tenants: Vec<(TenantName, Box<[u8]>)>,
}

/// Who shows a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Anybody: there are no keys.
    Anyone,
    /// Who runs the server, and may do everything.
    Operator,
    /// A tenant, who reaches only what is its own.
    Tenant(TenantName),
}

impl Auth {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let bytes = |key: &str| -> Box<[u8]> { key.as_bytes().into() };
        let tenants = config.tenants.keys.iter();
        Self {
            operator: config.api_key.as_ref().map(|key| bytes(key.reveal())),
            tenants: tenants.map(|(name, key)| (name.clone(), bytes(key.reveal()))).collect(),
        }
    }

    /// Who sends a request with these headers, if it may come in.
    pub(crate) fn identify(&self, headers: &HeaderMap) -> Option<Identity> {
        if self.operator.is_none() && self.tenants.is_empty() {
            return Some(Identity::Anyone);
        }
        let shown = headers.get("api-key").map(axum::http::HeaderValue::as_bytes);
        let bearer = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        // All are compared with both, so that the time taken tells of none.
        let fits = |key: &[u8]| {
            let shown = shown.is_some_and(|shown| equal(shown, key));
            let bearer = bearer.is_some_and(|bearer| equal(bearer, key));
            shown || bearer
        };
        let mut found = None;
        for (name, key) in &self.tenants {
            if fits(key) {
                found = Some(name);
            }
        }
        let operator = self.operator.as_deref().is_some_and(fits);
        let tenant = || found.cloned().map(Identity::Tenant);
        if operator { Some(Identity::Operator) } else { tenant() }
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

/// Compares without stopping at the first difference, so that time tells nothing of the key.
fn equal(shown: &[u8], key: &[u8]) -> bool {
    let mut difference = u8::from(shown.len() != key.len());
    for (at, &byte) in key.iter().enumerate() {
        difference |= byte ^ shown.get(at).copied().unwrap_or(!byte);
    }
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a header"));
        headers
    }

    fn keys(operator: Option<&str>, tenants: &[(&str, &str)]) -> Auth {
        let mut config =
            ServerConfig { api_key: operator.map(Secret::new), ..ServerConfig::default() };
        for (name, key) in tenants {
            config.tenants.keys.insert(TenantName::new(name).expect("a name"), Secret::new(*key));
        }
        Auth::new(&config)
    }

    #[test]
    fn the_key_is_wanted_in_either_header() {
        let auth = keys(Some("secret"), &[]);
        for (name, value) in [
            ("api-key", "secret"),
            ("authorization", "Bearer secret"),
            ("authorization", "bearer  secret"),
        ] {
            assert_eq!(auth.identify(&headers(name, value)), Some(Identity::Operator), "{value}");
        }
        for wrong in ["", "secre", "secret1", "Secret"] {
            assert_eq!(auth.identify(&headers("api-key", wrong)), None, "{wrong}");
        }
        assert_eq!(auth.identify(&headers("authorization", "Basic secret")), None);
        assert_eq!(auth.identify(&HeaderMap::new()), None);
        let open = keys(None, &[]);
        assert_eq!(open.identify(&HeaderMap::new()), Some(Identity::Anyone));
    }

    #[test]
    fn a_key_tells_whose_it_is() {
        let auth = keys(Some("secret"), &[("acme", "one"), ("other", "two")]);
        let of = |key: &str| auth.identify(&headers("api-key", key));
        let tenant = |name: &str| Some(Identity::Tenant(TenantName::new(name).expect("a name")));
        assert_eq!((of("one"), of("two")), (tenant("acme"), tenant("other")));
        assert_eq!((of("secret"), of("three")), (Some(Identity::Operator), None));
        // Without an operator's key the tenants' are wanted all the same.
        let closed = keys(None, &[("acme", "one")]);
        assert_eq!(closed.identify(&HeaderMap::new()), None);
        assert_eq!(closed.identify(&headers("authorization", "Bearer one")), tenant("acme"));
    }
}

//! Who may come in: whoever shows the key, if there is one.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};

/// The key that requests must show.
pub(crate) struct Auth(Option<Box<[u8]>>);

impl Auth {
    pub(crate) fn new(key: Option<&str>) -> Self {
        Self(key.map(|key| key.as_bytes().into()))
    }

    /// Whether a request with these headers may come in.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(key) = &self.0 else { return true };
        let shown = headers.get("api-key").map(HeaderValue::as_bytes);
        let bearer = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        // Both are compared, so that the time taken does not tell which was shown.
        let shown = shown.is_some_and(|shown| equal(shown, key));
        let bearer = bearer.is_some_and(|bearer| equal(bearer, key));
        shown || bearer
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

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a header"));
        headers
    }

    #[test]
    fn the_key_is_wanted_in_either_header() {
        let auth = Auth::new(Some("secret"));
        assert!(auth.admits(&headers("api-key", "secret")));
        assert!(auth.admits(&headers("authorization", "Bearer secret")));
        assert!(auth.admits(&headers("authorization", "bearer  secret")));
        for wrong in ["", "secre", "secret1", "Secret"] {
            assert!(!auth.admits(&headers("api-key", wrong)), "{wrong}");
        }
        assert!(!auth.admits(&headers("authorization", "Basic secret")));
        assert!(!auth.admits(&HeaderMap::new()));
        assert!(Auth::new(None).admits(&HeaderMap::new()));
    }
}

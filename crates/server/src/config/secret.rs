//! Texts that are never shown, and what is shown of addresses that hold some.

use std::fmt;

use reqwest::Url;

use super::origin::{Given, Origin};
use super::resolve::Resolver;

/// What is shown of what is not.
pub(super) const HIDDEN: &str = "(hidden)";

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be compared or sent.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// An address without what may be secret: user, password, and all that follows the path.
pub(crate) fn shown_address(url: &Url) -> String {
    let mut url = url.clone();
    // Addresses that have a host can do without a user.
    url.set_username("").ok();
    url.set_password(None).ok();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string().trim_end_matches('/').to_owned()
}

impl Resolver {
    /// An address that a check admits, if it is given. One that is refused is not quoted: where its
    /// password begins cannot be told.
    pub(super) fn address(
        &mut self,
        key: &'static str,
        admits: impl Fn(&str) -> bool,
    ) -> Option<Secret> {
        let Some(Given { text, origin, .. }) = self.given.get(key).cloned() else {
            self.show(key, Some(String::new()), Origin::Default);
            return None;
        };
        let text = text.as_str();
        // A slash in a password would make its rest a part of the path.
        let fits = |url: &Url| admits(text) && !url.path().contains('@');
        let Some(url) = Url::parse(text).ok().filter(fits) else {
            self.show(key, Some(String::new()), Origin::Default);
            self.refuse(key, key, HIDDEN.to_owned(), origin);
            return None;
        };
        self.show(key, Some(shown_address(&url)), origin);
        Some(Secret::new(text))
    }
}

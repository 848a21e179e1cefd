//! Tenants by name.

use std::fmt;
use std::sync::Arc;

use crate::limits;

/// To whom bytes are charged, by name: 1 to 64 of the characters `A-Z a-z 0-9 . _ -`. A clone costs
/// a count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantName(Arc<str>);

/// A text that cannot name a tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantNameError {
    /// No characters at all.
    #[error("is empty; give it 1 to 64 of the characters A-Z a-z 0-9 . _ -")]
    Empty,
    /// Longer than [`limits::TENANT_NAME_BYTES_MAX`].
    #[error("has {len} bytes; at most 64 are allowed")]
    TooLong {
        /// Bytes given.
        len: usize,
    },
    /// A character that headers, labels and keys of a configuration do not carry alike.
    #[error("holds the character {character:?}; use A-Z a-z 0-9 . _ - alone")]
    Forbidden {
        /// The first such character.
        character: char,
    },
    /// [`TenantName::SYSTEM`].
    #[error("is kept for what belongs to no tenant; choose another")]
    Reserved,
}

impl TenantName {
    /// The tenant of what names none.
    pub const DEFAULT: &str = "default";
    /// Whose are the bytes that belong to no tenant; nobody else may have the name.
    pub const SYSTEM: &str = "system";

    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`TenantNameError`] says which rule it breaks.
    pub fn new(name: &str) -> Result<Self, TenantNameError> {
        if name.is_empty() {
            return Err(TenantNameError::Empty);
        }
        if name.len() > limits::TENANT_NAME_BYTES_MAX {
            return Err(TenantNameError::TooLong { len: name.len() });
        }
        let forbidden = |c: &char| !c.is_ascii_alphanumeric() && !"._-".contains(*c);
        if let Some(character) = name.chars().find(forbidden) {
            return Err(TenantNameError::Forbidden { character });
        }
        if name == Self::SYSTEM {
            return Err(TenantNameError::Reserved);
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the one of what names none.
    pub fn is_default(&self) -> bool {
        self.as_str() == Self::DEFAULT
    }
}

impl Default for TenantName {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_headers_labels_and_keys_carry_alike() {
        for name in ["a", "acme.com", "A-1_b", &"x".repeat(64), "default"] {
            assert_eq!(TenantName::new(name).map(|name| name.to_string()).as_deref(), Ok(name));
        }
        let refusal = |name: &str| TenantName::new(name).expect_err("no name").to_string();
        assert!(refusal("").contains("is empty"));
        assert!(refusal(&"x".repeat(65)).contains("65 bytes"));
        for (name, character) in [("a b", "' '"), ("a/b", "'/'"), ("\u{e9}", "'\u{e9}'")] {
            assert!(refusal(name).contains(character), "{}", refusal(name));
        }
        assert!(refusal("system").contains("choose another"));
        assert!(TenantName::default().is_default() && !TenantName(Arc::from("x")).is_default());
    }
}

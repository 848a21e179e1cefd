//! Fields that the contract has and this server does not do yet.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny};

/// A field that may be absent or null; anything else is refused, naming the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Unsupported;

impl<'de> Deserialize<'de> for Unsupported {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<IgnoredAny>::deserialize(deserializer)? {
            None => Ok(Self),
            Some(_) => Err(D::Error::custom("this is not supported yet; leave it out")),
        }
    }
}

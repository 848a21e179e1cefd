//! Objects that are read from objects alone.
//!
//! A derived struct may also be read from a list, its elements taken for the fields in their order,
//! so that `"filter": []` would be a filter that admits everything.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// What can be read from the members of an object.
pub(crate) trait FromMembers: Sized {
    /// Reads the members.
    fn from_members<'de, A: MapAccess<'de>>(members: A) -> Result<Self, A::Error>;
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: FromMembers> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::from_members(members)
    }
}

/// Reads an object, and nothing else.
pub(crate) fn read<'de, T: FromMembers, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_map(ObjectVisitor(PhantomData))
}

/// Reads structs that derive with `remote = "Self"` from objects alone.
macro_rules! objects {
    ($($name:ident),+ $(,)?) => {$(
        impl $crate::object::FromMembers for $name {
            fn from_members<'de, A: serde::de::MapAccess<'de>>(
                members: A,
            ) -> ::std::result::Result<Self, A::Error> {
                // The derived one, which is no trait's.
                $name::deserialize(serde::de::value::MapAccessDeserializer::new(members))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self, D::Error> {
                $crate::object::read(deserializer)
            }
        }
    )+};
}
pub(crate) use objects;

/// A member of an object that may be null, which is not the same as absent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member<T> {
    /// Whether it is there at all.
    pub(crate) named: bool,
    /// What it is, unless absent or null.
    pub(crate) value: Option<T>,
}

impl<T> Default for Member<T> {
    fn default() -> Self {
        Self { named: false, value: None }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { named: true, value: Option::deserialize(deserializer)? })
    }
}

#[cfg(test)]
mod tests;

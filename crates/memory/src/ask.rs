//! What is asked of the books, and what they refuse.

use crate::account::Refusal;
use crate::{Class, Tenant};

/// Bytes that someone asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) class: Class,
    pub(crate) tenant: &'a Tenant,
    pub(crate) bytes: u64,
}

/// What a charge may draw on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// What nobody set aside, less what is kept for the first in line.
    Ordinary,
    /// The same, by someone in line: nothing is kept from it.
    InLine,
    /// The emergency bytes too; class and tenant may exceed their bounds by as much.
    Emergency,
}

/// A node of the tree, within an [`Ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Root,
    Caches,
    Class,
    Tenant,
}

/// A charge that did not fit, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    pub(crate) bound: Bound,
    pub(crate) refusal: Refusal,
}

impl Refused {
    pub(crate) fn at(bound: Bound) -> impl Fn(Refusal) -> Self {
        move |refusal| Self { bound, refusal }
    }
}

//! Refusals, with who holds the bytes.

use std::fmt;
use std::sync::Arc;

use vectorizer_model::BudgetExceeded;
use vectorizer_model::bytes::ByteCount;

use crate::Class;

/// The result of asking for memory.
pub type Result<T> = std::result::Result<T, MemoryError>;

/// The node of the tree whose bound was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The whole process.
    Root,
    /// All caches together.
    Caches,
    /// One class.
    Class(Class),
    /// One tenant, by name.
    Tenant(Arc<str>),
    /// One operation of a kind.
    Operation {
        /// The name of the kind.
        kind: &'static str,
        /// What bounds it.
        by: OperationBound,
    },
}

/// The setting that bounds one operation of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationBound {
    /// That of its kind.
    Kind,
    /// That of every operation but builds.
    All,
    /// That of the process.
    Process,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the process"),
            Self::Caches => f.write_str("the caches"),
            Self::Class(class) => write!(f, "class {class}"),
            Self::Tenant(name) => write!(f, "tenant {name}"),
            Self::Operation { kind, .. } => write!(f, "one operation of kind {kind}"),
        }
    }
}

impl Scope {
    /// What an operator can change so that more fits.
    fn mend(&self) -> String {
        let bound = match self {
            Self::Root | Self::Operation { by: OperationBound::Process, .. } => "memory.limit",
            Self::Caches => "the cache limit",
            Self::Class(_) => "the limit of the class",
            Self::Tenant(_) => "the limit of the tenant",
            Self::Operation { by: OperationBound::All, .. } => "memory.max_per_operation",
            Self::Operation { kind, by: OperationBound::Kind } => {
                return format!("raise memory.operations.{kind}.max_bytes");
            }
        };
        format!("raise {bound}")
    }
}

/// Bytes that one tenant holds for one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What for.
    pub class: Class,
    /// The tenant's name.
    pub tenant: Arc<str>,
    /// How many.
    pub bytes: u64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, tenant, bytes } = self;
        write!(f, "{class} of {tenant} {}", ByteCount(*bytes))
    }
}

/// A refusal. Nothing was charged or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// More than could ever fit: a retry cannot help, a smaller request can.
    #[error(
        "{} requested for {class} of {tenant}, {scope} may hold {}; ask for less or {}",
        ByteCount(*requested), ByteCount(*limit), scope.mend()
    )]
    AllocationTooLarge {
        /// Bytes asked for.
        requested: u64,
        /// Most bytes that the scope can hold.
        limit: u64,
        /// Whose bound it is.
        scope: Scope,
        /// The class that asked.
        class: Class,
        /// The tenant that asked.
        tenant: Arc<str>,
        /// Who holds most within the scope, at most five, largest first.
        holders: Vec<Holder>,
    },
    /// Too much is held now: a retry helps once holders gave back.
    #[error(
        "{} requested for {class} of {tenant}, {} available in {scope}, held by {}; \
         retry after they gave back or {}",
        ByteCount(*requested), ByteCount(*available), Listed(holders), scope.mend()
    )]
    InsufficientMemory {
        /// Bytes asked for.
        requested: u64,
        /// Bytes that would have been granted.
        available: u64,
        /// Whose bound it is.
        scope: Scope,
        /// The class that asked.
        class: Class,
        /// The tenant that asked.
        tenant: Arc<str>,
        /// Who holds most within the scope, at most five, largest first.
        holders: Vec<Holder>,
    },
    /// So much is held that cannot be reclaimed that only what frees memory is admitted: a retry
    /// helps once holders gave back.
    #[error(
        "memory pressure too high: {} of {} cannot be reclaimed, held by {}; \
         retry after they gave back or raise memory.limit",
        ByteCount(*unreclaimable), ByteCount(*limit), Listed(holders)
    )]
    MemoryPressureTooHigh {
        /// Bytes that cannot be reclaimed.
        unreclaimable: u64,
        /// Bytes that the process may hold.
        limit: u64,
        /// The class that asked.
        class: Class,
        /// Who holds most of them, at most five, largest first.
        holders: Vec<Holder>,
    },
    /// What the process holds cannot be measured: the books alone decide until it can.
    #[error(
        "memory cannot be measured: {cause}; requests are admitted by what is reserved until \
         the files of /proc and of the cgroup can be read again"
    )]
    SystemError {
        /// What stood in the way.
        cause: String,
        /// Who reserved most, at most five, largest first.
        holders: Vec<Holder>,
    },
    /// A new limit below what is held: a retry helps once holders gave back.
    #[error(
        "limit {} of {scope} is below the {} held by {}; free them first or choose a higher limit",
        ByteCount(*limit), ByteCount(*held), Listed(holders)
    )]
    LimitBelowHeld {
        /// The limit asked for.
        limit: u64,
        /// Bytes held, the base included for the root.
        held: u64,
        /// Whose bound it is.
        scope: Scope,
        /// Who holds most within the scope, at most five, largest first.
        holders: Vec<Holder>,
    },
    /// Another change of limits is under way: a retry helps once it ended.
    #[error("another change of limits is under way; retry after it")]
    LimitsChanging,
    /// Two reservations of different governors were to be one: a bug of the caller.
    #[error("reservations of different governors cannot be merged")]
    ForeignReservation,
}

impl MemoryError {
    /// The class that asked, if it was a request that was refused.
    pub const fn class(&self) -> Option<Class> {
        match self {
            Self::AllocationTooLarge { class, .. }
            | Self::InsufficientMemory { class, .. }
            | Self::MemoryPressureTooHigh { class, .. } => Some(*class),
            Self::SystemError { .. }
            | Self::LimitBelowHeld { .. }
            | Self::LimitsChanging
            | Self::ForeignReservation => None,
        }
    }

    /// The same for whoever knows budgets only.
    pub(crate) const fn exceeded(&self, requested: u64) -> BudgetExceeded {
        let available = match self {
            Self::InsufficientMemory { available, .. } => *available,
            Self::AllocationTooLarge { limit, .. } => *limit,
            Self::MemoryPressureTooHigh { .. }
            | Self::SystemError { .. }
            | Self::LimitBelowHeld { .. }
            | Self::LimitsChanging
            | Self::ForeignReservation => 0,
        };
        BudgetExceeded { requested, available }
    }

    /// The stable name of the kind.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AllocationTooLarge { .. } => "allocation_too_large",
            Self::InsufficientMemory { .. } => "insufficient_memory",
            Self::MemoryPressureTooHigh { .. } => "memory_pressure_too_high",
            Self::SystemError { .. } => "system_error",
            Self::LimitBelowHeld { .. } => "limit_below_held",
            Self::LimitsChanging => "limits_changing",
            Self::ForeignReservation => "foreign_reservation",
        }
    }
}

/// Holders one after another.
struct Listed<'a>(&'a [Holder]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nobody");
        }
        for (at, holder) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{holder}")?;
        }
        Ok(())
    }
}

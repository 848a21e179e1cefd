//! The eight kinds of failure that every door can show.

use std::fmt;
use std::time::Duration;

use vectorizer_engine::EngineError;
use vectorizer_memory::{Holder, MemoryError, Scope};
use vectorizer_query::QueryError;

/// What kind of failure it is, and so who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is at fault.
    InvalidArgument,
    /// It names what is not there.
    NotFound,
    /// It makes what is there.
    AlreadyExists,
    /// An operator must act first, such as make room on the disk.
    FailedPrecondition,
    /// A limit is met: with a time to retry after, later helps; without, only asking for less.
    ResourceExhausted,
    /// The server cannot answer now.
    Unavailable,
    /// Stored bytes are damaged.
    DataLoss,
    /// A bug.
    Internal,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::InvalidArgument,
        Self::NotFound,
        Self::AlreadyExists,
        Self::FailedPrecondition,
        Self::ResourceExhausted,
        Self::Unavailable,
        Self::DataLoss,
        Self::Internal,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::FailedPrecondition => "failed_precondition",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Unavailable => "unavailable",
            Self::DataLoss => "data_loss",
            Self::Internal => "internal",
        }
    }
}

/// A failed operation. Unless its text says otherwise, nothing changed.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What is wrong, and what would mend it.
    pub message: String,
    /// The failure's stable name, if programs should know it from others of its kind.
    pub code: Option<&'static str>,
    /// When a retry may help.
    pub retry_after: Option<Duration>,
    /// Who holds most memory, if memory is what was short.
    pub holders: Vec<Holder>,
}

/// The result of an operation.
pub type Result<T> = std::result::Result<T, ApiError>;

/// When clients are told to come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl ApiError {
    /// A failure of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message, code: None, retry_after: None, holders: Vec::new() }
    }

    /// The request is at fault.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// It names what is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The same, and a retry may help.
    #[must_use]
    pub fn with_retry(mut self) -> Self {
        self.retry_after = Some(RETRY_AFTER);
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl From<MemoryError> for ApiError {
    fn from(error: MemoryError) -> Self {
        let (message, code) = (error.to_string(), Some(error.code()));
        let refused = match error {
            MemoryError::AllocationTooLarge { holders, .. } => {
                Self { holders, ..Self::new(ErrorKind::ResourceExhausted, message) }
            }
            MemoryError::InsufficientMemory { scope, holders, .. } => {
                let kind = match scope {
                    Scope::Root => ErrorKind::Unavailable,
                    Scope::Caches
                    | Scope::Class(_)
                    | Scope::Tenant(_)
                    | Scope::Operation { .. } => ErrorKind::ResourceExhausted,
                };
                Self { holders, ..Self::new(kind, message).with_retry() }
            }
            MemoryError::MemoryPressureTooHigh { holders, .. } => {
                Self { holders, ..Self::new(ErrorKind::Unavailable, message).with_retry() }
            }
            MemoryError::SystemError { holders, .. } => {
                Self { holders, ..Self::new(ErrorKind::Unavailable, message) }
            }
            MemoryError::LimitBelowHeld { holders, .. } => {
                Self { holders, ..Self::new(ErrorKind::FailedPrecondition, message) }
            }
            MemoryError::LimitsChanging => Self::new(ErrorKind::Unavailable, message).with_retry(),
            MemoryError::ForeignReservation | _ => Self::new(ErrorKind::Internal, message),
        };
        Self { code, ..refused }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        use vectorizer_engine::error::LogError;
        if let Some(refusal) = error.refused_memory() {
            return refusal.clone().into();
        }
        let message = error.to_string();
        let short = error.is_shortage();
        let of = |kind| Self::new(kind, message.clone());
        match error {
            EngineError::CollectionNotFound { name } => {
                Self::not_found(format!("Collection `{name}` doesn't exist!"))
            }
            EngineError::CollectionExists { name } => {
                let message = format!("Collection `{name}` already exists!");
                Self::new(ErrorKind::AlreadyExists, message)
            }
            EngineError::ClusterConfigViolation { .. } => {
                let code = Some("ClusterConfigViolation");
                Self { code, ..Self::invalid(message) }
            }
            EngineError::FieldIndexNotFound { .. } => of(ErrorKind::NotFound),
            EngineError::Partly { source, .. } => Self { message, ..Self::from(*source) },
            EngineError::Overloaded(_) | EngineError::Paced { .. } => {
                of(ErrorKind::ResourceExhausted).with_retry()
            }
            EngineError::DiskFull { .. } | EngineError::NoRoom { .. } => {
                of(ErrorKind::FailedPrecondition)
            }
            EngineError::Segment(_) | EngineError::Pages(_) | EngineError::Disk(_) if short => {
                of(ErrorKind::Unavailable).with_retry()
            }
            EngineError::Log(LogError::EntryTooLarge { .. }) => of(ErrorKind::ResourceExhausted),
            EngineError::Budget(_) => of(ErrorKind::Unavailable).with_retry(),
            EngineError::Log(_)
            | EngineError::LogFailed { .. }
            | EngineError::LogRefused { .. }
            | EngineError::Disk(_)
            | EngineError::Closed { .. }
            | EngineError::CatalogueStopped { .. }
            | EngineError::Abandoned(_) => of(ErrorKind::Unavailable),
            EngineError::Segment(_)
            | EngineError::Pages(_)
            | EngineError::Damaged { .. }
            | EngineError::LogBehind { .. }
            | EngineError::Unopened { .. }
            | EngineError::Undecodable { .. } => of(ErrorKind::DataLoss),
            EngineError::InvalidOperation(_)
            | EngineError::VectorNotFound { .. }
            | EngineError::DimensionMismatch { .. } => of(ErrorKind::InvalidArgument),
            EngineError::Codes(_) | EngineError::Graph(_) | EngineError::Thread(_) | _ => {
                of(ErrorKind::Internal)
            }
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Engine(error) => error.into(),
            QueryError::Memory(error) => error.into(),
            QueryError::PointNotFound { .. } => Self::not_found(error.to_string()),
            QueryError::VectorMissing { .. }
            | QueryError::WindowTooLarge { .. }
            | QueryError::NotFinite { .. }
            | QueryError::OutOfRange { .. }
            | QueryError::Filter(_) => Self::invalid(error.to_string()),
            _ => Self::new(ErrorKind::Internal, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_memory::{Class, Governor, Limits};

    #[test]
    fn memory_refusals_keep_their_kind_and_holders() {
        let limits = Limits::of_root(1000).with_class(Class::Operations, 500);
        let governor = Governor::new(limits);
        let tenant = governor.tenant("t");
        let refused = |class, bytes| {
            ApiError::from(governor.reserve(class, &tenant, bytes).expect_err("too much"))
        };
        let never = refused(Class::Operations, 501);
        assert_eq!((never.kind, never.retry_after), (ErrorKind::ResourceExhausted, None));
        assert_eq!(never.code, Some("allocation_too_large"));
        let _held = governor.reserve(Class::Operations, &tenant, 400).expect("room");
        let class_full = refused(Class::Operations, 200);
        assert_eq!(class_full.kind, ErrorKind::ResourceExhausted);
        assert!(class_full.retry_after.is_some());
        assert_eq!(class_full.holders[0].bytes, 400);
        let never = refused(Class::Operations, 501);
        assert_eq!(never.holders[0].bytes, 400);
        let unmeasured =
            MemoryError::SystemError { cause: String::new(), holders: never.holders.clone() };
        assert_eq!(ApiError::from(unmeasured).holders, never.holders);
        let root_full = refused(Class::Memtables, 700);
        assert_eq!(root_full.kind, ErrorKind::Unavailable);
        assert!(root_full.retry_after.is_some());
        let pressed = ApiError::from(MemoryError::MemoryPressureTooHigh {
            unreclaimable: 950,
            limit: 1000,
            class: Class::Operations,
            holders: class_full.holders,
        });
        assert_eq!(pressed.kind, ErrorKind::Unavailable);
        assert!(pressed.retry_after.is_some() && !pressed.holders.is_empty());
        assert_eq!(pressed.code, Some("memory_pressure_too_high"));
    }

    #[test]
    fn engine_refusals_have_kinds() {
        let missing = EngineError::CollectionNotFound { name: "x".to_owned() };
        assert_eq!(ApiError::from(missing).message, "Collection `x` doesn't exist!");
        let paced = ApiError::from(EngineError::Paced { backlog_bytes: 1 });
        assert_eq!(paced.kind, ErrorKind::ResourceExhausted);
        assert!(paced.retry_after.is_some());
        let full = EngineError::DiskFull { percent_full: 96, percent_limit: 95 };
        assert_eq!(ApiError::from(full).kind, ErrorKind::FailedPrecondition);
        let regions = vectorizer_pages::PagesError::TooManyRegions { tables: 9, capacity: 10 };
        let short = ApiError::from(EngineError::from(regions));
        assert_eq!(short.kind, ErrorKind::Unavailable);
        assert!(short.retry_after.is_some());
        let collection = vectorizer_model::CollectionName::new("x").expect("a name");
        let broken = EngineError::ClusterConfigViolation { collection, what: "is wrong" };
        let broken = ApiError::from(broken);
        assert_eq!(broken.kind, ErrorKind::InvalidArgument);
        assert_eq!(broken.code, Some("ClusterConfigViolation"));
        let dim = EngineError::DimensionMismatch { expected: 4, found: 2 };
        assert_eq!(ApiError::from(dim).kind, ErrorKind::InvalidArgument);
    }
}

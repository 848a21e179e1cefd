//! The one table of errors to statuses and words.

use axum::http::StatusCode;
use vectorizer_api::{ApiError, ErrorKind};
use vectorizer_wire::WireError;

/// A refused or failed request, from whatever layer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestError {
    /// The operation was refused or failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The request is not what the contract allows.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The body is larger than the limit.
    #[error("the body has more than {limit} bytes; send it in parts")]
    BodyTooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// The body did not come in time.
    #[error("the body did not arrive in time; send it faster, or in parts")]
    BodyTooSlow,
    /// The client went away within the body.
    #[error("the body ended early: {0}")]
    BodyBroken(String),
    /// The operation took too long.
    #[error("the operation took more than {seconds} s; a write may still complete")]
    TimedOut {
        /// Seconds allowed.
        seconds: u64,
    },
    /// Nothing is answered there.
    #[error("nothing answers {method} {path}; GET /openapi.json lists what there is")]
    NoRoute {
        /// How it was asked.
        method: String,
        /// What was asked for.
        path: String,
    },
    /// The key is a tenant's, and only the operator may ask for this.
    #[error("this is for the operator alone; show the key of auth.api_key")]
    OperatorsOnly,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

/// How an error is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    /// Seconds after which a retry may help.
    pub(crate) retry_after: Option<u64>,
}

impl RestError {
    /// How it is answered.
    pub(crate) fn refusal(&self) -> Refusal {
        let (status, prefix) = match self {
            Self::Api(error) => of_kind(error),
            Self::Wire(WireError::Format(_) | WireError::Parameter(_)) => {
                (StatusCode::BAD_REQUEST, "")
            }
            Self::Wire(WireError::Validation(_)) => (StatusCode::UNPROCESSABLE_ENTITY, ""),
            Self::Wire(WireError::Invalid(_) | WireError::Unsupported { .. }) => {
                (StatusCode::BAD_REQUEST, WRONG)
            }
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, ""),
            Self::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, ""),
            Self::BodyBroken(_) => (StatusCode::BAD_REQUEST, ""),
            Self::TimedOut { .. } => (StatusCode::REQUEST_TIMEOUT, "Timeout: "),
            Self::NoRoute { .. } => (StatusCode::NOT_FOUND, NOT_FOUND),
            Self::OperatorsOnly => (StatusCode::FORBIDDEN, "Forbidden: "),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
        };
        let retry_after = match self {
            Self::Api(error) => error.retry_after.map(|after| after.as_secs().max(1)),
            Self::Stopping => Some(1),
            Self::Wire(_)
            | Self::BodyTooLarge { .. }
            | Self::BodyTooSlow
            | Self::BodyBroken(_)
            | Self::OperatorsOnly
            | Self::NoRoute { .. }
            | Self::TimedOut { .. } => None,
        };
        // It may quote what was sent, at any length.
        let text = vectorizer_wire::json::shortened(&format_args!("{prefix}{self}"));
        Refusal { status, text, retry_after }
    }
}

const WRONG: &str = "Wrong input: ";
const NOT_FOUND: &str = "Not found: ";
const UNAVAILABLE: &str = "Service unavailable: ";

fn of_kind(error: &ApiError) -> (StatusCode, &'static str) {
    match (error.kind, error.retry_after.is_some()) {
        (ErrorKind::InvalidArgument, _) => (StatusCode::BAD_REQUEST, WRONG),
        (ErrorKind::NotFound, _) => (StatusCode::NOT_FOUND, NOT_FOUND),
        (ErrorKind::AlreadyExists, _) => (StatusCode::CONFLICT, WRONG),
        (ErrorKind::FailedPrecondition, _) if error.code == Some("limit_below_held") => {
            (StatusCode::CONFLICT, WRONG)
        }
        // What must be mended first is the disk's room.
        (ErrorKind::FailedPrecondition, _) => (StatusCode::INSUFFICIENT_STORAGE, UNAVAILABLE),
        (ErrorKind::ResourceExhausted, true) => {
            (StatusCode::TOO_MANY_REQUESTS, "Too many requests: ")
        }
        (ErrorKind::ResourceExhausted, false) => (StatusCode::PAYLOAD_TOO_LARGE, "Too large: "),
        (ErrorKind::Unavailable, _) => (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
        (ErrorKind::DataLoss, _) => (StatusCode::INTERNAL_SERVER_ERROR, "Damaged data: "),
        (ErrorKind::Internal, _) => (StatusCode::INTERNAL_SERVER_ERROR, "Service internal error: "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_status() {
        let statuses = ErrorKind::ALL.map(|kind| {
            let error = RestError::from(ApiError::new(kind, "x"));
            (kind.name(), error.refusal().status.as_u16())
        });
        assert_eq!(
            statuses,
            [
                ("invalid_argument", 400),
                ("not_found", 404),
                ("already_exists", 409),
                ("failed_precondition", 507),
                ("resource_exhausted", 413),
                ("unavailable", 503),
                ("data_loss", 500),
                ("internal", 500),
            ]
        );
    }

    #[test]
    fn what_may_be_retried_says_when() {
        let paced = ApiError::new(ErrorKind::ResourceExhausted, "paced").with_retry();
        let refusal = RestError::from(paced).refusal();
        assert_eq!((refusal.status.as_u16(), refusal.retry_after), (429, Some(1)));
        let full = ApiError::new(ErrorKind::Unavailable, "full").with_retry();
        let refusal = RestError::from(full).refusal();
        assert_eq!((refusal.status.as_u16(), refusal.retry_after), (503, Some(1)));
    }

    #[test]
    fn requests_out_of_contract_are_400_or_422() {
        let status = |error| RestError::Wire(error).refusal();
        let told = |text: &str| text.to_owned();
        assert_eq!(status(WireError::Format(told("x"))).status.as_u16(), 400);
        assert_eq!(status(WireError::Validation(told("x"))).status.as_u16(), 422);
        let invalid = status(WireError::Invalid(told("x")));
        assert_eq!((invalid.status.as_u16(), &*invalid.text), (400, "Wrong input: x"));
        let long = status(WireError::Invalid("x".repeat(1 << 20))).text;
        assert!(long.len() < 2048 && long.contains("x ... x"), "{} bytes", long.len());
        assert_eq!(RestError::BodyTooLarge { limit: 1 }.refusal().status.as_u16(), 413);
        assert_eq!(RestError::BodyTooSlow.refusal().status.as_u16(), 408);
    }
}

//! Who hands over a write.

use vectorizer_memory::AllocationGuard;
use vectorizer_model::RequestId;

/// Who hands over a write: the request, and the operation whose memory it uses.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The request, so that a repeated one can be told.
    pub request: RequestId,
    /// What it draws on; without one, it draws on the governor.
    pub guard: Option<AllocationGuard>,
}

impl From<RequestId> for Origin {
    fn from(request: RequestId) -> Self {
        Self { request, guard: None }
    }
}

impl From<AllocationGuard> for Origin {
    fn from(guard: AllocationGuard) -> Self {
        Self { request: RequestId::default(), guard: Some(guard) }
    }
}

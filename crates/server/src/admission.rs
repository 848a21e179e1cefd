//! What a request may hold: memory is reserved before its body is read, and held until its answer
//! is sent.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};
use vectorizer_api::ApiError;
use vectorizer_memory::{Class, Governor, Reservation, Tenant};
use vectorizer_wire::json::Shape;

use crate::config::ServerLimits;
use crate::status::RestError;

/// Bytes that a body takes while it is read: its text, and about as much once decoded. What
/// decoding really takes is measured before it happens.
const EXPANSION: u64 = 2;
/// A body of unknown length is admitted in steps of this many bytes.
const STEP_BYTES: u64 = 64 << 10;

/// Bytes that an urgent body takes besides, once decoded: it is small.
const URGENT_BYTES: u64 = 8 << 10;

/// Bytes of a request's head, at most, and of what is read of its body at a time.
pub(crate) const HEAD_BYTES_MAX: usize = 32 << 10;
/// Bytes of a connection: a head, its buffer as large again, and what serves it.
const CONNECTION_BYTES: u64 = (2 * HEAD_BYTES_MAX + (24 << 10)) as u64;
/// All connections together hold this part of the limit at most.
const CONNECTIONS_SHARE: u64 = 8;

/// How long the body of a refused request is received.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Admits requests within the memory budget.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    governor: Arc<Governor>,
    /// Who pays.
    tenant: Tenant,
    limits: ServerLimits,
}

/// Whether a request is admitted when memory is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// It is not.
    Ordinary,
    /// It may use the emergency bytes.
    Urgent,
}

/// A body that was read, with the memory that it and its decoded form may take.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) bytes: Vec<u8>,
    pub(crate) held: Reservation,
}

/// An answer's bytes, charged until the last copy is sent.
struct Charged {
    bytes: Vec<u8>,
    _held: Reservation,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Admission {
    pub(crate) fn new(governor: Arc<Governor>, limits: ServerLimits) -> Self {
        let tenant = governor.tenant("default");
        Self { governor, tenant, limits }
    }

    /// The same, at the expense of a tenant.
    pub(crate) fn for_tenant(&self, tenant: &Tenant) -> Self {
        Self { tenant: tenant.clone(), ..self.clone() }
    }

    fn reserve(&self, bytes: u64) -> Result<Reservation, ApiError> {
        Ok(self.governor.reserve(Class::Operations, &self.tenant, bytes)?)
    }

    /// Reads a body whose memory is reserved first; one of unknown length step by step.
    ///
    /// A refused body is received and dropped, as far as that is soon done: a client that is still
    /// sending when the connection closes would not see the refusal.
    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        mut body: Body,
        urgency: Urgency,
    ) -> Result<Admitted, RestError> {
        let read = self.receive(headers, &mut body, urgency).await;
        if matches!(read, Err(RestError::Api(_) | RestError::BodyTooLarge { .. })) {
            self.discard(headers, body, self.limits.body_bytes).await;
        }
        read
    }

    /// Receives what is left of a body and drops it: at most so many bytes, and not for long.
    pub(crate) async fn discard(&self, headers: &HeaderMap, mut body: Body, bytes_max: u64) {
        // A client that waits to be asked for its body sends none.
        if headers.contains_key(EXPECT) {
            return;
        }
        let end = Instant::now() + DISCARD_TIME;
        let mut discarded = 0;
        while discarded < bytes_max {
            match self.next_part(&mut body, end).await {
                Ok(Some(part)) => discarded += part.len() as u64,
                Ok(None) | Err(_) => return,
            }
        }
    }

    async fn receive(
        &self,
        headers: &HeaderMap,
        body: &mut Body,
        urgency: Urgency,
    ) -> Result<Admitted, RestError> {
        let limit = self.limits.body_bytes;
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length: Option<u64> = length.and_then(|length| length.parse().ok());
        if length.is_some_and(|length| length > limit) {
            return Err(RestError::BodyTooLarge { limit });
        }
        let first = length.unwrap_or(0);
        let mut held = match urgency {
            Urgency::Ordinary => self.reserve(first * EXPANSION)?,
            Urgency::Urgent => {
                let bytes = first * EXPANSION + URGENT_BYTES;
                let held = self.governor.reserve_emergency(Class::Operations, &self.tenant, bytes);
                held.map_err(ApiError::from)?
            }
        };
        let mut bytes = Vec::with_capacity(usize::try_from(first).unwrap_or(0));
        let end = Instant::now() + self.limits.body_timeout;
        while let Some(part) = self.next_part(body, end).await? {
            let size = (bytes.len() + part.len()) as u64;
            if size > limit {
                return Err(RestError::BodyTooLarge { limit });
            }
            if size * EXPANSION > held.bytes() {
                let step = size.next_multiple_of(STEP_BYTES) * EXPANSION - held.bytes();
                held.try_grow(step).map_err(ApiError::from)?;
            }
            bytes.extend_from_slice(&part);
        }
        Ok(Admitted { bytes, held })
    }

    /// The next part of a body, if it comes in time.
    async fn next_part(&self, body: &mut Body, end: Instant) -> Result<Option<Bytes>, RestError> {
        let stall: Duration = self.limits.body_stall_timeout;
        let deadline = end.min(Instant::now() + stall);
        loop {
            let frame = timeout_at(deadline, body.frame()).await;
            match frame.map_err(|_elapsed| RestError::BodyTooSlow)? {
                None => return Ok(None),
                Some(Err(error)) => return Err(RestError::BodyBroken(error.to_string())),
                // Trailers are passed over.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Ok(Some(data)),
                    Err(_trailers) => {}
                },
            }
        }
    }

    /// Memory of a connection, if there is room: without, it is served still, so that its client is
    /// told why it is refused, and what it takes is measured as drift.
    pub(crate) fn connection(&self) -> Option<Reservation> {
        self.governor.reserve(Class::Operations, &self.tenant, CONNECTION_BYTES).ok()
    }

    /// Connections at once: as many as may be, within a share of the limit.
    pub(crate) fn connections_max(&self) -> usize {
        let share = self.governor.limits().root / CONNECTIONS_SHARE / CONNECTION_BYTES;
        self.limits.connections.min(usize::try_from(share).unwrap_or(usize::MAX)).max(1)
    }

    /// An answer's body, charged until it is sent.
    pub(crate) fn charge(&self, bytes: Vec<u8>) -> Result<Body, ApiError> {
        let held = self.reserve(bytes.capacity() as u64)?;
        Ok(charged(bytes, held))
    }
}

/// A body that is charged until it is sent.
pub(crate) fn charged(bytes: Vec<u8>, held: Reservation) -> Body {
    Body::from(Bytes::from_owner(Charged { bytes, _held: held }))
}

impl Admitted {
    /// Decodes the body, after making sure that the decoded form fits; its text is given back.
    ///
    /// The reservation then stands for the decoded form, and is to be held as long as that is.
    pub(crate) fn decode<T>(
        self,
        decode: impl FnOnce(&[u8]) -> vectorizer_wire::Result<T>,
    ) -> Result<(T, Reservation), RestError> {
        let Self { bytes, mut held } = self;
        let shape = Shape::of(&bytes);
        shape.check()?;
        let decoded_max = shape.decoded_bytes_max();
        let needed = bytes.capacity() as u64 + decoded_max + shape.reading_bytes_max();
        if needed > held.bytes() {
            held.try_grow(needed - held.bytes()).map_err(ApiError::from)?;
        }
        let decoded = decode(&bytes)?;
        drop(bytes);
        held.shrink(held.bytes() - decoded_max);
        Ok((decoded, held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_memory::Limits;

    fn admission(root: u64) -> Admission {
        let limits = ServerLimits { body_bytes: 1000, ..ServerLimits::default() };
        Admission::new(Governor::new(Limits::of_root(root)), limits)
    }

    async fn read(admission: &Admission, length: Option<u64>, body: &str) -> Result<u64, u16> {
        let mut headers = HeaderMap::new();
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        let read = admission.read(&headers, Body::from(body.to_owned()), Urgency::Ordinary).await;
        read.map(|read| read.held.bytes()).map_err(|error| error.refusal().status.as_u16())
    }

    #[tokio::test]
    async fn memory_is_reserved_before_the_body_is_read() {
        let roomy = admission(1 << 20);
        assert_eq!(read(&roomy, Some(2), "{}").await, Ok(4));
        assert_eq!(read(&roomy, Some(1001), "").await, Err(413));
        assert_eq!(read(&roomy, None, &"x".repeat(1001)).await, Err(413));
        assert_eq!(read(&roomy, None, "{}").await, Ok(STEP_BYTES * EXPANSION));
        assert_eq!(roomy.governor.reserved(), 0);
        // It could never fit, then: it does not fit now.
        assert_eq!(read(&admission(100), Some(500), "").await, Err(413));
        let busy = admission(1500);
        let _held = busy.reserve(1000).expect("room");
        assert_eq!(read(&busy, Some(500), "").await, Err(503));
    }

    #[tokio::test]
    async fn what_decoding_takes_is_measured_first() {
        let admission = admission(10_000);
        let body = format!("[{}]", vec!["{\"\":0}"; 60].join(","));
        let read = admission.read(&HeaderMap::new(), Body::from(body), Urgency::Ordinary).await;
        assert!(read.is_err(), "a step does not fit");
        let held = admission.reserve(1000).expect("room");
        let bytes = vec![b'{'; 100];
        let refused = Admitted { bytes, held }.decode(|_| Ok(())).map(|_| ());
        assert!(refused.is_err(), "a hundred objects do not fit");
        assert_eq!(admission.governor.reserved(), 0);
    }

    #[tokio::test]
    async fn an_answer_is_charged_until_it_is_sent() {
        let admission = admission(10_000);
        let body = admission.charge(vec![1; 500]).expect("room");
        assert!(admission.governor.reserved() >= 500);
        let sent = body.collect().await.expect("bytes").to_bytes();
        assert_eq!(sent.len(), 500);
        drop(sent);
        assert_eq!(admission.governor.reserved(), 0);
    }
}

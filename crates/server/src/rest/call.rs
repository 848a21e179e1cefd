//! One request on its way to an operation.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Handle, RuntimeFlavor};
use vectorizer_api::{Answered, ApiError, Caller, Context, ErrorKind, Operation, Record};
use vectorizer_memory::{AllocationGuard, Drawn, MemoryError, Reservation};
use vectorizer_model::CollectionName;
use vectorizer_wire::WireError;
use vectorizer_wire::answer::Envelope;
use vectorizer_wire::params::Params;
use vectorizer_wire::{collections, json, params};

use super::Door;
use super::answer::Answer;
use crate::admission::{Admission, Admitted, Urgency};
use crate::status::RestError;

/// Work on more bytes than this must not hold up other requests.
const LONG_WORK_BYTES: usize = 64 << 10;
/// Bytes of an answer without records, about.
const LITTLE_BYTES: usize = 512;

/// One request on its way to an operation.
pub(super) struct Call {
    pub(super) door: Arc<Door>,
    /// What operations run in, for who asks.
    pub(super) context: Context,
    /// What the request may hold, at the expense of who asks.
    admission: Admission,
    started: Instant,
    path: Vec<String>,
    query: String,
    headers: HeaderMap,
    /// Only taken out; the lock lets the call be shared between threads.
    body: Mutex<Body>,
    /// Memory of the decoded request, held until it is answered.
    held: Option<Reservation>,
    /// Memory of the operation and of what it came to, held until that is encoded.
    answer: Mutex<Option<(AllocationGuard, Drawn)>>,
    /// Whether the body is so long that what is done with it takes long too.
    long: bool,
}

/// What a handler comes to.
pub(super) type Outcome = Result<Answer, RestError>;

impl Call {
    pub(super) fn new(
        door: Arc<Door>,
        caller: &Caller,
        started: Instant,
        (path, query): (Vec<String>, String),
    ) -> Self {
        Self {
            context: door.context.for_caller(caller.clone()),
            admission: door.admission.for_tenant(caller.tenant()),
            door,
            started,
            path,
            query,
            headers: HeaderMap::new(),
            body: Mutex::new(Body::empty()),
            held: None,
            answer: Mutex::default(),
            long: false,
        }
    }

    pub(super) fn with_body(mut self, headers: HeaderMap, body: Body) -> Self {
        (self.headers, self.body) = (headers, Mutex::new(body));
        self
    }

    /// A part of the path that stood in braces.
    pub(super) fn path(&self, at: usize) -> &str {
        self.path.get(at).map_or("", String::as_str)
    }

    /// The collection that the path names.
    pub(super) fn collection(&self) -> Result<CollectionName, RestError> {
        Ok(collections::collection_name(self.path(0))?)
    }

    /// What the query string says.
    pub(super) fn params(&self) -> Result<Params, RestError> {
        Ok(params::read(&self.query)?)
    }

    /// Reads the body and makes an operation of it.
    pub(super) async fn read<T: DeserializeOwned, O>(
        &mut self,
        convert: impl FnOnce(T, CollectionName, &Door) -> vectorizer_wire::Result<O>,
    ) -> Result<O, RestError> {
        let admitted = self.admit(Urgency::Ordinary).await?;
        let collection = self.collection()?;
        self.long = admitted.bytes.len() > LONG_WORK_BYTES;
        let door = &self.door;
        let decode = || {
            admitted.decode(|bytes| {
                let read = json::decode::<T>(bytes)?;
                convert(read, collection, door)
            })
        };
        let (operation, held) = run_long(self.long, decode)?;
        self.held = Some(held);
        Ok(operation)
    }

    /// Reads the body of what administrators ask for, which is answered when memory is full and
    /// may take long.
    pub(super) async fn read_urgent<T: DeserializeOwned, O>(
        &mut self,
        convert: impl FnOnce(T) -> O,
    ) -> Result<O, RestError> {
        let admitted = self.admit(Urgency::Urgent).await?;
        let (operation, held) = admitted.decode(|bytes| Ok(convert(json::decode::<T>(bytes)?)))?;
        (self.held, self.long) = (Some(held), true);
        Ok(operation)
    }

    /// Receives the body.
    async fn admit(&mut self, urgency: Urgency) -> Result<Admitted, RestError> {
        let body = std::mem::take(self.body.get_mut().unwrap_or_else(PoisonError::into_inner));
        if !body.is_end_stream() && !is_json(&self.headers) {
            self.admission.discard(&self.headers, body, self.door.limits.body_bytes).await;
            let told = "its content-type is not JSON; send `content-type: application/json`";
            return Err(WireError::Format(told.to_owned()).into());
        }
        let admitted = self.admission.read(&self.headers, body, urgency).await?;
        self.params()?;
        Ok(admitted)
    }

    /// Does an operation within its time.
    pub(super) async fn run<O: Operation>(&self, operation: O) -> Result<O::Output, RestError> {
        let limit = self.params()?.timeout.unwrap_or(self.door.limits.request_timeout);
        let limit = limit.min(std::time::Duration::from_hours(24));
        let mut work = std::pin::pin!(self.context.run(operation));
        // A long write is checked, laid out and encoded for the log by whoever polls it.
        let work = std::future::poll_fn(|cx| run_long(self.long, || work.as_mut().poll(cx)));
        let done = tokio::time::timeout(limit, work).await;
        let timed_out = |_elapsed| RestError::TimedOut { seconds: limit.as_secs() };
        let Answered { output, guard, held } = done.map_err(timed_out)??;
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some((guard, held));
        Ok(output)
    }

    /// Answers with a result.
    pub(super) fn reply(&self, result: impl Serialize) -> Outcome {
        self.encode(result, LITTLE_BYTES)
    }

    /// Answers without the envelope.
    pub(super) fn reply_bare(&self, result: impl Serialize) -> Outcome {
        self.encode_whole(result, LITTLE_BYTES)
    }

    /// Answers with measurements.
    pub(super) fn reply_metrics(&self, text: String) -> Outcome {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((guard, _output)) = answer.as_ref() else { return Ok(Answer::metrics(text)) };
        let held = guard.draw(text.capacity() as u64).map_err(ApiError::from)?;
        Ok(Answer::metrics(text).held(held.detach()))
    }

    /// Encodes an answer of about so many bytes in its envelope.
    fn encode(&self, result: impl Serialize, about: usize) -> Outcome {
        let time = self.started.elapsed().as_secs_f64();
        self.encode_whole(Envelope { result, status: "ok", time }, about)
    }

    /// Encodes an answer of about so many bytes, which are held before it grows and until it is
    /// sent.
    fn encode_whole(&self, whole: impl Serialize, about: usize) -> Outcome {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((guard, _output)) = answer.as_ref() else {
            return encode(&whole).map(Answer::json);
        };
        let held = guard.draw(about as u64).map_err(ApiError::from)?;
        let mut text = Growing { bytes: Vec::with_capacity(about), memory: held, refused: None };
        let encoded = serde_json::to_writer(&mut text, &whole);
        let Growing { mut bytes, memory: mut held, refused } = text;
        if let Some(refused) = refused {
            return Err(ApiError::from(refused).into());
        }
        encoded.map_err(|error| not_json(&error))?;
        bytes.shrink_to_fit();
        held.shrink(held.bytes().saturating_sub(bytes.capacity() as u64));
        Ok(Answer::held_json(bytes, held.detach()))
    }

    /// Answers with a result that holds these records.
    pub(super) fn reply_records<'a>(
        &self,
        result: impl Serialize,
        records: impl Iterator<Item = &'a Record>,
    ) -> Outcome {
        let about = LITTLE_BYTES + records.map(shown_bytes).sum::<usize>();
        run_long(about > LONG_WORK_BYTES, || self.encode(result, about))
    }
}

/// Text that grows as the memory for it is granted.
struct Growing {
    bytes: Vec<u8>,
    memory: Drawn,
    refused: Option<MemoryError>,
}

impl std::io::Write for Growing {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        if self.bytes.capacity() - self.bytes.len() < part.len() {
            // Old and new text are there at once while it is moved.
            let more = part.len().max(self.bytes.capacity()).max(LITTLE_BYTES);
            let needed = (self.bytes.capacity() * 2 + more) as u64;
            let grown = self.memory.try_grow(needed.saturating_sub(self.memory.bytes()));
            if let Err(refused) = grown {
                self.refused = Some(refused);
                return Err(std::io::ErrorKind::OutOfMemory.into());
            }
            self.bytes.reserve_exact(more);
            self.memory.shrink(self.memory.bytes().saturating_sub(self.bytes.capacity() as u64));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether a body is said to be JSON. A web page can make a browser send any other type here
/// without asking, and so change what an open server holds.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Bytes of a record's JSON, about; payloads are taken for middling ones.
fn shown_bytes(record: &Record) -> usize {
    const COMPONENT_BYTES: usize = 12;
    const PAYLOAD_BYTES: usize = 512;
    let components: usize = record.vectors.iter().map(|(_, vector)| vector.len()).sum();
    let payload = if record.payload.is_some() { PAYLOAD_BYTES } else { 0 };
    64 + components * COMPONENT_BYTES + payload
}

/// Runs work that may be long without holding up other requests.
fn run_long<T>(long: bool, work: impl FnOnce() -> T) -> T {
    let several = || Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    if long && several() { tokio::task::block_in_place(work) } else { work() }
}

/// The JSON of a value.
pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, RestError> {
    serde_json::to_vec(value).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> RestError {
    ApiError::new(ErrorKind::Internal, format!("the answer is not JSON: {error}")).into()
}

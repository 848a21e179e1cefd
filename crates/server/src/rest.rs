//! The REST door: routes to operations, requests in, answers out.

mod answer;
mod call;
mod collections;
mod discovery;
mod memory;
mod points;
mod routes;
mod search;
mod service;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use vectorizer_api::{Caller, Context};
use vectorizer_wire::WireError;

use crate::admission::Admission;
use crate::auth::{Auth, Identity};
use crate::config::{ServerConfig, ServerLimits};
use crate::error::ServerError;
use crate::status::RestError;
use crate::telemetry::Telemetry;
use crate::tenants::Tenants;
use answer::Answer;
use call::Call;
use routes::{Admits, Method, ROUTES, Route};

/// What all requests share.
pub(crate) struct Door {
    pub(crate) context: Context,
    pub(crate) admission: Admission,
    pub(crate) auth: Auth,
    pub(crate) tenants: Tenants,
    pub(crate) telemetry: Telemetry,
    pub(crate) limits: ServerLimits,
    /// The document of what is answered, made once.
    pub(crate) document: String,
    stopping: AtomicBool,
}

impl Door {
    pub(crate) fn new(context: Context, config: &ServerConfig) -> Result<Arc<Self>, ServerError> {
        let governor = Arc::clone(context.engine().governor());
        let limits = config.limits;
        Ok(Arc::new(Self {
            tenants: Tenants::new(&context, config.tenants.clone())?,
            context,
            admission: Admission::new(governor, limits),
            auth: Auth::new(config),
            telemetry: Telemetry::new(),
            limits,
            document: routes::document()?,
            stopping: AtomicBool::new(false),
        }))
    }

    /// Whoever asks without having shown who it is.
    fn nobody(&self) -> Caller {
        self.context.caller().clone().unknown()
    }

    /// From now on the server is not ready.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// All routes. What is not among them is not found, whatever the method.
pub(crate) fn router(door: &Arc<Door>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let door = Arc::clone(door);
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Put => MethodFilter::PUT,
            Method::Post => MethodFilter::POST,
            Method::Patch => MethodFilter::PATCH,
            Method::Delete => MethodFilter::DELETE,
        };
        let handler = move |path: Result<RawPathParams, RawPathParamsRejection>,
                            request: Request| {
            let path = path.map(|path| path.iter().map(|(_, value)| value.to_owned()).collect());
            handle(route, Arc::clone(&door), path.ok(), request)
        };
        router = router.route(route.template, on(filter, handler));
    }
    let (missing, mismatched) = (Arc::clone(door), Arc::clone(door));
    router
        .fallback(move |request: Request| std::future::ready(not_found(&missing, &request)))
        .method_not_allowed_fallback(move |request: Request| {
            std::future::ready(not_found(&mismatched, &request))
        })
}

fn not_found(door: &Door, request: &Request) -> Response {
    let started = Instant::now();
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let nobody = door.nobody();
    let answer = Answer::failed(RestError::NoRoute { method, path }, &nobody, started);
    let response = answer.into_response(&door.admission, &nobody, started);
    door.telemetry.observe("unknown", response.status().as_u16(), started.elapsed());
    response
}

/// Bytes that are received from a client without the key, so that it sees why it is refused.
const UNAUTHORIZED_BYTES_MAX: u64 = 1 << 20;

async fn handle(
    route: &'static Route,
    door: Arc<Door>,
    path: Option<Vec<String>>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let (answer, caller) = match enter(route, &door, &parts.headers) {
        Err(refused) => {
            if !matches!(refused, Refused::Because(RestError::Stopping)) {
                door.admission.discard(&parts.headers, body, UNAUTHORIZED_BYTES_MAX).await;
            }
            let nobody = door.nobody();
            (refused.answer(&nobody, started), nobody)
        }
        Ok(caller) => {
            let answer = if let Some(path) = path {
                let query = parts.uri.query().unwrap_or_default().to_owned();
                let call = Call::new(Arc::clone(&door), &caller, started, (path, query));
                let done = (route.handler)(call.with_body(parts.headers, body)).await;
                done.unwrap_or_else(|error| Answer::failed(error, &caller, started))
            } else {
                let told = "the path is not UTF-8 once its escapes are undone";
                Answer::failed(WireError::invalid(told).into(), &caller, started)
            };
            (answer, caller)
        }
    };
    let response = answer.into_response(&door.admission, &caller, started);
    door.telemetry.observe(route.name, response.status().as_u16(), started.elapsed());
    response
}

/// Why a request is not looked at.
enum Refused {
    /// It shows no key that is known.
    WithoutKey,
    /// Something else.
    Because(RestError),
}

impl Refused {
    fn answer(self, nobody: &Caller, started: Instant) -> Answer {
        match self {
            Self::WithoutKey => Answer::unauthorized(),
            Self::Because(error) => Answer::failed(error, nobody, started),
        }
    }
}

/// Who sends a request, if it may come in.
fn enter(route: &Route, door: &Door, headers: &HeaderMap) -> Result<Caller, Refused> {
    if route.admits == Admits::Everybody {
        return Ok(door.nobody());
    }
    let identity = door.auth.identify(headers).ok_or(Refused::WithoutKey)?;
    if route.stops && door.is_stopping() {
        return Err(Refused::Because(RestError::Stopping));
    }
    if route.admits == Admits::Operator && matches!(identity, Identity::Tenant(_)) {
        return Err(Refused::Because(RestError::OperatorsOnly));
    }
    door.tenants.caller(&identity, headers).map_err(Refused::Because)
}

/// The same URI without repeated or trailing slashes.
pub(crate) fn normalise(uri: &mut Uri) {
    let path = uri.path();
    let ends = path.len() > 1 && path.ends_with('/');
    if !ends && !path.contains("//") {
        return;
    }
    let kept: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(clean) = format!("/{}{query}", kept.join("/")).parse() {
        *uri = clean;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_needless_slashes() {
        for (given, clean) in [
            ("/", "/"),
            ("/collections/", "/collections"),
            ("//collections//a/?wait=true", "/collections/a?wait=true"),
            ("/collections/a", "/collections/a"),
            ("///", "/"),
        ] {
            let mut uri: Uri = given.parse().expect("a URI");
            normalise(&mut uri);
            assert_eq!(uri.to_string(), clean, "{given}");
        }
    }
}

//! The middleware around every request: sets its id and span, writes its access log line and metrics, and sets the
//! headers of every response.

use std::{
    cell::Cell,
    future::Ready,
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use actix_cors::CorsError;
use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use events::TraceParent;
use service_kit::{Clock, Ids};
use tracing::Instrument;

use super::{
    http_metrics::{HttpMetrics, method_label},
    panic_boundary,
};
use crate::{
    http::{
        errors::own_response::OwnResponse, extractors::client_address::TrustedProxies, request_id::with_request_id,
    },
    outbox::{Actor, Origin},
    problem::Problem,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const MAX_REQUEST_ID_BYTES: usize = 128;
const MAX_USER_AGENT_CHARS: usize = 256;
/// One year (RFC 6797), without `includeSubDomains`, because this service does not decide for other hosts of the domain.
const HSTS: &str = "max-age=31536000";
/// The policy of a response that is no page: opened in a browser, it loads nothing and stays out of frames.
const NOT_A_PAGE: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
/// The route label of a path that is not served. The path itself is chosen by the client, so it is not a label.
const NO_ROUTE: &str = "unmatched";

/// Returns what shows a problem of this request to a reader, or `None` for a client that gets the problem itself.
pub type ErrorPages = fn(&ServiceRequest) -> Option<ErrorPage>;

/// Returns the page of a problem, or `None` if the reader gets the problem itself.
pub type ErrorPage = Box<dyn Fn(&Problem) -> Option<HttpResponse>>;

/// The dependencies of [`request_context`], stored in the application as `web::Data`.
#[derive(Debug, Clone)]
pub struct RequestScope {
    pub clock: Clock,
    pub ids: Ids,
    pub trusted_proxies: TrustedProxies,
    pub metrics: HttpMetrics,
    pub error_pages: ErrorPages,
}

/// Id and origin of a request. An extractor for handlers inside of [`request_context`].
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The client's `x-request-id` if it is valid, else a new UUIDv7.
    pub request_id: String,
    /// The address of the client, as [`TrustedProxies::client_address`] returns it.
    pub client_address: IpAddr,
    /// Whether the client used TLS, as [`TrustedProxies::client_used_https`] returns it.
    pub is_https: bool,
    /// The `User-Agent` header: at most 256 characters, without control characters.
    pub user_agent: Option<String>,
    /// The client's `traceparent` if it is valid, else that of a new trace.
    pub trace_parent: TraceParent,
}

impl RequestContext {
    /// Returns the origin of the request for use cases and their events.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            actor: Actor::User,
            address: Some(self.client_address.to_string()),
            client: self.user_agent.clone(),
            reason: None,
            trace_parent: Some(self.trace_parent.clone()),
        }
    }
}

impl RequestScope {
    fn context(&self, request: &ServiceRequest) -> RequestContext {
        let headers = request.headers();
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |it| it.ip());
        RequestContext {
            request_id: valid_request_id(headers).unwrap_or_else(|| self.ids.v7(self.clock.now()).to_string()),
            client_address: self.trusted_proxies.client_address(peer, headers),
            is_https: self.trusted_proxies.client_used_https(peer, headers),
            user_agent: user_agent(headers),
            trace_parent: headers
                .get(&TRACE_PARENT)
                .and_then(|it| TraceParent::parse(it.to_str().ok()?))
                .unwrap_or_else(|| self.new_trace()),
        }
    }

    fn new_trace(&self) -> TraceParent {
        let mut random = [0; 24];
        random[..16].copy_from_slice(self.ids.v4().as_bytes());
        random[16..].copy_from_slice(&self.ids.v4().as_bytes()[..8]);
        TraceParent::generate(random)
    }
}

impl FromRequest for RequestContext {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let context = request.extensions().get::<Self>().cloned();
        std::future::ready(context.ok_or_else(|| Problem::internal(anyhow::anyhow!("no request context"))))
    }
}

/// Serves a request with its context: `App::wrap(middleware::from_fn(request_context))` with a
/// `web::Data<RequestScope>`.
///
/// # Errors
/// Returns the errors of the inner service, as problems with the headers of every response; `internal` if it panics.
pub async fn request_context<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(scope) = request.app_data::<web::Data<RequestScope>>().cloned() else {
        return Err(Problem::internal(anyhow::anyhow!("no RequestScope in the application's data")).into());
    };
    let context = scope.context(&request);
    let request_id = context.request_id.clone();
    let route = request.match_pattern().unwrap_or_else(|| NO_ROUTE.to_owned());
    let method = method_label(request.method());
    let headers = ResponseHeaders::new(&request_id, request.path(), context.is_https);
    let span = tracing::info_span!("request", request_id, method, route);
    let observation =
        Observation { metrics: scope.metrics.clone(), method, route, started: Instant::now(), done: false };
    request.extensions_mut().insert(context);
    let error_page = (scope.error_pages)(&request);
    let serving = serve(request, next, headers, observation, error_page);
    with_request_id(request_id, serving.instrument(span)).await
}

async fn serve<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    headers: ResponseHeaders,
    mut observation: Observation,
    error_page: Option<ErrorPage>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let error_page = |problem: &Problem| error_page.as_ref().and_then(|page| page(problem));
    match panic_boundary::call_catching_panics(request, next).await {
        Ok(response) => {
            let mut response = without_foreign_error(response.map_into_boxed_body());
            if let Some(problem) = response.response().error().and_then(|error| error.as_error::<Problem>()) {
                problem.log_cause();
                if let Some(page) = error_page(problem) {
                    let (request, problem) = response.into_parts();
                    response = ServiceResponse::new(request, replace_body(problem, page));
                }
            }
            headers.insert_into(response.headers_mut());
            observation.finish(response.status(), response.response().body().size());
            Ok(response)
        }
        // An inner middleware has refused the request; actix makes the response from the error later.
        Err(error) => {
            let mut error = problem_or_replacement(error);
            let mut page = None;
            if let Some(problem) = error.as_error::<Problem>() {
                problem.log_cause();
                page = error_page(problem);
            }
            let response = error.error_response();
            let size = page.as_ref().map_or(response.body().size(), |page| page.body().size());
            observation.finish(response.status(), size);
            // The mapper may be called more than once, but the page is sent once.
            let page = Cell::new(page);
            error.add_response_mapper(move |response| {
                let mut response = match page.take() {
                    Some(page) => replace_body(response, page),
                    None => response,
                };
                headers.insert_into(response.headers_mut());
                response
            });
            Err(error)
        }
    }
}

/// Replaces the response of an error that is not one of ours: its text may reveal internals, and has another format.
fn without_foreign_error(response: ServiceResponse) -> ServiceResponse {
    match response.response().error() {
        Some(error) if !is_own(error) => {
            let problem = replacement_problem(error);
            response.into_response(HttpResponse::from_error(problem))
        }
        _ => response,
    }
}

/// Replaces the body of the response of a problem, and its headers that describe the body. All other headers stay, such as
/// `Retry-After`, `Allow` and those of rate limits.
fn replace_body<B>(mut response: HttpResponse<B>, page: HttpResponse) -> HttpResponse {
    let (head, body) = page.into_parts();
    for (name, value) in head.headers() {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response.set_body(body)
}

/// Returns whether the error has a response of this service.
fn is_own(error: &Error) -> bool {
    error.as_error::<Problem>().is_some() || error.as_error::<OwnResponse>().is_some()
}

fn problem_or_replacement(error: Error) -> Error {
    if error.as_error::<Problem>().is_some() { error } else { replacement_problem(&error).into() }
}

/// Returns the problem of a response that no handler has given: actix answers a request that it cannot route or read
/// with a status only.
fn problem_for_status(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE => Problem::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::UnsupportedMediaType,
        StatusCode::UNAUTHORIZED => Problem::Unauthorized,
        StatusCode::FORBIDDEN => Problem::Forbidden,
        _ => Problem::MalformedBody("The request cannot be read.".into()),
    }
}

fn replacement_problem(error: &Error) -> Problem {
    // The preflight requests something that is not allowed.
    if error.as_error::<CorsError>().is_some() {
        return Problem::Forbidden;
    }
    match error.as_response_error().status_code() {
        status if status.is_server_error() => Problem::Internal(anyhow::anyhow!("{error}")),
        status => problem_for_status(status),
    }
}

/// The headers that every response gets.
struct ResponseHeaders {
    request_id: HeaderValue,
    is_api: bool,
    is_https: bool,
}

impl ResponseHeaders {
    fn new(request_id: &str, path: &str, is_https: bool) -> Self {
        Self {
            request_id: HeaderValue::from_str(request_id).expect("a request id is visible ASCII"),
            is_api: path == "/api" || path.starts_with("/api/") || path.starts_with("/oauth/"),
            is_https,
        }
    }

    fn insert_into(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.request_id.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if self.is_https {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
        }
        if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NOT_A_PAGE));
        }
        if self.is_api && !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

/// The access log line and the metrics of one request, written also if the client disconnects before the response.
struct Observation {
    metrics: HttpMetrics,
    method: &'static str,
    route: String,
    started: Instant,
    done: bool,
}

impl Observation {
    fn finish(&mut self, status: StatusCode, size: BodySize) {
        self.done = true;
        let duration = self.started.elapsed();
        self.metrics.observe(self.method, &self.route, Some(status), duration);
        let bytes = match size {
            BodySize::Sized(bytes) => Some(bytes),
            BodySize::None => Some(0),
            BodySize::Stream => None,
        };
        tracing::info!(status = status.as_u16(), duration_ms = millis(duration), bytes, "answered");
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if !self.done {
            let duration = self.started.elapsed();
            self.metrics.observe(self.method, &self.route, None, duration);
            tracing::info!(duration_ms = millis(duration), "the client disconnected before the response");
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the request id of the client if there is one header with 1 to 128 letters, digits, `.`, `_` or `-`, which are
/// safe in logs and headers.
pub(in crate::http) fn valid_request_id(headers: &HeaderMap) -> Option<String> {
    let mut lines = headers.get_all(REQUEST_ID);
    let id = lines.next().filter(|_| lines.next().is_none())?.to_str().ok()?;
    let is_valid = (1..=MAX_REQUEST_ID_BYTES).contains(&id.len())
        && id.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-'));
    is_valid.then(|| id.to_owned())
}

/// Returns the user agent without control characters, cut to 256 characters.
pub(in crate::http) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let raw = String::from_utf8_lossy(headers.get(header::USER_AGENT)?.as_bytes()).into_owned();
    let visible: String = raw.chars().filter(|it| !it.is_control()).take(MAX_USER_AGENT_CHARS).collect();
    let visible = visible.trim();
    (!visible.is_empty()).then(|| visible.to_owned())
}

#[cfg(test)]
mod tests;

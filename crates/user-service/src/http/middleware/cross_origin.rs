//! CORS (the Fetch standard): which origins may call the API from a browser, which headers they may send, and which they
//! may read. Pages and documentation are not included.

use actix_cors::Cors;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderValue},
    },
    middleware::{Condition, Next},
};
use url::Url;

/// The time for which a browser may cache the response to a preflight, in seconds.
const MAX_AGE: usize = 3600;

/// The origins from which browsers may call the API. None by default.
#[derive(Debug, Clone, Default)]
pub struct AllowedOrigins(Vec<String>);

/// An entry of the list that is not an origin.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not an origin such as https://app.example.org: it must have scheme, host and port, and nothing after them"
)]
pub struct InvalidOrigin(String);

/// The endpoints that read or set a cookie for an application on a listed origin.
const WITH_COOKIE: [&str; 4] = ["/api/auth/login", "/api/auth/login/totp", "/api/auth/refresh", "/api/auth/logout"];

/// Lets an allowed origin send cookies to the endpoints that use one: `App::wrap(from_fn(allow_credentials))`, which must
/// run around [`AllowedOrigins::middleware`].
///
/// # Errors
/// Returns the errors of the inner service.
pub async fn allow_credentials<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let has_cookie = WITH_COOKIE.contains(&request.path());
    let mut response = next.call(request).await?;
    if has_cookie && response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        let allowed = HeaderValue::from_static("true");
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, allowed);
    }
    Ok(response)
}

impl AllowedOrigins {
    /// Parses origins in the form in which browsers send them. `*` is refused: an operator who wants to allow every
    /// origin can configure that explicitly in a proxy.
    ///
    /// # Errors
    /// Returns [`InvalidOrigin`] with the first entry that is not an origin.
    pub fn parse<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, InvalidOrigin> {
        let origin = |entry: S| {
            let text = entry.as_ref().trim();
            let is_origin = Url::parse(text).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https")
                    && url.origin().ascii_serialization() == text
                    && !text.contains('*')
            });
            if is_origin { Ok(text.to_owned()) } else { Err(InvalidOrigin(text.to_owned())) }
        };
        entries.into_iter().map(origin).collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether the origin is one of them.
    #[must_use]
    pub fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed == origin)
    }

    /// Returns the origins.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns the middleware, which must run inside of `request_context`. Without any allowed origin it is disabled.
    #[must_use]
    pub fn middleware(&self) -> Condition<Cors> {
        let origins = self.0.clone();
        let allowed = move |origin: &header::HeaderValue, request: &actix_web::dev::RequestHead| {
            let path = request.uri.path();
            let api = path.starts_with("/api/") || path.starts_with("/.well-known/");
            api && origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
        };
        let cors = Cors::default()
            .allowed_origin_fn(allowed)
            .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allowed_headers([
                "authorization",
                "content-type",
                "if-match",
                "if-none-match",
                "idempotency-key",
                "x-request-id",
                "traceparent",
            ])
            .expose_headers([
                "etag",
                "link",
                "location",
                "ratelimit",
                "ratelimit-policy",
                "retry-after",
                "www-authenticate",
                "x-request-id",
            ])
            .max_age(MAX_AGE);
        Condition::new(!self.0.is_empty(), cors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_as_browsers_write_them() {
        for origin in ["https://app.example.org", "http://localhost:5173", "https://xn--bcher-kva.example"] {
            assert!(AllowedOrigins::parse([origin]).is_ok(), "{origin}");
        }
        for other in [
            "*",
            "null",
            "",
            "app.example.org",
            "https://app.example.org/",
            "https://app.example.org/path",
            "https://App.example.org",
            "https://app.example.org:443",
            "https://user@app.example.org",
            "ftp://app.example.org",
            "https://*.example.org",
        ] {
            let refused = AllowedOrigins::parse([other]).unwrap_err();
            assert_eq!(refused, InvalidOrigin(other.to_owned()));
        }
    }
}

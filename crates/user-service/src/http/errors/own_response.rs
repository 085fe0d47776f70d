//! Errors whose response is neither a problem nor made by actix: those that another part of this service makes.

use std::fmt;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};

/// An error with a response that the middleware leaves as it is.
pub struct OwnResponse {
    status: StatusCode,
    reason: &'static str,
    respond: Box<dyn Fn() -> HttpResponse>,
}

impl OwnResponse {
    /// Creates an error with this response.
    pub fn new(status: StatusCode, reason: &'static str, respond: impl Fn() -> HttpResponse + 'static) -> Self {
        Self { status, reason, respond: Box::new(respond) }
    }
}

impl fmt::Debug for OwnResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnResponse").field("status", &self.status).field("reason", &self.reason).finish()
    }
}

impl fmt::Display for OwnResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl ResponseError for OwnResponse {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        (self.respond)()
    }
}

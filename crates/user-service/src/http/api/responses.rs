//! The result of every handler, and the responses without a body.

use actix_web::HttpResponse;

use crate::problem::Problem;

/// The result of a handler.
pub(super) type ApiResult = Result<HttpResponse, Problem>;

/// Returns a 204 response; the result of the use case is not part of it.
pub(super) fn no_content<T>(_: T) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// Returns a 202 response without a body: the request is accepted, and its mail is sent later.
pub(super) fn accepted<T>(_: T) -> HttpResponse {
    HttpResponse::Accepted().finish()
}

//! Responses for paths and methods that are not served.

use actix_web::{HttpResponse, Route, web};

use crate::problem::Problem;

/// Handles requests to paths that are not served: `App::default_service(web::to(not_found))`.
///
/// # Errors
/// Always returns `not-found`.
pub async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Problem::NotFound)
}

/// Returns the route for methods that a resource does not serve: 405 with `Allow`, also for OPTIONS.
pub fn method_not_allowed(allow: String) -> Route {
    web::to(move || std::future::ready(Err::<HttpResponse, _>(Problem::MethodNotAllowed(allow.clone()))))
}

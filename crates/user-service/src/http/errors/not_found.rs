//! Responses for paths and methods that are not served, and GET routes that also serve HEAD.

use actix_web::{HttpResponse, Route, guard, web};

use crate::problem::Problem;

/// Handles requests to paths that are not served: `App::default_service(web::to(not_found))`.
///
/// # Errors
/// Always returns `not-found`.
pub async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Problem::NotFound)
}

/// Returns the route for methods that a resource does not serve: 405 with `Allow`, also for OPTIONS.
/// `web::resource(…).default_service(method_not_allowed("GET, HEAD"))`.
pub fn method_not_allowed(allow: &'static str) -> Route {
    web::to(move || std::future::ready(Err::<HttpResponse, _>(Problem::MethodNotAllowed(allow))))
}

/// Returns a route like `web::get()` that also serves HEAD: the server sends the same head, without the body.
pub fn get_or_head() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        http::{Method, header},
        test,
    };

    use super::*;

    async fn hello() -> HttpResponse {
        HttpResponse::Ok().body("hello")
    }

    fn routes(config: &mut web::ServiceConfig) {
        config
            .service(
                web::resource("/hello").route(get_or_head().to(hello)).default_service(method_not_allowed("GET, HEAD")),
            )
            .default_service(web::to(not_found));
    }

    #[actix_web::test]
    async fn unserved_paths_and_methods_are_problems() {
        let app = test::init_service(App::new().configure(routes)).await;
        for (method, path, status, allow) in [
            (Method::GET, "/hello", 200, None),
            (Method::HEAD, "/hello", 200, None),
            (Method::POST, "/hello", 405, Some("GET, HEAD")),
            (Method::OPTIONS, "/hello", 405, Some("GET, HEAD")),
            (Method::from_bytes(b"PURGE").unwrap(), "/hello", 405, Some("GET, HEAD")),
            (Method::GET, "/hello/", 404, None),
            (Method::GET, "/", 404, None),
            (Method::POST, "/%00%ff", 404, None),
        ] {
            let request = test::TestRequest::default().method(method.clone()).uri(path).to_request();
            let response = test::call_service(&app, request).await;
            assert_eq!(response.status(), status, "{method} {path}");
            assert_eq!(response.headers().get(header::ALLOW).map(|it| it.to_str().unwrap()), allow);
            if status != 200 {
                assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "application/problem+json");
            }
        }
    }
}

//! Resources: a path with the handlers of its methods.

use actix_web::{
    Route,
    dev::{AppService, HttpServiceFactory},
    guard,
    http::Method,
    web,
};

use super::errors::not_found::method_not_allowed;

/// A path with the handlers of its methods. GET also serves HEAD: the server sends the same head, without the body. All
/// other methods, also OPTIONS, are 405 with `Allow`.
pub(in crate::http) struct Resource {
    resource: actix_web::Resource,
    /// The value of the `Allow` header.
    allow: String,
}

impl Resource {
    /// Returns a resource that has no handlers yet.
    pub(in crate::http) fn at(path: &str) -> Self {
        Self { resource: web::resource(path), allow: String::new() }
    }

    /// Adds the handler of a method: `.on(Method::GET, web::to(handler))`.
    pub(in crate::http) fn on(self, method: Method, handler: Route) -> Self {
        let separator = if self.allow.is_empty() { "" } else { ", " };
        let head = if method == Method::GET { ", HEAD" } else { "" };
        let allow = format!("{}{separator}{method}{head}", self.allow);
        let route = if method == Method::GET {
            handler.guard(guard::Any(guard::Get()).or(guard::Head()))
        } else {
            handler.method(method)
        };
        Self { resource: self.resource.route(route), allow }
    }
}

impl HttpServiceFactory for Resource {
    fn register(self, config: &mut AppService) {
        self.resource.default_service(method_not_allowed(self.allow)).register(config);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App, HttpResponse,
        http::{Method, header},
        test,
    };

    use super::*;
    use crate::http::errors::not_found::not_found;

    async fn hello() -> HttpResponse {
        HttpResponse::Ok().body("hello")
    }

    fn resources(config: &mut web::ServiceConfig) {
        config
            .service(Resource::at("/hello").on(Method::GET, web::to(hello)))
            .service(Resource::at("/hello/{id}").on(Method::GET, web::to(hello)).on(Method::DELETE, web::to(hello)))
            .service(Resource::at("/bye").on(Method::PUT, web::to(hello)))
            .default_service(web::to(not_found));
    }

    #[actix_web::test]
    async fn unserved_paths_and_methods_are_problems() {
        let app = test::init_service(App::new().configure(resources)).await;
        for (method, path, status, allow) in [
            (Method::GET, "/hello", 200, None),
            (Method::HEAD, "/hello", 200, None),
            (Method::POST, "/hello", 405, Some("GET, HEAD")),
            (Method::OPTIONS, "/hello", 405, Some("GET, HEAD")),
            (Method::from_bytes(b"PURGE").unwrap(), "/hello", 405, Some("GET, HEAD")),
            (Method::HEAD, "/hello/1", 200, None),
            (Method::DELETE, "/hello/1", 200, None),
            (Method::PUT, "/hello/1", 405, Some("GET, HEAD, DELETE")),
            (Method::PUT, "/bye", 200, None),
            (Method::HEAD, "/bye", 405, Some("PUT")),
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

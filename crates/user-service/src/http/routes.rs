//! The routes: the endpoints of the API, and the pages.

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::{
    Route,
    http::Method,
    web::{self, ServiceConfig},
};

use super::{
    endpoints::endpoints,
    errors::not_found::not_found,
    extractors::extractor_errors,
    openapi::{document, endpoint::Handler, swagger_ui},
    pages::{
        account,
        link_handlers::{
            show_accept_invitation, show_confirm_email, show_reset_password, show_undo_change, show_undo_email_change,
            show_verify_email, submit_accept_invitation, submit_confirm_email, submit_reset_password,
            submit_undo_change, submit_undo_email_change, submit_verify_email,
        },
        logo, problem_pages, start_page,
    },
    resource::Resource,
};

/// The methods of a path, and their handlers.
type Handlers = Vec<(Method, Handler)>;

/// The handlers of each path. Paths without parameters come first, because they are compared faster.
static API: LazyLock<BTreeMap<(bool, String), Handlers>> = LazyLock::new(|| {
    let mut resources = BTreeMap::<_, Handlers>::new();
    for endpoint in endpoints() {
        for (path, method) in endpoint.operations() {
            resources.entry((path.contains('{'), path.to_owned())).or_default().push((method, endpoint.handler));
        }
    }
    resources
});

/// Returns a page that a mailed link opens: `show` is its form, and `submit` answers the form.
fn link_page(path: &'static str, show: Route, submit: Route) -> Resource {
    Resource::at(path).on(Method::GET, show).on(Method::POST, submit)
}

/// Registers every route; those below `/docs`, and the start page with documentation, only if `docs` is true.
pub fn configure(config: &mut ServiceConfig, docs: bool) {
    config.configure(extractor_errors::configure);
    for ((_, path), handlers) in API.iter() {
        let on = |resource: Resource, (method, handler): &(Method, Handler)| resource.on(method.clone(), handler());
        config.service(handlers.iter().fold(Resource::at(path), on));
    }
    config
        .service(Resource::at("/api/openapi.json").on(Method::GET, web::to(document::get_openapi)))
        .service(link_page("/verify-email", web::to(show_verify_email), web::to(submit_verify_email)))
        .service(link_page("/reset-password", web::to(show_reset_password), web::to(submit_reset_password)))
        .service(link_page("/confirm-email", web::to(show_confirm_email), web::to(submit_confirm_email)))
        .service(link_page("/undo-email-change", web::to(show_undo_email_change), web::to(submit_undo_email_change)))
        .service(link_page("/undo-change", web::to(show_undo_change), web::to(submit_undo_change)))
        .service(link_page("/accept-invitation", web::to(show_accept_invitation), web::to(submit_accept_invitation)))
        .configure(account::configure)
        .configure(account::password_strength::configure)
        .configure(logo::configure)
        .configure(problem_pages::configure)
        .configure(|config| start_page::configure(config, docs))
        .default_service(web::to(not_found));
    if docs {
        config.configure(swagger_ui::configure);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, http::header, test};

    use super::*;

    #[actix_web::test]
    async fn the_allow_header_has_the_methods_of_the_path() {
        let app = test::init_service(App::new().configure(|config| configure(config, true))).await;
        for (path, allow) in [
            ("/api/users", "POST"),
            ("/api/users/me", "GET, HEAD, PATCH, DELETE"),
            ("/api/users/me/delete", "POST"),
            ("/api/users/me/email", "PUT"),
            ("/api/users/me/sessions", "GET, HEAD, DELETE"),
            ("/api/users/me/sessions/1", "DELETE"),
            ("/api/users/me/totp", "GET, HEAD, POST, DELETE"),
            ("/api/users/me/totp/remove", "POST"),
            ("/api/admin/users", "GET, HEAD, POST"),
            ("/api/admin/users/1", "GET, HEAD, PATCH, DELETE"),
            ("/api/admin/users/1/disable", "POST"),
            ("/api/openapi.json", "GET, HEAD"),
            ("/.well-known/jwks.json", "GET, HEAD"),
            ("/.well-known/openid-configuration", "GET, HEAD"),
            ("/.well-known/oauth-authorization-server", "GET, HEAD"),
            ("/verify-email", "GET, HEAD, POST"),
            ("/branding/logo", "GET, HEAD"),
            ("/problems/internal", "GET, HEAD"),
            ("/docs/", "GET, HEAD"),
        ] {
            let request = test::TestRequest::default().method(Method::OPTIONS).uri(path).to_request();
            let response = test::call_service(&app, request).await;
            assert_eq!(response.status(), 405, "{path}");
            assert_eq!(response.headers().get(header::ALLOW).unwrap(), allow, "{path}");
        }
    }

    #[actix_web::test]
    async fn other_paths_are_not_found_inside_and_outside_the_api() {
        let app = test::init_service(App::new().configure(|config| configure(config, false))).await;
        for path in ["/", "/api", "/api/", "/api/nothing", "/api/users/me/", "/nothing", "/docs", "/docs/"] {
            let request = test::TestRequest::get().uri(path).to_request();
            assert_eq!(test::call_service(&app, request).await.status(), 404, "{path}");
        }
    }
}

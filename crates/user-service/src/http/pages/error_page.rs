//! The page for a request of a browser that failed: its reader gets a page instead of the problem as JSON. All other clients
//! and all paths of the API get the problem.

use actix_web::{
    HttpResponse,
    dev::ServiceRequest,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web,
};

use super::{
    ServedPages,
    account::{
        PageSettings,
        view::{AccountView, Block, DetailView, LinkView},
    },
    layout::{ACCOUNT, LocalizedPages},
    texts::PageTexts,
};
use crate::{
    http::{extractors::accept::prefers_html, middleware::request_context::ErrorPage, request_id::current_request_id},
    problem::Problem,
};

/// The beginnings of the paths of which no page is shown.
const API_PATHS: [&str; 3] = ["/api/", "/oauth/", "/.well-known/"];

/// The pages for the reader of a request, if it may fail with a page.
struct ErrorPages {
    pages: LocalizedPages,
    is_root: bool,
}

/// Returns what shows a problem of the request, if it is one of a browser for a page and there are account pages.
pub fn error_page(request: &ServiceRequest) -> Option<ErrorPage> {
    let pages = ErrorPages::of_request(request)?;
    Some(Box::new(move |problem| pages.render(problem)))
}

impl ErrorPages {
    fn of_request(request: &ServiceRequest) -> Option<Self> {
        let path = request.path();
        if path == "/api" || API_PATHS.iter().any(|start| path.starts_with(start)) || !prefers_html(request.request()) {
            return None;
        }
        let are_enabled = request.app_data::<web::Data<PageSettings>>().is_some_and(|settings| settings.is_enabled);
        let pages = request.app_data::<web::Data<ServedPages>>().filter(|_| are_enabled)?;
        Some(Self { pages: pages.localized(request.headers()), is_root: path == "/" })
    }

    /// Returns the page about a problem; `None` for the start page that does not exist, which is a problem as for every
    /// client.
    fn render(&self, problem: &Problem) -> Option<HttpResponse> {
        if self.is_root && matches!(problem, Problem::NotFound) {
            return None;
        }
        let texts = &self.pages.catalogue.texts;
        let (title, text) = title_and_text(texts, problem);
        let request_id = current_request_id().filter(|_| problem.status() == StatusCode::INTERNAL_SERVER_ERROR);
        let view = view(texts, text, request_id.as_deref());
        let mut page = self.pages.response(problem.status(), ACCOUNT, title, &view);
        page.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Language"));
        Some(page)
    }
}

fn title_and_text<'a>(texts: &'a PageTexts, problem: &Problem) -> (&'a str, &'a str) {
    let (own, failed) = (&texts.entry.failed, &texts.account_pages.failed);
    let message = match problem.status() {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => &own.not_found,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => &own.forbidden,
        StatusCode::TOO_MANY_REQUESTS => return (&texts.failed.title, &failed.rate_limited),
        StatusCode::SERVICE_UNAVAILABLE => return (&texts.failed.title, &failed.unavailable),
        StatusCode::INTERNAL_SERVER_ERROR => &own.internal,
        _ => &own.unreadable,
    };
    (&message.title, &message.text)
}

fn view<'a>(texts: &'a PageTexts, text: &'a str, request_id: Option<&'a str>) -> AccountView<'a> {
    let own = &texts.entry.failed;
    let number = request_id
        .map(|id| Block::Details { heading: None, items: vec![DetailView { label: &own.request, value: id.into() }] });
    let start = LinkView { path: "/".into(), text: &own.start, value: None };
    let links = Block::Links { heading: None, items: vec![start] };
    AccountView {
        error: Some(text.into()),
        blocks: number.into_iter().chain([links]).collect(),
        ..AccountView::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::{App, http::Method, middleware::from_fn, test};
    use prometheus::Registry;
    use service_kit::{Clock, Ids, prometheus};
    use test_support::LANGUAGES;

    use super::*;
    use crate::{
        http::{
            AllowedOrigins, HttpMetrics, RequestScope, TrustedProxies,
            cookies::CookieSettings,
            errors::not_found::{method_not_allowed, not_found},
            pages::layout::tests::pages_in,
            request_context,
        },
        keys::KeyEncryptionKey,
        problem::ProblemType,
    };

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    async fn fail(slug: web::Path<String>) -> Result<HttpResponse, Problem> {
        Err(ProblemType::ALL.iter().find(|it| it.slug() == *slug).expect("it is a problem").example())
    }

    async fn panic() -> HttpResponse {
        panic!("a defect")
    }

    /// The answer to a request.
    struct Answer {
        status: u16,
        headers: header::HeaderMap,
        body: String,
    }

    impl Answer {
        fn header(&self, name: header::HeaderName) -> Option<&str> {
            self.headers.get(name).map(|value| value.to_str().unwrap())
        }

        fn is_page(&self) -> bool {
            let content_type = self.header(header::CONTENT_TYPE).unwrap();
            assert!(content_type == "application/problem+json" || content_type == "text/html; charset=utf-8");
            content_type == "text/html; charset=utf-8"
        }
    }

    async fn answer(is_enabled: bool, method: Method, path: &str, accept: &str) -> Answer {
        let scope = RequestScope {
            clock: Clock::manual(),
            ids: Ids::sequence(1),
            trusted_proxies: TrustedProxies::parse(["127.0.0.0/8"]).unwrap(),
            metrics: HttpMetrics::register(&Registry::new()).unwrap(),
            error_pages: error_page,
        };
        let (cookies, key) = (CookieSettings::new(""), KeyEncryptionKey::for_test(1));
        let settings = PageSettings::new(is_enabled, cookies, &key, AllowedOrigins::default());
        let app = App::new()
            .app_data(web::Data::new(scope))
            .app_data(web::Data::new(settings))
            .app_data(web::Data::new(ServedPages::for_test(&branding::Branding::default())))
            .wrap(from_fn(request_context))
            .service(web::resource("/form").get(not_found).default_service(method_not_allowed("GET, HEAD".to_owned())))
            .route("/fail/{slug}", web::get().to(fail))
            .route("/api/fail/{slug}", web::get().to(fail))
            .route("/panic", web::get().to(panic))
            .default_service(web::to(not_found));
        let app = test::init_service(app).await;
        let request = test::TestRequest::with_uri(path).method(method).insert_header((header::ACCEPT, accept));
        let request = request.insert_header(("x-request-id", "the-request")).peer_addr("127.0.0.1:1".parse().unwrap());
        let (status, headers, body) = match test::try_call_service(&app, request.to_request()).await {
            Ok(response) => {
                let (status, headers) = (response.status(), response.headers().clone());
                (status, headers, test::read_body(response).await)
            }
            Err(error) => {
                let response = error.error_response();
                let (status, headers) = (response.status(), response.headers().clone());
                (status, headers, actix_web::body::to_bytes(response.into_body()).await.unwrap())
            }
        };
        Answer { status: status.as_u16(), headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    #[actix_web::test]
    async fn the_reader_of_a_browser_gets_a_page_with_the_status_and_the_headers_of_the_problem() {
        for problem in ProblemType::ALL {
            let (path, status) = (format!("/fail/{}", problem.slug()), problem.status().as_u16());
            let page = answer(true, Method::GET, &path, BROWSER).await;
            assert!(page.is_page() && page.status == status, "{path}: {}", page.body);
            let json = answer(true, Method::GET, &path, "application/json").await;
            assert!(!json.is_page() && json.status == status, "{path}: {}", json.body);
            for name in [header::RETRY_AFTER, header::ALLOW, header::WWW_AUTHENTICATE] {
                assert_eq!(page.headers.get(&name), json.headers.get(&name), "{path}: {name}");
            }
            assert_eq!(page.header(header::CACHE_CONTROL), Some("no-store"));
            assert!(page.headers.contains_key(header::CONTENT_SECURITY_POLICY));
            assert!(!page.body.contains("mfaToken") && !page.body.contains("bXktbWZhLXRva2Vu"), "{}", page.body);
            assert_eq!(page.body.contains("the-request"), status == 500, "{path}: {}", page.body);
        }
    }

    #[actix_web::test]
    async fn an_unknown_path_and_a_wrong_method_have_a_page_too() {
        let unknown = answer(true, Method::GET, "/nothing", BROWSER).await;
        assert!(unknown.is_page() && unknown.status == 404, "{}", unknown.body);
        assert!(unknown.body.contains("<h1>This page does not exist</h1>"), "{}", unknown.body);
        let method = answer(true, Method::DELETE, "/form", BROWSER).await;
        assert!(method.is_page() && method.status == 405 && method.header(header::ALLOW) == Some("GET, HEAD"));
    }

    #[actix_web::test]
    async fn a_defect_has_a_page_with_the_number_of_the_request() {
        let page = answer(true, Method::GET, "/panic", BROWSER).await;
        assert!(page.is_page() && page.status == 500, "{}", page.body);
        assert!(page.body.contains("<bdi>the-request</bdi>") && !page.body.contains("a defect"), "{}", page.body);
        assert!(!answer(true, Method::GET, "/panic", "*/*").await.is_page());
    }

    #[actix_web::test]
    async fn the_api_the_missing_start_page_and_other_clients_get_the_problem() {
        let expected = answer(true, Method::GET, "/nothing", "*/*").await;
        for (is_enabled, path, accept) in [
            (true, "/nothing", "application/json"),
            (true, "/nothing", ""),
            (true, "/api", BROWSER),
            (true, "/api/nothing", BROWSER),
            (true, "/api/fail/not-found", BROWSER),
            (true, "/oauth/nothing", BROWSER),
            (true, "/.well-known/nothing", BROWSER),
            (true, "/", BROWSER),
            (false, "/nothing", BROWSER),
        ] {
            let problem = answer(is_enabled, Method::GET, path, accept).await;
            assert_eq!((problem.status, problem.body), (404, expected.body.clone()), "{path} {accept}");
        }
    }

    #[actix_web::test]
    async fn every_status_has_its_texts_in_every_language() {
        for tag in LANGUAGES {
            let pages = pages_in(tag);
            let mut titles = std::collections::BTreeSet::new();
            for problem in [
                Problem::NotFound,
                Problem::Forbidden,
                Problem::RateLimited(Duration::from_secs(1)),
                Problem::unavailable("the store"),
                Problem::internal(anyhow::anyhow!("a defect")),
                Problem::BodyTooLarge,
            ] {
                let (title, text) = title_and_text(&pages.catalogue.texts, &problem);
                assert!(!text.is_empty());
                titles.insert(title.to_owned());
            }
            assert_eq!(titles.len(), 5, "{tag}: {titles:?}");
        }
    }
}

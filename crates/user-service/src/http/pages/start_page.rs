//! `GET /`: for a browser, the links to register and to sign in, what this service is, whether it is ready, and where
//! everything is; a signed-in reader goes on to the account. Other clients get `not-found`, as for every path that is not
//! served.

use actix_web::{
    HttpRequest, HttpResponse, guard,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    web,
};
use i18n::InvalidFile;
use serde::Serialize;
use service_kit::{Health, ops::Status};
use url::Url;

use super::{
    account::{VisitorRequest, start},
    layout::{LocalizedPages, Pages, START},
    texts::{StartTexts, entry::EntryStartTexts},
};
use crate::{
    http::{extractors::accept::prefers_html, middleware::request_context::RequestContext},
    problem::Problem,
};

/// Name and version, which the OpenAPI document shows, too.
const TITLE: &str = concat!("user-service ", env!("CARGO_PKG_VERSION"));

/// What the start page says about this process. Part of the application's data.
#[derive(Debug)]
pub struct StartPage {
    health: Health,
    mails_url: Option<String>,
}

impl StartPage {
    /// Creates the page of a process with this health. `mails_url` is the address of a page with the mails that were sent.
    #[must_use]
    pub fn new(health: Health, mails_url: Option<&Url>) -> Self {
        Self { health, mails_url: mails_url.map(Url::to_string) }
    }

    /// Returns the address of the page with the mails that were sent.
    pub(super) fn mails_url(&self) -> Option<&str> {
        self.mails_url.as_deref()
    }
}

/// Registers `/` for GET and HEAD. `docs` says whether there is documentation.
pub(in crate::http) fn configure(config: &mut web::ServiceConfig, docs: bool) {
    let resource = web::resource("/").guard(guard::Any(guard::Get()).or(guard::Head()));
    config.service(if docs { resource.to(start_page) } else { resource.to(start::show_start) });
}

async fn start_page(
    request: HttpRequest,
    context: RequestContext,
    pages: LocalizedPages,
    page: web::Data<StartPage>,
    visitor: Option<VisitorRequest>,
) -> HttpResponse {
    let (mut response, vary) = if !prefers_html(&request) {
        (HttpResponse::from_error(Problem::NotFound), "Accept")
    } else if let Some(account) = start::lead_to_account(visitor.as_ref()).await {
        (account, "Accept")
    } else {
        let texts = &pages.catalogue.texts;
        let base_url = base_url(context.is_https, request.headers());
        let account = visitor.map(|_| account_links(&texts.entry.start)).unwrap_or_default();
        let view = view(&texts.start, page.health.report().status, page.mails_url(), base_url);
        (pages.response(StatusCode::OK, START, TITLE, &StartView { account, ..view }), "Accept, Accept-Language")
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static(vary));
    response
}

#[derive(Default, Serialize)]
struct StartView<'a> {
    /// The links of a visitor; empty without account pages.
    account: Vec<LinkToPart<'a>>,
    about: &'a str,
    /// The class of the state in the style sheet.
    state: &'static str,
    state_text: &'a str,
    links: Vec<LinkToPart<'a>>,
    /// `None` if the address of this service is unknown.
    request: Option<ExampleRequest<'a>>,
}

/// A link to a part of the service.
#[derive(Default, Serialize)]
struct LinkToPart<'a> {
    address: &'a str,
    text: &'a str,
}

#[derive(Default, Serialize)]
struct ExampleRequest<'a> {
    title: &'a str,
    text: &'a str,
    command: String,
}

fn view<'a>(
    texts: &'a StartTexts,
    status: Status,
    mails_url: Option<&'a str>,
    base_url: Option<String>,
) -> StartView<'a> {
    let (state, state_text) = match status {
        Status::Ready => ("ready", &texts.ready),
        Status::Degraded => ("degraded", &texts.degraded),
        Status::Unavailable => ("unavailable", &texts.unavailable),
    };
    let mut links = vec![
        LinkToPart { address: "/docs", text: &texts.documentation },
        LinkToPart { address: "/api/openapi.json", text: &texts.api },
        LinkToPart { address: "/problems", text: &texts.problems },
        LinkToPart { address: "/.well-known/jwks.json", text: &texts.keys },
    ];
    links.extend(mails_url.map(|address| LinkToPart { address, text: &texts.mails }));
    let request = base_url.map(|base_url| ExampleRequest {
        title: &texts.request_title,
        text: &texts.request_text,
        command: registration_command(&base_url),
    });
    StartView { about: &texts.about, state, state_text, links, request, account: Vec::new() }
}

fn account_links(texts: &EntryStartTexts) -> Vec<LinkToPart<'_>> {
    start::links(texts).map(|(address, text)| LinkToPart { address, text }).into()
}

/// Returns the command that registers an account.
fn registration_command(base_url: &str) -> String {
    format!(
        r#"curl -i {base_url}/api/users \
  -H 'content-type: application/json' \
  -d '{{"username": "ada", "email": "ada@example.org",
       "password": "correct horse battery staple"}}'"#
    )
}

/// Returns the address by which the client reaches this service, from `Host`. The value becomes part of a shell command,
/// so one with unusual characters is not used.
pub(in crate::http) fn base_url(is_https: bool, headers: &HeaderMap) -> Option<String> {
    let mut lines = headers.get_all(header::HOST);
    let host = lines.next().filter(|_| lines.next().is_none())?.to_str().ok()?;
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let scheme = if is_https { "https" } else { "http" };
    (!host.is_empty() && host.bytes().all(is_usual)).then(|| format!("{scheme}://{host}"))
}

/// Renders the page with and without each part, to check the template.
pub(super) fn check(pages: &Pages) -> Result<(), InvalidFile> {
    let (account, links, request) =
        (vec![LinkToPart::default()], vec![LinkToPart::default()], Some(ExampleRequest::default()));
    pages.check(START, &StartView { account, links, request, ..StartView::default() })?;
    pages.check(START, &StartView::default())
}

/// Makes the page in every state, to check a template of a brand.
pub(super) fn every_page(pages: &LocalizedPages) {
    for status in [Status::Ready, Status::Degraded, Status::Unavailable] {
        for (mails_url, base_url) in [(None, None), (Some("http://127.0.0.1:1"), Some("http://127.0.0.1:2".to_owned()))]
        {
            let texts = &pages.catalogue.texts;
            let mut view = view(&texts.start, status, mails_url, base_url);
            let _ = pages.response(StatusCode::OK, START, TITLE, &view);
            view.account = account_links(&texts.entry.start);
            let _ = pages.response(StatusCode::OK, START, TITLE, &view);
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, http::Method, middleware::from_fn, test};
    use prometheus::Registry;
    use service_kit::{CheckState, Clock, Ids};

    use super::*;
    use crate::http::{
        HttpMetrics, RequestScope, TrustedProxies, errors::not_found::not_found, pages, request_context,
    };

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    /// Returns status, `Vary` and body of the answer to a request.
    async fn answer(page: StartPage, request: test::TestRequest) -> (u16, Option<String>, String) {
        answer_with(page, true, request).await
    }

    async fn answer_with(page: StartPage, docs: bool, request: test::TestRequest) -> (u16, Option<String>, String) {
        let scope = RequestScope {
            clock: Clock::manual(),
            ids: Ids::sequence(1),
            trusted_proxies: TrustedProxies::parse(["127.0.0.0/8"]).unwrap(),
            metrics: HttpMetrics::register(&Registry::new()).unwrap(),
            error_pages: |_| None,
        };
        let app = App::new()
            .app_data(web::Data::new(scope))
            .app_data(web::Data::new(pages::ServedPages::for_test(&branding::Branding::default())))
            .app_data(web::Data::new(page))
            .wrap(from_fn(request_context))
            .configure(|config| configure(config, docs))
            .default_service(web::to(not_found));
        let app = test::init_service(app).await;
        let request = request.peer_addr("127.0.0.1:1".parse().unwrap()).to_request();
        let response = test::call_service(&app, request).await;
        let vary = response.headers().get(header::VARY).map(|it| it.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        (status, vary, String::from_utf8(test::read_body(response).await.to_vec()).unwrap())
    }

    fn from_browser() -> test::TestRequest {
        test::TestRequest::get().uri("/").insert_header((header::ACCEPT, BROWSER))
    }

    #[actix_web::test]
    async fn the_page_shows_the_status_of_readyz_and_only_configured_links() {
        let health = Health::new();
        let (mongodb, kafka) = (health.required("mongodb"), health.optional("kafka"));
        let mails_url = Url::parse("http://127.0.0.1:8025").unwrap();
        let page = |mails_url| StartPage::new(health.clone(), mails_url);

        let (status, vary, unavailable) = answer(page(None), from_browser()).await;
        assert_eq!((status, vary.as_deref()), (200, Some("Accept, Accept-Language")));
        assert!(unavailable.contains("class=\"state unavailable\""), "{unavailable}");
        assert!(!unavailable.contains("8025"), "{unavailable}");
        for address in ["/docs", "/api/openapi.json", "/problems", "/.well-known/jwks.json"] {
            assert!(unavailable.contains(&format!("href=\"{address}\"")), "{address}");
        }
        mongodb.set(CheckState::Ok);
        let (_, _, degraded) = answer(page(None), from_browser()).await;
        assert!(degraded.contains("class=\"state degraded\""), "{degraded}");
        kafka.set(CheckState::Ok);
        let (_, _, ready) = answer(page(Some(&mails_url)), from_browser()).await;
        assert!(ready.contains("class=\"state ready\""), "{ready}");
        assert!(ready.contains("href=\"http://127.0.0.1:8025/\""), "{ready}");
    }

    #[actix_web::test]
    async fn the_example_names_the_address_that_the_client_used() {
        for (host, proto, shown) in [
            (Some("localhost:3000"), None, Some("http://localhost:3000/api/users")),
            (Some("[::1]:3000"), None, Some("http://[::1]:3000/api/users")),
            (Some("id.example.org"), Some("https"), Some("https://id.example.org/api/users")),
            (Some("x;reboot"), None, None),
            (Some("$(reboot)"), None, None),
            (Some("a b"), None, None),
            (Some("a/b"), None, None),
            (Some(""), None, None),
            (None, None, None),
        ] {
            let mut request = from_browser();
            if let Some(host) = host {
                request = request.insert_header((header::HOST, host));
            }
            if let Some(proto) = proto {
                request = request.insert_header((header::X_FORWARDED_PROTO, proto));
            }
            let (status, _, html) = answer(StartPage::new(Health::new(), None), request).await;
            assert_eq!(status, 200);
            assert_eq!(html.contains("curl"), shown.is_some(), "{host:?}");
            assert!(shown.is_none_or(|shown| html.contains(&format!("curl -i {shown} "))), "{html}");
        }
    }

    #[actix_web::test]
    async fn other_clients_and_methods_get_not_found() {
        let page = || StartPage::new(Health::new(), None);
        let (_, _, expected) = answer(page(), test::TestRequest::get().uri("/nothing")).await;
        for method in [Method::GET, Method::HEAD] {
            let (status, vary, body) = answer(page(), test::TestRequest::with_uri("/").method(method)).await;
            assert_eq!((status, vary.as_deref(), body.as_str()), (404, Some("Accept"), expected.as_str()));
        }
        let (status, vary, body) = answer(page(), from_browser().method(Method::POST)).await;
        assert_eq!((status, vary, body.as_str()), (404, None, expected.as_str()));
    }

    #[actix_web::test]
    async fn without_documentation_and_account_pages_no_client_gets_the_page() {
        let page = || StartPage::new(Health::new(), None);
        let (_, _, expected) = answer(page(), test::TestRequest::get().uri("/nothing")).await;
        for mode in ["navigate", "cors", ""] {
            let request = from_browser().insert_header(("sec-fetch-mode", mode));
            let (status, vary, body) = answer_with(page(), false, request).await;
            assert_eq!((status, vary, body.as_str()), (404, None, expected.as_str()), "{mode}");
        }
    }
}

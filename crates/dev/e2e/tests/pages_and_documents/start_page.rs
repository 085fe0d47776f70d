//! The start page: who gets it, and what it says.

use std::collections::BTreeMap;

use e2e::{
    accounts::with_cheap_hashes,
    start::{start_user_service, start_user_service_with},
};
use reqwest::{Method, header};
use serde_json::Value;
use test_support::{Api, ApiResponse, Browser, DEADLINE, ProxyMode, Service, Stack, World, report_skipped, wait_for};

use crate::pages::assert_is_a_safe_page;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

/// Requests `/` with this `Accept`.
async fn request_root(api: &Api, method: Method, accept: &str) -> ApiResponse {
    let request = api.request(method, "/").header(header::ACCEPT, accept).header("x-request-id", "the-same");
    api.send(request).await
}

async fn open_in_browser(api: &Api) -> ApiResponse {
    request_root(api, Method::GET, BROWSER).await.expect(200)
}

/// Returns the headers that do not change with time.
fn lasting_headers(response: &ApiResponse) -> BTreeMap<String, String> {
    let headers = response.headers.keys().map(|name| (name.to_string(), response.header(name.as_str())));
    headers.filter(|(name, _)| name != "date").collect()
}

/// Returns the addresses of all links of a page.
fn links(page: &ApiResponse) -> Vec<String> {
    let hrefs = page.text.split("href=\"").skip(1);
    hrefs.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

/// Returns the status that the page shows, by its class.
fn shown_status(page: &ApiResponse) -> String {
    let class = page.text.split_once("class=\"state ").and_then(|(_, rest)| rest.split_once('"'));
    class.map(|(status, _)| status.to_owned()).unwrap_or_default()
}

/// Returns the status of `/readyz`.
async fn readyz_status(service: &Service) -> String {
    service
        .readiness()
        .await
        .map(|(_, body)| body["status"].as_str().unwrap_or_default().to_owned())
        .unwrap_or_default()
}

#[tokio::test]
async fn only_a_client_that_prefers_html_gets_the_page_and_all_others_the_problem_of_any_unknown_path() {
    let (_world, _service, api) = start_user_service("startpage").await;
    let unknown = api.request(Method::GET, "/nothing").header("x-request-id", "the-same");
    let unknown = api.send(unknown).await.expect_problem(404, "not-found");
    let mut expected = lasting_headers(&unknown);
    expected.insert("vary".to_owned(), "Accept".to_owned());
    for accept in [
        "*/*",
        "application/json",
        "application/problem+json",
        "application/json, text/plain, */*",
        "application/json, text/html",
        "text/html;q=0.5, application/json",
        "text/html, */*",
        "text/html;q=0, */*;q=0.1",
        "image/png",
        "nonsense",
        "",
    ] {
        let refused = request_root(&api, Method::GET, accept).await.expect(404);
        assert_eq!(refused.text, unknown.text, "{accept}");
        assert_eq!(lasting_headers(&refused), expected, "{accept}");
        let head = request_root(&api, Method::HEAD, accept).await.expect(404);
        assert_eq!((head.text.as_str(), lasting_headers(&head)), ("", expected.clone()), "{accept}");
    }
    for accept in [BROWSER, "text/html", "text/*", "application/json;q=0.8, text/html;q=0.9", "*/*;q=0.1, text/html"] {
        let page = request_root(&api, Method::GET, accept).await.expect(200);
        assert_is_a_safe_page(&page);
        assert_eq!(page.header("vary"), "Accept, Accept-Language", "{accept}");
        let head = request_root(&api, Method::HEAD, accept).await.expect(200);
        assert_eq!((head.text.as_str(), lasting_headers(&head)), ("", lasting_headers(&page)), "{accept}");
    }
    // The other methods are refused as before, whatever the client accepts.
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let refused = request_root(&api, method.clone(), BROWSER).await.expect(404);
        assert_eq!(refused.text, unknown.text, "{method}");
    }
}

#[tokio::test]
async fn the_page_leads_to_every_part_of_the_service_and_its_command_registers_an_account() {
    let (world, service, api) =
        start_user_service_with("startlinks", &[("HTTP__MAILS_URL", "http://127.0.0.1:8025/?a=1&b=2")]).await;
    let page = open_in_browser(&api).await;
    let (mails, local): (Vec<String>, Vec<String>) =
        links(&page).into_iter().partition(|link| link.starts_with("http://"));
    assert_eq!(mails, ["http://127.0.0.1:8025/?a=1&amp;b=2"]);
    assert_eq!(local, ["/docs", "/api/openapi.json", "/problems", "/.well-known/jwks.json"]);
    for link in local {
        let status = api.get(&link).await.status;
        assert!(matches!(status, 200 | 308), "{link}: {status}");
    }
    let document = api.get("/api/openapi.json").await.expect(200).json();
    let version = document["info"]["version"].as_str().expect("the document has a version");
    assert!(page.text.contains(&format!("<h1>user-service {version}</h1>")), "{}", page.text);

    // The command of the page, with the values of this test.
    let command = page.text.split_once("<pre dir=\"ltr\"><code>").and_then(|(_, rest)| rest.split_once("</code>"));
    let command = command.expect("the page has a command").0.replace("&#39;", "'").replace("&quot;", "\"");
    let address = format!("curl -i http://127.0.0.1:{}/api/users ", service.http_port());
    assert!(command.starts_with(&address), "{command}");
    let body = command.split_once("-d '").and_then(|(_, rest)| rest.split_once('\'')).expect("a body").0;
    let mut body: Value = serde_json::from_str(body).expect("the body is JSON");
    let ada = world.test_user("ada");
    body["username"] = ada.username.as_str().into();
    body["email"] = ada.email.as_str().into();
    let _ = api.post("/api/users", &body).await.expect(201);

    let german = api.request(Method::GET, "/").header(header::ACCEPT, BROWSER).header(header::ACCEPT_LANGUAGE, "de");
    let german = api.send(german).await.expect(200);
    assert!(german.text.contains("<html lang=\"de\">") && german.text.contains("Benutzerkonten"), "{}", german.text);
}

#[tokio::test]
async fn the_page_shows_the_status_of_readyz_also_while_mongodb_is_away() {
    let stack = Stack::from_env();
    let (mongodb, uri) = stack.mongodb_proxy().await;
    let world = World::new(&stack, "startstate").await.on_mongodb(uri);
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    for (mode, status) in [(ProxyMode::Pass, "ready"), (ProxyMode::Refuse, "unavailable"), (ProxyMode::Pass, "ready")] {
        mongodb.set_mode(mode);
        wait_for(DEADLINE, &format!("/readyz to say {status}"), async || {
            (readyz_status(&service).await == status).then_some(())
        })
        .await;
        let page = open_in_browser(&api).await;
        assert_eq!(shown_status(&page), status);
        assert_is_a_safe_page(&page);
    }
}

#[tokio::test]
async fn in_a_browser_the_page_has_its_style_fits_any_width_and_its_links_work() {
    let Some(mut browser) = Browser::start().await else {
        let test = "in_a_browser_the_page_has_its_style_fits_any_width_and_its_links_work";
        return report_skipped(test, "Chromium is not installed");
    };
    let (_world, service, _api) = start_user_service("startbrowser").await;
    let root = format!("http://127.0.0.1:{}/", service.http_port());
    for (scheme, card) in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(29, 33, 37)")] {
        browser.set_color_scheme(scheme).await;
        for width in [320, 1280] {
            browser.set_size(width, 860).await;
            browser.open(&root).await;
            // The policy of the page would block a style sheet with another hash.
            let background = "getComputedStyle(document.querySelector('main')).backgroundColor";
            assert_eq!(browser.evaluate(background).await, card, "{scheme} {width}");
            let fits = "document.documentElement.scrollWidth <= innerWidth";
            assert_eq!(browser.evaluate(fits).await, true, "{scheme} {width}");
        }
    }
    browser.click("a[href='/problems']").await;
    browser.wait_until("location.pathname === '/problems' && document.querySelectorAll('li').length > 20").await;
    browser.open(&root).await;
    browser.click("a[href='/docs']").await;
    browser.wait_until("location.pathname === '/docs/' && !!document.querySelector('.opblock')").await;
}

#[tokio::test]
async fn without_documentation_there_is_no_start_page() {
    let (_world, _service, api) = start_user_service_with("nostart", &[("HTTP__DOCS", "false")]).await;
    for accept in [BROWSER, "text/html", "*/*"] {
        let refused = request_root(&api, Method::GET, accept).await.expect_problem(404, "not-found");
        assert_eq!(refused.header("vary"), "");
    }
}

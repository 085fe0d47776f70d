//! The brand on the pages of the user service.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use e2e::{accounts::with_cheap_hashes, commands::assert_start_refused};
use reqwest::{Method, header};
use ring::digest::{SHA256, digest};
use rustix::process::Signal;
use test_support::{Api, ApiResponse, Browser, DEADLINE, Service, Stack, World, report_skipped, wait_for};

use crate::BrandFolder;

/// The metric that is 1 while a brand that was read again cannot be used, or after a template has failed.
const FAILED: &str = "user_service_branding_failed";
/// A page for a link that was not sent by this service.
const UNKNOWN_LINK: &str = "/verify-email?token=abc";
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn start(name: &str, folder: &BrandFolder) -> (World, Service, Api) {
    let world = World::new(&Stack::from_env(), name).await;
    let service = folder.on(with_cheap_hashes(world.user_service())).start().await;
    let api = service.api();
    (world, service, api)
}

/// Requests a page as a browser with this language does.
async fn open(api: &Api, path: &str, language: &str) -> ApiResponse {
    let request = api.request(Method::GET, path).header(header::ACCEPT, BROWSER);
    api.send(request.header(header::ACCEPT_LANGUAGE, language)).await
}

/// Returns the address of the logo in a page.
fn logo_address(page: &ApiResponse) -> String {
    let address = page.text.split_once("<img src=\"").and_then(|(_, rest)| rest.split_once('"'));
    address.unwrap_or_else(|| panic!("no logo in {}", page.text)).0.to_owned()
}

/// Checks that a page has the example brand, and a policy that allows its style sheet and its logo only.
fn assert_has_brand(page: &ApiResponse) {
    let text = &page.text;
    for part in [
        " · Acme Cloud</title>",
        "<bdi>Acme Cloud</bdi>\n</header>",
        "<a href=\"mailto:help@acme.example\">",
        "<a href=\"https://help.acme.example/\"><bdi>Help centre</bdi></a>",
        "<address dir=\"auto\">Acme Cloud Ltd<br>1 Example Road, London</address>",
        "--accent:#0a7d4b",
        "--accent:#4fd19a",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(logo_address(page).starts_with("/branding/logo?v="), "{text}");
    let style = text.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).expect("a style sheet").0;
    let hash = BASE64_STANDARD.encode(digest(&SHA256, style.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    assert_eq!(page.header("content-security-policy"), policy);
}

/// Sends SIGHUP, and waits until a page contains a text.
async fn reload_until(service: &mut Service, api: &Api, path: &str, text: &str) {
    service.signal(Signal::HUP);
    wait_for(DEADLINE, text, async || open(api, path, "en").await.text.contains(text).then_some(())).await;
}

async fn wait_for_gauge(service: &Service, value: f64) {
    wait_for(DEADLINE, &format!("{FAILED} to be {value}"), async || {
        (service.metric(FAILED, "").await == value).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_brand_is_on_every_page_in_every_language() {
    let (world, service, api) = start("brandpages", &BrandFolder::example()).await;
    let links = ["verify-email", "reset-password", "confirm-email", "undo-email-change", "undo-change"];
    let links = links.iter().map(|page| format!("/{page}?token=abc"));
    for path in ["/", "/problems", "/problems/not-found"].map(str::to_owned).into_iter().chain(links) {
        for language in ["en", "de", "ar", "sv"] {
            let page = open(&api, &path, language).await;
            assert_has_brand(&page);
            let shown = if path.starts_with("/problems") { "en" } else { language };
            assert_eq!(page.header("content-language"), shown, "{path}");
        }
    }
    // A form, and the page after it.
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    let asked = api.submit("/verify-email", &[("action", "resend"), ("email", "not an address")]).await;
    assert_has_brand(&asked.expect(422));
    let sent = api.submit("/verify-email", &[("action", "resend"), ("email", &ada.email)]).await;
    assert_has_brand(&sent.expect(200));
    assert_eq!(service.metric(FAILED, "").await, 0.0);
}

#[tokio::test]
async fn a_catalogue_changes_texts_and_a_new_one_is_a_new_language() {
    let folder = BrandFolder::example();
    folder.write("catalogues/de.toml", "[pages.unusable.unknown]\ntitle = \"Der Link von Acme gilt nicht\"\n");
    let (_world, service, api) = start("brandtexts", &folder).await;
    let german = open(&api, UNKNOWN_LINK, "de-AT, en;q=0.5").await.expect(400);
    assert!(german.text.contains("<h1>Der Link von Acme gilt nicht</h1>"), "{}", german.text);
    assert!(german.text.contains("ersetzt"), "the other texts are the built-in ones: {}", german.text);
    for language in ["sv", "sv-FI;q=0.9, en;q=0.1"] {
        let swedish = open(&api, UNKNOWN_LINK, language).await.expect(400);
        assert!(swedish.text.contains("<html lang=\"sv\">"), "{}", swedish.text);
        assert!(swedish.text.contains("<h1>Den här länken fungerar inte längre</h1>"), "{}", swedish.text);
        assert!(swedish.text.contains(">Hjälp och kontakt</a>"), "{}", swedish.text);
    }
    // A text that the new catalogue does not have is English, and the log says so once.
    let start = open(&api, "/", "sv").await.expect(200);
    assert!(start.text.contains("A service for user accounts"), "{}", start.text);
    let log = service.log();
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("catalogues/sv.toml")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("WARN") && warnings[0].contains("pages.start.about"), "{warnings:?}");
}

#[tokio::test]
async fn the_logo_is_served_with_validators_and_only_the_present_one_may_be_cached() {
    let folder = BrandFolder::example();
    let (_world, mut service, api) = start("brandlogo", &folder).await;
    let address = logo_address(&open(&api, UNKNOWN_LINK, "en").await);
    let file = std::fs::read(folder.path("logo.png")).expect("the logo can be read");
    for path in [address.as_str(), "/branding/logo"] {
        let head = api.send(api.request(Method::HEAD, path)).await.expect(200);
        assert_eq!(head.header("content-length"), file.len().to_string());
        let response = api.request(Method::GET, path).send().await.expect("the service answers");
        for (name, value) in [
            ("content-type", "image/png"),
            ("cache-control", "public, max-age=86400"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(response.headers()[name], value, "{path}");
            assert_eq!(head.header(name), value, "{path}");
        }
        let etag = response.headers()["etag"].clone();
        assert_eq!(response.bytes().await.expect("a body"), file);
        let known =
            api.send(api.request(Method::GET, path).header(header::IF_NONE_MATCH, etag.clone())).await.expect(304);
        assert_eq!(known.header("etag").as_bytes(), etag.as_bytes());
        assert_eq!(known.header("cache-control"), "public, max-age=86400");
        let changed = api.request(Method::GET, path).header(header::IF_NONE_MATCH, "\"other\"");
        let _ = api.send(changed).await.expect(200);
    }
    // Another replica may have read a changed brand already.
    let other = api.get("/branding/logo?v=0123456789abcdef").await.expect(200);
    assert_eq!(other.header("cache-control"), "no-store");
    let refused = api.send(api.request(Method::POST, "/branding/logo")).await.expect_problem(405, "method-not-allowed");
    assert_eq!(refused.header("allow"), "GET, HEAD");

    // Another logo has another address.
    folder.write("logo.gif", b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;");
    folder.remove("logo.png");
    folder.replace("brand.toml", "\"logo.png\"", "\"logo.gif\"");
    service.signal(Signal::HUP);
    let changed = wait_for(DEADLINE, "another logo", async || {
        let now = logo_address(&open(&api, UNKNOWN_LINK, "en").await);
        (now != address).then_some(now)
    })
    .await;
    assert_eq!(api.get(&changed).await.expect(200).header("content-type"), "image/gif");
}

#[tokio::test]
async fn without_a_logo_there_is_none_and_no_page_may_load_an_image() {
    let empty = BrandFolder::empty();
    empty.write("brand.toml", "product = \"Only <a> & name\"\n");
    let (_world, _service, api) = start("brandname", &empty).await;
    let page = open(&api, UNKNOWN_LINK, "en").await.expect(400);
    assert!(page.text.contains("<bdi>Only &lt;a&gt; &amp; name</bdi>") && !page.text.contains("<img"), "{}", page.text);
    assert!(!page.text.contains("<footer>"), "{}", page.text);
    assert!(!page.header("content-security-policy").contains("img-src"));
    let _ = api.get("/branding/logo").await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn sighup_reads_the_brand_again_and_a_broken_one_changes_nothing() {
    let folder = BrandFolder::example();
    let (_world, mut service, api) = start("brandhup", &folder).await;
    assert!(open(&api, UNKNOWN_LINK, "en").await.text.contains("Acme Cloud"));
    folder.replace("brand.toml", "\"Acme Cloud\"", "\"Second name\"");
    reload_until(&mut service, &api, UNKNOWN_LINK, "<bdi>Second name</bdi>").await;
    assert_eq!(service.metric(FAILED, "").await, 0.0);

    let sv = folder.read("catalogues/sv.toml");
    let broken: [(&str, String, usize); 4] = [
        (
            "catalogues/sv.toml",
            sv.replace("Minst {min} tecken", "Minst {antal} tecken"),
            line_of(&sv, "Minst {min} tecken"),
        ),
        ("brand.toml", "product = \"Third name\"\ncolor = \"red\"\n".to_owned(), 2),
        (
            "pages/layout.html",
            "<style>{{ style }}</style>\n<h1>{{ titel }}</h1>{% block content %}{% endblock %}".to_owned(),
            2,
        ),
        ("pages/style.css", "a{}\n</style><script>alert(1)</script>".to_owned(), 2),
    ];
    for (name, text, line) in broken {
        let before = std::fs::read(folder.path(name)).ok();
        folder.write(name, text);
        service.signal(Signal::HUP);
        wait_for_gauge(&service, 1.0).await;
        let expected = format!("`{}` is invalid: line {line}: ", folder.path(name));
        assert!(service.log().contains(&expected), "{expected} is not in {}", service.log());
        let page = open(&api, UNKNOWN_LINK, "en").await.expect(400);
        assert!(page.text.contains("<bdi>Second name</bdi>"), "{}", page.text);
        match before {
            Some(before) => folder.write(name, before),
            None => {
                folder.remove(name);
                &folder
            }
        };
        service.signal(Signal::HUP);
        wait_for_gauge(&service, 0.0).await;
    }
    assert!(service.is_running());
}

fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).expect("the text has the part") + 1
}

#[tokio::test]
async fn a_template_that_fails_for_one_page_is_replaced_by_the_built_in_one() {
    let folder = BrandFolder::example();
    let form = include_str!("../../../../user-service/templates/link.html");
    let fails = "{% if form.address.typed == \"fail-here\" %}{{ nothing }}{% endif %}\n<label for=\"email\">";
    assert!(form.contains("<label for=\"email\">"));
    folder.write("pages/link.html", form.replace("<label for=\"email\">", fails).replace("<dl>", "<dl class=\"own\">"));
    let (_world, mut service, api) = start("brandfails", &folder).await;
    let submit = async |typed| api.submit("/verify-email", &[("action", "resend"), ("email", typed)]).await.expect(422);
    let _ = submit("works").await;
    assert_eq!(service.metric(FAILED, "").await, 0.0);
    let page = submit("fail-here").await;
    assert_has_brand(&page);
    assert!(page.text.contains("value=\"fail-here\""), "{}", page.text);
    assert_eq!(service.metric(FAILED, "").await, 1.0);
    let log = service.log();
    assert!(log.contains("pages/link.html") && !log.contains("fail-here\""), "{log}");
    // The next set starts anew.
    service.signal(Signal::HUP);
    wait_for_gauge(&service, 0.0).await;
}

#[tokio::test]
async fn a_start_with_a_broken_brand_is_refused_with_file_and_line() {
    let world = World::without_topic(&Stack::from_env(), "brandbad");
    let folder = BrandFolder::empty();
    let spec = folder.on(world.user_service());
    let link = include_str!("../../../../user-service/templates/link.html");
    for (name, text, line, part) in [
        ("brand.toml", "product = A\n", Some(1), ""),
        ("brand.toml", "product = \"A\"\nprodukt = \"B\"\n", Some(2), "produkt"),
        ("brand.toml", "[colours.light]\naccent = \"#eeeeee\"\non_accent = \"#ffffff\"\n", None, "4.5"),
        ("brand.toml", "logo = \"missing.png\"\n", Some(1), "missing.png"),
        ("catalogues/de.toml", "[pages.verify]\n\ntitel = \"x\"\n", Some(3), "pages.verify"),
        ("catalogues/de.toml", "[pages.verify]\ntitle = \"x {min}\"\n", Some(2), "pages.verify.title"),
        ("catalogues/de.toml", "[pages.reset]\nhint = \"Lang.\"\n", Some(2), "{min}"),
        ("catalogues/nb.toml", "[pages.verify]\ntitle = \"x\"\n", None, "[language]"),
        (
            "pages/start.html",
            "{% extends \"layout.html\" %}\n{% block content %}\n{{ page.abuot }}\n{% endblock %}",
            Some(3),
            "",
        ),
        ("pages/start.html", "{{ page.about|safe }}", Some(1), "safe"),
        ("pages/start.html", "{% for link in page.links %}", Some(1), ""),
        (
            "pages/start.html",
            "{% for x in range(100000) %}{% for y in range(100000) %}{{ y }}{% endfor %}{% endfor %}",
            None,
            "",
        ),
        ("pages/link.html", &link.replace("name=\"newPassword\"", ""), None, "newPassword"),
        ("pages/link.html", "{{ page.forms[0].button }}", Some(1), ""),
        ("pages/other.html", "", None, "pages/other.html"),
    ] {
        let before = std::fs::read(folder.path(name)).ok();
        folder.write(name, text);
        let mut parts = vec![folder.path(name), part.to_owned()];
        parts.extend(line.map(|line| format!("line {line}")));
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let _ = assert_start_refused(&spec, &parts).await;
        match before {
            Some(before) => folder.write(name, before),
            None => {
                folder.remove(name);
                &folder
            }
        };
    }
    let missing = world.user_service().set("BRANDING__DIRECTORY", folder.path("no-such-folder"));
    let _ = assert_start_refused(&missing, &["no-such-folder"]).await;
    let accepted = spec.command(&["check-config"]).await;
    assert_eq!(accepted.status.code(), Some(0), "{}", String::from_utf8_lossy(&accepted.stderr));
}

#[tokio::test]
async fn in_a_browser_the_logo_is_loaded_and_the_button_has_the_colour_of_the_brand() {
    let Some(mut browser) = Browser::start().await else {
        let test = "in_a_browser_the_logo_is_loaded_and_the_button_has_the_colour_of_the_brand";
        return report_skipped(test, "Chromium is not installed");
    };
    let folder = BrandFolder::example();
    let (_world, mut service, api) = start("brandbrowser", &folder).await;
    browser.record_policy_violations().await;
    let address = format!("http://127.0.0.1:{}{UNKNOWN_LINK}", service.http_port());
    let own_sheet = [include_str!("../../../../user-service/templates/style.css"), "header{letter-spacing:1px}\r\n"];
    for round in 0..2 {
        for (scheme, accent, text) in
            [("light", "rgb(10, 125, 75)", "rgb(255, 255, 255)"), ("dark", "rgb(79, 209, 154)", "rgb(16, 21, 28)")]
        {
            browser.set_color_scheme(scheme).await;
            for width in [320, 1280] {
                browser.set_size(width, 860).await;
                browser.open(&address).await;
                browser.wait_until("document.querySelector('header img').naturalWidth === 160").await;
                let of_button = "getComputedStyle(document.querySelector('button'))";
                assert_eq!(browser.evaluate(&format!("{of_button}.backgroundColor")).await, accent, "{scheme}");
                assert_eq!(browser.evaluate(&format!("{of_button}.color")).await, text, "{scheme}");
                let fits = "document.documentElement.scrollWidth <= innerWidth";
                assert_eq!(browser.evaluate(fits).await, true, "{scheme} {width}");
                assert_eq!(browser.evaluate("policyViolations.join()").await, "", "{scheme} {width}");
            }
        }
        if round == 0 {
            // The same with a style sheet of the brand, whose line ends a browser changes.
            folder.write("pages/style.css", own_sheet.concat());
            reload_until(&mut service, &api, UNKNOWN_LINK, "letter-spacing:1px").await;
        }
    }
    // The recorder does see a violation.
    browser.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">')").await;
    browser.wait_until("policyViolations.length > 0").await;
}

//! What an attacker tries with a site of their own, with cookies, with addresses, and with a browser that another person
//! has used.

use e2e::{accounts::age_sessions, foreign_site::ForeignSite};
use reqwest::{
    Method,
    header::{COOKIE, ORIGIN},
};
use std::time::Duration;
use test_support::{ApiResponse, Browser, HOSTILE_NAMES, TestUser, remember_secret};

use crate::Scene;

const SEC_FETCH_SITE: &str = "sec-fetch-site";
/// The forms that need no session.
const VISITOR_FORMS: [&str; 5] = ["/sign-in", "/sign-in/code", "/register", "/check-mail", "/forgot-password"];
/// The forms of a signed-in user. The last one ends the session.
const MEMBER_FORMS: [&str; 14] = [
    "/account",
    "/account/profile",
    "/account/email",
    "/account/password",
    "/account/sessions",
    "/account/sessions/others",
    "/account/second-factor",
    "/account/second-factor/confirm",
    "/account/second-factor/recovery-codes",
    "/account/second-factor/turn-off",
    "/account/export",
    "/account/delete",
    "/account/confirm-identity",
    "/sign-out",
];

/// Checks the forms of the page that is open: the attacks of this file are tried at each, a form of a signed-in user has the
/// token of the session, and such a page has a way to sign out.
pub(crate) async fn assert_forms_are_tested(browser: &mut Browser, page: &str) {
    let forms = browser
        .evaluate("[...document.forms].map(form => [form.getAttribute('action'), !!form.querySelector('[name=csrf]')?.value])")
        .await;
    let forms: Vec<(String, bool)> = serde_json::from_value(forms).expect("each form has an action");
    for (action, has_token) in &forms {
        let is_member = MEMBER_FORMS.contains(&action.as_str());
        let is_visitor = VISITOR_FORMS.contains(&action.as_str());
        // The forms of mailed links have a secret of their own.
        let is_of_link = browser.evaluate("!!document.querySelector('form [name=token]')").await == true;
        assert!(is_member || is_visitor || is_of_link, "{page}: no attack is tried at {action}");
        assert_eq!(*has_token, is_member, "{page}: the token of {action}");
    }
    let is_member_page = forms.iter().any(|(_, has_token)| *has_token);
    assert!(!is_member_page || forms.iter().any(|(action, _)| action == "/sign-out"), "{page}: no way to sign out");
}

/// Fields that each form would act on.
fn fields(user: &TestUser) -> [(&'static str, String); 10] {
    let password = format!("{} new", user.password);
    remember_secret("password", &password);
    [
        ("identifier", user.email.clone()),
        ("password", user.password.clone()),
        ("email", format!("eve-{}", user.email)),
        ("username", format!("eve-{}", &user.username[..8])),
        ("displayName", "Eve".to_owned()),
        ("currentPassword", user.password.clone()),
        ("newPassword", password),
        ("code", "123456".to_owned()),
        ("mfaToken", "none".to_owned()),
        ("confirmed", "yes".to_owned()),
    ]
}

/// Sends a form with these headers.
async fn send(scene: &Scene, path: &str, user: &TestUser, csrf: Option<&str>, headers: &[(&str, &str)]) -> ApiResponse {
    let all = fields(user);
    let mut all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend(csrf.map(|csrf| ("csrf", csrf)));
    let request = scene.api.form(path, &all);
    scene.api.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// Checks that a form was refused as one that is not from a page of this service, and that no cookie was set.
#[track_caller]
fn assert_is_foreign(answer: &ApiResponse, what: &str) {
    assert_eq!(answer.status, 403, "{what}: {}", answer.text);
    assert!(answer.header("content-type").starts_with("text/html"), "{what}");
    assert!(answer.text.contains("Please send the form again"), "{what}: {}", answer.text);
    assert_eq!(answer.header("set-cookie"), "", "{what}");
}

/// Returns the header with the cookie of the session of the browser.
async fn cookie_header(scene: &mut Scene) -> String {
    format!("session={}", scene.session_cookie().await.expect("the browser has a session"))
}

/// Returns the token of the forms of the page that is open.
async fn csrf_token(scene: &mut Scene) -> String {
    let token = scene.browser.evaluate("document.querySelector('[name=csrf]').value").await;
    token.as_str().expect("the page has a token").to_owned()
}

/// Checks that the account is as it was, and that the session of the browser is valid.
async fn assert_unchanged(scene: &mut Scene, user: &TestUser) {
    let me = scene.api.logged_in_as(user).await.get("/api/users/me").await.expect(200);
    assert_eq!((me.string("username"), me.string("email")), (user.username.clone(), user.email.clone()));
    assert_eq!(me.string("displayName"), "");
    scene.open("/account").await;
    assert_eq!(scene.browser.path().await, "/account");
}

#[tokio::test]
async fn a_form_that_no_page_of_the_service_has_sent_is_refused() {
    let test = "a_form_that_no_page_of_the_service_has_sent_is_refused";
    let Some(mut scene) = Scene::start(test, "forged").await else { return };
    let user = scene.new_member("ada").await;
    let (cookie, csrf) = (cookie_header(&mut scene).await, csrf_token(&mut scene).await);
    let own = scene.user_service.base_url();
    let another_port = format!("{own}1");
    let forged: [&[(&str, &str)]; 11] = [
        // Neither header: not a browser.
        &[],
        &[(SEC_FETCH_SITE, "cross-site")],
        &[(SEC_FETCH_SITE, "same-site")],
        &[(SEC_FETCH_SITE, "none")],
        &[(SEC_FETCH_SITE, "Same-Origin, cross-site")],
        // The metadata of the browser win over what else it says.
        &[(SEC_FETCH_SITE, "cross-site"), ("origin", &own)],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", &another_port)],
        &[("origin", &own), ("origin", "https://evil.example")],
        &[(SEC_FETCH_SITE, "same-origin"), (SEC_FETCH_SITE, "cross-site")],
    ];
    for path in VISITOR_FORMS.into_iter().chain(MEMBER_FORMS) {
        for headers in forged {
            let with_cookie: Vec<_> = headers.iter().copied().chain([("cookie", cookie.as_str())]).collect();
            let answer = send(&scene, path, &user, Some(&csrf), &with_cookie).await;
            assert_is_foreign(&answer, &format!("{path} {headers:?}"));
        }
    }
    assert_unchanged(&mut scene, &user).await;
    // The same forms with the headers of an own page are not refused for that reason.
    for headers in [[(SEC_FETCH_SITE, "same-origin")], [("origin", own.as_str())]] {
        let answer = send(&scene, "/sign-in", &user, None, &headers).await.expect(303);
        assert!(answer.header("set-cookie").starts_with("session="), "{headers:?}");
    }
}

#[tokio::test]
async fn a_form_without_the_token_of_its_session_is_refused() {
    let Some(mut scene) = Scene::start("a_form_without_the_token_of_its_session_is_refused", "csrf").await else {
        return;
    };
    let eve = scene.new_member("eve").await;
    let of_eve = csrf_token(&mut scene).await;
    scene.browser.clear_cookies().await;
    let user = scene.new_member("ada").await;
    let of_former = csrf_token(&mut scene).await;
    scene.browser.clear_cookies().await;
    scene.sign_in(&user).await;
    let (cookie, own) = (cookie_header(&mut scene).await, csrf_token(&mut scene).await);
    let headers = [(SEC_FETCH_SITE, "same-origin"), ("cookie", cookie.as_str())];
    let (shortened, changed) = (&own[..own.len() - 1], format!("A{}", &own[1..]));
    let longer = format!("{own}A");
    for path in MEMBER_FORMS {
        for csrf in [None, Some(""), Some(&of_eve), Some(&of_former), Some(shortened), Some(&longer)]
            .into_iter()
            .chain((changed != own).then_some(Some(changed.as_str())))
        {
            let answer = send(&scene, path, &user, csrf.map(|it: &str| it), &headers).await;
            assert_is_foreign(&answer, &format!("{path} {csrf:?}"));
        }
    }
    assert_unchanged(&mut scene, &user).await;
    let answer = send(&scene, "/sign-out", &eve, Some(&own), &headers).await.expect(303);
    assert_eq!(answer.header("location"), "/signed-out");
}

#[tokio::test]
async fn a_page_of_an_attacker_can_neither_send_a_form_nor_show_a_page() {
    let test = "a_page_of_an_attacker_can_neither_send_a_form_nor_show_a_page";
    let Some(mut scene) = Scene::start(test, "evilsite").await else { return };
    let user = scene.new_member("ada").await;
    let site = ForeignSite::start().await;
    for origin in [site.url(), site.cross_site_url()] {
        for (path, name, value) in [
            ("/sign-out", "x", "y"),
            ("/account/profile", "displayName", "Eve"),
            ("/register", "email", "eve@example.org"),
        ] {
            site.set_page(&format!(
                "<form method=post action='{}'><input name='{name}' value='{value}'><button>Win</button></form>",
                scene.url(path)
            ));
            scene.browser.open(&origin).await;
            scene.browser.follow("Win").await;
            assert_eq!(scene.browser.heading().await, "Please send the form again", "{origin} {path}");
            assert_eq!(scene.browser.response_status().await, 403);
        }
    }
    assert_unchanged(&mut scene, &user).await;
    // A frame of another port of the same host, to which the browser sends the cookie.
    let framed = ["/sign-in", "/account", "/account/password", "/register", "/signed-out", "/no-such-page"];
    let frames: String = framed.iter().map(|path| format!("<iframe src='{}'></iframe>", scene.url(path))).collect();
    site.set_page(&frames);
    scene.browser.open(&site.url()).await;
    let shown = scene.browser.frames().await;
    assert_eq!(shown.len(), framed.len(), "{shown:?}");
    assert!(shown.iter().all(|(_, is_shown)| !is_shown), "{shown:?}");
    // The same with a page that may be framed: its own.
    site.set_page("<script>if (top === self) document.write(\"<iframe src='/framed'></iframe>\")</script>");
    scene.browser.open(&site.url()).await;
    scene.browser.wait_until("frames.length === 1").await;
    let own = format!("{}/framed", site.url());
    assert_eq!(scene.browser.frames().await, [(own, true)]);
}

#[tokio::test]
async fn a_session_that_was_set_before_the_sign_in_is_not_the_one_afterwards() {
    let test = "a_session_that_was_set_before_the_sign_in_is_not_the_one_afterwards";
    let Some(mut scene) = Scene::start(test, "fixation").await else { return };
    let _eve = scene.new_member("eve").await;
    let of_eve = scene.session_cookie().await.expect("eve has a session");
    scene.browser.clear_cookies().await;
    let user = scene.new_user("ada").await;
    // The attacker puts a session of their own, or an invented one, into the browser of the victim.
    let (url, invented) = (scene.url("/"), "A".repeat(of_eve.len()));
    for (fixed, is_valid) in [(of_eve.as_str(), true), (invented.as_str(), false)] {
        scene.browser.clear_cookies().await;
        scene.browser.set_cookie(&url, "session", fixed).await;
        if is_valid {
            // The sign-in leads to the account of the attacker, whose name stands there; the victim signs out or in again.
            scene.open("/account").await;
            assert!(scene.browser.page_text().await.contains("eve-"));
        }
        let answer = sign_in_with(&scene, &user, fixed).await;
        let renewed = answer.header("set-cookie");
        let renewed = renewed.split(';').next().unwrap_or_default().trim_start_matches("session=").to_owned();
        remember_secret("session cookie", &renewed);
        assert!(renewed.len() == of_eve.len() && renewed != fixed, "{renewed}");
        // The session that the browser had is over: the attacker has none in the victim's browser, and no other.
        assert_eq!(open_with(&scene, "/account", fixed).await.status, 303, "the former session is over");
        let page = open_with(&scene, "/account", &renewed).await.expect(200);
        assert!(page.text.contains(&user.username), "{}", page.text);
    }
    // Two sign-ins never have the same cookie, and a new password changes it.
    scene.browser.clear_cookies().await;
    scene.sign_in(&user).await;
    let before = scene.session_cookie().await.expect("a session");
    scene.open("/account/password").await;
    scene.browser.fill("currentPassword", &user.password).await;
    let renewed = format!("{} again", user.password);
    remember_secret("password", &renewed);
    scene.browser.fill("newPassword", &renewed).await;
    scene.browser.submit("/account/password").await;
    let after = scene.session_cookie().await.expect("a session");
    assert_ne!(before, after);
    assert_eq!(open_with(&scene, "/account", &before).await.status, 303);
    assert_eq!(open_with(&scene, "/account", &after).await.status, 200);
}

/// Signs a user in with a cookie that the browser had before.
async fn sign_in_with(scene: &Scene, user: &TestUser, cookie: &str) -> ApiResponse {
    let cookie = format!("session={cookie}");
    let headers = [(SEC_FETCH_SITE, "same-origin"), ("cookie", cookie.as_str())];
    send(scene, "/sign-in", user, None, &headers).await.expect(303)
}

async fn open_with(scene: &Scene, path: &str, cookie: &str) -> ApiResponse {
    scene.api.send(scene.api.request(Method::GET, path).header(COOKIE, format!("session={cookie}"))).await
}

#[tokio::test]
async fn the_sign_in_leads_to_no_other_site() {
    let Some(mut scene) = Scene::start_with(
        "the_sign_in_leads_to_no_other_site",
        "redirects",
        &[("HTTP__CORS_ALLOWED_ORIGINS", "http://localhost:1,https://app.example.org")],
    )
    .await
    else {
        return;
    };
    let site = ForeignSite::start().await;
    let user = scene.new_user("ada").await;
    let evil = site.url();
    let host = evil.trim_start_matches("http://").to_owned();
    let hostile = [
        evil.clone(),
        format!("//{host}"),
        format!("/\\{host}"),
        format!("/account/..//{host}"),
        format!("/account@{host}"),
        format!("http:{host}"),
        format!("https://app.example.org@{host}"),
        format!("\t//{host}"),
        "javascript:location='https://evil.example'".to_owned(),
        "data:text/html,evil".to_owned(),
    ];
    // Both parameters are read by the same function.
    for (address, parameter) in hostile.iter().zip(["next", "return_to"].into_iter().cycle()) {
        scene.browser.clear_cookies().await;
        let encoded: String = address.bytes().map(|byte| format!("%{byte:02X}")).collect();
        scene.open(&format!("/sign-in?{parameter}={encoded}")).await;
        // The hidden field could also be forged, for example by a page that has copied the form.
        scene
            .browser
            .evaluate(&format!(
                "(field => {{ field.type = 'hidden'; field.name = 'next'; field.value = {}; \
                     document.querySelector('form').append(field) }})(document.createElement('input'))",
                serde_json::Value::from(address.as_str())
            ))
            .await;
        scene.enter_credentials(&user).await;
        assert_eq!(scene.browser.path().await, "/account", "{address}");
        scene.open(&format!("/sign-in?{parameter}={encoded}")).await;
        assert_eq!(scene.browser.path().await, "/account", "{address} with a session");
    }
    assert_eq!(site.requests(), Vec::<String>::new());
    // A listed origin is a place to return to.
    let answer = scene.api.form(
        "/sign-in",
        &[("identifier", &user.email), ("password", &user.password), ("next", "https://app.example.org/done?x=1")],
    );
    let answer = scene.api.send(answer.header(SEC_FETCH_SITE, "same-origin")).await.expect(303);
    assert_eq!(answer.header("location"), "https://app.example.org/done?x=1");
}

#[tokio::test]
async fn the_back_button_shows_nothing_after_signing_out() {
    let Some(mut scene) = Scene::start("the_back_button_shows_nothing_after_signing_out", "backbutton").await else {
        return;
    };
    let user = scene.new_member("ada").await;
    for path in ["/account/profile", "/account"] {
        scene.open(path).await;
        assert!(scene.browser.page_text().await.contains(&user.username));
    }
    let cookie = scene.session_cookie().await.expect("a session");
    scene.browser.submit("/sign-out").await;
    for _ in 0..2 {
        scene.browser.go_back().await;
        assert!(scene.browser.path().await.starts_with("/sign-in?next="), "{}", scene.browser.path().await);
        let text = scene.browser.page_text().await;
        assert!(!text.contains(&user.username) && !text.contains(&user.email), "{text}");
    }
    // A copy of the cookie is worth nothing either.
    assert_eq!(open_with(&scene, "/account", &cookie).await.status, 303);
}

#[tokio::test]
async fn the_cookie_of_a_session_is_out_of_reach_of_scripts_and_of_other_sites() {
    let test = "the_cookie_of_a_session_is_out_of_reach_of_scripts_and_of_other_sites";
    let Some(mut scene) = Scene::start(test, "cookieflags").await else { return };
    let user = scene.new_member("ada").await;
    let cookies = scene.browser.cookies().await;
    let cookie = cookies.iter().find(|cookie| cookie.name == "session").expect("the browser has a session");
    assert!(cookie.http_only && !cookie.secure, "plain HTTP on this host: {cookie:?}");
    assert_eq!((cookie.same_site.as_str(), cookie.path.as_str()), ("Lax", "/"));
    assert_eq!(scene.browser.evaluate("document.cookie").await, "");
    assert_eq!(scene.user_service.log().matches("cookies are without Secure").count(), 1, "the log says so");

    // Behind TLS, the cookie is bound to this host, and is never sent in clear text.
    scene.user_service.terminate().await;
    scene.user_service.restart_with(|spec| spec.set("AUTH__ISSUER", "https://accounts.example.org")).await;
    let answer = send(&scene, "/sign-in", &user, None, &[(SEC_FETCH_SITE, "same-origin")]).await.expect(303);
    let set = answer.header("set-cookie");
    let (value, flags) = set.split_once(';').expect("the cookie has flags");
    remember_secret("session cookie", value.trim_start_matches("__Host-session="));
    assert!(value.starts_with("__Host-session="), "{set}");
    let mut flags: Vec<&str> = flags.split(';').map(str::trim).collect();
    flags.retain(|flag| !flag.starts_with("Max-Age="));
    flags.sort_unstable();
    assert_eq!(flags, ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"], "{set}");
    // The name without the prefix, which another host of the domain could set, is nothing.
    let unprefixed = value.replace("__Host-", "");
    for (cookie, status) in [(value, 200), (unprefixed.as_str(), 303)] {
        let answer = scene.api.send(scene.api.request(Method::GET, "/account").header(COOKIE, cookie)).await;
        assert_eq!(answer.status, status, "{cookie}");
    }
}

#[tokio::test]
async fn the_api_ignores_the_session_of_the_pages() {
    let Some(mut scene) = Scene::start("the_api_ignores_the_session_of_the_pages", "apicookie").await else { return };
    let user = scene.new_member("ada").await;
    let cookie = cookie_header(&mut scene).await;
    let secret = cookie.trim_start_matches("session=").to_owned();
    let (api, own) = (&scene.api, scene.user_service.base_url());
    for (method, path) in [
        (Method::GET, "/api/users/me"),
        (Method::PATCH, "/api/users/me"),
        (Method::DELETE, "/api/users/me"),
        (Method::GET, "/api/users/me/sessions"),
        (Method::DELETE, "/api/users/me/sessions"),
        (Method::GET, "/api/users/me/export"),
        (Method::PUT, "/api/users/me/password"),
        (Method::GET, "/api/auth/verify"),
        (Method::POST, "/api/auth/reauthenticate"),
    ] {
        let request = api.request(method.clone(), path).header(COOKIE, &cookie).header(ORIGIN, &own);
        let _ = api.send(request.json(&serde_json::json!({}))).await.expect_problem(401, "unauthorized");
        let request = api.request(method, path).bearer_auth(&secret);
        let _ = api.send(request.json(&serde_json::json!({}))).await.expect_problem(401, "unauthorized");
    }
    // The cookie is no refresh token, in its header or in a body.
    for path in ["/api/auth/refresh", "/api/auth/logout"] {
        let request = api.request(Method::POST, path).header(COOKIE, &cookie).header(ORIGIN, &own);
        let answer = api.send(request.json(&serde_json::json!({ "refreshToken": secret }))).await;
        assert!(answer.status == 401 || (path.ends_with("logout") && answer.status == 204), "{path}: {}", answer.text);
    }
    assert_unchanged(&mut scene, &user).await;
}

#[tokio::test]
async fn an_address_changes_nothing() {
    let Some(mut scene) = Scene::start("an_address_changes_nothing", "getforms").await else { return };
    let user = scene.new_member("ada").await;
    let csrf = csrf_token(&mut scene).await;
    let site = ForeignSite::start().await;
    let fields = fields(&user);
    let mut query: String = fields.iter().map(|(name, value)| format!("{name}={}&", value.replace(' ', "+"))).collect();
    query.push_str(&format!("csrf={csrf}"));
    for path in MEMBER_FORMS {
        site.set_page(&format!("<a href='{}?{query}'>Win</a>", scene.url(path)));
        scene.browser.open(&site.cross_site_url()).await;
        scene.browser.follow("Win").await;
    }
    assert_unchanged(&mut scene, &user).await;
}

#[tokio::test]
async fn a_hostile_name_is_shown_as_text() {
    let Some(mut scene) = Scene::start("a_hostile_name_is_shown_as_text", "hostilename").await else { return };
    let user = scene.new_member("ada").await;
    scene.browser.record_policy_violations().await;
    let me = scene.api.logged_in_as(&user).await;
    let markup = ["\"><script>document.title='taken'</script>", "'><img src=x onerror=\"document.title='taken'\">"];
    for name in HOSTILE_NAMES.into_iter().chain(markup) {
        let answer = me.patch("/api/users/me", &serde_json::json!({ "displayName": name })).await;
        if answer.status != 200 {
            continue;
        }
        let stored = answer.string("displayName");
        for path in ["/account", "/account/profile"] {
            scene.open(path).await;
            assert_eq!(scene.browser.evaluate("policyViolations.join()").await, "", "{name}");
            let elements =
                "document.querySelectorAll('main script:not([src^=\"/pages/\"]), main img, main [onerror]').length";
            assert_eq!(scene.browser.evaluate(elements).await, 0, "{name}");
            let links = scene.browser.evaluate("[...document.links].map(link => link.origin).join()").await;
            assert!(!links.as_str().unwrap_or_default().contains("evil"), "{name}");
        }
        assert_eq!(scene.browser.field_value("displayName").await, stored);
    }
}

#[tokio::test]
async fn a_session_of_the_pages_ends_by_itself() {
    let Some(mut scene) = Scene::start("a_session_of_the_pages_ends_by_itself", "idlepage").await else { return };
    let user = scene.new_member("ada").await;
    // A used session stays, within the limits.
    age_sessions(&scene.world, Duration::from_secs(3600)).await;
    assert_unchanged(&mut scene, &user).await;
    let sessions = scene.world.user_collection("sessions").await;
    // Use moves the end on, but not beyond the longest lifetime of a session (90 days by default).
    let days = |count: i64| count * 24 * 60 * 60 * 1000;
    let older = bson::doc! { "$set": {
        "createdAt": { "$subtract": ["$createdAt", days(80)] },
        "lastUsedAt": { "$subtract": ["$lastUsedAt", days(1)] },
    } };
    let _ = sessions.update_many(bson::doc! {}, vec![older]).await.expect("sessions can be written");
    scene.open("/account").await;
    let used = sessions.find_one(bson::doc! { "cookieHash": { "$exists": true } }).await.expect("sessions can be read");
    let used = used.expect("the browser has a session");
    let time = |name: &str| used.get_datetime(name).expect("the row has the time").timestamp_millis();
    assert_eq!(time("expiresAt") - time("createdAt"), days(90));
    let past = bson::DateTime::from_millis(bson::DateTime::now().timestamp_millis() - 1000);
    let ended = sessions.update_many(bson::doc! {}, bson::doc! { "$set": { "expiresAt": past } }).await;
    assert!(ended.expect("sessions can be written").matched_count > 0);
    scene.open("/account/profile").await;
    assert_eq!(scene.browser.path().await, "/sign-in?next=%2Faccount%2Fprofile");
    // A form that was open until then leads to the sign-in, and from there to its page.
    scene.enter_credentials(&user).await;
    assert_eq!(scene.browser.path().await, "/account/profile");
    sessions.delete_many(bson::doc! {}).await.expect("sessions can be written");
    scene.browser.fill("displayName", "Ada").await;
    scene.browser.submit("/account/profile").await;
    assert_eq!(scene.browser.path().await, "/sign-in?next=%2Faccount%2Fprofile");
    // A query that is too long to be kept is not repeated.
    scene.open(&format!("/account/profile?x={}", "a".repeat(3000))).await;
    assert_eq!(scene.browser.path().await, "/sign-in?next=%2Faccount%2Fprofile");
}

//! The cookie mode: a browser application on a listed origin has its refresh token in a cookie that scripts cannot read.

use bson::doc;
use e2e::{
    accounts::{register, register_verified, wait_for_session_count, with_cheap_hashes},
    administrators::create_admin,
    start::start_user_service_with,
    totp::enable_totp,
};
use reqwest::{
    Method, RequestBuilder,
    header::{COOKIE, ORIGIN, SET_COOKIE},
};
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, Service, Stack, TestUser, World, count, remember_secret};

const APP: &str = "https://app.example.org";
const STRANGER: &str = "https://evil.example";
const ISSUER: &str = "https://accounts.example.org";
const CLEARED: &str = "__Host-refresh-token=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0";

async fn start(name: &str) -> (World, Service, Api) {
    let settings = [("HTTP__CORS_ALLOWED_ORIGINS", APP), ("AUTH__ISSUER", ISSUER), ("AUTH__SESSION_IDLE", "2h")];
    start_user_service_with(name, &settings).await
}

/// Returns a request of the application, with the cookies that its browser has.
fn request_of_app(api: &Api, path: &str, cookie: Option<&str>) -> RequestBuilder {
    let request = api.request(Method::POST, path).header(ORIGIN, APP);
    match cookie {
        Some(cookie) => request.header(COOKIE, cookie),
        None => request,
    }
}

async fn post_from_app(api: &Api, path: &str, cookie: Option<&str>) -> ApiResponse {
    api.send(request_of_app(api, path, cookie)).await
}

fn credentials(user: &TestUser) -> Value {
    json!({ "identifier": user.email, "password": user.password, "cookie": true })
}

fn set_cookies(answer: &ApiResponse) -> Vec<String> {
    let lines = answer.headers.get_all(SET_COOKIE).iter();
    lines.map(|line| line.to_str().expect("a cookie is ASCII").to_owned()).collect()
}

/// Returns the cookie of a response in cookie mode as the browser sends it back.
#[track_caller]
fn cookie_of(answer: &ApiResponse) -> String {
    let lines = set_cookies(answer);
    assert_eq!((answer.status, lines.len()), (200, 1), "{lines:?} {}", answer.text);
    let (cookie, _) = lines[0].split_once(';').expect("the cookie has attributes");
    let (_, token) = cookie.split_once('=').expect("the cookie has a value");
    remember_secret("refresh token", token);
    remember_secret("access token", &answer.string("accessToken"));
    assert!(answer.json().get("refreshToken").is_none() && !answer.text.contains(token), "{}", answer.text);
    cookie.to_owned()
}

async fn log_in(api: &Api, user: &TestUser) -> (String, Api) {
    let answer = api.send(request_of_app(api, "/api/auth/login", None).json(&credentials(user))).await;
    (cookie_of(&answer), api.with_token(&answer.string("accessToken")))
}

#[track_caller]
fn assert_cleared(answer: &ApiResponse) {
    assert_eq!(set_cookies(answer), [CLEARED], "{}", answer.text);
}

#[tokio::test]
async fn the_refresh_token_is_in_a_cookie_from_the_login_to_the_logout() {
    let (world, _service, api) = start("cookie").await;
    let ada = register(&world, &api, "ada").await;

    let login = api.send(request_of_app(&api, "/api/auth/login", None).json(&credentials(&ada))).await;
    let first = cookie_of(&login);
    assert_eq!(set_cookies(&login), [format!("{first}; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=7200")]);
    assert!(first.starts_with("__Host-refresh-token="), "{first}");
    assert_eq!(login.header("access-control-allow-origin"), APP);
    assert_eq!(login.header("access-control-allow-credentials"), "true");
    assert_eq!(login.header("cache-control"), "no-store");
    let me = api.with_token(&login.string("accessToken"));
    let sessions = me.get("/api/users/me/sessions").await.expect(200).json();
    assert_eq!(sessions["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(sessions["items"][0]["current"], true);

    // Each refresh sets another cookie, with the whole time again. An empty object is no body either.
    let second = post_from_app(&api, "/api/auth/refresh", Some(&first)).await;
    let cookie = cookie_of(&second);
    assert_ne!(cookie, first);
    assert_eq!(set_cookies(&second), [format!("{cookie}; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=7200")]);
    let third = api.send(request_of_app(&api, "/api/auth/refresh", Some(&cookie)).json(&json!({}))).await;
    let cookie = cookie_of(&third);
    assert_eq!(third.json()["user"], login.json()["user"]);
    let me = api.with_token(&third.string("accessToken"));
    assert_eq!(me.get("/api/users/me/sessions").await.json()["items"][0]["id"], sessions["items"][0]["id"]);

    let logout = post_from_app(&api, "/api/auth/logout", Some(&cookie)).await.expect(204);
    assert_cleared(&logout);
    assert_eq!(logout.header("access-control-allow-credentials"), "true");
    wait_for_session_count(&world, 0).await;
    // A copy of the cookie is worth nothing, and the browser forgets it. The application can read this response too.
    let refused = post_from_app(&api, "/api/auth/refresh", Some(&cookie)).await.expect_problem(401, "unauthorized");
    assert_cleared(&refused);
    assert_eq!(refused.header("access-control-allow-origin"), APP);
    assert_eq!(refused.header("access-control-allow-credentials"), "true");
    assert_eq!(refused.header("www-authenticate"), api.refresh("x").await.header("www-authenticate"));
    // Without a session there is nothing to end.
    let _ = post_from_app(&api, "/api/auth/logout", Some(&cookie)).await.expect(204);
    let _ = post_from_app(&api, "/api/auth/logout", None).await.expect(204);
    let _ = post_from_app(&api, "/api/auth/refresh", None).await.expect_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_login_without_cookie_mode_sets_no_cookie() {
    let (world, _service, api) = start("cookieless").await;
    let ada = register(&world, &api, "ada").await;
    for cookie in [None, Some(false)] {
        let mut body = credentials(&ada);
        match cookie {
            Some(cookie) => body["cookie"] = cookie.into(),
            None => drop(body.as_object_mut().and_then(|body| body.remove("cookie"))),
        }
        let login = api.send(request_of_app(&api, "/api/auth/login", None).json(&body)).await.expect(200);
        assert!(set_cookies(&login).is_empty() && !login.string("refreshToken").is_empty());
        remember_secret("refresh token", &login.string("refreshToken"));
        let body = json!({ "refreshToken": login.string("refreshToken") });
        let refreshed = api.send(request_of_app(&api, "/api/auth/refresh", None).json(&body)).await.expect(200);
        assert!(set_cookies(&refreshed).is_empty() && !refreshed.string("refreshToken").is_empty());
    }
}

#[tokio::test]
async fn the_cookie_comes_only_after_the_second_factor() {
    let (world, _service, api) = start("cookietotp").await;
    let (ada, me) = register_verified(&world, &api, "ada").await;
    let (authenticator, _) = enable_totp(&me, &ada).await;
    let login = api.send(request_of_app(&api, "/api/auth/login", None).json(&credentials(&ada))).await;
    let login = login.expect_problem(401, "mfa-required");
    assert!(set_cookies(&login).is_empty());
    // The first code was used by the setup.
    let body = json!({ "mfaToken": login.string("mfaToken"), "code": authenticator.code_at(1), "cookie": true });

    // A refusal because of the origin uses neither the token nor the code.
    let stranger = api.request(Method::POST, "/api/auth/login/totp").header(ORIGIN, STRANGER).json(&body);
    let _ = api.send(stranger).await.expect_problem(403, "forbidden");
    let answer = api.send(request_of_app(&api, "/api/auth/login/totp", None).json(&body)).await;
    let cookie = cookie_of(&answer);
    let _ = cookie_of(&post_from_app(&api, "/api/auth/refresh", Some(&cookie)).await);
}

#[tokio::test]
async fn a_login_in_cookie_mode_from_any_other_origin_is_refused_before_the_password_is_looked_at() {
    let (world, service, api) = start("cookieorigin").await;
    let ada = register(&world, &api, "ada").await;
    let own = service.base_url();
    let origins: [&[&str]; 8] = [
        &[],
        &[STRANGER],
        &["null"],
        &[""],
        &[&own],
        &["http://app.example.org"],
        &["https://app.example.org.evil.example"],
        &[APP, APP],
    ];
    for password in [ada.password.as_str(), "not the password"] {
        let body = json!({ "identifier": ada.email, "password": password, "cookie": true });
        for origins in origins {
            let request = api.request(Method::POST, "/api/auth/login").json(&body);
            let request = origins.iter().fold(request, |request, origin| request.header(ORIGIN, *origin));
            let answer = api.send(request).await.expect_problem(403, "forbidden");
            assert!(set_cookies(&answer).is_empty(), "{origins:?}");
        }
    }
    assert_eq!(count(&world.user_collection("sessions").await, doc! {}).await, 0);

    // Without any configured origin there is no cookie mode.
    let closed = with_cheap_hashes(world.user_service()).start().await;
    let request = request_of_app(&closed.api(), "/api/auth/login", None).json(&credentials(&ada));
    let _ = closed.api().send(request).await.expect_problem(403, "forbidden");
    // The right password still works: nothing of this counted as a failed login.
    let _ = log_in(&api, &ada).await;
}

#[tokio::test]
async fn from_any_other_origin_it_is_as_if_there_was_no_cookie() {
    let (world, _service, api) = start("cookieforged").await;
    let ada = register(&world, &api, "ada").await;
    let (cookie, _) = log_in(&api, &ada).await;
    for path in ["/api/auth/refresh", "/api/auth/logout"] {
        for origin in [None, Some(STRANGER), Some("null"), Some("https://app.example.org.evil.example")] {
            let with_origin = |cookie: Option<&str>| {
                let request = api.request(Method::POST, path);
                let request = origin.into_iter().fold(request, |request, origin| request.header(ORIGIN, origin));
                cookie.into_iter().fold(request, |request, cookie| request.header(COOKIE, cookie))
            };
            for cookie in [None, Some(cookie.as_str())] {
                // The responses of 0.1.0 to these bodies.
                let empty = api.send(with_origin(cookie)).await.expect_problem(400, "malformed-body");
                let object = api.send(with_origin(cookie).json(&json!({}))).await;
                let object = object.expect_problem(422, "validation-failed");
                assert_eq!(object.errors(), [("#/refreshToken".to_owned(), "missing".to_owned())]);
                for answer in [empty, object] {
                    assert!(set_cookies(&answer).is_empty(), "{path} {origin:?}");
                    assert!(answer.header("access-control-allow-credentials").is_empty(), "{path} {origin:?}");
                }
            }
            // A form of another site needs no preflight. It is refused by its content type.
            for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
                let form = with_origin(Some(&cookie)).header("content-type", content_type).body("{}");
                let _ = api.send(form).await.expect_problem(415, "unsupported-media-type");
            }
        }
    }
    let _ = cookie_of(&post_from_app(&api, "/api/auth/refresh", Some(&cookie)).await);
}

#[tokio::test]
async fn a_refresh_token_in_the_body_is_used_instead_of_the_cookie() {
    let (world, _service, api) = start("cookiebody").await;
    let ada = register(&world, &api, "ada").await;
    let (cookie, _) = log_in(&api, &ada).await;
    let other = api.login(&ada).await;
    let post = async |path: &str, token: &str| {
        let request = request_of_app(&api, path, Some(&cookie)).json(&json!({ "refreshToken": token }));
        let answer = api.send(request).await;
        assert!(set_cookies(&answer).is_empty(), "{path}");
        answer
    };
    let refreshed = post("/api/auth/refresh", &other.refresh).await.expect(200).string("refreshToken");
    remember_secret("refresh token", &refreshed);
    assert_ne!(refreshed, other.refresh);
    // A wrong token does not fall back to the cookie, and does not remove it, and neither does a wrong body.
    let _ = post("/api/auth/refresh", "x").await.expect_problem(401, "unauthorized");
    let _ = post("/api/auth/logout", "x").await.expect(204);
    for path in ["/api/auth/refresh", "/api/auth/logout"] {
        for body in [json!({ "refreshToken": null }), json!({ "refresh_token": "x" }), json!([]), json!(null)] {
            let answer = api.send(request_of_app(&api, path, Some(&cookie)).json(&body)).await;
            let answer = answer.expect_problem(422, "validation-failed");
            assert!(set_cookies(&answer).is_empty(), "{path} {body}");
        }
    }
    let _ = post("/api/auth/logout", &refreshed).await.expect(204);
    wait_for_session_count(&world, 1).await;
    let _ = cookie_of(&post_from_app(&api, "/api/auth/refresh", Some(&cookie)).await);
}

#[tokio::test]
async fn only_one_cookie_with_the_full_name_counts() {
    let (world, _service, api) = start("cookiename").await;
    let ada = register(&world, &api, "ada").await;
    let (cookie, _) = log_in(&api, &ada).await;
    // Another host of the domain can set the name without the prefix, or a second cookie in front of the right one.
    for other in [
        cookie.trim_start_matches("__Host-").to_owned(),
        cookie.replace("__Host-", "__Secure-"),
        cookie.to_lowercase().replace("__host-", "__HOST-"),
        format!("__Host-refresh-token=x; {cookie}"),
        format!("{cookie}; {cookie}"),
        format!("{cookie}x"),
        "__Host-refresh-token=".to_owned(),
    ] {
        let _ = post_from_app(&api, "/api/auth/refresh", Some(&other)).await.expect_problem(401, "unauthorized");
        let _ = post_from_app(&api, "/api/auth/logout", Some(&other)).await.expect(204);
    }
    let others = format!("theme=dark; {cookie}; __Host-session=x");
    let _ = cookie_of(&post_from_app(&api, "/api/auth/refresh", Some(&others)).await);
}

#[tokio::test]
async fn the_cookie_of_an_ended_session_is_removed() {
    let (world, _service, api) = start("cookieended").await;
    let ada = register(&world, &api, "ada").await;
    let (idle, _) = log_in(&api, &ada).await;
    let past = bson::DateTime::from_millis(bson::DateTime::now().timestamp_millis() - 1000);
    let expired = doc! { "$set": { "expiresAt": past } };
    let written = world.user_collection("sessions").await.update_many(doc! {}, expired).await;
    assert_eq!(written.expect("sessions can be written").matched_count, 1);
    let (ended, _) = log_in(&api, &ada).await;
    let (_, me) = log_in(&api, &ada).await;
    let _ = me.delete("/api/users/me/sessions", None).await.expect(204);
    for cookie in [idle, ended] {
        let refused = post_from_app(&api, "/api/auth/refresh", Some(&cookie)).await;
        assert_cleared(&refused.expect_problem(401, "unauthorized"));
    }
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_at_two_replicas_both_get_the_next_cookie() {
    const ROUNDS: usize = 10;
    let world = World::new(&Stack::from_env(), "cookietabs").await;
    let first = with_cheap_hashes(world.user_service()).set("HTTP__CORS_ALLOWED_ORIGINS", APP);
    let second = first.replica();
    let (first, second) = tokio::join!(first.start(), second.start());
    let (first, second) = (first.api(), second.api());
    let ada = register(&world, &first, "ada").await;
    let (mut cookie, _) = log_in(&first, &ada).await;
    // On plain HTTP on the local host there is neither the prefix nor `Secure`.
    assert!(cookie.starts_with("refresh-token="), "{cookie}");
    for round in 0..ROUNDS {
        let (one, other) = tokio::join!(
            post_from_app(&first, "/api/auth/refresh", Some(&cookie)),
            post_from_app(&second, "/api/auth/refresh", Some(&cookie))
        );
        // The browser keeps the cookie of the response that arrives last, whichever this is.
        let (one, other) = (cookie_of(&one), cookie_of(&other));
        assert_ne!(one, cookie, "round {round}");
        assert_eq!(one, other, "round {round}");
        cookie = other;
    }
    assert_eq!(count(&world.user_collection("sessions").await, doc! {}).await, 1);
    let reused = doc! { "type": "refresh_token_reused" };
    assert_eq!(count(&world.user_collection("audit").await, reused).await, 0);
}

/// Returns every operation of the API with a path that can be called, and whether it needs an access token.
async fn operations(api: &Api) -> Vec<(Method, String, bool)> {
    let document = api.get("/api/openapi.json").await.expect(200).json();
    let paths = document["paths"].as_object().expect("the document has paths");
    let mut operations = Vec::new();
    for (path, item) in paths {
        let path = path.replace("{id}", "00000000-0000-0000-0000-000000000000");
        assert!(!path.contains('{'), "{path}");
        for (method, operation) in item.as_object().expect("a path has operations") {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            if !["GET", "PUT", "POST", "PATCH", "DELETE"].contains(&method.as_str()) {
                continue;
            }
            let is_protected = operation["security"].as_array().is_some_and(|it| !it.is_empty());
            operations.push((method, path.clone(), is_protected));
        }
    }
    operations
}

#[tokio::test]
async fn no_other_endpoint_of_the_api_reads_a_cookie() {
    let settings = [("HTTP__CORS_ALLOWED_ORIGINS", APP)];
    let (world, service, api) = start_user_service_with("cookieapi", &settings).await;
    // An administrator, so that no endpoint is out of reach because of the role.
    let admin = create_admin(&world, &service, "root").await;
    let (cookie, me) = log_in(&api, &admin.user).await;
    let fields = [("identifier", admin.user.email.as_str()), ("password", admin.user.password.as_str())];
    let page = api.send(api.form("/sign-in", &fields).header("sec-fetch-site", "same-origin")).await.expect(303);
    let lines = set_cookies(&page);
    let page_cookie = lines.iter().find_map(|line| line.split(';').next().filter(|it| it.starts_with("session=")));
    let page_cookie = page_cookie.expect("the sign-in sets the cookie of a page session").to_owned();
    remember_secret("session cookie", page_cookie.trim_start_matches("session="));
    let version = me.get("/api/users/me").await.expect(200).json()["version"].clone();

    // An access token in a cookie counts as little as the two cookies of this service, with either name.
    let token = &admin.tokens.access;
    let cookies = format!(
        "{cookie}; {page_cookie}; __Host-{cookie}; __Host-{page_cookie}; access_token={token}; authorization=Bearer {token}"
    );
    let (mut protected, mut open) = (0, 0);
    for (method, path, is_protected) in operations(&api).await {
        if path == "/api/auth/refresh" || path == "/api/auth/logout" {
            continue;
        }
        let send = async |cookies: Option<&str>| {
            let request = if path.starts_with("/oauth/") {
                api.form(&path, &[("token", "x")])
            } else if method == Method::GET {
                api.request(method.clone(), &path)
            } else {
                api.request(method.clone(), &path).json(&json!({}))
            };
            let request = request.header(ORIGIN, APP);
            api.send(cookies.into_iter().fold(request, |request, cookies| request.header(COOKIE, cookies))).await
        };
        let (without, with) = (send(None).await, send(Some(&cookies)).await);
        assert_eq!((with.status, with.problem()), (without.status, without.problem()), "{method} {path}");
        assert!(set_cookies(&with).is_empty(), "{method} {path}");
        if is_protected {
            assert_eq!(with.status, 401, "{method} {path}: {}", with.text);
            protected += 1;
        } else {
            open += 1;
        }
        let sends_cookies = path == "/api/auth/login" || path == "/api/auth/login/totp";
        let credentials = with.header("access-control-allow-credentials");
        assert_eq!(credentials, if sends_cookies { "true" } else { "" }, "{method} {path}");
    }
    assert!(protected > 20 && open > 5, "{protected} protected and {open} open operations");

    // Both sessions are as they were.
    assert_eq!(me.get("/api/users/me").await.expect(200).json()["version"], version);
    let account = api.send(api.request(Method::GET, "/account").header(COOKIE, &page_cookie)).await;
    assert_eq!(account.status, 200);
    let _ = cookie_of(&post_from_app(&api, "/api/auth/refresh", Some(&cookie)).await);
}

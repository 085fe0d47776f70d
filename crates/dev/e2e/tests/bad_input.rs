//! What a client can do wrong: each refusal has its problem, and nothing has changed afterwards.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bson::{Document, doc};
use ed25519_dalek::{Signer as _, SigningKey};
use futures_util::TryStreamExt as _;
use reqwest::{Method, RequestBuilder, header::CONTENT_TYPE};
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, DEADLINE, Stack, TestUser, Tokens, World, wait_for};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const JSON: &str = "application/json";
/// Every endpoint that takes JSON; those behind a token get a good one.
const BODIES: &[(&str, &str)] = &[
    ("POST", "/api/users"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/logout"),
    ("POST", "/api/auth/email-verification"),
    ("POST", "/api/auth/email-verification/resend"),
    ("POST", "/api/auth/email-verification/disown"),
    ("POST", "/api/auth/undo"),
    ("PATCH", "/api/users/me"),
    ("DELETE", "/api/users/me"),
    ("POST", "/api/users/me/delete"),
    ("PUT", "/api/users/me/password"),
    ("PUT", "/api/users/me/email"),
    ("POST", "/api/auth/password-reset"),
    ("POST", "/api/auth/password-reset/confirm"),
    ("POST", "/api/auth/email-change/confirm"),
    ("POST", "/api/auth/email-change/undo"),
    ("POST", "/api/auth/login/totp"),
    ("POST", "/api/users/me/totp"),
    ("POST", "/api/users/me/totp/confirm"),
    ("DELETE", "/api/users/me/totp"),
    ("POST", "/api/users/me/totp/remove"),
    ("POST", "/api/users/me/totp/recovery-codes"),
];

/// One request, and how it is refused.
struct Case {
    what: String,
    request: RequestBuilder,
    status: u16,
    slug: &'static str,
    /// Of `validation-failed`: the place of each mistake (`#/email`, or a header's name) and its code.
    mistakes: Vec<(&'static str, &'static str)>,
}

/// The cases of one service, and what they are made with.
struct Table {
    /// Without a token.
    api: Api,
    /// With a good one.
    me: Api,
    person: TestUser,
    cases: Vec<Case>,
}

impl Table {
    fn add(&mut self, what: impl Into<String>, request: RequestBuilder, status: u16, slug: &'static str) {
        self.cases.push(Case { what: what.into(), request, status, slug, mistakes: Vec::new() });
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.me.request(method.parse().expect("a method"), path)
    }

    fn raw(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> RequestBuilder {
        self.request(method, path).header(CONTENT_TYPE, JSON).body(body.into())
    }

    fn invalid(&mut self, method: &str, path: &str, body: &Value, mistakes: &[(&'static str, &'static str)]) {
        let request = self.request(method, path).json(body);
        self.invalid_request(format!("{method} {path} {mistakes:?}"), request, mistakes);
    }

    fn invalid_request(&mut self, what: String, request: RequestBuilder, mistakes: &[(&'static str, &'static str)]) {
        let (status, slug, mistakes) = (422, "validation-failed", mistakes.to_vec());
        self.cases.push(Case { what, request, status, slug, mistakes });
    }

    /// The registration of somebody new, with changes; null removes a member.
    fn registration(&self, changes: &Value) -> Value {
        let mut body = json!({ "username": "somebody-new", "email": "new@example.org", "password": "long enough" });
        for (member, value) in changes.as_object().expect("changes are an object") {
            match value {
                Value::Null => drop(body.as_object_mut().and_then(|body| body.remove(member))),
                value => body[member] = value.clone(),
            }
        }
        body
    }

    fn malformed_bodies(&mut self) {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        let bodies: [(&str, &[u8]); 9] = [
            ("empty", b""),
            ("white space", b" \n\t"),
            ("not UTF-8", b"{\"password\":\"\xff\xfe\"}"),
            ("cut off", b"{\"password\":"),
            ("not JSON", b"username=ada&password=x"),
            ("two values", b"{} {}"),
            ("a duplicate member", b"{\"password\":\"a\",\"password\":\"b\"}"),
            ("a duplicate member further in", b"{\"attributes\":{\"a\":1,\"a\":2}}"),
            ("too deep", deep.as_bytes()),
        ];
        for (method, path) in BODIES {
            for (what, body) in bodies {
                self.add(format!("{what}: {method} {path}"), self.raw(method, path, body), 400, "malformed-body");
            }
        }
    }

    fn media_types_and_sizes(&mut self) {
        for (method, path) in BODIES {
            for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"] {
                let request = self.request(method, path).header(CONTENT_TYPE, media_type).body("{}");
                self.add(format!("{media_type}: {method} {path}"), request, 415, "unsupported-media-type");
            }
            let compressed = self.raw(method, path, "{}").header("content-encoding", "gzip");
            self.add(format!("gzip: {method} {path}"), compressed, 415, "unsupported-media-type");
            let untyped = self.request(method, path).body("{}");
            self.add(format!("no type: {method} {path}"), untyped, 415, "unsupported-media-type");
            let large = format!("{{\"x\":\"{}\"}}", "x".repeat(64 * 1024));
            self.add(format!("64 KiB and more: {method} {path}"), self.raw(method, path, large), 413, "body-too-large");
        }
        let patch = self.request("POST", "/api/users").header(CONTENT_TYPE, "application/merge-patch+json").body("{}");
        self.add("a merge patch where none is taken", patch, 415, "unsupported-media-type");
    }

    fn bodies_that_do_not_fit(&mut self) {
        const STRINGS: &[(&str, &str, &[&str])] = &[
            ("POST", "/api/users", &["#/username", "#/email", "#/password"]),
            ("POST", "/api/auth/login", &["#/identifier", "#/password"]),
            ("POST", "/api/auth/login/totp", &["#/mfaToken", "#/code"]),
            ("POST", "/api/users/me/totp", &["#/password"]),
            ("POST", "/api/users/me/totp/confirm", &["#/code"]),
            ("DELETE", "/api/users/me/totp", &["#/password", "#/code"]),
            ("POST", "/api/users/me/totp/remove", &["#/password", "#/code"]),
            ("POST", "/api/users/me/totp/recovery-codes", &["#/password", "#/code"]),
            ("POST", "/api/auth/refresh", &["#/refreshToken"]),
            ("POST", "/api/auth/logout", &["#/refreshToken"]),
            ("POST", "/api/auth/email-verification", &["#/token"]),
            ("POST", "/api/auth/email-verification/resend", &["#/email"]),
            ("POST", "/api/auth/email-verification/disown", &["#/token"]),
            ("POST", "/api/auth/undo", &["#/token"]),
            ("DELETE", "/api/users/me", &["#/password"]),
            ("POST", "/api/users/me/delete", &["#/password"]),
            ("PUT", "/api/users/me/password", &["#/currentPassword", "#/newPassword"]),
            ("PUT", "/api/users/me/email", &["#/newEmail", "#/password"]),
            ("POST", "/api/auth/password-reset", &["#/email"]),
            ("POST", "/api/auth/password-reset/confirm", &["#/token", "#/newPassword"]),
            ("POST", "/api/auth/email-change/confirm", &["#/token"]),
            ("POST", "/api/auth/email-change/undo", &["#/token"]),
        ];
        for (method, path, members) in STRINGS {
            for (value, code) in [(json!(7), "wrong-type"), (Value::Null, "wrong-type"), (json!(["x"]), "wrong-type")] {
                let body: Value = members.iter().map(|member| (member[2..].to_owned(), value.clone())).collect();
                let mistakes: Vec<_> = members.iter().map(|member| (*member, code)).collect();
                self.invalid(method, path, &body, &mistakes);
            }
            let mut missing: Vec<_> = members.iter().map(|member| (*member, "missing")).collect();
            self.invalid(method, path, &json!({}), &missing);
            missing.push(("#/unknown", "unknown"));
            self.invalid(method, path, &json!({ "unknown": 1 }), &missing);
            for body in [json!([]), json!("x"), json!(null), json!(1)] {
                self.invalid(method, path, &body, &[("#", "wrong-type")]);
            }
        }
    }

    /// In the text of a body: a JSON value of this program could not hold them.
    fn numbers_that_would_be_read_as_others(&mut self) {
        let digits = "1".repeat(400);
        for number in ["18446744073709551616", "-9223372036854775809", &digits, "1e400", "1e-400"] {
            let attributes = format!("{{\"a\":{{\"b\":[0,{number}]}}}}");
            let body = self.registration(&json!({ "attributes": "HERE" })).to_string().replace("\"HERE\"", &attributes);
            let patch = format!("{{\"attributes\":{attributes}}}");
            for (method, path, body) in [("POST", "/api/users", body), ("PATCH", "/api/users/me", patch)] {
                let request = self.raw(method, path, body);
                let mistakes = [("#/attributes/a/b/1", "out-of-range")];
                self.invalid_request(format!("{number:.30}: {method} {path}"), request, &mistakes);
            }
        }
    }

    fn registrations_that_do_not_fit(&mut self) {
        let too_large: Value = (0..20).map(|n| (format!("a{n}"), json!("x".repeat(1000)))).collect();
        let mut too_deep = json!({});
        for _ in 0..20 {
            too_deep = json!({ "a": too_deep });
        }
        let long = "l".repeat(300);
        for (change, place, code) in [
            (json!({ "username": "ab" }), "#/username", "too-short"),
            (json!({ "username": "a".repeat(33) }), "#/username", "too-long"),
            (json!({ "username": "a b c" }), "#/username", "invalid-character"),
            (json!({ "username": "ada@example.org" }), "#/username", "invalid-character"),
            (json!({ "username": "pаypal" }), "#/username", "mixed-scripts"),
            (json!({ "email": "" }), "#/email", "not-an-address"),
            (json!({ "email": "ada" }), "#/email", "not-an-address"),
            (json!({ "email": "ada@example.org\r\nBcc: b@example.org" }), "#/email", "not-an-address"),
            (json!({ "email": format!("{long}@example.org") }), "#/email", "too-long"),
            (json!({ "password": "seven77" }), "#/password", "too-short"),
            (json!({ "password": "p".repeat(257) }), "#/password", "too-long"),
            (json!({ "password": "😀".repeat(256) + "x" }), "#/password", "too-long"),
            (json!({ "displayName": "" }), "#/displayName", "too-short"),
            (json!({ "displayName": "n".repeat(101) }), "#/displayName", "too-long"),
            (json!({ "displayName": "a\nb" }), "#/displayName", "invalid-character"),
            (json!({ "displayName": ["a"] }), "#/displayName", "wrong-type"),
            (json!({ "locale": "not a tag" }), "#/locale", "not-a-language-tag"),
            (json!({ "locale": "de-".repeat(20) }), "#/locale", "too-long"),
            (json!({ "attributes": [1] }), "#/attributes", "wrong-type"),
            (json!({ "attributes": too_large }), "#/attributes", "too-large"),
            (json!({ "attributes": too_deep }), "#/attributes", "too-deep"),
            (json!({ "roles": ["admin"] }), "#/roles", "unknown"),
            (json!({ "emailVerified": true }), "#/emailVerified", "unknown"),
            (json!({ "id": "0" }), "#/id", "unknown"),
        ] {
            self.invalid("POST", "/api/users", &self.registration(&change), &[(place, code)]);
        }
        let several = self.registration(&json!({ "username": "x", "email": "y", "password": "z" }));
        let mistakes = [("#/username", "too-short"), ("#/email", "not-an-address"), ("#/password", "too-short")];
        self.invalid("POST", "/api/users", &several, &mistakes);
        let (spaced, empty, too_long) = ("a b".to_owned(), "\"\"".to_owned(), "k".repeat(129));
        for key in [spaced, empty, too_long, "\"open".to_owned()] {
            let body = self.registration(&json!({}));
            let request = self.request("POST", "/api/users").header("idempotency-key", &key).json(&body);
            let mistakes = [("Idempotency-Key", "not-an-idempotency-key")];
            self.invalid_request(format!("Idempotency-Key: {key}"), request, &mistakes);
        }
    }

    fn changes_that_do_not_fit(&mut self) {
        for (change, place, code) in [
            (json!({ "username": null }), "#/username", "wrong-type"),
            (json!({ "username": "x" }), "#/username", "too-short"),
            (json!({ "displayName": 1 }), "#/displayName", "wrong-type"),
            (json!({ "displayName": "\u{202e}x" }), "#/displayName", "invalid-character"),
            (json!({ "locale": "-" }), "#/locale", "not-a-language-tag"),
            (json!({ "timezone": "Middle/Earth" }), "#/timezone", "not-a-time-zone"),
            (json!({ "timezone": {} }), "#/timezone", "wrong-type"),
            (json!({ "attributes": "x" }), "#/attributes", "wrong-type"),
            (json!({ "attributes": { "a": "x".repeat(17 * 1024) } }), "#/attributes", "too-large"),
            (json!({ "email": "other@example.org" }), "#/email", "unknown"),
            (json!({ "password": "another one" }), "#/password", "unknown"),
            (json!({ "status": "disabled" }), "#/status", "unknown"),
            (json!({ "version": 7 }), "#/version", "unknown"),
        ] {
            self.invalid("PATCH", "/api/users/me", &change, &[(place, code)]);
        }
        let long = "p".repeat(257);
        let new = json!({ "currentPassword": self.person.password, "newPassword": "short" });
        self.invalid("PUT", "/api/users/me/password", &new, &[("#/newPassword", "too-short")]);
        let both = json!({ "currentPassword": long, "newPassword": long });
        let mistakes = [("#/currentPassword", "too-long"), ("#/newPassword", "too-long")];
        self.invalid("PUT", "/api/users/me/password", &both, &mistakes);
        self.invalid("DELETE", "/api/users/me", &json!({ "password": long }), &[("#/password", "too-long")]);
        let login = json!({ "identifier": "ada", "password": long });
        self.invalid("POST", "/api/auth/login", &login, &[("#/password", "too-long")]);
        let resend = json!({ "email": "not an address" });
        let path = "/api/auth/email-verification/resend";
        self.invalid("POST", path, &resend, &[("#/email", "not-an-address")]);
        for tag in ["7", "\"7", "*, \"7\"", ""] {
            let body = json!({ "displayName": "X" });
            let patch = self.request("PATCH", "/api/users/me").header("if-match", tag).json(&body);
            self.invalid_request(format!("If-Match: {tag}"), patch, &[("If-Match", "invalid")]);
            let get = self.request("GET", "/api/users/me").header("if-none-match", tag);
            self.invalid_request(format!("If-None-Match: {tag}"), get, &[("If-None-Match", "invalid")]);
        }
    }

    /// The account that there is has the user name `modern1`.
    fn taken_names(&mut self) {
        for email in [self.person.email.clone(), self.person.email.to_uppercase()] {
            let body = self.registration(&json!({ "email": email }));
            self.add(format!("{email} again"), self.request("POST", "/api/users").json(&body), 409, "email-taken");
        }
        for username in ["modern1", "MODERN1", "rnodern1", "modernl"] {
            let body = self.registration(&json!({ "username": username }));
            self.add(
                format!("{username} again"),
                self.request("POST", "/api/users").json(&body),
                409,
                "username-taken",
            );
        }
        for username in ["other-one", "OTHER-ONE"] {
            let request = self.request("PATCH", "/api/users/me").json(&json!({ "username": username }));
            self.add(format!("renamed to {username}"), request, 409, "username-taken");
        }
        for change in [json!({ "displayName": "Other" }), json!({ "password": "another one" })] {
            let mut body = self.person.registration();
            for (member, value) in change.as_object().into_iter().flatten() {
                body[member] = value.clone();
            }
            let request = self.request("POST", "/api/users").header("idempotency-key", "the-key").json(&body);
            self.add(format!("the key again with {change}"), request, 422, "idempotency-key-reused");
        }
    }

    fn wrong_secrets(&mut self, verification_used: &str) {
        let email = self.person.email.clone();
        for (identifier, password) in [
            (email.as_str(), "not the password"),
            (email.as_str(), ""),
            ("modern1", "not the password"),
            ("nobody@example.org", "not the password"),
            ("nobody", "not the password"),
            ("", ""),
            ("@@@ \u{0}", "x"),
        ] {
            let body = json!({ "identifier": identifier, "password": password });
            let request = self.api.request(Method::POST, "/api/auth/login").json(&body);
            self.add(format!("login as {identifier:?}"), request, 401, "invalid-credentials");
        }
        for password in ["not the password", ""] {
            for (method, path) in [("DELETE", "/api/users/me"), ("POST", "/api/users/me/delete")] {
                let delete = self.request(method, path).json(&json!({ "password": password }));
                self.add(format!("{method} {path} with {password:?}"), delete, 403, "wrong-password");
            }
            let change = json!({ "currentPassword": password, "newPassword": "a good new one" });
            let change = self.request("PUT", "/api/users/me/password").json(&change);
            self.add(format!("change with {password:?}"), change, 403, "wrong-password");
        }
        let unknown = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
        for token in ["", "x", "ä", unknown.as_str(), verification_used, &"A".repeat(5000)] {
            let body = json!({ "token": token });
            for path in ["/api/auth/email-verification", "/api/auth/email-verification/disown", "/api/auth/undo"] {
                self.add("a token that is none", self.request("POST", path).json(&body), 400, "token-invalid");
            }
            let second = json!({ "mfaToken": token, "code": "123456" });
            let request = self.request("POST", "/api/auth/login/totp").json(&second);
            self.add("an mfaToken that is none", request, 400, "token-invalid");
        }
        for token in ["", "x", unknown.as_str(), &"A".repeat(5000)] {
            let request = self.request("POST", "/api/auth/refresh").json(&json!({ "refreshToken": token }));
            self.add("a refresh token that is none", request, 401, "unauthorized");
        }
    }

    fn no_access(&mut self, tokens: &Tokens, expired: &str) {
        let mut bad = forgeries(&tokens.access);
        bad.push(("expired", expired.to_owned()));
        bad.push(("the refresh token", tokens.refresh.clone()));
        for (method, path, body) in [
            ("GET", "/api/users/me", None),
            ("GET", "/api/users/me/totp", None),
            ("POST", "/api/users/me/totp", Some(json!({ "password": self.person.password }))),
            ("POST", "/api/users/me/totp/confirm", Some(json!({ "code": "123456" }))),
            ("PATCH", "/api/users/me", Some(json!({ "displayName": "Mallory" }))),
            ("DELETE", "/api/users/me", Some(json!({ "password": self.person.password }))),
            ("POST", "/api/users/me/delete", Some(json!({ "password": self.person.password }))),
            (
                "PUT",
                "/api/users/me/password",
                Some(json!({ "currentPassword": self.person.password, "newPassword": "a good new one" })),
            ),
        ] {
            let request = |authorization: Option<String>| {
                let request = self.api.request(method.parse().expect("a method"), path);
                let request = authorization
                    .map_or(request.try_clone().expect("no stream"), |it| request.header("authorization", it));
                body.as_ref().map_or(request.try_clone().expect("no stream"), |body| request.json(body))
            };
            let mut found = vec![
                ("no token", request(None)),
                ("another scheme", request(Some("Basic YWRhOng=".to_owned()))),
                ("an empty token", request(Some("Bearer ".to_owned()))),
                ("two tokens", request(Some(format!("Bearer {0}", tokens.access))).bearer_auth(&tokens.access)),
            ];
            found.extend(bad.iter().map(|(what, token)| (*what, request(Some(format!("Bearer {token}"))))));
            for (what, request) in found {
                self.add(format!("{what}: {method} {path}"), request, 401, "unauthorized");
            }
        }
    }

    fn nowhere(&mut self) {
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/nothing"),
            ("GET", "/api"),
            ("POST", "/api/nothing"),
            ("GET", "/api/users/me/"),
            ("GET", "/api/users/0190e1b0-0000-7000-8000-000000000000"),
            ("GET", "/problems/nothing"),
            ("GET", "/api/users/%2e%2e/%00"),
        ] {
            self.add(format!("{method} {path}"), self.request(method, path), 404, "not-found");
        }
        for (method, path) in [
            ("GET", "/api/users"),
            ("PUT", "/api/users/me"),
            ("POST", "/api/users/me"),
            ("OPTIONS", "/api/users/me"),
            ("PATCH", "/api/users/me/password"),
            ("GET", "/api/auth/login"),
            ("GET", "/api/auth/login/totp"),
            ("GET", "/api/users/me/delete"),
            ("PUT", "/api/users/me/totp"),
            ("DELETE", "/api/users/me/totp/remove"),
            ("GET", "/api/users/me/totp/confirm"),
            ("DELETE", "/api/users/me/totp/recovery-codes"),
            ("DELETE", "/api/auth/refresh"),
            ("GET", "/api/auth/logout"),
            ("GET", "/api/auth/email-verification"),
            ("PUT", "/api/auth/email-verification/resend"),
            ("POST", "/.well-known/jwks.json"),
            ("GET", "/api/users/me/email"),
            ("GET", "/api/auth/password-reset"),
            ("PUT", "/api/auth/password-reset/confirm"),
            ("GET", "/api/auth/email-change/confirm"),
            ("DELETE", "/api/auth/email-change/undo"),
            ("GET", "/api/auth/email-verification/disown"),
            ("GET", "/api/auth/undo"),
            ("DELETE", "/verify-email"),
            ("PUT", "/reset-password"),
            ("PATCH", "/confirm-email"),
            ("DELETE", "/undo-email-change"),
            ("PUT", "/undo-change"),
            ("POST", "/api/openapi.json"),
            ("POST", "/problems/not-found"),
        ] {
            self.add(format!("{method} {path}"), self.request(method, path), 405, "method-not-allowed");
        }
        for tag in ["\"0\"", "W/\"1\"", "\"999\", \"1000\""] {
            let patch =
                self.request("PATCH", "/api/users/me").header("if-match", tag).json(&json!({ "displayName": "X" }));
            self.add(format!("PATCH If-Match: {tag}"), patch, 412, "precondition-failed");
            let body = json!({ "password": self.person.password });
            for (method, path) in [("DELETE", "/api/users/me"), ("POST", "/api/users/me/delete")] {
                let delete = self.request(method, path).header("if-match", tag).json(&body);
                self.add(format!("{method} {path} If-Match: {tag}"), delete, 412, "precondition-failed");
            }
        }
    }
}

/// Tokens like this one that its signer did not sign.
fn forgeries(genuine: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = genuine.split('.').collect();
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let read = |n: usize| -> Value {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(parts[n]).expect("a part is base64url");
        serde_json::from_slice(&bytes).expect("a part is JSON")
    };
    let (header, claims) = (read(0), read(1));
    let with = |object: &Value, member: &str, value: Value| {
        let mut changed = object.clone();
        changed[member] = value;
        changed
    };
    let own = SigningKey::from_bytes(&[7; 32]);
    let signed = |header: &Value, claims: &Value| {
        let text = format!("{}.{}", part(header), part(claims));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(own.sign(text.as_bytes()).to_bytes());
        format!("{text}.{signature}")
    };
    let unsigned = format!("{}.{}", part(&with(&header, "alg", json!("none"))), part(&claims));
    vec![
        ("garbage", "garbage".to_owned()),
        ("three empty parts", "..".to_owned()),
        ("cut off", genuine[..genuine.len() - 2].to_owned()),
        ("alg none", format!("{unsigned}.")),
        ("alg none with the signature", format!("{unsigned}.{}", parts[2])),
        ("another key under the same id", signed(&header, &claims)),
        ("another key under an id of its own", signed(&with(&header, "kid", json!("mine")), &claims)),
        ("HS256", signed(&with(&header, "alg", json!("HS256")), &claims)),
        ("other claims", format!("{}.{}.{}", parts[0], part(&with(&claims, "roles", json!(["admin"]))), parts[2])),
    ]
}

#[tokio::test]
async fn each_refusal_has_its_problem_and_nothing_changes() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "bad").await;
    let (_users, _emails, api) = world.start_both().await;
    let person = TestUser { username: "modern1".to_owned(), ..world.test_user("modern") };
    let other = TestUser { username: "other-one".to_owned(), ..world.test_user("other") };
    let first = api.request(Method::POST, "/api/users").header("idempotency-key", "the-key");
    let _ = api.send(first.json(&person.registration())).await.expect(201);
    let _ = api.register(&other).await.expect(201);
    let used = world.mailbox(&other.email).wait_for_mails(1).await.remove(0).token("/verify-email");
    let _ = api.post("/api/auth/email-verification", &json!({ "token": used })).await.expect(204);
    let tokens = api.login(&person).await;
    let expired = expired_token(&world, &person).await;
    everything_is_published(&world).await;
    let mut topic = world.topic_reader();
    let (before, records) = (dump(&world).await, topic.read_all().await.len());

    let mut table = Table { me: api.with_token(&tokens.access), api: api.clone(), person, cases: Vec::new() };
    table.malformed_bodies();
    table.media_types_and_sizes();
    table.bodies_that_do_not_fit();
    table.numbers_that_would_be_read_as_others();
    table.registrations_that_do_not_fit();
    table.changes_that_do_not_fit();
    table.taken_names();
    table.wrong_secrets(&used);
    table.no_access(&tokens, &expired);
    table.nowhere();
    let mut wrong = Vec::new();
    let mut slugs = BTreeSet::new();
    let count = table.cases.len();
    for case in table.cases {
        let answer = api.send(case.request.try_clone().expect("no body is a stream")).await;
        slugs.insert(case.slug);
        if let Err(why) = judge(&case, &answer) {
            wrong.push(format!("{}: {why}\n    {} {}", case.what, answer.status, answer.text));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));

    // Whatever they had caused would be published before this.
    everything_is_published(&world).await;
    assert_eq!(dump(&world).await, before);
    assert_eq!(topic.read_all().await.len(), records);
    let _ = table.me.get("/api/users/me").await.expect(200);
    for slug in slugs {
        let page = api.get(&format!("/problems/{slug}")).await.expect(200);
        assert!(page.text.contains(slug) && page.header("content-type").starts_with("text/html"), "{slug}");
    }
}

/// Whether the answer is the problem that it should be, with the headers that go with it.
fn judge(case: &Case, answer: &ApiResponse) -> Result<(), String> {
    let expect = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    let body = answer.json();
    expect(answer.status == case.status && answer.problem() == case.slug, case.slug)?;
    expect(answer.header("content-type") == "application/problem+json", "the content type")?;
    expect(body["status"] == case.status, "the member status")?;
    expect(body["type"] == format!("/problems/{}", case.slug), "the member type")?;
    expect(!answer.string("title").is_empty() && !answer.string("detail").is_empty(), "title and detail")?;
    let id = answer.header("x-request-id");
    expect(!id.is_empty() && body["requestId"] == id, "the request id")?;
    expect(answer.header("x-content-type-options") == "nosniff", "nosniff")?;
    expect(answer.header("cache-control") == "no-store", "Cache-Control")?;
    expect(
        answer.header("www-authenticate").starts_with("Bearer") == (case.status == 401),
        "WWW-Authenticate with 401 only",
    )?;
    expect(answer.header("allow").is_empty() == (case.status != 405), "Allow with 405 only")?;
    expect(body.get("errors").is_some() == (case.slug == "validation-failed"), "errors with validation-failed only")?;
    let mut found: Vec<(String, String)> = body["errors"].as_array().into_iter().flatten().map(mistake).collect();
    let mut expected: Vec<(String, String)> =
        case.mistakes.iter().map(|(place, code)| ((*place).to_owned(), (*code).to_owned())).collect();
    found.sort();
    expected.sort();
    expect(found == expected, &format!("the mistakes {expected:?}"))
}

fn mistake(error: &Value) -> (String, String) {
    let place = ["pointer", "header", "parameter"].into_iter().find_map(|member| error[member].as_str());
    (place.unwrap_or_default().to_owned(), error["code"].as_str().unwrap_or_default().to_owned())
}

/// A genuine token whose time is over.
async fn expired_token(world: &World, person: &TestUser) -> String {
    let mut brief = world.user_service().set("AUTH__ACCESS_TOKEN_TTL", "1s").start().await;
    let api = brief.api();
    let tokens = api.login(person).await;
    let me = api.with_token(&tokens.access);
    wait_for(DEADLINE, "the token to expire", async || (me.get("/api/users/me").await.status == 401).then_some(()))
        .await;
    assert_eq!(brief.terminate().await.code(), Some(0));
    tokens.access
}

async fn everything_is_published(world: &World) {
    let users = world.user_database().await.collection::<Document>("users");
    wait_for(DEADLINE, "every event to be published", async || {
        let pending = doc! { "pendingEvents.0": { "$exists": true } };
        (users.count_documents(pending).await.expect("users can be read") == 0).then_some(())
    })
    .await;
}

async fn dump(world: &World) -> Vec<Document> {
    let database = world.user_database().await;
    let mut all = Vec::new();
    for collection in ["users", "sessions", "keys"] {
        let cursor = database.collection::<Document>(collection).find(doc! {}).sort(doc! { "_id": 1 }).await;
        let documents: Vec<Document> = cursor.expect("it can be read").try_collect().await.expect("it can be read");
        all.extend(documents);
    }
    all
}

#[tokio::test]
async fn a_chunked_body_without_an_end_is_cut_off_at_its_bound() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "chunked").await;
    let service = world.user_service().start().await;
    let address = service.base_url().trim_start_matches("http://").to_owned();
    for path in ["/api/users", "/api/auth/login"] {
        let mut stream = TcpStream::connect(&address).await.expect("the service listens");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("the head is taken");
        let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
        let (mut read, mut write) = stream.into_split();
        // Goes on sending for as long as somebody listens.
        let sender = tokio::spawn(async move { while write.write_all(chunk.as_bytes()).await.is_ok() {} });
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(20), async {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = read.read(&mut buffer).await {
                answer.extend_from_slice(&buffer[..count]);
            }
        })
        .await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 413 ") && text.contains("/problems/body-too-large"), "{path}: {text:?}");
        assert!(ended.is_ok(), "{path}: the connection is still open");
        sender.abort();
    }
    let _ = service.api().get("/.well-known/jwks.json").await.expect(200);
}

#[tokio::test]
async fn an_unknown_account_and_a_wrong_password_are_answered_alike() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "alike").await;
    let service = world.user_service().start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    let mut seen = BTreeSet::new();
    for identifier in [ada.email.as_str(), ada.username.as_str(), "nobody@example.org", "nobody", "no name at all"] {
        let body = json!({ "identifier": identifier, "password": "not the password" });
        let answer = api.post("/api/auth/login", &body).await.expect_problem(401, "invalid-credentials");
        let mut problem = answer.json();
        problem["requestId"] = Value::Null;
        let mut headers: Vec<(String, String)> = answer
            .headers
            .iter()
            .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        headers.sort();
        seen.insert(format!("{problem} {headers:?}"));
    }
    assert_eq!(seen.len(), 1, "{seen:#?}");
}

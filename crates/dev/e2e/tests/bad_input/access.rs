//! Wrong secrets, wrong tokens, wrong paths and wrong versions.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::Method;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};
use test_support::Tokens;

use crate::cases::Cases;

impl Cases {
    pub(crate) fn wrong_secrets(&mut self, verification_used: &str) {
        let email = self.user.email.clone();
        for (identifier, password) in [
            (email.as_str(), "not the password"),
            (email.as_str(), ""),
            ("modern1", "not the password"),
            ("unknown@example.org", "not the password"),
            ("unknown", "not the password"),
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
            let again = self.request("POST", "/api/auth/reauthenticate");
            let with_code = again.try_clone().expect("the body is not a stream");
            let again = again.json(&json!({ "password": password }));
            self.add(format!("reauthentication with {password:?}"), again, 403, "wrong-password");
            let with_code = with_code.json(&json!({ "password": password, "code": "123456" }));
            self.add("reauthentication with a code, without a second factor", with_code, 409, "conflict");
        }
        let unknown = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
        for token in ["", "x", "ä", unknown.as_str(), verification_used, &"A".repeat(5000)] {
            let body = json!({ "token": token });
            for path in ["/api/auth/email-verification", "/api/auth/email-verification/disown", "/api/auth/undo"] {
                self.add("an invalid token", self.request("POST", path).json(&body), 400, "token-invalid");
            }
            let second = json!({ "mfaToken": token, "code": "123456" });
            let request = self.request("POST", "/api/auth/login/totp").json(&second);
            self.add("an invalid mfaToken", request, 400, "token-invalid");
        }
        for token in ["", "x", unknown.as_str(), &"A".repeat(5000)] {
            let request = self.request("POST", "/api/auth/refresh").json(&json!({ "refreshToken": token }));
            self.add("an invalid refresh token", request, 401, "unauthorized");
        }
    }

    pub(crate) fn missing_and_bad_tokens(&mut self, tokens: &Tokens, expired: &str) {
        let mut bad = forged_tokens(&tokens.access);
        bad.push(("expired", expired.to_owned()));
        bad.push(("the refresh token", tokens.refresh.clone()));
        for (method, path, body) in [
            ("GET", "/api/users/me", None),
            ("GET", "/api/auth/verify", None),
            ("GET", "/api/users/me/totp", None),
            ("POST", "/api/users/me/totp", Some(json!({ "password": self.user.password }))),
            ("POST", "/api/users/me/totp/confirm", Some(json!({ "code": "123456" }))),
            ("PATCH", "/api/users/me", Some(json!({ "displayName": "Mallory" }))),
            // The token is checked before the body, which is also invalid.
            ("PATCH", "/api/users/me", Some(json!({ "displayName": 7, "unknown": true }))),
            ("DELETE", "/api/users/me", Some(json!({ "password": self.user.password }))),
            ("POST", "/api/users/me/delete", Some(json!({ "password": self.user.password }))),
            ("DELETE", "/api/users/me", Some(json!({}))),
            ("GET", "/api/users/me/export", None),
            ("POST", "/api/auth/reauthenticate", Some(json!({ "password": self.user.password }))),
            ("GET", "/api/admin/clients", None),
            ("POST", "/api/admin/clients", Some(json!({ "name": "mine", "scopes": ["users:read"] }))),
            ("POST", "/api/admin/clients", Some(json!({ "name": 7, "unknown": true }))),
            ("GET", "/api/admin/clients/0190e1b0-0000-7000-8000-000000000000", None),
            ("POST", "/api/admin/clients/0190e1b0-0000-7000-8000-000000000000/rotate-secret", None),
            ("POST", "/api/admin/clients/0190e1b0-0000-7000-8000-000000000000/drop-old-secret", None),
            ("POST", "/api/admin/clients/0190e1b0-0000-7000-8000-000000000000/disable", None),
            ("POST", "/api/admin/clients/0190e1b0-0000-7000-8000-000000000000/enable", None),
            // These are also for clients.
            ("GET", "/api/admin/users", None),
            ("PATCH", "/api/admin/users/0190e1b0-0000-7000-8000-000000000000", Some(json!({ "displayName": "M" }))),
            (
                "PUT",
                "/api/users/me/password",
                Some(json!({ "currentPassword": self.user.password, "newPassword": "a good new one" })),
            ),
        ] {
            let request = |authorization: Option<String>| {
                let request = self.api.request(method.parse().expect("the method is valid"), path);
                let request = authorization.map_or(request.try_clone().expect("the body is not a stream"), |it| {
                    request.header("authorization", it)
                });
                body.as_ref().map_or(request.try_clone().expect("the body is not a stream"), |body| request.json(body))
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

    /// A user who is not an administrator manages no clients, whatever the request has.
    pub(crate) fn clients_without_the_role(&mut self) {
        let id = "0190e1b0-0000-7000-8000-000000000000";
        for (method, path, body) in [
            ("GET", "/api/admin/clients?limit=0".to_owned(), None),
            ("POST", "/api/admin/clients".to_owned(), Some(json!({ "name": "mine", "scopes": ["users:read"] }))),
            ("GET", format!("/api/admin/clients/{id}"), None),
            ("POST", format!("/api/admin/clients/{id}/rotate-secret"), None),
            ("POST", format!("/api/admin/clients/{id}/drop-old-secret"), None),
            ("POST", format!("/api/admin/clients/{id}/disable"), None),
            ("POST", "/api/admin/clients/not-an-id/enable".to_owned(), None),
        ] {
            let request = self.request(method, &path);
            let request = match body {
                Some(body) => request.json(&body),
                None => request,
            };
            self.add(format!("{method} {path}"), request, 403, "forbidden");
        }
    }

    pub(crate) fn wrong_paths_methods_and_versions(&mut self) {
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/nothing"),
            ("GET", "/api"),
            ("POST", "/api/nothing"),
            ("GET", "/api/users/me/"),
            ("GET", "/api/users/0190e1b0-0000-7000-8000-000000000000"),
            ("GET", "/problems/nothing"),
            ("POST", "/oauth"),
            ("POST", "/oauth/authorize"),
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
            ("PUT", "/api/auth/reauthenticate"),
            ("GET", "/api/users/me/delete"),
            ("PUT", "/api/users/me/totp"),
            ("DELETE", "/api/users/me/totp/remove"),
            ("GET", "/api/users/me/totp/confirm"),
            ("DELETE", "/api/users/me/totp/recovery-codes"),
            ("DELETE", "/api/auth/refresh"),
            ("GET", "/api/auth/logout"),
            ("POST", "/api/auth/verify"),
            ("GET", "/api/auth/email-verification"),
            ("PUT", "/api/auth/email-verification/resend"),
            ("POST", "/.well-known/jwks.json"),
            ("POST", "/.well-known/openid-configuration"),
            ("DELETE", "/.well-known/oauth-authorization-server"),
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
            ("GET", "/oauth/token"),
            ("PUT", "/oauth/introspect"),
            ("DELETE", "/oauth/revoke"),
            ("PUT", "/api/admin/clients"),
            ("DELETE", "/api/admin/clients/0190e1b0-0000-7000-8000-000000000000"),
            ("GET", "/api/admin/clients/0190e1b0-0000-7000-8000-000000000000/disable"),
        ] {
            self.add(format!("{method} {path}"), self.request(method, path), 405, "method-not-allowed");
        }
        for tag in ["\"0\"", "W/\"1\"", "\"999\", \"1000\""] {
            let patch =
                self.request("PATCH", "/api/users/me").header("if-match", tag).json(&json!({ "displayName": "X" }));
            self.add(format!("PATCH If-Match: {tag}"), patch, 412, "precondition-failed");
            let body = json!({ "password": self.user.password });
            for (method, path) in [("DELETE", "/api/users/me"), ("POST", "/api/users/me/delete")] {
                let delete = self.request(method, path).header("if-match", tag).json(&body);
                self.add(format!("{method} {path} If-Match: {tag}"), delete, 412, "precondition-failed");
            }
        }
    }
}

/// Returns tokens that look like `genuine` but are not signed by its signer.
fn forged_tokens(genuine: &str) -> Vec<(&'static str, String)> {
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
    let (signing, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let own = EcdsaKeyPair::generate_pkcs8(signing, &random).expect("the system has randomness");
    let own = EcdsaKeyPair::from_pkcs8(signing, own.as_ref(), &random).expect("a generated key");
    let signed = |header: &Value, claims: &Value| {
        let text = format!("{}.{}", part(header), part(claims));
        let signature = own.sign(&random, text.as_bytes()).expect("the system has randomness");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
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

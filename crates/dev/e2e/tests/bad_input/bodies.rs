//! Bodies that an endpoint does not accept.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::cases::Cases;

/// Every endpoint that takes JSON. Those that need a token get a valid one.
const JSON_ENDPOINTS: &[(&str, &str)] = &[
    ("POST", "/api/users"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/logout"),
    ("POST", "/api/auth/email-verification"),
    ("POST", "/api/auth/email-verification/resend"),
    ("POST", "/api/auth/email-verification/disown"),
    ("POST", "/api/auth/undo"),
    ("POST", "/api/auth/accept-invitation"),
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
    ("POST", "/api/auth/reauthenticate"),
    ("POST", "/api/users/me/totp"),
    ("POST", "/api/users/me/totp/confirm"),
    ("DELETE", "/api/users/me/totp"),
    ("POST", "/api/users/me/totp/remove"),
    ("POST", "/api/users/me/totp/recovery-codes"),
];

impl Cases {
    pub(crate) fn malformed_bodies(&mut self) {
        JSON_ENDPOINTS.iter().for_each(|(method, path)| self.malformed_bodies_of(method, path));
    }

    pub(crate) fn malformed_bodies_of(&mut self, method: &str, path: &str) {
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
        for (what, body) in bodies {
            self.add(format!("{what}: {method} {path}"), self.raw(method, path, body), 400, "malformed-body");
        }
    }

    pub(crate) fn media_types_and_sizes(&mut self) {
        JSON_ENDPOINTS.iter().for_each(|(method, path)| self.media_types_and_sizes_of(method, path));
        let patch = self.request("POST", "/api/users").header(CONTENT_TYPE, "application/merge-patch+json").body("{}");
        self.add("a merge patch where none is taken", patch, 415, "unsupported-media-type");
    }

    pub(crate) fn media_types_and_sizes_of(&mut self, method: &str, path: &str) {
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

    pub(crate) fn bodies_with_wrong_members(&mut self) {
        // The required members of each body, and the optional ones.
        const STRINGS: &[(&str, &str, &[&str], &[&str])] = &[
            ("POST", "/api/users", &["#/username", "#/email", "#/password"], &[]),
            ("POST", "/api/auth/login", &["#/identifier", "#/password"], &[]),
            ("POST", "/api/auth/login/totp", &["#/mfaToken", "#/code"], &[]),
            ("POST", "/api/auth/reauthenticate", &["#/password"], &["#/code"]),
            ("POST", "/api/users/me/totp", &[], &["#/password"]),
            ("POST", "/api/users/me/totp/confirm", &["#/code"], &[]),
            ("DELETE", "/api/users/me/totp", &[], &["#/password", "#/code"]),
            ("POST", "/api/users/me/totp/remove", &[], &["#/password", "#/code"]),
            ("POST", "/api/users/me/totp/recovery-codes", &[], &["#/password", "#/code"]),
            ("POST", "/api/auth/refresh", &["#/refreshToken"], &[]),
            ("POST", "/api/auth/logout", &["#/refreshToken"], &[]),
            ("POST", "/api/auth/email-verification", &["#/token"], &[]),
            ("POST", "/api/auth/email-verification/resend", &["#/email"], &[]),
            ("POST", "/api/auth/email-verification/disown", &["#/token"], &[]),
            ("POST", "/api/auth/undo", &["#/token"], &[]),
            ("POST", "/api/auth/accept-invitation", &["#/token", "#/password"], &[]),
            ("DELETE", "/api/users/me", &[], &["#/password"]),
            ("POST", "/api/users/me/delete", &[], &["#/password"]),
            ("PUT", "/api/users/me/password", &["#/currentPassword", "#/newPassword"], &[]),
            ("PUT", "/api/users/me/email", &["#/newEmail"], &["#/password"]),
            ("POST", "/api/auth/password-reset", &["#/email"], &[]),
            ("POST", "/api/auth/password-reset/confirm", &["#/token", "#/newPassword"], &[]),
            ("POST", "/api/auth/email-change/confirm", &["#/token"], &[]),
            ("POST", "/api/auth/email-change/undo", &["#/token"], &[]),
        ];
        for (method, path, required, optional) in STRINGS {
            for value in [json!(7), Value::Null, json!(["x"])] {
                let members = required.iter().chain(*optional);
                let body: Value = members.clone().map(|member| (member[2..].to_owned(), value.clone())).collect();
                let errors: Vec<_> = members.map(|member| (*member, "wrong-type")).collect();
                self.add_invalid(method, path, &body, &errors);
            }
            let mut missing: Vec<_> = required.iter().map(|member| (*member, "missing")).collect();
            if !missing.is_empty() {
                self.add_invalid(method, path, &json!({}), &missing);
            }
            missing.push(("#/unknown", "unknown"));
            self.add_invalid(method, path, &json!({ "unknown": 1 }), &missing);
            for body in [json!([]), json!("x"), json!(null), json!(1)] {
                self.add_invalid(method, path, &body, &[("#", "wrong-type")]);
            }
        }
        for cookie in [json!("true"), json!(1), Value::Null] {
            let password = json!({ "identifier": "x", "password": "x", "cookie": cookie });
            let code = json!({ "mfaToken": "x", "code": "x", "cookie": cookie });
            for (path, body) in [("/api/auth/login", password), ("/api/auth/login/totp", code)] {
                self.add_invalid("POST", path, &body, &[("#/cookie", "wrong-type")]);
            }
        }
    }

    /// Adds bodies with numbers out of range. They are written as text, because a JSON value of this program cannot
    /// hold them.
    pub(crate) fn numbers_out_of_range(&mut self) {
        let digits = "1".repeat(400);
        for number in ["18446744073709551616", "-9223372036854775809", &digits, "1e400", "1e-400"] {
            let attributes = format!("{{\"a\":{{\"b\":[0,{number}]}}}}");
            let body = self.registration(&json!({ "attributes": "HERE" })).to_string().replace("\"HERE\"", &attributes);
            let patch = format!("{{\"attributes\":{attributes}}}");
            for (method, path, body) in [("POST", "/api/users", body), ("PATCH", "/api/users/me", patch)] {
                let request = self.raw(method, path, body);
                let errors = [("#/attributes/a/b/1", "out-of-range")];
                self.add_invalid_request(format!("{number:.30}: {method} {path}"), request, &errors);
            }
        }
    }
}

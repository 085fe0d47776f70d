//! Invalid values, and names that are taken.

use serde_json::{Value, json};

use crate::cases::Cases;

impl Cases {
    pub(crate) fn invalid_registrations(&mut self) {
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
            self.add_invalid("POST", "/api/users", &self.registration(&change), &[(place, code)]);
        }
        let several = self.registration(&json!({ "username": "x", "email": "y", "password": "z" }));
        let errors = [("#/username", "too-short"), ("#/email", "not-an-address"), ("#/password", "too-short")];
        self.add_invalid("POST", "/api/users", &several, &errors);
        let (spaced, empty, too_long) = ("a b".to_owned(), "\"\"".to_owned(), "k".repeat(129));
        for key in [spaced, empty, too_long, "\"open".to_owned()] {
            let body = self.registration(&json!({}));
            let request = self.request("POST", "/api/users").header("idempotency-key", &key).json(&body);
            let errors = [("Idempotency-Key", "not-an-idempotency-key")];
            self.add_invalid_request(format!("Idempotency-Key: {key}"), request, &errors);
        }
    }

    pub(crate) fn invalid_changes(&mut self) {
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
            self.add_invalid("PATCH", "/api/users/me", &change, &[(place, code)]);
        }
        let long = "p".repeat(257);
        let new = json!({ "currentPassword": self.user.password, "newPassword": "short" });
        self.add_invalid("PUT", "/api/users/me/password", &new, &[("#/newPassword", "too-short")]);
        let both = json!({ "currentPassword": long, "newPassword": long });
        let errors = [("#/currentPassword", "too-long"), ("#/newPassword", "too-long")];
        self.add_invalid("PUT", "/api/users/me/password", &both, &errors);
        self.add_invalid("DELETE", "/api/users/me", &json!({ "password": long }), &[("#/password", "too-long")]);
        let login = json!({ "identifier": "ada", "password": long });
        self.add_invalid("POST", "/api/auth/login", &login, &[("#/password", "too-long")]);
        let resend = json!({ "email": "not an address" });
        let path = "/api/auth/email-verification/resend";
        self.add_invalid("POST", path, &resend, &[("#/email", "not-an-address")]);
        for tag in ["7", "\"7", "*, \"7\"", ""] {
            let body = json!({ "displayName": "X" });
            let patch = self.request("PATCH", "/api/users/me").header("if-match", tag).json(&body);
            self.add_invalid_request(format!("If-Match: {tag}"), patch, &[("If-Match", "invalid")]);
            let get = self.request("GET", "/api/users/me").header("if-none-match", tag);
            self.add_invalid_request(format!("If-None-Match: {tag}"), get, &[("If-None-Match", "invalid")]);
        }
    }

    /// Adds registrations with names that are taken. The existing account has the username `modern1`.
    pub(crate) fn taken_names(&mut self) {
        for email in [self.user.email.clone(), self.user.email.to_uppercase()] {
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
            let mut body = self.user.registration();
            for (member, value) in change.as_object().into_iter().flatten() {
                body[member] = value.clone();
            }
            let request = self.request("POST", "/api/users").header("idempotency-key", "the-key").json(&body);
            self.add(format!("the key again with {change}"), request, 422, "idempotency-key-reused");
        }
    }
}

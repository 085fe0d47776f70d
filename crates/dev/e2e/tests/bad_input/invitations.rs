//! New accounts and invitations: invalid values, names that are taken, and tokens that are none.

use serde_json::{Value, json};
use test_support::Api;

use crate::cases::Cases;

const USERS: &str = "/api/admin/users";
const ACCEPT: &str = "/api/auth/accept-invitation";

impl Cases {
    /// Adds requests of an administrator, the id of whose account is `admin_id`.
    pub(crate) fn new_users(&mut self, admin: &Api, admin_id: &str) {
        for (path, body) in [(USERS.to_owned(), self.registration(&json!({}))), (resend_path(admin_id), Value::Null)] {
            let request = self.request("POST", &path).json(&body);
            self.add(format!("POST {path} of a user"), request, 403, "forbidden");
            let request = self.api.request(reqwest::Method::POST, &path).json(&body);
            self.add(format!("POST {path} without a token"), request, 401, "unauthorized");
        }
        let user = std::mem::replace(&mut self.me, admin.clone());
        self.malformed_bodies_of("POST", USERS);
        self.media_types_and_sizes_of("POST", USERS);
        self.invalid_new_users();
        self.taken_new_users();
        for (id, status, slug) in [
            (admin_id, 409, "conflict"),
            ("0190e1b0-0000-7000-8000-000000000000", 404, "not-found"),
            ("not-an-id", 404, "not-found"),
        ] {
            self.add(format!("an invitation of {id} again"), self.request("POST", &resend_path(id)), status, slug);
        }
        self.me = user;
    }

    fn invalid_new_users(&mut self) {
        let invite = |changes: &Value| {
            let mut body = json!({ "email": "new@example.org", "invite": true });
            for (member, value) in changes.as_object().into_iter().flatten() {
                body[member] = value.clone();
            }
            body
        };
        for (body, place, code) in [
            (json!({ "email": "new@example.org" }), "#/password", "missing"),
            (json!({ "email": "new@example.org", "invite": false }), "#/password", "missing"),
            (json!({ "email": "new@example.org", "password": "long enough" }), "#/username", "missing"),
            (json!({ "username": "new-user", "invite": true }), "#/email", "missing"),
            (invite(&json!({ "password": "long enough" })), "#/password", "not-allowed"),
            (invite(&json!({ "invite": 1 })), "#/invite", "wrong-type"),
            (invite(&json!({ "invite": null })), "#/invite", "wrong-type"),
            (invite(&json!({ "username": null })), "#/username", "wrong-type"),
            (invite(&json!({ "username": "ab" })), "#/username", "too-short"),
            (invite(&json!({ "username": "pаypal" })), "#/username", "mixed-scripts"),
            (invite(&json!({ "email": "new@example.org\r\nBcc: b@example.org" })), "#/email", "not-an-address"),
            (invite(&json!({ "displayName": "a\nb" })), "#/displayName", "invalid-character"),
            (invite(&json!({ "locale": "not a tag" })), "#/locale", "not-a-language-tag"),
            (invite(&json!({ "attributes": [1] })), "#/attributes", "wrong-type"),
            (invite(&json!({ "roles": ["admin"] })), "#/roles", "unknown"),
            (invite(&json!({ "emailVerified": true })), "#/emailVerified", "unknown"),
            (self.registration(&json!({ "roles": ["admin"] })), "#/roles", "unknown"),
            (self.registration(&json!({ "emailVerified": true })), "#/emailVerified", "unknown"),
            (self.registration(&json!({ "password": "seven77" })), "#/password", "too-short"),
            (self.registration(&json!({ "password": "password123" })), "#/password", "common"),
        ] {
            self.add_invalid("POST", USERS, &body, &[(place, code)]);
        }
        let request = self.request("POST", USERS).header("idempotency-key", "a b").json(&invite(&json!({})));
        let errors = [("Idempotency-Key", "not-an-idempotency-key")];
        self.add_invalid_request("an invitation with a wrong Idempotency-Key".to_owned(), request, &errors);
    }

    fn taken_new_users(&mut self) {
        let email = self.user.email.clone();
        let (password, fresh) = ("long enough".to_owned(), "new@example.org");
        for (body, slug) in [
            (json!({ "email": email, "invite": true }), "email-taken"),
            (json!({ "email": email.to_uppercase(), "username": "new-user", "password": password }), "email-taken"),
            (json!({ "email": fresh, "username": "MODERN1", "invite": true }), "username-taken"),
            (json!({ "email": fresh, "username": "rnodern1", "password": password }), "username-taken"),
        ] {
            self.add(format!("a new account with {body}"), self.request("POST", USERS).json(&body), 409, slug);
        }
    }

    /// Adds acceptances with tokens that are none, among them one of another purpose.
    pub(crate) fn invalid_invitations(&mut self, verification_used: &str) {
        for token in ["", "x", "ä", &"A".repeat(43), verification_used, &"A".repeat(5000)] {
            for username in [None, Some("new-user"), Some("x")] {
                let mut body = json!({ "token": token, "password": "long enough" });
                if let Some(username) = username {
                    body["username"] = json!(username);
                }
                let request = self.request("POST", ACCEPT).json(&body);
                self.add(format!("an invitation with {token:.10?}"), request, 400, "token-invalid");
            }
        }
        let body = json!({ "token": "x", "password": "long enough", "username": null });
        self.add_invalid("POST", ACCEPT, &body, &[("#/username", "wrong-type")]);
        for (method, path) in [("GET", ACCEPT), ("DELETE", "/accept-invitation"), ("GET", &resend_path("1"))] {
            self.add(format!("{method} {path}"), self.request(method, path), 405, "method-not-allowed");
        }
    }
}

fn resend_path(id: &str) -> String {
    format!("{USERS}/{id}/resend-invitation")
}

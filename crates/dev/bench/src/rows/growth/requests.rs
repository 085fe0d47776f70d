//! The requests of the measurements.

use serde_json::json;

use crate::http_client::ApiRequest;

pub(super) fn registration(username: &str, email: &str, password: &str) -> ApiRequest {
    ApiRequest::post("/api/users", &json!({ "username": username, "email": email, "password": password }))
}

pub(super) fn login(identifier: &str, password: &str) -> ApiRequest {
    ApiRequest::post("/api/auth/login", &json!({ "identifier": identifier, "password": password }))
}

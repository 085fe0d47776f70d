//! Clients: created by an administrator, with tokens of their own.

use reqwest::RequestBuilder;
use serde_json::json;
use test_support::{Api, ApiResponse, remember_secret};

use crate::administrators::Admin;

/// A client that was created in a test.
#[derive(Debug, Clone)]
pub struct TestClient {
    /// The `client_id`.
    pub id: String,
    /// The `client_secret`. It is remembered as a secret of the run.
    pub secret: String,
}

impl TestClient {
    /// Creates a client with these scopes.
    ///
    /// # Panics
    /// Panics if the administrator is refused.
    pub async fn create(admin: &Admin, scopes: &[&str]) -> Self {
        let body = json!({ "name": "a test", "scopes": scopes });
        Self::from_response(&admin.api.post("/api/admin/clients", &body).await.expect(201))
    }

    /// Reads id and secret from the response to a creation or a rotation.
    ///
    /// # Panics
    /// Panics if the response has no secret.
    #[must_use]
    pub fn from_response(response: &ApiResponse) -> Self {
        let secret = response.string("secret");
        assert!(secret.starts_with("uscs_"), "{}", response.text);
        remember_secret("client secret", &secret);
        let id = response.json()["client"]["id"].as_str().expect("a client has an id").to_owned();
        Self { id, secret }
    }

    /// Returns the path of the client in the API for administrators, or of a resource below it.
    #[must_use]
    pub fn path(&self, below: &str) -> String {
        format!("/api/admin/clients/{}{below}", self.id)
    }

    /// Returns a form to an OAuth endpoint, with the client's credentials in the header.
    pub fn form(&self, api: &Api, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        api.form(path, fields).basic_auth(&self.id, Some(&self.secret))
    }

    /// Sends a form to an OAuth endpoint, with the client's credentials in the header.
    pub async fn post(&self, api: &Api, path: &str, fields: &[(&str, &str)]) -> ApiResponse {
        api.send(self.form(api, path, fields)).await
    }

    /// Requests a token with all scopes of the client. Returns the response, whatever its status.
    pub async fn request_token(&self, api: &Api) -> ApiResponse {
        self.post(api, "/oauth/token", &[("grant_type", "client_credentials")]).await
    }

    /// Returns a token with all scopes of the client. It is remembered as a secret of the run.
    ///
    /// # Panics
    /// Panics if the request is refused.
    pub async fn token(&self, api: &Api) -> String {
        let token = self.request_token(api).await.expect(200).string("access_token");
        remember_secret("access token", &token);
        token
    }

    /// Returns a client of the API with a token.
    ///
    /// # Panics
    /// Panics if the request for the token is refused.
    pub async fn with_token(&self, api: &Api) -> Api {
        api.with_token(&self.token(api).await)
    }

    /// Introspects a token.
    ///
    /// # Panics
    /// Panics if the request is refused.
    pub async fn introspect(&self, api: &Api, token: &str) -> serde_json::Value {
        self.post(api, "/oauth/introspect", &[("token", token)]).await.expect(200).json()
    }
}

/// Checks the status and the error of a response of an OAuth endpoint.
///
/// # Panics
/// Panics with the body if one of them differs.
#[track_caller]
pub fn expect_oauth_error(response: &ApiResponse, status: u16, error: &str) {
    let found = (response.status, response.string("error"));
    assert_eq!(found, (status, error.to_owned()), "{}", response.text);
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("cache-control"), "no-store");
    assert!(!response.string("error_description").is_empty(), "{}", response.text);
    assert_eq!(response.header("www-authenticate").starts_with("Basic "), status == 401);
}

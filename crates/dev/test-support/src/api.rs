//! A thin client of the public API: status, headers and JSON, nothing assumed about any of them.

use std::time::Duration;

use reqwest::{
    Client, Method, RequestBuilder,
    header::{CONTENT_TYPE, HeaderMap},
    redirect::Policy,
};
use serde_json::{Value, json};

use crate::remember_secret;

const DEADLINE: Duration = Duration::from_secs(60);

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct ApiResponse {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl ApiResponse {
    /// Returns the body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// Returns a member of the JSON body that is a string; empty when there is none.
    #[must_use]
    pub fn string(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    /// Returns a header's value; empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    /// Returns the problem's slug: `email-taken` of `/problems/email-taken`.
    #[must_use]
    pub fn problem(&self) -> String {
        self.string("type").trim_start_matches("/problems/").to_owned()
    }

    /// # Panics
    /// Panics if the status is another one; with the body.
    #[track_caller]
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// # Panics
    /// Panics if status or problem are others; with the body.
    #[track_caller]
    #[must_use]
    pub fn expect_problem(self, status: u16, slug: &str) -> Self {
        assert_eq!((self.status, self.problem().as_str()), (status, slug), "{}", self.text);
        self
    }
}

/// A client of one user service, with or without an access token.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base: String,
    access_token: Option<String>,
}

impl Api {
    /// Returns a client of the service at this address.
    ///
    /// # Panics
    /// Panics if no HTTP client can be made.
    #[must_use]
    pub fn new(base: String) -> Self {
        // A proxy from the environment has no business between a test and its service.
        let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(DEADLINE).build();
        Self { client: client.expect("a client without TLS can be made"), base, access_token: None }
    }

    /// Returns the same with an access token.
    #[must_use]
    pub fn with_token(&self, access_token: &str) -> Self {
        Self { access_token: Some(access_token.to_owned()), ..self.clone() }
    }

    /// Returns a request to be completed by the test; send it with [`Api::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.access_token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends it and reads the answer.
    ///
    /// # Panics
    /// Panics if there is no answer.
    pub async fn send(&self, request: RequestBuilder) -> ApiResponse {
        self.try_send(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends it and reads the answer.
    ///
    /// # Errors
    /// Returns an error if there is no answer, for example because the service was killed.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<ApiResponse, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(ApiResponse { status, headers, text: response.text().await? })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> ApiResponse {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> ApiResponse {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// POST of a page's form, as its button sends it: every byte of a value is escaped.
    pub async fn submit(&self, page: &str, fields: &[(&str, &str)]) -> ApiResponse {
        self.send(self.form(page, fields)).await
    }

    /// Returns the same as a request to be completed by the test.
    pub fn form(&self, page: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let value = |value: &str| value.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let fields: Vec<String> = fields.iter().map(|(name, it)| format!("{name}={}", value(it))).collect();
        let request = self.request(Method::POST, page);
        request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(fields.join("&"))
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> ApiResponse {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> ApiResponse {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// DELETE, with a JSON body if there is one.
    pub async fn delete(&self, path: &str, body: Option<&Value>) -> ApiResponse {
        let request = self.request(Method::DELETE, path);
        self.send(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// Registers somebody.
    pub async fn register(&self, user: &TestUser) -> ApiResponse {
        self.post("/api/users", &user.registration()).await
    }

    /// Logs somebody in by e-mail.
    ///
    /// # Panics
    /// Panics if the answer is not 200.
    pub async fn login(&self, user: &TestUser) -> Tokens {
        let credentials = json!({ "identifier": user.email, "password": user.password });
        Tokens::from_response(&self.post("/api/auth/login", &credentials).await.expect(200))
    }
}

/// Somebody who registers. The password is remembered as a secret of the run.
#[derive(Debug, Clone)]
pub struct TestUser {
    /// The user name.
    pub username: String,
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: String,
}

impl TestUser {
    pub(crate) fn new(name: &str, tag: &str, email: String) -> Self {
        // At most 32 characters; the tag's end is what makes it unique.
        let room = 31_usize.saturating_sub(name.len());
        let end: String = tag.chars().rev().take(room).collect::<Vec<_>>().into_iter().rev().collect();
        let username = format!("{name}-{}", end.trim_start_matches('-'));
        let password = format!("correct horse {tag} {name}");
        remember_secret("password", &password);
        Self { username, email, password }
    }

    /// Returns the body of `POST /api/users`.
    #[must_use]
    pub fn registration(&self) -> Value {
        json!({ "username": self.username, "email": self.email, "password": self.password })
    }
}

/// What a login or refresh gave. Both tokens are remembered as secrets of the run.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

impl Tokens {
    /// Reads them from an answer of login or refresh.
    ///
    /// # Panics
    /// Panics if one of them is missing.
    #[must_use]
    pub fn from_response(response: &ApiResponse) -> Self {
        let tokens = Self { access: response.string("accessToken"), refresh: response.string("refreshToken") };
        assert!(!tokens.access.is_empty() && !tokens.refresh.is_empty(), "no tokens: {}", response.text);
        remember_secret("access token", &tokens.access);
        remember_secret("refresh token", &tokens.refresh);
        tokens
    }
}

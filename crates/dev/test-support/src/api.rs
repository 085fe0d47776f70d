//! A thin client of the public API that returns status, headers and body as they are.

use std::time::Duration;

use reqwest::{
    Client, Method, RequestBuilder,
    header::{CONTENT_TYPE, HeaderMap},
    redirect::Policy,
};
use serde_json::{Value, json};

use crate::secrets::remember_secret;

const DEADLINE: Duration = Duration::from_secs(60);

/// A complete response.
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
    /// Returns the body as JSON, or null if it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// Returns a string member of the JSON body, or an empty text if there is none.
    #[must_use]
    pub fn string(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    /// Returns place and code of each error of `validation-failed`. The place is a pointer, a header or a parameter.
    #[must_use]
    pub fn errors(&self) -> Vec<(String, String)> {
        let place = |error: &Value| {
            let place = ["pointer", "header", "parameter"].into_iter().find_map(|member| error[member].as_str());
            place.unwrap_or_default().to_owned()
        };
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| (place(error), error["code"].as_str().unwrap_or_default().to_owned())).collect()
    }

    /// Returns the value of a header, or an empty text if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    /// Returns the slug of the problem: `email-taken` for `/problems/email-taken`.
    #[must_use]
    pub fn problem(&self) -> String {
        self.string("type").trim_start_matches("/problems/").to_owned()
    }

    /// Checks the status.
    ///
    /// # Panics
    /// Panics with the body if the status differs.
    #[track_caller]
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Checks the status and the slug of the problem.
    ///
    /// # Panics
    /// Panics with the body if one of them differs.
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
    /// Panics if no HTTP client can be created.
    #[must_use]
    pub fn new(base: String) -> Self {
        // A proxy from the environment must not stand between a test and its service.
        let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(DEADLINE).build();
        Self { client: client.expect("a client without TLS can be made"), base, access_token: None }
    }

    /// Returns a copy of this client with an access token.
    #[must_use]
    pub fn with_token(&self, access_token: &str) -> Self {
        Self { access_token: Some(access_token.to_owned()), ..self.clone() }
    }

    /// Returns a request that the test completes and sends with [`Api::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.access_token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads the response.
    ///
    /// # Panics
    /// Panics if there is no response.
    pub async fn send(&self, request: RequestBuilder) -> ApiResponse {
        self.try_send(request).await.unwrap_or_else(|error| panic!("no response: {error:?}"))
    }

    /// Sends a request and reads the response.
    ///
    /// # Errors
    /// Returns an error if there is no response, for example because the service was killed.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<ApiResponse, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(ApiResponse { status, headers, text: response.text().await? })
    }

    /// Sends GET.
    pub async fn get(&self, path: &str) -> ApiResponse {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> ApiResponse {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Submits the form of a page. Every byte of a value is percent-encoded.
    pub async fn submit(&self, page: &str, fields: &[(&str, &str)]) -> ApiResponse {
        self.send(self.form(page, fields)).await
    }

    /// Returns the submission of a form as a request that the test completes.
    pub fn form(&self, page: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let value = |value: &str| value.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let fields: Vec<String> = fields.iter().map(|(name, it)| format!("{name}={}", value(it))).collect();
        let request = self.request(Method::POST, page);
        request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(fields.join("&"))
    }

    /// Sends PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> ApiResponse {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// Sends PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> ApiResponse {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// Sends DELETE, with a JSON body if there is one.
    pub async fn delete(&self, path: &str, body: Option<&Value>) -> ApiResponse {
        let request = self.request(Method::DELETE, path);
        self.send(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// Registers a user.
    pub async fn register(&self, user: &TestUser) -> ApiResponse {
        self.post("/api/users", &user.registration()).await
    }

    /// Logs a user in by email address.
    ///
    /// # Panics
    /// Panics if the status is not 200.
    pub async fn login(&self, user: &TestUser) -> Tokens {
        let credentials = json!({ "identifier": user.email, "password": user.password });
        Tokens::from_response(&self.post("/api/auth/login", &credentials).await.expect(200))
    }

    /// Logs a user in by email address and returns a client with the access token.
    ///
    /// # Panics
    /// Panics if the status is not 200.
    pub async fn logged_in_as(&self, user: &TestUser) -> Self {
        self.with_token(&self.login(user).await.access)
    }

    /// Refreshes a session and returns the response, whatever its status.
    pub async fn refresh(&self, refresh_token: &str) -> ApiResponse {
        self.post("/api/auth/refresh", &json!({ "refreshToken": refresh_token })).await
    }
}

/// The data of a user that a test registers. The password is remembered as a secret of the run.
#[derive(Debug, Clone)]
pub struct TestUser {
    /// The username.
    pub username: String,
    /// The email address.
    pub email: String,
    /// The password.
    pub password: String,
}

impl TestUser {
    pub(crate) fn new(name: &str, tag: &str, email: String) -> Self {
        // A username has at most 32 characters; the end of the tag makes it unique.
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

    /// Returns the body of `POST /api/users` with another value of one member.
    #[must_use]
    pub fn registration_with(&self, member: &str, value: impl Into<Value>) -> Value {
        let mut body = self.registration();
        body[member] = value.into();
        body
    }
}

/// The tokens from a login or a refresh. Both are remembered as secrets of the run.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

impl Tokens {
    /// Reads the tokens from the response to a login or a refresh.
    ///
    /// # Panics
    /// Panics if a token is missing.
    #[must_use]
    pub fn from_response(response: &ApiResponse) -> Self {
        let tokens = Self { access: response.string("accessToken"), refresh: response.string("refreshToken") };
        assert!(!tokens.access.is_empty() && !tokens.refresh.is_empty(), "no tokens: {}", response.text);
        remember_secret("access token", &tokens.access);
        remember_secret("refresh token", &tokens.refresh);
        tokens
    }
}

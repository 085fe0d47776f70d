//! A client that records its requests and responses, and tolerates lost responses.

use std::{net::Ipv4Addr, time::Duration};

use events::UserState;
use reqwest::{Method, Request, RequestBuilder, header::USER_AGENT};
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, TestUser, remember_secret};
use uuid::Uuid;

use crate::{
    checker::{Action, Outcome, RecordedResponse},
    recorder::Recorder,
};

/// How long a client waits for a response. Afterwards the outcome is unknown.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// One logical client: it waits for each response before it sends the next request. Its methods do not panic when
/// a response is lost or an error.
pub struct Client {
    recorder: Recorder,
    number: u32,
    api: Api,
    /// The replicas that get a request if the first one accepts no connection.
    others: Vec<Api>,
    user: Option<Uuid>,
    access: Option<String>,
    refresh: Option<String>,
    comparison_group: Option<u32>,
    /// The address that the requests come from, in `X-Forwarded-For`.
    network: Option<Ipv4Addr>,
    last_response: Option<test_support::ApiResponse>,
}

impl Recorder {
    /// Creates a client that talks to the service behind `api`.
    #[must_use]
    pub fn client(&self, api: Api) -> Client {
        Client::new(self.clone(), self.next_client_number(), api)
    }
}

impl Client {
    fn new(recorder: Recorder, number: u32, api: Api) -> Self {
        Self {
            recorder,
            number,
            api,
            others: Vec::new(),
            user: None,
            access: None,
            refresh: None,
            comparison_group: None,
            network: None,
            last_response: None,
        }
    }

    /// Switches to another replica, where the client's tokens are valid too.
    pub fn use_api(&mut self, api: Api) {
        self.use_apis(api, Vec::new());
    }

    /// Switches to another replica. A request that gets no connection to it is sent to one of `others`, as by a load
    /// balancer.
    pub fn use_apis(&mut self, api: Api, others: Vec<Api>) {
        (self.api, self.others) = (api, others);
    }

    /// Sends later requests as a client with this address.
    pub fn set_network(&mut self, address: Ipv4Addr) {
        self.network = Some(address);
    }

    /// Returns the account that the client registered or is logged in as.
    #[must_use]
    pub fn user(&self) -> Option<Uuid> {
        self.user
    }

    /// Returns whether the client has the tokens of a login.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        self.access.is_some()
    }

    /// Discards the tokens.
    pub fn forget_tokens(&mut self) {
        self.access = None;
        self.refresh = None;
    }

    /// Returns the last response, if there was one.
    #[must_use]
    pub fn last_response(&self) -> Option<&test_support::ApiResponse> {
        self.last_response.as_ref()
    }

    /// Puts later requests into a group whose responses must be indistinguishable (S2).
    pub fn set_comparison_group(&mut self, group: Option<u32>) {
        self.comparison_group = group;
    }

    /// `POST /api/users`.
    pub async fn register(&mut self, person: &TestUser, idempotency_key: Option<&str>) -> Outcome {
        let mut request = self.api.request(Method::POST, "/api/users").json(&person.registration());
        if let Some(key) = idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        let outcome = self.send_recorded(Action::Register, None, Some(&person.email), request).await;
        if succeeded(&outcome) {
            self.user = self.user_in_last_response();
        }
        outcome
    }

    /// `POST /api/admin/users` with `invite`, as an administrator.
    pub async fn invite(&mut self, address: &str) -> Outcome {
        let request = self.request(Method::POST, "/api/admin/users").json(&json!({ "email": address, "invite": true }));
        self.send_recorded(Action::Invite, None, Some(address), request).await
    }

    /// `POST /api/auth/login` with the email address. Stores the tokens.
    pub async fn login(&mut self, person: &TestUser) -> Outcome {
        self.send_login(person, |request| request).await
    }

    /// Does the same with a `User-Agent`.
    pub async fn login_with_agent(&mut self, person: &TestUser, user_agent: &str) -> Outcome {
        self.send_login(person, |request| request.header(USER_AGENT, user_agent)).await
    }

    async fn send_login(
        &mut self,
        person: &TestUser,
        with_headers: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Outcome {
        let credentials = json!({ "identifier": person.email, "password": person.password });
        let request = with_headers(self.auth_request("login", &credentials));
        let outcome = self.send_recorded(Action::Login, None, Some(&person.email), request).await;
        self.keep_tokens(&outcome);
        outcome
    }

    /// `POST /api/auth/login` with the email address and a wrong password.
    pub async fn guess(&mut self, person: &TestUser) -> Outcome {
        let credentials = json!({ "identifier": person.email, "password": "a guess of a password" });
        let request = self.auth_request("login", &credentials);
        self.send_recorded(Action::Guess, None, Some(&person.email), request).await
    }

    /// `POST /api/auth/login/totp`: the second step of a login that was answered with an `mfaToken`.
    pub async fn login_totp(&mut self, mfa_token: &str, code: &str) -> Outcome {
        let request = self.auth_request("login/totp", &json!({ "mfaToken": mfa_token, "code": code }));
        let outcome = self.send_recorded(Action::Login, self.user, None, request).await;
        self.keep_tokens(&outcome);
        outcome
    }

    /// `POST /api/auth/reauthenticate`, with a code if the account has a second factor.
    pub async fn reauthenticate(&mut self, person: &TestUser, code: Option<&str>) -> Outcome {
        let mut body = json!({ "password": person.password });
        if let Some(code) = code {
            body["code"] = code.into();
        }
        let request = self.request(Method::POST, "/api/auth/reauthenticate").json(&body);
        self.send(Action::Reauthenticate, None, request).await
    }

    /// `POST /api/auth/refresh`. Stores the new tokens.
    pub async fn refresh(&mut self) -> Outcome {
        let outcome = self.send_refresh_token(Action::Refresh, "refresh").await;
        self.keep_tokens(&outcome);
        outcome
    }

    /// `POST /api/auth/logout`. Discards the tokens.
    pub async fn logout(&mut self) -> Outcome {
        let outcome = self.send_refresh_token(Action::Logout, "logout").await;
        self.forget_tokens();
        outcome
    }

    async fn send_refresh_token(&mut self, action: Action, path: &str) -> Outcome {
        let body = json!({ "refreshToken": self.refresh.clone().unwrap_or_default() });
        let request = self.auth_request(path, &body);
        self.send_recorded(action, self.user, None, request).await
    }

    fn auth_request(&self, path: &str, body: &Value) -> RequestBuilder {
        self.api.request(Method::POST, &format!("/api/auth/{path}")).json(body)
    }

    /// `GET /api/users/me`.
    pub async fn read_me(&mut self) -> Outcome {
        let request = self.request(Method::GET, "/api/users/me");
        self.send(Action::Read, None, request).await
    }

    /// `PATCH /api/users/me` with a display name that the account does not have yet.
    pub async fn update_profile(&mut self, display_name: &str) -> Outcome {
        let request = self.request(Method::PATCH, "/api/users/me").json(&json!({ "displayName": display_name }));
        self.send(Action::UpdateProfile, None, request).await
    }

    /// `PUT /api/users/me/password`. On success `person` has the new password; after an unknown outcome the caller
    /// must find out which one is valid.
    pub async fn change_password(&mut self, person: &mut TestUser, new: &str) -> Outcome {
        remember_secret("password", new);
        let body = json!({ "currentPassword": person.password, "newPassword": new });
        let request = self.request(Method::PUT, "/api/users/me/password").json(&body);
        let outcome = self.send(Action::ChangePassword, None, request).await;
        if succeeded(&outcome) {
            new.clone_into(&mut person.password);
        }
        outcome
    }

    /// `DELETE /api/users/me`.
    pub async fn delete(&mut self, person: &TestUser) -> Outcome {
        let request = self.request(Method::DELETE, "/api/users/me").json(&json!({ "password": person.password }));
        self.send(Action::Delete, None, request).await
    }

    /// `DELETE /api/users/me/sessions`.
    pub async fn end_other_sessions(&mut self) -> Outcome {
        let request = self.request(Method::DELETE, "/api/users/me/sessions");
        self.send(Action::EndOtherSessions, None, request).await
    }

    /// `POST /api/auth/password-reset`.
    pub async fn request_reset(&mut self, address: &str) -> Outcome {
        self.post_email(Action::RequestReset, "/api/auth/password-reset", address).await
    }

    /// `POST /api/auth/email-verification/resend`.
    pub async fn resend_verification(&mut self, address: &str) -> Outcome {
        self.post_email(Action::ResendVerification, "/api/auth/email-verification/resend", address).await
    }

    /// `POST /api/auth/password-reset/confirm`, for this client's account. On success `person` has the new password.
    pub async fn confirm_reset(&mut self, token: &str, person: &mut TestUser, new: &str) -> Outcome {
        remember_secret("password", new);
        let body = json!({ "token": token, "newPassword": new });
        let request = self.api.request(Method::POST, "/api/auth/password-reset/confirm").json(&body);
        let outcome = self.send(Action::ConfirmReset, None, request).await;
        if succeeded(&outcome) {
            new.clone_into(&mut person.password);
        }
        outcome
    }

    /// `POST /api/auth/email-verification`, for this client's account.
    pub async fn verify_email(&mut self, token: &str) -> Outcome {
        self.post_token(Action::VerifyEmail, "/api/auth/email-verification", token).await
    }

    /// `PUT /api/users/me/email`.
    pub async fn request_email_change(&mut self, person: &TestUser, new: &str) -> Outcome {
        let body = json!({ "newEmail": new, "password": person.password });
        let request = self.request(Method::PUT, "/api/users/me/email").json(&body);
        self.send(Action::RequestEmailChange, None, request).await
    }

    /// `POST /api/auth/email-change/confirm`, for this client's account.
    pub async fn confirm_email_change(&mut self, token: &str) -> Outcome {
        self.post_token(Action::ConfirmEmailChange, "/api/auth/email-change/confirm", token).await
    }

    /// `POST /api/auth/email-change/undo`, for this client's account.
    pub async fn undo_email_change(&mut self, token: &str) -> Outcome {
        self.post_token(Action::UndoEmailChange, "/api/auth/email-change/undo", token).await
    }

    /// Returns a request with this client's access token, for [`Client::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        match &self.access {
            Some(token) => self.api.with_token(token).request(method, path),
            None => self.api.request(method, path),
        }
    }

    /// Sends any other request. `user` is the account that it concerns, if it is not the client's own.
    pub async fn send(&mut self, action: Action, user: Option<Uuid>, request: RequestBuilder) -> Outcome {
        self.send_recorded(action, user.or(self.user), None, request).await
    }

    async fn post_email(&mut self, action: Action, path: &str, address: &str) -> Outcome {
        let request = self.api.request(Method::POST, path).json(&json!({ "email": address }));
        self.send_recorded(action, None, Some(address), request).await
    }

    async fn post_token(&mut self, action: Action, path: &str, token: &str) -> Outcome {
        let request = self.api.request(Method::POST, path).json(&json!({ "token": token }));
        self.send(action, None, request).await
    }

    async fn send_recorded(
        &mut self,
        action: Action,
        user: Option<Uuid>,
        email: Option<&str>,
        request: RequestBuilder,
    ) -> Outcome {
        self.last_response = None;
        let email = email.map(str::to_owned);
        let request = match self.network {
            Some(address) => request.header("x-forwarded-for", address.to_string()),
            None => request,
        };
        let id = self.recorder.record_invocation(self.number, action, user, email, self.comparison_group, self.network);
        let mut server = String::new();
        let (response, outcome) = match self.send_to_any(request.timeout(REQUEST_TIMEOUT), &mut server).await {
            Ok(response) => {
                let outcome = Outcome::Answered(recorded_response(&response, self.comparison_group.is_some()));
                (Some(response), outcome)
            }
            // The URL is omitted, because it may contain a token.
            Err(error) => (None, Outcome::Unknown { why: error_chain(&error.without_url()) }),
        };
        self.last_response = response;
        let named = self
            .user_in_last_response()
            .filter(|_| matches!(action, Action::Register | Action::Login | Action::Invite));
        self.recorder.record_completion(id, named, server, &outcome);
        outcome
    }

    /// Sends a request to the first replica that accepts a connection. Sets `server` to the address of the last one
    /// that was tried.
    async fn send_to_any(&self, request: RequestBuilder, server: &mut String) -> Result<ApiResponse, reqwest::Error> {
        let (client, request) = request.build_split();
        let mut request = request?;
        let mut others = self.others.iter();
        loop {
            *server = address(&request);
            let next = request.try_clone().zip(others.next());
            let sent = self.api.try_send(RequestBuilder::from_parts(client.clone(), request)).await;
            match (sent, next) {
                // Without a connection, the request has no effect.
                (Err(error), Some((copy, other))) if error.is_connect() => {
                    request = copy;
                    redirect(&mut request, other)?;
                }
                (result, _) => return result,
            }
        }
    }

    fn keep_tokens(&mut self, outcome: &Outcome) {
        let Some(response) = self.last_response.as_ref().filter(|_| succeeded(outcome)) else { return };
        let (access, refresh) = (response.string("accessToken"), response.string("refreshToken"));
        remember_secret("access token", &access);
        remember_secret("refresh token", &refresh);
        self.user = self.user_in_last_response().or(self.user);
        (self.access, self.refresh) = (Some(access), Some(refresh));
    }

    /// Returns the account that the last response names.
    fn user_in_last_response(&self) -> Option<Uuid> {
        let body = self.last_response.as_ref()?.json();
        let id = body["id"].as_str().or_else(|| body["user"]["id"].as_str())?;
        Uuid::try_parse(id).ok()
    }
}

/// Returns host and port.
fn address(request: &Request) -> String {
    let url = request.url();
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// Changes the host and the port of a request to those of another replica.
fn redirect(request: &mut Request, other: &Api) -> Result<(), reqwest::Error> {
    let other = other.request(Method::GET, "/").build()?;
    // Both URLs have the scheme `http`, so neither part can be refused.
    let _ = request.url_mut().set_host(other.url().host_str());
    let _ = request.url_mut().set_port(other.url().port());
    Ok(())
}

fn succeeded(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answered(response) if (200..300).contains(&response.status))
}

fn recorded_response(response: &test_support::ApiResponse, in_group: bool) -> RecordedResponse {
    let body = response.json();
    let version = body["version"].as_u64().or_else(|| body["user"]["version"].as_u64());
    let tag = || response.header("etag").trim_matches('"').parse().ok();
    RecordedResponse {
        status: response.status,
        problem: Some(response.problem()).filter(|problem| !problem.is_empty()),
        version: version.or_else(tag),
        state: state(if body["user"].is_object() { &body["user"] } else { &body }),
        retry_after: response.header("retry-after").parse().ok(),
        fingerprint: in_group.then(|| fingerprint(response, &body)),
    }
}

/// Returns the account in a response as a state, if the body is one. Attributes are left out, because only the operator's
/// schema says which of them are part of a state.
fn state(account: &Value) -> Option<Box<UserState>> {
    let state = serde_json::from_value::<UserState>(account.clone()).ok()?;
    Some(Box::new(UserState { attributes: None, ..state }))
}

/// Returns headers and body without the parts that differ in every response.
fn fingerprint(response: &test_support::ApiResponse, body: &Value) -> String {
    // `connection: close` says that this replica is shutting down.
    const VARYING_HEADERS: [&str; 5] = ["connection", "date", "x-request-id", "traceparent", "ratelimit"];
    let is_stable = |name: &&str| !VARYING_HEADERS.contains(name);
    let mut names: Vec<&str> =
        response.headers.keys().map(reqwest::header::HeaderName::as_str).filter(is_stable).collect();
    names.sort_unstable();
    let headers: Vec<String> = names.iter().map(|name| format!("{name}: {}", response.header(name))).collect();
    let id = response.header("x-request-id");
    let body = if body.is_null() { response.text.clone() } else { body.to_string() };
    let body = if id.is_empty() { body } else { body.replace(&id, "(request)") };
    format!("{}\n\n{body}", headers.join("\n"))
}

/// Returns the error with its chain of causes.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

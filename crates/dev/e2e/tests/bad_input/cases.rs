//! Invalid requests and their expected responses.

use reqwest::{RequestBuilder, header::CONTENT_TYPE};
use serde_json::{Value, json};
use test_support::{Api, TestUser};

const JSON: &str = "application/json";

/// An invalid request and its expected response.
pub(crate) struct InvalidRequest {
    pub(crate) what: String,
    pub(crate) request: RequestBuilder,
    pub(crate) status: u16,
    pub(crate) slug: &'static str,
    /// The expected errors of `validation-failed`: the pointer (`#/email`) or header name of each error, and its
    /// code.
    pub(crate) errors: Vec<(&'static str, &'static str)>,
}

/// All invalid requests to one service, and what is needed to build them.
pub(crate) struct Cases {
    /// A client without a token.
    pub(crate) api: Api,
    /// A client with a valid token.
    pub(crate) me: Api,
    pub(crate) user: TestUser,
    pub(crate) cases: Vec<InvalidRequest>,
}

impl Cases {
    pub(crate) fn add(&mut self, what: impl Into<String>, request: RequestBuilder, status: u16, slug: &'static str) {
        self.cases.push(InvalidRequest { what: what.into(), request, status, slug, errors: Vec::new() });
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.me.request(method.parse().expect("the method is valid"), path)
    }

    pub(crate) fn raw(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> RequestBuilder {
        self.request(method, path).header(CONTENT_TYPE, JSON).body(body.into())
    }

    pub(crate) fn add_invalid(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
        errors: &[(&'static str, &'static str)],
    ) {
        let request = self.request(method, path).json(body);
        self.add_invalid_request(format!("{method} {path} {errors:?}"), request, errors);
    }

    pub(crate) fn add_invalid_request(
        &mut self,
        what: String,
        request: RequestBuilder,
        errors: &[(&'static str, &'static str)],
    ) {
        let (status, slug, errors) = (422, "validation-failed", errors.to_vec());
        self.cases.push(InvalidRequest { what, request, status, slug, errors });
    }

    /// Returns the registration of a new user with changes; null removes a member.
    pub(crate) fn registration(&self, changes: &Value) -> Value {
        let mut body = json!({ "username": "new-user", "email": "new@example.org", "password": "long enough" });
        for (member, value) in changes.as_object().expect("changes are an object") {
            match value {
                Value::Null => drop(body.as_object_mut().and_then(|body| body.remove(member))),
                value => body[member] = value.clone(),
            }
        }
        body
    }
}

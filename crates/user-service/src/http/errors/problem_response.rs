//! The response of a problem: problem details (RFC 9457) and the headers that belong to it.

use std::borrow::Cow;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::request_id::current_request_id,
    problem::{AuthenticationFactor, FieldError, Problem},
};

impl Problem {
    /// Returns the body of the response.
    #[must_use]
    pub fn details(&self) -> ProblemDetails {
        ProblemDetails {
            problem_type: format!("/problems/{}", self.slug()),
            title: self.problem_type().title(),
            status: self.status().as_u16(),
            detail: self.detail(),
            errors: match self {
                Self::ValidationFailed(errors) => errors.clone(),
                _ => Vec::new(),
            },
            mfa_token: match self {
                Self::MfaRequired(mfa_token) => Some(mfa_token.expose_secret().to_owned()),
                _ => None,
            },
            required: match self {
                Self::ReauthenticationRequired(factors) => factors,
                _ => &[],
            },
            request_id: current_request_id(),
        }
    }

    /// Returns the header that RFC 9110 or RFC 6750 requires with this problem.
    fn header(&self) -> Option<(header::HeaderName, String)> {
        match self {
            Self::Unauthorized => {
                Some((header::WWW_AUTHENTICATE, r#"Bearer realm="user-service", error="invalid_token""#.to_owned()))
            }
            Self::TokenMissing | Self::InvalidCredentials | Self::MfaRequired(_) => {
                Some((header::WWW_AUTHENTICATE, r#"Bearer realm="user-service""#.to_owned()))
            }
            Self::InsufficientScope(scopes) => Some((
                header::WWW_AUTHENTICATE,
                format!(r#"Bearer realm="user-service", error="insufficient_scope", scope="{scopes}""#),
            )),
            Self::MethodNotAllowed(allow) => Some((header::ALLOW, allow.clone())),
            _ => self.retry_after().map(|seconds| (header::RETRY_AFTER, seconds.to_string())),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let body = serde_json::to_vec(&self.details()).expect("strings and numbers always serialise");
        let mut response = HttpResponse::build(self.status());
        response
            .insert_header((header::CONTENT_TYPE, "application/problem+json"))
            .insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(header) = self.header() {
            response.insert_header(header);
        }
        response.body(body)
    }
}

/// The body of every error response (RFC 9457, `application/problem+json`).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemDetails {
    /// The problem type: `/problems/<slug>`, which is also the address of a page about it.
    #[serde(rename = "type")]
    problem_type: String,
    /// The problem type in a few words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The explanation of this occurrence.
    detail: Cow<'static, str>,
    /// All errors that were found. Only with `validation-failed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The token to send together with the code. Only with `mfa-required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_token: Option<String>,
    /// All factors of the account, to send to `/api/auth/reauthenticate`. Only with `reauthentication-required`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    required: &'static [AuthenticationFactor],
    /// The `x-request-id` of the response, which is also in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;
    use secrecy::SecretString;
    use serde_json::{Value, json};

    use super::*;
    use crate::problem::ProblemType;

    fn response_and_body(problem: &Problem) -> (HttpResponse, Value) {
        let response = problem.error_response();
        let body = problem.error_response().into_body().try_into_bytes().unwrap();
        (response, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn every_problem_response_has_its_members_and_headers() {
        for problem_type in ProblemType::ALL {
            let problem = problem_type.example();
            let (response, body) = response_and_body(&problem);
            let slug = problem.slug();
            let header = |name: header::HeaderName| response.headers().get(name).map(|it| it.to_str().unwrap());

            assert_eq!(response.status(), problem_type.status(), "{slug}");
            assert_eq!(header(header::CONTENT_TYPE), Some("application/problem+json"), "{slug}");
            assert_eq!(header(header::CACHE_CONTROL), Some("no-store"), "{slug}");
            assert_eq!(body["type"], json!(format!("/problems/{slug}")));
            assert_eq!(body["title"], json!(problem_type.title()));
            assert_eq!(body["status"], json!(problem_type.status().as_u16()));
            assert!(body["detail"].as_str().unwrap().len() > 10, "{slug}");
            assert_eq!(body.get("errors").is_some(), slug == "validation-failed");
            assert_eq!(body.get("mfaToken").is_some(), slug == "mfa-required");
            assert_eq!(body.get("required").is_some(), slug == "reauthentication-required");

            let status = response.status().as_u16();
            let challenge = header(header::WWW_AUTHENTICATE).is_some_and(|it| it.starts_with("Bearer "));
            assert_eq!(challenge, status == 401 || slug == "insufficient-scope", "{slug}");
            let retry: Option<u64> = header(header::RETRY_AFTER).map(|it| it.parse().unwrap());
            assert_eq!(retry.is_some_and(|it| it >= 1), matches!(status, 429 | 503), "{slug}");
            assert_eq!(header(header::ALLOW).is_some(), status == 405, "{slug}");
        }
    }

    #[test]
    fn a_refused_token_and_a_missing_one_differ_only_in_challenge_and_detail() {
        let challenge = |problem: &Problem| {
            let (response, _) = response_and_body(problem);
            response.headers().get(header::WWW_AUTHENTICATE).unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(challenge(&Problem::Unauthorized), r#"Bearer realm="user-service", error="invalid_token""#);
        assert_eq!(challenge(&Problem::TokenMissing), r#"Bearer realm="user-service""#);
        assert_eq!(Problem::TokenMissing.slug(), Problem::Unauthorized.slug());
    }

    #[test]
    fn neither_debug_nor_display_shows_the_mfa_token() {
        let problem = Problem::MfaRequired(SecretString::from("s3cret"));
        assert!(!format!("{problem:?} {problem}").contains("s3cret"));
        assert_eq!(response_and_body(&problem).1["mfaToken"], "s3cret");
    }

    #[test]
    fn the_cause_of_an_internal_problem_is_not_shown() {
        let problem = Problem::internal(anyhow::anyhow!("disk 7 on fire").context("writing"));
        let (_, body) = response_and_body(&problem);
        assert!(!body.to_string().contains("disk 7"));
    }
}

//! The error responses of the OAuth endpoints (RFC 6749, section 5.2). What the RFC does not name is a problem, as
//! everywhere: a body that is too large, a rate limit, an outage.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::own_response::OwnResponse;
use crate::usecase::OAuthError;

/// The body of an error response of an OAuth endpoint (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub struct OAuthErrorBody {
    /// `invalid_request`, `invalid_client`, `invalid_grant`, `unauthorized_client`, `unsupported_grant_type`,
    /// `invalid_scope` or `unsupported_token_type`.
    error: &'static str,
    /// The explanation of this occurrence.
    error_description: String,
}

impl From<OAuthError> for actix_web::Error {
    fn from(error: OAuthError) -> Self {
        let (status, name) = match error {
            OAuthError::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            OAuthError::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client"),
            OAuthError::InvalidGrant => (StatusCode::BAD_REQUEST, "invalid_grant"),
            OAuthError::UnauthorizedClient(_) => (StatusCode::BAD_REQUEST, "unauthorized_client"),
            OAuthError::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            OAuthError::InvalidScope => (StatusCode::BAD_REQUEST, "invalid_scope"),
            OAuthError::UnsupportedTokenType => (StatusCode::BAD_REQUEST, "unsupported_token_type"),
            OAuthError::Problem(problem) => return problem.into(),
        };
        let description = error.to_string();
        OwnResponse::new(status, name, move || response(status, name, &description)).into()
    }
}

fn response(status: StatusCode, name: &'static str, description: &str) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if status == StatusCode::UNAUTHORIZED {
        response.insert_header((header::WWW_AUTHENTICATE, r#"Basic realm="user-service", charset="UTF-8""#));
    }
    response.json(OAuthErrorBody { error: name, error_description: description.to_owned() })
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;
    use serde_json::Value;

    use super::*;
    use crate::problem::Problem;

    #[test]
    fn each_error_has_the_name_and_the_status_of_the_rfc() {
        for (error, status, name) in [
            (OAuthError::InvalidRequest("It is malformed."), 400, "invalid_request"),
            (OAuthError::InvalidClient, 401, "invalid_client"),
            (OAuthError::InvalidGrant, 400, "invalid_grant"),
            (OAuthError::UnauthorizedClient("It may not."), 400, "unauthorized_client"),
            (OAuthError::UnsupportedGrantType, 400, "unsupported_grant_type"),
            (OAuthError::InvalidScope, 400, "invalid_scope"),
            (OAuthError::UnsupportedTokenType, 400, "unsupported_token_type"),
        ] {
            let response = actix_web::Error::from(error).error_response();
            assert_eq!(response.status(), status, "{name}");
            assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "application/json");
            assert_eq!(response.headers().get(header::CACHE_CONTROL).unwrap(), "no-store");
            let challenge = response.headers().get(header::WWW_AUTHENTICATE).map(|it| it.to_str().unwrap().to_owned());
            assert_eq!(challenge.is_some_and(|it| it.starts_with("Basic ")), status == 401, "{name}");
            let body: Value = serde_json::from_slice(&response.into_body().try_into_bytes().unwrap()).unwrap();
            assert_eq!(body["error"], name);
            // RFC 6749 allows printable ASCII without quotation marks and backslashes.
            let text = body["error_description"].as_str().unwrap();
            assert!(text.bytes().all(|it| matches!(it, b' '..=b'~') && !b"\"\\".contains(&it)), "{text}");
        }
    }

    #[test]
    fn what_the_rfc_does_not_name_is_a_problem() {
        let response = actix_web::Error::from(OAuthError::from(Problem::BodyTooLarge)).error_response();
        assert_eq!(response.status(), 413);
        assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "application/problem+json");
    }
}

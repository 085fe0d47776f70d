//! The extractor for requests to OAuth endpoints: a form, and the credentials of a client (RFC 6749, section 2.3.1).

use std::sync::Arc;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{FutureExt, future::LocalBoxFuture};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{
    form::{self, Form},
    json_body::read_body,
    requests::ClientRequest,
};
use crate::{
    outbox::Origin,
    problem::Problem,
    usecase::{AccountService, ClientCredentials, OAuthError},
};

/// A request of a client to an OAuth endpoint. The credentials are not verified.
pub(in crate::http) struct OAuthRequest {
    pub accounts: Arc<AccountService>,
    pub origin: Origin,
    pub credentials: ClientCredentials,
    pub form: Form,
}

impl FromRequest for OAuthRequest {
    type Error = OAuthError;
    type Future = LocalBoxFuture<'static, Result<Self, OAuthError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let client = ClientRequest::from_request(request, payload).into_inner();
        let basic = basic_credentials(request.headers());
        let body = read_body(request, payload, &["application/x-www-form-urlencoded"]);
        async move {
            let ClientRequest { accounts, origin } = client?;
            let mut form = Form::parse(&body.await.map_err(malformed_as_oauth)?)?;
            let credentials = credentials(basic?, &mut form)?;
            Ok(Self { accounts, origin, credentials, form })
        }
        .boxed_local()
    }
}

/// Turns a body that cannot be read into the error that RFC 6749 names for it. The other problems have a status of their
/// own.
fn malformed_as_oauth(problem: Problem) -> OAuthError {
    match problem {
        Problem::MalformedBody(_) => OAuthError::InvalidRequest("The body cannot be read."),
        other => other.into(),
    }
}

/// Returns the credentials from the header or from the form, but not from both.
fn credentials(basic: Option<ClientCredentials>, form: &mut Form) -> Result<ClientCredentials, OAuthError> {
    let (id, secret) = (form.get("client_id").map(str::to_owned), form.take_secret("client_secret"));
    match (basic, id, secret) {
        (Some(basic), None, None) => Ok(basic),
        // RFC 6749 does not forbid to repeat the id.
        (Some(basic), Some(id), None) if id == basic.id => Ok(basic),
        (Some(_), _, _) => {
            Err(OAuthError::InvalidRequest("Authenticate with the header or with the form, not with both."))
        }
        (None, Some(id), Some(secret)) => Ok(ClientCredentials { id, secret }),
        (None, _, _) => Err(OAuthError::InvalidClient),
    }
}

/// Returns the credentials of the header `Authorization: Basic …` (RFC 7617), whose two parts are encoded as in a form.
/// Returns `None` without the header.
fn basic_credentials(headers: &HeaderMap) -> Result<Option<ClientCredentials>, OAuthError> {
    let mut lines = headers.get_all(header::AUTHORIZATION);
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(OAuthError::InvalidRequest("There is more than one header `Authorization`."));
    }
    let (scheme, encoded) =
        line.to_str().ok().and_then(|line| line.split_once(' ')).ok_or(OAuthError::InvalidClient)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(OAuthError::InvalidClient);
    }
    parse_basic(encoded.trim_start_matches(' ')).map(Some).ok_or(OAuthError::InvalidClient)
}

fn parse_basic(encoded: &str) -> Option<ClientCredentials> {
    let pair = Zeroizing::new(BASE64_STANDARD.decode(encoded).ok()?);
    let mut parts = pair.splitn(2, |byte| *byte == b':');
    let (id, secret) = (form::decode(parts.next()?)?, form::decode(parts.next()?)?);
    Some(ClientCredentials { id, secret: SecretString::from(secret) })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn from_header(lines: &[&str]) -> Result<Option<(String, String)>, OAuthError> {
        let request =
            lines.iter().fold(TestRequest::get(), |it, line| it.append_header((header::AUTHORIZATION, *line)));
        let found = basic_credentials(request.to_http_request().headers())?;
        Ok(found.map(|it| (it.id, it.secret.expose_secret().to_owned())))
    }

    fn from_both(basic: Option<(&str, &str)>, body: &str) -> Result<(String, String), OAuthError> {
        let basic = basic.map(|(id, secret)| ClientCredentials { id: id.into(), secret: secret.to_owned().into() });
        let found = credentials(basic, &mut Form::parse(body.as_bytes()).unwrap())?;
        Ok((found.id, found.secret.expose_secret().to_owned()))
    }

    #[test]
    fn the_header_has_the_two_parts_encoded_as_in_a_form() {
        let header = |pair: &str| format!("basic {}", BASE64_STANDARD.encode(pair));
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(from_header(&[&header("a:b:c")]).unwrap(), pair("a", "b:c"));
        assert_eq!(from_header(&[&header("a%3Ab+c:%C3%A4")]).unwrap(), pair("a:b c", "\u{e4}"));
        assert_eq!(from_header(&[]).unwrap(), None);
    }

    #[test]
    fn another_scheme_or_a_malformed_header_is_no_authentication() {
        let without_colon = format!("Basic {}", BASE64_STANDARD.encode("ab"));
        let wrong_percent = format!("Basic {}", BASE64_STANDARD.encode("a:%zz"));
        for line in ["Bearer abc", "Basic", "Basic ", "Basic !", "", &without_colon, &wrong_percent] {
            assert!(matches!(from_header(&[line]), Err(OAuthError::InvalidClient)), "{line}");
        }
        let twice = ["Basic YTpi", "Basic YTpi"];
        assert!(matches!(from_header(&twice), Err(OAuthError::InvalidRequest(_))));
    }

    #[test]
    fn a_client_authenticates_with_the_header_or_with_the_form_and_not_with_both() {
        let pair = ("a".to_owned(), "b".to_owned());
        assert_eq!(from_both(Some(("a", "b")), "").unwrap(), pair);
        assert_eq!(from_both(Some(("a", "b")), "client_id=a").unwrap(), pair);
        assert_eq!(from_both(None, "client_id=a&client_secret=b").unwrap(), pair);
        for body in ["client_id=c", "client_secret=b", "client_id=a&client_secret=b"] {
            assert!(matches!(from_both(Some(("a", "b")), body), Err(OAuthError::InvalidRequest(_))), "{body}");
        }
        for body in ["", "client_id=a", "client_secret=b", "client_id=a&client_secret="] {
            assert!(matches!(from_both(None, body), Err(OAuthError::InvalidClient)), "{body}");
        }
    }
}

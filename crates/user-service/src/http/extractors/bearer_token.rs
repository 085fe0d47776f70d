//! Reads the access token of a request (RFC 6750, section 2.1). The token is validated in `tokens/jwt.rs`.

use actix_web::http::header::{self, HeaderMap};

use crate::problem::Problem;

/// The longest token that is parsed. The tokens of this service have less than 3 KiB, even with the most roles, and
/// configured claims add at most 1 KiB (`domain/token_claims.rs`).
pub const MAX_TOKEN_BYTES: usize = 4 * 1024;

/// Returns the token of the `Authorization: Bearer …` header.
///
/// # Errors
/// Returns [`Problem::TokenMissing`] without the header or with another scheme; [`Problem::Unauthorized`] if the header
/// occurs twice, the token is longer than [`MAX_TOKEN_BYTES`], or it is not a `b64token`.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut lines = headers.get_all(header::AUTHORIZATION);
    let line = lines.next().ok_or(Problem::TokenMissing)?;
    if lines.next().is_some() {
        return Err(Problem::Unauthorized);
    }
    let line = line.to_str().map_err(|_| Problem::Unauthorized)?;
    let (scheme, token) = line.split_once(' ').unwrap_or((line, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::TokenMissing);
    }
    let token = token.trim_start_matches(' ');
    if token.len() <= MAX_TOKEN_BYTES && is_b64token(token) { Ok(token) } else { Err(Problem::Unauthorized) }
}

/// Returns whether the text matches `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &str) -> bool {
    let unpadded = token.trim_end_matches('=');
    !unpadded.is_empty() && unpadded.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._~+/".contains(&it))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn parse(lines: &[&[u8]]) -> Result<String, Problem> {
        let request =
            lines.iter().fold(TestRequest::get(), |it, line| it.append_header((header::AUTHORIZATION, *line)));
        bearer_token(request.to_http_request().headers()).map(ToOwned::to_owned)
    }

    #[test]
    fn the_scheme_of_a_bearer_token_is_case_insensitive() {
        for line in ["Bearer a.b-c_d~e+f/g==", "bearer a.b-c_d~e+f/g==", "BEARER  a.b-c_d~e+f/g=="] {
            assert_eq!(parse(&[line.as_bytes()]).unwrap(), "a.b-c_d~e+f/g==");
        }
        assert!(parse(&[format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES)).as_bytes()]).is_ok());
    }

    #[test]
    fn a_missing_token_is_distinguished_from_a_malformed_one() {
        for lines in [&[][..], &[&b"Basic YTpi"[..]], &[b"Bearerx"], &[b"Digest"], &[b"token abc"]] {
            assert!(matches!(parse(lines), Err(Problem::TokenMissing)), "{lines:?}");
        }
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1));
        for lines in [
            &[&b"Bearer"[..]][..],
            &[b"Bearer "],
            &[b"Bearer =="],
            &[b"Bearer a b"],
            &[b"Bearer a=b"],
            &[b"Bearer a,b"],
            &[b"Bearer \xffabc"],
            &[b"Bearer a", b"Bearer a"],
            &[long.as_bytes()],
        ] {
            assert!(matches!(parse(lines), Err(Problem::Unauthorized)), "{lines:?}");
        }
    }
}

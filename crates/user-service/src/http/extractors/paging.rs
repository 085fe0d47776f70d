//! Keyset pagination: reads `limit` and an opaque `cursor`, and writes `nextCursor` and `Link`. A cursor is a position in
//! the order of the list, so inserted and deleted rows do not shift the pages.

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderName},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use utoipa::IntoParams;

use super::parameters::Query;
use crate::{
    http::percent_encoding::percent_encode,
    problem::{FieldError, Problem},
};

/// The page size if the request has no `limit`.
const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;
const MAX_CURSOR_CHARS: usize = 1024;

/// The requested page of a list. `C` is the type of a position in the list.
#[derive(Debug)]
pub(in crate::http) struct PageRequest<C> {
    /// The page size: 1 to 100.
    pub(in crate::http) limit: u32,
    /// The position after which the page begins; `None` for the first page.
    pub(in crate::http) after: Option<C>,
}

impl<C: DeserializeOwned> PageRequest<C> {
    /// Reads `limit` and `cursor`.
    ///
    /// # Errors
    /// Returns `validation-failed` with the name of the invalid parameter.
    pub(in crate::http) fn from_query(query: &Query) -> Result<Self, Problem> {
        let limit = match query.get("limit") {
            None => DEFAULT_LIMIT,
            Some(text) => text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| {
                parameter_problem("limit", "out-of-range", format!("A whole number from 1 to {MAX_LIMIT}."))
            })?,
        };
        let after = query.get("cursor").map(decode_cursor).transpose()?;
        Ok(Self { limit, after })
    }

    /// Reads `limit` and `cursor`, and refuses all other parameters.
    ///
    /// # Errors
    /// Returns `validation-failed` with the names of the invalid parameters.
    pub(in crate::http) fn from_only(query: &Query) -> Result<Self, Problem> {
        query.reject_unknown(&["limit", "cursor"])?;
        Self::from_query(query)
    }
}

/// The documentation of [`PageRequest`].
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its derived documentation is used")]
pub(in crate::http) struct PageParameters {
    /// The page size: 1 to 100; 20 by default
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `nextCursor` of the previous page
    cursor: Option<String>,
}

/// Returns the response with a page, and with the `Link` to the next one, which keeps the parameters of `kept`. `body`
/// gets the `nextCursor`.
pub(in crate::http) fn page_response<C: Serialize, B: Serialize>(
    path: &str,
    kept: &[(&str, &str)],
    next: Option<&C>,
    body: impl FnOnce(Option<String>) -> B,
) -> HttpResponse {
    let next_cursor = next.map(encode_cursor);
    let mut response = HttpResponse::Ok();
    if let Some(next) = &next_cursor {
        response.insert_header(next_page_link(path, kept, next));
    }
    response.json(body(next_cursor))
}

/// Encodes a position in a list as a cursor.
pub(in crate::http) fn encode_cursor<C: Serialize>(position: &C) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).expect("a position consists of plain values"))
}

/// Returns the `Link` header (RFC 8288) to the next page: the path, and the query with the next cursor.
pub(in crate::http) fn next_page_link(path: &str, query: &[(&str, &str)], cursor: &str) -> (HeaderName, String) {
    let mut parameters: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value))).collect();
    parameters.push(format!("cursor={}", percent_encode(cursor)));
    (header::LINK, format!("<{path}?{}>; rel=\"next\"", parameters.join("&")))
}

fn decode_cursor<C: DeserializeOwned>(text: &str) -> Result<C, Problem> {
    Some(text)
        .filter(|text| text.len() <= MAX_CURSOR_CHARS)
        .and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| parameter_problem("cursor", "invalid", "This is not a `nextCursor` of this list.".to_owned()))
}

fn parameter_problem(parameter: &str, code: &'static str, detail: String) -> Problem {
    Problem::ValidationFailed(vec![FieldError::parameter(parameter, code, detail)])
}

#[cfg(test)]
mod tests {
    use actix_web::{FromRequest, test::TestRequest};
    use futures_util::FutureExt;

    use super::*;

    fn page(query: &str) -> Result<PageRequest<(i64, String)>, Problem> {
        let request = TestRequest::with_uri(&format!("/?{query}")).to_http_request();
        PageRequest::from_query(&Query::extract(&request).now_or_never().unwrap().unwrap())
    }

    #[test]
    fn a_cursor_reads_back_and_other_texts_are_refused() {
        let position = (7_i64, "ä".to_owned());
        assert_eq!(page(&format!("cursor={}", encode_cursor(&position))).unwrap().after, Some(position));
        for other in ["cursor=", "cursor=AAAA", "cursor=!", &format!("cursor={}", "A".repeat(2000))] {
            assert!(matches!(page(other), Err(Problem::ValidationFailed(_))), "{other}");
        }
    }

    #[test]
    fn a_page_has_1_to_100_rows_and_20_by_default() {
        assert_eq!(page("").unwrap().limit, 20);
        assert_eq!(page("limit=1").unwrap().limit, 1);
        assert_eq!(page("limit=100").unwrap().limit, 100);
        for other in ["limit=0", "limit=101", "limit=", "limit=-1", "limit=1.5", "limit=x"] {
            assert!(matches!(page(other), Err(Problem::ValidationFailed(_))), "{other}");
        }
    }

    #[test]
    fn the_link_to_the_next_page_keeps_the_query() {
        let (name, value) = next_page_link("/api/admin/users", &[("query", "a b&c"), ("limit", "5")], "xyz");
        assert_eq!(name, header::LINK);
        assert_eq!(value, r#"</api/admin/users?query=a%20b%26c&limit=5&cursor=xyz>; rel="next""#);
    }
}

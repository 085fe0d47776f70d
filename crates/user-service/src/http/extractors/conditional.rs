//! Conditional requests (RFC 9110, section 13): `ETag` from a version, `If-Match`, `If-None-Match`.

use std::{fmt, future::Ready};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::header::{self, HeaderMap, HeaderName},
};
use serde::Serialize;
use utoipa::IntoParams;

use crate::{
    domain::ExpectedVersion,
    problem::{FieldError, Problem},
};

/// Returns the strong entity tag of a version: the quoted number.
#[must_use]
pub fn etag(version: impl fmt::Display) -> String {
    format!("\"{version}\"")
}

/// Returns a 200 response with `body` as JSON and the `ETag` of its version.
#[must_use]
pub fn json_with_etag(version: impl fmt::Display, body: impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::ETAG, etag(version))).json(body)
}

/// The `If-Match` header: which current versions the request may change. An extractor.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(names("If-Match"), parameter_in = Header)]
pub struct IfMatch(
    /// The ETag of the version that the request is based on
    #[param(value_type = Option<String>)]
    Condition,
);

impl IfMatch {
    /// Parses the header.
    ///
    /// # Errors
    /// Returns `validation-failed` with the name of the header if it is neither `*` nor a list of entity tags.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        Condition::parse(headers, &header::IF_MATCH).map(Self)
    }
}

/// The comparison is strong: a weak tag never matches, and only the tag of a version can match.
impl From<IfMatch> for ExpectedVersion {
    fn from(IfMatch(condition): IfMatch) -> Self {
        match condition {
            Condition::Absent | Condition::Any => Self::Any,
            Condition::Tags(tags) => Self::OneOf(tags.iter().filter_map(EntityTag::strong_version).collect()),
        }
    }
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Self::from_headers(request.headers()))
    }
}

/// The `If-None-Match` header: which versions the client of a GET or HEAD already has. An extractor.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(names("If-None-Match"), parameter_in = Header)]
pub struct IfNoneMatch(
    /// The ETags that the client already has
    #[param(value_type = Option<String>)]
    Condition,
);

impl IfNoneMatch {
    /// Parses the header.
    ///
    /// # Errors
    /// Returns `validation-failed` with the name of the header if it is neither `*` nor a list of entity tags.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        Condition::parse(headers, &header::IF_NONE_MATCH).map(Self)
    }

    /// Returns the response to the request: 304 if the client already has `version`, else 200 with `body` as JSON. Both
    /// have the `ETag`.
    #[must_use]
    pub fn respond(&self, version: impl fmt::Display, body: impl Serialize) -> HttpResponse {
        if self.matches(&version) {
            HttpResponse::NotModified().insert_header((header::ETAG, etag(version))).finish()
        } else {
            json_with_etag(version, body)
        }
    }

    /// Returns whether the client already has `version`. The comparison is weak.
    #[must_use]
    pub fn matches(&self, version: impl fmt::Display) -> bool {
        match &self.0 {
            Condition::Absent => false,
            Condition::Any => true,
            Condition::Tags(tags) => tags.iter().any(|tag| tag.quoted == etag(&version)),
        }
    }
}

impl FromRequest for IfNoneMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Self::from_headers(request.headers()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Absent,
    /// `*`: every existing version.
    Any,
    Tags(Vec<EntityTag>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct EntityTag {
    weak: bool,
    /// The opaque tag with its quotes.
    quoted: String,
}

impl Condition {
    fn parse(headers: &HeaderMap, name: &HeaderName) -> Result<Self, Problem> {
        let lines: Vec<&[u8]> = headers.get_all(name).map(header::HeaderValue::as_bytes).collect();
        if lines.is_empty() {
            return Ok(Self::Absent);
        }
        // Several lines form one list (RFC 9110, section 5.3).
        let list = String::from_utf8(lines.join(&b", "[..])).ok();
        list.and_then(|list| Self::parse_list(&list)).ok_or_else(|| {
            let name = if *name == header::IF_MATCH { "If-Match" } else { "If-None-Match" };
            Problem::ValidationFailed(vec![FieldError::header(
                name,
                "invalid",
                "It must be * or a list of entity tags, such as \"7\".",
            )])
        })
    }

    /// Parses the value of the header; `None` if it does not match the grammar. Empty list elements are accepted, as
    /// section 5.6.1.2 requires.
    fn parse_list(list: &str) -> Option<Self> {
        if list.trim_matches([' ', '\t']) == "*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        let mut rest = list;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (tag, after) = EntityTag::parse(rest)?;
            tags.push(tag);
            rest = after.trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
        }
        (!tags.is_empty()).then_some(Self::Tags(tags))
    }
}

impl EntityTag {
    /// Returns the version that has this tag, unless the tag is weak.
    fn strong_version(&self) -> Option<i64> {
        let version: i64 = self.quoted.trim_matches('"').parse().ok()?;
        (!self.weak && self.quoted == etag(version)).then_some(version)
    }

    /// Parses the tag at the start of `text`, and returns it with the rest of `text`.
    fn parse(text: &str) -> Option<(Self, &str)> {
        let (weak, opaque) = match text.strip_prefix("W/") {
            Some(opaque) => (true, opaque),
            None => (false, text),
        };
        let end = opaque.strip_prefix('"')?.find('"')? + 2;
        let (quoted, after) = opaque.split_at(end);
        let allowed = quoted.chars().all(|it| it > ' ' && it != '\u{7f}');
        allowed.then(|| (Self { weak, quoted: quoted.to_owned() }, after))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{
        body::{BodySize, MessageBody},
        test::TestRequest,
    };

    use super::*;

    fn if_match(lines: &[&str]) -> Result<IfMatch, Problem> {
        let request = lines.iter().fold(TestRequest::get(), |it, line| it.append_header((header::IF_MATCH, *line)));
        IfMatch::from_headers(request.to_http_request().headers())
    }

    fn if_none_match(lines: &[&str]) -> Result<IfNoneMatch, Problem> {
        let request =
            lines.iter().fold(TestRequest::get(), |it, line| it.append_header((header::IF_NONE_MATCH, *line)));
        IfNoneMatch::from_headers(request.to_http_request().headers())
    }

    #[test]
    fn if_match_compares_strongly() {
        for (lines, allowed) in [
            (&[][..], true),
            (&["*"], true),
            (&[" * "], true),
            (&["\"7\""], true),
            (&["\"6\", \"7\""], true),
            (&["\"6\",,\t\"7\" ,"], true),
            (&["\"6\"", "\"7\""], true),
            (&["\"a,b\", \"7\""], true),
            (&["W/\"7\""], false),
            (&["\"07\""], false),
            (&["\"77\""], false),
            (&["\"\""], false),
            (&["\"6\", W/\"7\""], false),
        ] {
            let parsed = if_match(lines).unwrap();
            assert_eq!(ExpectedVersion::from(parsed).permits(7), allowed, "{lines:?}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for (lines, matches) in [
            (&[][..], false),
            (&["*"], true),
            (&["\"7\""], true),
            (&["W/\"7\""], true),
            (&["\"6\", W/\"7\""], true),
            (&["\"6\""], false),
        ] {
            assert_eq!(if_none_match(lines).unwrap().matches(7), matches, "{lines:?}");
        }
    }

    #[test]
    fn a_malformed_list_of_tags_is_refused_with_the_name_of_its_header() {
        for line in
            ["", ",", "7", "\"7", "7\"", "w/\"7\"", "W/7", "\"7\" \"8\"", "*, \"7\"", "\"7\", *", "\"a b\"", "\"7\"x"]
        {
            let Err(Problem::ValidationFailed(errors)) = if_match(&[line]) else { panic!("accepted {line:?}") };
            assert_eq!(errors.len(), 1);
            assert_eq!(errors[0].location, crate::problem::Location::Header("If-Match".into()));
            assert!(if_none_match(&[line]).is_err(), "{line:?}");
        }
    }

    #[test]
    fn the_etag_of_a_version_is_quoted_and_strong() {
        assert_eq!(etag(7), "\"7\"");
        for (line, status) in [("\"7\"", 304), ("\"8\"", 200)] {
            let response = if_none_match(&[line]).unwrap().respond(7, "body");
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().get(header::ETAG).unwrap(), "\"7\"");
            assert_eq!(response.body().size(), if status == 304 { BodySize::Sized(0) } else { BodySize::Sized(6) });
        }
    }
}

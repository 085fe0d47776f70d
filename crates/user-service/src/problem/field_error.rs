//! The error in one field of a request: a body member, a query parameter or a header.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{Invalid, SchemaViolation, json_pointer};

/// One entry of `errors` in a `validation-failed` problem.
///
/// `detail` is shown to the client. It never repeats the refused value, which may be a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The location of the error: exactly one of `pointer`, `parameter` and `header`.
    #[serde(flatten)]
    pub location: Location,
    /// A stable code in kebab case: `missing`, `too-short`, …
    pub code: &'static str,
    /// The error as a sentence.
    pub detail: String,
}

/// The part of the request that has the error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Location {
    /// A location in the body: a JSON Pointer as a URI fragment (RFC 6901, section 6).
    Pointer(String),
    /// A query parameter.
    Parameter(String),
    /// A header field.
    Header(String),
}

impl FieldError {
    /// Creates the error of a top-level body member, given by its JSON name, that does not parse as a domain type.
    #[must_use]
    pub fn body(member: &str, invalid: &Invalid) -> Self {
        Self::at(json_pointer([member]), invalid.code, invalid.detail.as_str())
    }

    /// Creates the error of a schema violation inside of a top-level body member.
    #[must_use]
    pub fn within(member: &str, violation: &SchemaViolation) -> Self {
        let path = [member].into_iter().chain(violation.path.iter().map(String::as_str));
        Self::at(json_pointer(path), violation.invalid.code, violation.invalid.detail.as_str())
    }

    /// Creates the error at a location in the body; [`json_pointer`] makes `pointer`.
    #[must_use]
    pub fn at(pointer: String, code: &'static str, detail: impl Into<String>) -> Self {
        Self { location: Location::Pointer(pointer), code, detail: detail.into() }
    }

    /// Creates the error of a query parameter.
    #[must_use]
    pub fn parameter(name: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self { location: Location::Parameter(name.to_owned()), code, detail: detail.into() }
    }

    /// Creates the error of a header field.
    #[must_use]
    pub fn header(name: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self { location: Location::Header(name.to_owned()), code, detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_location_has_its_own_member() {
        let invalid = Invalid { code: "too-short", detail: "Too short.".into() };
        assert_eq!(
            serde_json::to_value([
                FieldError::body("password", &invalid),
                FieldError::parameter("limit", "out-of-range", "1 to 100."),
                FieldError::header("If-Match", "invalid", "Not a list of entity tags."),
            ])
            .unwrap(),
            json!([
                {"pointer": "#/password", "code": "too-short", "detail": "Too short."},
                {"parameter": "limit", "code": "out-of-range", "detail": "1 to 100."},
                {"header": "If-Match", "code": "invalid", "detail": "Not a list of entity tags."},
            ])
        );
    }
}

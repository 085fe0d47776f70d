//! One mistake in a request: where it is, its code, and a sentence about it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{Invalid, Misfit};

/// One entry of `errors` in a `validation-failed` problem.
///
/// `detail` is shown to the client: it never repeats the refused value, which may be a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Exactly one of `pointer`, `parameter` and `header`.
    #[serde(flatten)]
    pub location: Location,
    /// What is wrong, stable, in kebab case: `missing`, `too-short`, …
    pub code: &'static str,
    /// The same as a sentence.
    pub detail: String,
}

/// The part of the request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Location {
    /// A place in the body: a JSON Pointer as a URI fragment (RFC 6901, section 6).
    Pointer(String),
    /// A query parameter.
    Parameter(String),
    /// A header field.
    Header(String),
}

impl FieldError {
    /// The body's top-level `member` (its JSON name) does not parse as a domain type.
    #[must_use]
    pub fn body(member: &str, invalid: &Invalid) -> Self {
        Self::at(pointer([member]), invalid.code, invalid.detail.as_str())
    }

    /// A mistake inside of the body's top-level `member`.
    #[must_use]
    pub fn within(member: &str, misfit: &Misfit) -> Self {
        let path = [member].into_iter().chain(misfit.path.iter().map(String::as_str));
        Self::at(pointer(path), misfit.invalid.code, misfit.invalid.detail.as_str())
    }

    /// A mistake at a place in the body; `pointer` is what [`pointer`] makes.
    #[must_use]
    pub fn at(pointer: String, code: &'static str, detail: impl Into<String>) -> Self {
        Self { location: Location::Pointer(pointer), code, detail: detail.into() }
    }

    /// A mistake in a query parameter.
    #[must_use]
    pub fn parameter(name: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self { location: Location::Parameter(name.to_owned()), code, detail: detail.into() }
    }

    /// A mistake in a header field.
    #[must_use]
    pub fn header(name: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self { location: Location::Header(name.to_owned()), code, detail: detail.into() }
    }
}

/// The JSON Pointer to `segments` in its URI fragment form: `#/attributes/a~1b`; `#` is the whole body.
pub fn pointer<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> String {
    let mut pointer = String::from("#");
    for segment in segments {
        pointer.push('/');
        for byte in segment.as_ref().bytes() {
            push_escaped(&mut pointer, byte);
        }
    }
    pointer
}

/// `~0` and `~1` of RFC 6901 first, then percent-encoding of what RFC 3986 does not allow in a fragment.
fn push_escaped(pointer: &mut String, byte: u8) {
    match byte {
        b'~' => pointer.push_str("~0"),
        b'/' => pointer.push_str("~1"),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => pointer.push(char::from(byte)),
        b'-' | b'.' | b'_' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':'
        | b'@' | b'?' => pointer.push(char::from(byte)),
        _ => pointer.push_str(&format!("%{byte:02X}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pointers_are_escaped_twice_as_rfc_6901_says() {
        for (segments, expected) in [
            (vec![], "#"),
            (vec!["email"], "#/email"),
            (vec!["attributes", "0"], "#/attributes/0"),
            (vec!["a/b"], "#/a~1b"),
            (vec!["m~n"], "#/m~0n"),
            (vec!["c%d"], "#/c%25d"),
            (vec![" "], "#/%20"),
            (vec!["k\"l"], "#/k%22l"),
            (vec!["<b>"], "#/%3Cb%3E"),
            (vec!["ü"], "#/%C3%BC"),
            (vec![""], "#/"),
        ] {
            assert_eq!(pointer(&segments), expected, "{segments:?}");
        }
    }

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

//! Idempotency keys, by which the service recognises a repeated request.

use super::invalid_value::Invalid;

/// Maximum length in characters, without quotes and escapes.
pub const MAX_LENGTH: usize = 128;

/// The value of an `Idempotency-Key` header: 1–128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Parses the header's value: an RFC 8941 string (`"k-1"`), as the Internet-Draft demands, or the bare characters
    /// (`k-1`), as many clients send it. Both are the same key.
    ///
    /// # Errors
    /// Returns an error with the code `not-an-idempotency-key`.
    pub fn parse(value: impl AsRef<[u8]>) -> Result<Self, Invalid> {
        let value = value.as_ref().trim_ascii();
        let key = match value {
            [b'"', rest @ ..] => unquoted(rest),
            bare => Some(bare.to_vec()),
        };
        key.filter(|key| (1..=MAX_LENGTH).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic))
            .and_then(|key| String::from_utf8(key).ok())
            .map(Self)
            .ok_or_else(|| {
                Invalid::new(
                    "not-an-idempotency-key",
                    format!(
                        "An idempotency key is 1 to {MAX_LENGTH} visible ASCII characters, with or without quotes."
                    ),
                )
            })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the content of an RFC 8941 string (section 4.2.5), given the part after its opening quote. Returns `None` if
/// it does not end, or if anything follows the closing quote.
fn unquoted(rest: &[u8]) -> Option<Vec<u8>> {
    let mut key = Vec::with_capacity(rest.len().min(MAX_LENGTH));
    let mut bytes = rest.iter().copied();
    loop {
        match bytes.next()? {
            b'\\' => key.push(bytes.next().filter(|escaped| matches!(escaped, b'"' | b'\\'))?),
            b'"' => return bytes.next().is_none().then_some(key),
            other => key.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::invalid_value::assert_refused;

    #[test]
    fn the_quoted_and_the_bare_form_are_the_same_key() {
        let quoted = IdempotencyKey::parse("\"8e03978e-40d5-43e8-bc93-6894a57f9324\"").unwrap();
        assert_eq!(quoted, IdempotencyKey::parse("8e03978e-40d5-43e8-bc93-6894a57f9324").unwrap());
        assert_eq!(quoted.as_str(), "8e03978e-40d5-43e8-bc93-6894a57f9324");
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(IdempotencyKey::parse(r#""a\"b\\c""#).unwrap().as_str(), r#"a"b\c"#);
    }

    #[test]
    fn quotes_do_not_count_towards_the_length() {
        let longest = "k".repeat(128);
        assert_eq!(IdempotencyKey::parse(format!("\"{longest}\"")).unwrap().as_str(), longest);
        assert!(IdempotencyKey::parse(&longest).is_ok());
        assert!(IdempotencyKey::parse(format!("{longest}k")).is_err());
    }

    #[test]
    fn an_invalid_key_is_refused() {
        assert_refused(
            IdempotencyKey::parse,
            "not-an-idempotency-key",
            ["", " ", "\"\"", "\"", "\"a", "\"a\"b", "\"a\";p=1", r#""a\b""#, "a b", "\"a b\"", "ä", "a\u{7f}", "a\nb"],
        );
        assert!(IdempotencyKey::parse(b"\xff\xfe").is_err());
    }

    proptest! {
        #[test]
        fn every_visible_key_is_the_same_quoted(key in "[!-~]{1,128}") {
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            let parsed = IdempotencyKey::parse(quoted).unwrap();
            prop_assert_eq!(parsed.as_str(), key);
        }
    }
}

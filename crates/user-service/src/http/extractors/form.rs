//! Parses `application/x-www-form-urlencoded`, as OAuth uses it for bodies and credentials (RFC 6749, appendix B).

use std::{borrow::Cow, collections::BTreeMap};

use percent_encoding::percent_decode;
use secrecy::SecretString;

use crate::usecase::OAuthError;

/// The parameters of a form by name. It has no `Debug`, because they may be secrets.
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Parses a form. A parameter without a value counts as omitted (RFC 6749, section 3.2).
    ///
    /// # Errors
    /// Returns [`OAuthError::InvalidRequest`] if a parameter occurs twice, or the form is not correctly encoded.
    pub fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let mut parameters = BTreeMap::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let mut decode = || decode(parts.next().unwrap_or_default());
            let (Some(name), Some(value)) = (decode(), decode()) else {
                return Err(OAuthError::InvalidRequest("The form is not correctly encoded."));
            };
            if parameters.insert(name, value).is_some() {
                return Err(OAuthError::InvalidRequest("A parameter occurs more than once."));
            }
        }
        parameters.retain(|_, value| !value.is_empty());
        Ok(Self(parameters))
    }

    /// Returns the value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Removes the value of a parameter that is a secret.
    pub fn take_secret(&mut self, name: &str) -> Option<SecretString> {
        self.0.remove(name).map(SecretString::from)
    }
}

/// Decodes a name or a value: `+` is a space, and `%` begins two hexadecimal digits. Returns `None` if the text is not
/// correctly encoded, or not UTF-8 afterwards.
pub(super) fn decode(encoded: &[u8]) -> Option<String> {
    let mut rest = encoded;
    while let Some(percent) = rest.iter().position(|byte| *byte == b'%') {
        let digits = rest.get(percent + 1..percent + 3)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        rest = &rest[percent + 3..];
    }
    let spaces: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaces).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded() {
        let form = Form::parse(b"grant_type=client_credentials&scope=users%3Aread+users%3awrite&x=%C3%A4&&").unwrap();
        assert_eq!(form.get("grant_type"), Some("client_credentials"));
        assert_eq!((form.get("scope"), form.get("x")), (Some("users:read users:write"), Some("\u{e4}")));
        assert_eq!(form.get("client_id"), None);
        assert!(Form::parse(b"").is_ok());
    }

    #[test]
    fn a_parameter_without_a_value_counts_as_omitted() {
        let form = Form::parse(b"scope=&grant_type&token=a=b").unwrap();
        assert_eq!((form.get("scope"), form.get("grant_type"), form.get("token")), (None, None, Some("a=b")));
    }

    #[test]
    fn repeated_parameters_and_wrong_encodings_are_refused() {
        for body in ["a=1&a=1", "a=&a=1", "a=%", "a=%4", "a=%zz", "%=a", "a=%FF", "a=%C3"] {
            assert!(matches!(Form::parse(body.as_bytes()), Err(OAuthError::InvalidRequest(_))), "{body}");
        }
        assert!(Form::parse(b"a=\xff").is_err());
    }
}

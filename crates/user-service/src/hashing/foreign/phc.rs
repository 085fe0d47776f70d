//! PHC strings (`$name$key=value,…$salt$hash`) and their Base64.

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};

use crate::hashing::hash_error::UnusableHash;

/// Maximum length of a salt, key or hash in bytes. All systems use shorter ones.
const MAX_BYTES: usize = 128;

/// The parts of a string in the format of the Password Hashing Competition.
pub(super) struct PhcString<'a> {
    pub(super) name: &'a str,
    params: &'a str,
    pub(super) salt: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

impl<'a> PhcString<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, UnusableHash> {
        let mut parts = text.split('$');
        let (Some(""), Some(name), Some(params), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(UnusableHash::Malformed);
        };
        Ok(Self { name, params, salt: decode_base64(salt)?, hash: decode_base64(hash)? })
    }

    /// Returns the text between name and salt, for formats in which it is not a list of parameters.
    pub(super) fn raw_params(&self) -> &'a str {
        self.params
    }

    pub(super) fn param(&self, key: &str) -> Option<&'a str> {
        let mut all = self.params.split(',').filter_map(|param| param.split_once('='));
        all.find_map(|(name, value)| (name == key).then_some(value))
    }

    /// Returns a required numeric parameter.
    pub(super) fn u32_param(&self, key: &str) -> Result<u32, UnusableHash> {
        self.param(key).and_then(|value| value.parse().ok()).ok_or(UnusableHash::InvalidParameters)
    }
}

/// Decodes Base64 as hashes contain it: with the standard alphabet, the URL-safe one or passlib's (`.` instead of `+`),
/// with or without padding.
pub(super) fn decode_base64(text: &str) -> Result<Vec<u8>, UnusableHash> {
    let standard: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '-' | '.' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    let bytes = BASE64_STANDARD_NO_PAD.decode(standard).map_err(|_| UnusableHash::Malformed)?;
    if bytes.len() > MAX_BYTES { Err(UnusableHash::Malformed) } else { Ok(bytes) }
}

pub(super) fn encode_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD_NO_PAD.encode(bytes)
}

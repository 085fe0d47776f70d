//! bcrypt: `$2a$`, `$2b$` and `$2y$`, which are the same for every UTF-8 password, and the variants that change the
//! password before: Django's SHA-256 digest, WordPress's HMAC, and Devise's pepper.
//!
//! bcrypt reads 72 bytes of a password and, in C, stops at a NUL. Therefore only the beginning of a longer password is
//! compared, and a password with a NUL is refused.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256, Sha384};
use zeroize::Zeroizing;

use super::wordpress;
use crate::hashing::{hash_error::UnusableHash, settings::BLOCKS_PER_BCRYPT_ROUND};

const MAX_READ_BYTES: usize = 72;
/// The key with which WordPress separates its digests from those of others.
const WORDPRESS_KEY: &[u8] = b"wp-sha384";

/// The input of bcrypt.
#[derive(Clone)]
pub(super) enum Input {
    Password,
    /// Django: the hexadecimal SHA-256 digest of the password.
    Sha256Hex,
    /// WordPress since 6.8: the Base64 of the password's HMAC-SHA-384.
    WordPress,
    /// Devise: the password and, after it, the site's pepper. The pepper is not part of the hash.
    Devise {
        pepper: Option<SecretString>,
    },
}

impl Input {
    /// Returns the input that the first part of a stored hash names.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "2a" | "2b" | "2y" => Some(Self::Password),
            "bcrypt-sha256-hex" => Some(Self::Sha256Hex),
            "wp" => Some(Self::WordPress),
            "devise" => Some(Self::Devise { pepper: None }),
            _ => None,
        }
    }

    /// Returns what the stored format has before bcrypt's own.
    const fn prefix(&self) -> &'static str {
        match self {
            Self::Password => "",
            Self::Sha256Hex => "$bcrypt-sha256-hex",
            Self::WordPress => "$wp",
            Self::Devise { .. } => "$devise",
        }
    }
}

#[derive(Clone)]
pub(in crate::hashing) struct Bcrypt {
    /// The hash in bcrypt's own format: `$2b$12$…`.
    text: String,
    cost: u32,
    input: Input,
}

impl Bcrypt {
    /// Parses the stored format, whose first part names `input`.
    pub(super) fn parse(stored: &str, input: Input) -> Result<Self, UnusableHash> {
        let text = stored.strip_prefix(input.prefix()).ok_or(UnusableHash::Malformed)?;
        Self::new(text, input)
    }

    /// Parses bcrypt's own format.
    pub(super) fn new(text: &str, input: Input) -> Result<Self, UnusableHash> {
        let parts: bcrypt::HashParts = text.parse().map_err(|_| UnusableHash::Malformed)?;
        let cost = parts.get_cost();
        if !(4..=31).contains(&cost) {
            return Err(UnusableHash::InvalidParameters);
        }
        Ok(Self { text: text.to_owned(), cost, input })
    }

    /// Adds the pepper if this hash needs it.
    pub(super) fn with_pepper(self, pepper: Option<&SecretString>) -> Result<Self, UnusableHash> {
        match (&self.input, pepper) {
            (Input::Devise { .. }, None) => Err(UnusableHash::MissingPepper),
            (Input::Devise { .. }, Some(_)) => Ok(Self { input: Input::Devise { pepper: pepper.cloned() }, ..self }),
            _ => Ok(self),
        }
    }

    pub(super) fn to_stored(&self) -> String {
        format!("{}{}", self.input.prefix(), self.text)
    }

    pub(super) fn cost(&self) -> u64 {
        BLOCKS_PER_BCRYPT_ROUND << self.cost
    }

    pub(super) fn verify(&self, typed: &str) -> bool {
        let input = match &self.input {
            Input::Password if typed.contains('\0') => return false,
            Input::Password => Zeroizing::new(typed.to_owned()),
            Input::Sha256Hex => Zeroizing::new(hex::encode(Sha256::digest(typed))),
            Input::WordPress => wordpress_digest(typed),
            Input::Devise { pepper: None } => return false,
            Input::Devise { .. } if typed.contains('\0') => return false,
            Input::Devise { pepper: Some(pepper) } => Zeroizing::new([typed, pepper.expose_secret()].concat()),
        };
        bcrypt::verify(input.as_bytes(), &self.text).unwrap_or(false)
    }

    pub(super) fn compares_whole(&self, typed: &str) -> bool {
        match self.input {
            Input::Password | Input::Devise { .. } => typed.len() <= MAX_READ_BYTES,
            Input::Sha256Hex | Input::WordPress => true,
        }
    }
}

/// Returns the text that WordPress gives to bcrypt.
fn wordpress_digest(typed: &str) -> Zeroizing<String> {
    let mut hmac = Hmac::<Sha384>::new_from_slice(WORDPRESS_KEY).expect("a key of any length is allowed");
    hmac.update(wordpress::as_hashed(typed).as_bytes());
    Zeroizing::new(BASE64_STANDARD.encode(hmac.finalize().into_bytes()))
}

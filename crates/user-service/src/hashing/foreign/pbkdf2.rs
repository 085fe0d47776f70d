//! PBKDF2 (RFC 8018) with HMAC: `$pbkdf2-sha256$i=600000,l=32$salt$hash`.

use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::phc::{self, PhcString};
use crate::hashing::hash_error::UnusableHash;

/// The allowed lengths of a hash in bytes.
const HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Prf {
    Sha1,
    Sha256,
    Sha512,
}

impl Prf {
    /// Parses the name of the hash, such as `pbkdf2-sha256`.
    fn from_name(name: &str) -> Result<Self, UnusableHash> {
        match name {
            "pbkdf2-sha1" => Ok(Self::Sha1),
            "pbkdf2-sha256" => Ok(Self::Sha256),
            "pbkdf2-sha512" => Ok(Self::Sha512),
            _ => Err(UnusableHash::UnknownAlgorithm),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "pbkdf2-sha1",
            Self::Sha256 => "pbkdf2-sha256",
            Self::Sha512 => "pbkdf2-sha512",
        }
    }

    const fn output_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

#[derive(Clone)]
pub(in crate::hashing) struct Pbkdf2 {
    prf: Prf,
    iterations: u32,
    salt: Vec<u8>,
    expected: Vec<u8>,
}

impl Pbkdf2 {
    pub(super) fn parse(stored: &str) -> Result<Self, UnusableHash> {
        let phc = PhcString::parse(stored)?;
        let length = phc.param("l").map(|_| phc.u32_param("l")).transpose()?;
        if length.is_some_and(|length| usize::try_from(length) != Ok(phc.hash.len())) {
            return Err(UnusableHash::InvalidParameters);
        }
        Self::new(Prf::from_name(phc.name)?, phc.u32_param("i")?, phc.salt, phc.hash)
    }

    pub(super) fn new(prf: Prf, iterations: u32, salt: Vec<u8>, expected: Vec<u8>) -> Result<Self, UnusableHash> {
        if iterations == 0 || salt.is_empty() || !HASH_BYTES.contains(&expected.len()) {
            return Err(UnusableHash::InvalidParameters);
        }
        Ok(Self { prf, iterations, salt, expected })
    }

    pub(super) fn to_stored(&self) -> String {
        let (name, iterations, length) = (self.prf.name(), self.iterations, self.expected.len());
        let (salt, hash) = (phc::encode_base64(&self.salt), phc::encode_base64(&self.expected));
        format!("${name}$i={iterations},l={length}${salt}${hash}")
    }

    /// Returns the cost in Argon2 blocks. Each output block of the PRF takes all iterations, and two iterations take as
    /// long as one Argon2 block.
    pub(super) fn cost(&self) -> u64 {
        let outputs = self.expected.len().div_ceil(self.prf.output_bytes()) as u64;
        (u64::from(self.iterations) * outputs).div_ceil(2)
    }

    pub(super) fn verify(&self, typed: &[u8]) -> bool {
        let mut out = Zeroizing::new(vec![0; self.expected.len()]);
        match self.prf {
            Prf::Sha1 => pbkdf2_hmac::<Sha1>(typed, &self.salt, self.iterations, &mut out),
            Prf::Sha256 => pbkdf2_hmac::<Sha256>(typed, &self.salt, self.iterations, &mut out),
            Prf::Sha512 => pbkdf2_hmac::<Sha512>(typed, &self.salt, self.iterations, &mut out),
        }
        out.ct_eq(&self.expected).into()
    }
}

//! Converts the hashes of ASP.NET Core Identity: PBKDF2 in a binary format, which is written in Base64.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    ForeignHash,
    pbkdf2::{Pbkdf2, Prf},
};
use crate::hashing::hash_error::UnusableHash;

/// The first byte is the version of the format.
const VERSION_2: u8 = 0;
const VERSION_3: u8 = 1;
/// Version 2 has fixed parameters.
const VERSION_2_SALT_BYTES: usize = 16;
const VERSION_2_HASH_BYTES: usize = 32;
const VERSION_2_ITERATIONS: u32 = 1000;
/// Version 3 allows no shorter salt.
const MIN_SALT_BYTES: u32 = 16;

/// Converts a hash to its stored format.
pub(super) fn canonicalize(text: &str) -> Result<String, UnusableHash> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| UnusableHash::Malformed)?;
    let hash = match bytes.split_first() {
        Some((&VERSION_2, rest)) if rest.len() == VERSION_2_SALT_BYTES + VERSION_2_HASH_BYTES => {
            let (salt, hash) = rest.split_at(VERSION_2_SALT_BYTES);
            Pbkdf2::new(Prf::Sha1, VERSION_2_ITERATIONS, salt.to_vec(), hash.to_vec())
        }
        Some((&VERSION_3, rest)) => version_3(rest),
        _ => Err(UnusableHash::Malformed),
    };
    hash.map(|hash| ForeignHash::Pbkdf2(hash).to_stored())
}

/// Parses three numbers of four bytes (the hash function, the iterations, and the length of the salt), the salt and the
/// hash.
fn version_3(bytes: &[u8]) -> Result<Pbkdf2, UnusableHash> {
    let (prf, rest) = split_number(bytes)?;
    let (iterations, rest) = split_number(rest)?;
    let (salt_bytes, rest) = split_number(rest)?;
    let prf = match prf {
        0 => Prf::Sha1,
        1 => Prf::Sha256,
        2 => Prf::Sha512,
        _ => return Err(UnusableHash::InvalidParameters),
    };
    if salt_bytes < MIN_SALT_BYTES {
        return Err(UnusableHash::InvalidParameters);
    }
    let salt_bytes = usize::try_from(salt_bytes).map_err(|_| UnusableHash::Malformed)?;
    let (salt, hash) = rest.split_at_checked(salt_bytes).ok_or(UnusableHash::Malformed)?;
    Pbkdf2::new(prf, iterations, salt.to_vec(), hash.to_vec())
}

fn split_number(bytes: &[u8]) -> Result<(u32, &[u8]), UnusableHash> {
    let (number, rest) = bytes.split_first_chunk().ok_or(UnusableHash::Malformed)?;
    Ok((u32::from_be_bytes(*number), rest))
}

//! Converts the hash formats of other systems to the stored format. The limits for their cost are in `policy`.

use super::{
    ForeignHash, asp_net,
    bcrypt::{Bcrypt, Input},
    pbkdf2::{Pbkdf2, Prf},
    phc::{self, PhcString},
    salted_sha::{SaltPosition, SaltedSha, Sha},
    scrypt::{Scrypt, ScryptParams},
};
use crate::hashing::hash_error::UnusableHash;

/// Algorithms that are recognised but not supported, with their names for messages: they are too weak or too rare.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("argon2d", "Argon2d"),
    ("2x", "bcrypt with the sign extension bug of 2011 ($2x$)"),
    ("2", "bcrypt's first version ($2$)"),
    ("bcrypt-sha256", "passlib's bcrypt_sha256"),
    ("1", "md5-crypt"),
    ("apr1", "md5-crypt"),
    ("5", "sha256-crypt"),
    ("6", "sha512-crypt"),
    ("7", "scrypt in the format of crypt(3)"),
    ("y", "yescrypt"),
    ("gy", "gost-yescrypt"),
    ("md5", "MD5"),
    ("unsalted_md5", "MD5"),
    ("unsalted_sha1", "SHA-1 without salt"),
    ("crypt", "DES-crypt"),
    ("U", "Drupal's update of an MD5 digest (U$S$, U$P$)"),
];

/// Converts a hash to its stored format.
pub(in crate::hashing) fn canonicalize(text: &str) -> Result<String, UnusableHash> {
    if text.starts_with('$') {
        return canonicalize_dollar(text);
    }
    if let Some((scheme, rest)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        return canonicalize_scheme(scheme, rest);
    }
    // Nextcloud: the number of its algorithm, and the hash in PHP's format.
    if let Some(("1" | "2" | "3", rest)) = text.split_once('|') {
        return if rest.starts_with('$') { canonicalize_dollar(rest) } else { Err(UnusableHash::Malformed) };
    }
    match text.split_once('$') {
        Some((method, rest)) if method.contains(':') => canonicalize_werkzeug(method, rest),
        Some((name, rest)) => canonicalize_django(name, rest),
        None => canonicalize_bare(text),
    }
}

/// Converts a hash without any prefix. Only ASP.NET Core Identity's has a salt.
fn canonicalize_bare(text: &str) -> Result<String, UnusableHash> {
    match text.len() {
        32 if is_hex(text) => Err(UnusableHash::Unsupported("MD5")),
        40 | 64 | 128 if is_hex(text) => Err(UnusableHash::Unsupported("SHA without salt")),
        _ => asp_net::canonicalize(text),
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Converts Werkzeug's `method:parameters$salt$hash`. Its salts are text and are used without decoding.
fn canonicalize_werkzeug(method: &str, rest: &str) -> Result<String, UnusableHash> {
    let (salt, hash) = rest.split_once('$').ok_or(UnusableHash::Malformed)?;
    let salt = salt.as_bytes().to_vec();
    let hash = hex::decode(hash).map_err(|_| UnusableHash::Malformed)?;
    let parts: Vec<&str> = method.split(':').collect();
    let hash = match parts.as_slice() {
        ["scrypt", n, r, p] => ForeignHash::Scrypt(Scrypt::new(scrypt_params(n, r, p)?, salt, hash)?),
        ["pbkdf2", prf, iterations] => {
            let prf = match *prf {
                "sha1" => Prf::Sha1,
                "sha256" => Prf::Sha256,
                "sha512" => Prf::Sha512,
                _ => return Err(UnusableHash::UnknownAlgorithm),
            };
            ForeignHash::Pbkdf2(Pbkdf2::new(prf, number(iterations)?, salt, hash)?)
        }
        ["scrypt" | "pbkdf2", ..] => return Err(UnusableHash::InvalidParameters),
        _ => return Err(UnusableHash::UnknownAlgorithm),
    };
    Ok(hash.to_stored())
}

fn number(text: &str) -> Result<u32, UnusableHash> {
    text.parse().map_err(|_| UnusableHash::InvalidParameters)
}

/// Returns the parameters of scrypt, with N itself instead of its logarithm.
fn scrypt_params(n: &str, r: &str, p: &str) -> Result<ScryptParams, UnusableHash> {
    let n = number(n)?;
    if !n.is_power_of_two() {
        return Err(UnusableHash::InvalidParameters);
    }
    ScryptParams::new(n.ilog2(), number(r)?, number(p)?)
}

/// Converts `$…$`: PHC strings, bcrypt and WordPress's variant of it, phpass, passlib's formats, and Supabase's format
/// of Firebase's hashes.
fn canonicalize_dollar(text: &str) -> Result<String, UnusableHash> {
    let name = text.split('$').nth(1).ok_or(UnusableHash::Malformed)?;
    let passlib = match name {
        // Argon2's PHC strings are already in the stored format.
        "argon2id" | "argon2i" => return Ok(text.to_owned()),
        "pbkdf2" | "pbkdf2-sha1" => Some(Prf::Sha1),
        "pbkdf2-sha256" => Some(Prf::Sha256),
        "pbkdf2-sha512" => Some(Prf::Sha512),
        _ => None,
    };
    if let Some(prf) = passlib {
        let phc = PhcString::parse(text)?;
        if let Ok(iterations) = phc.raw_params().parse() {
            return Pbkdf2::new(prf, iterations, phc.salt, phc.hash).map(|hash| ForeignHash::Pbkdf2(hash).to_stored());
        }
    }
    check_supported(name)?;
    ForeignHash::parse(name, text).map(|hash| hash.to_stored())
}

/// Converts `{SCHEME}…`: the formats of LDAP, the prefix that Spring Security adds, and ours for Devise with a pepper.
fn canonicalize_scheme(scheme: &str, rest: &str) -> Result<String, UnusableHash> {
    let sha = match scheme.to_ascii_uppercase().as_str() {
        "SSHA" => Sha::Sha1,
        "SSHA256" => Sha::Sha256,
        "SSHA512" => Sha::Sha512,
        "BCRYPT" | "CRYPT" | "ARGON2" if rest.starts_with('$') => return canonicalize_dollar(rest),
        "DEVISE" if rest.starts_with("$2") => {
            let hash = Bcrypt::new(rest, Input::Devise { pepper: None })?;
            return Ok(ForeignHash::Bcrypt(hash).to_stored());
        }
        "DEVISE" => return Err(UnusableHash::Unsupported("Devise with another algorithm than bcrypt")),
        "CRYPT" => return Err(UnusableHash::Unsupported("DES-crypt")),
        "MD5" | "SMD5" => return Err(UnusableHash::Unsupported("MD5")),
        "SHA" | "SHA256" | "SHA512" => return Err(UnusableHash::Unsupported("SHA without salt")),
        _ => return Err(UnusableHash::UnknownAlgorithm),
    };
    let bytes = phc::decode_base64(rest)?;
    let (digest, salt) = bytes.split_at_checked(sha.output_bytes()).ok_or(UnusableHash::Malformed)?;
    let hash = SaltedSha::new(sha, SaltPosition::After, salt.to_vec(), digest.to_vec())?;
    Ok(ForeignHash::SaltedSha(hash).to_stored())
}

/// Converts Django's `algorithm$…`. Its salts are text and are used without decoding.
fn canonicalize_django(name: &str, rest: &str) -> Result<String, UnusableHash> {
    let parts: Vec<&str> = rest.split('$').collect();
    let hash = match (name, parts.as_slice()) {
        ("pbkdf2_sha256" | "pbkdf2_sha1", [iterations, salt, hash]) => {
            let prf = if name == "pbkdf2_sha1" { Prf::Sha1 } else { Prf::Sha256 };
            ForeignHash::Pbkdf2(Pbkdf2::new(
                prf,
                number(iterations)?,
                salt.as_bytes().to_vec(),
                phc::decode_base64(hash)?,
            )?)
        }
        ("scrypt", [n, salt, r, p, hash]) => ForeignHash::Scrypt(Scrypt::new(
            scrypt_params(n, r, p)?,
            salt.as_bytes().to_vec(),
            phc::decode_base64(hash)?,
        )?),
        ("bcrypt", _) => ForeignHash::Bcrypt(Bcrypt::new(rest, Input::Password)?),
        ("bcrypt_sha256", _) => ForeignHash::Bcrypt(Bcrypt::new(rest, Input::Sha256Hex)?),
        ("argon2", _) => return canonicalize_dollar(&format!("${rest}")),
        ("sha1", [salt, hash]) => {
            let digest = hex::decode(hash).map_err(|_| UnusableHash::Malformed)?;
            ForeignHash::SaltedSha(SaltedSha::new(Sha::Sha1, SaltPosition::Before, salt.as_bytes().to_vec(), digest)?)
        }
        ("pbkdf2_sha256" | "pbkdf2_sha1" | "scrypt" | "sha1", _) => return Err(UnusableHash::Malformed),
        _ => {
            check_supported(name)?;
            return Err(UnusableHash::UnknownAlgorithm);
        }
    };
    Ok(hash.to_stored())
}

fn check_supported(name: &str) -> Result<(), UnusableHash> {
    match UNSUPPORTED.iter().find(|(refused, _)| *refused == name) {
        Some((_, known_as)) => Err(UnusableHash::Unsupported(known_as)),
        None => Ok(()),
    }
}

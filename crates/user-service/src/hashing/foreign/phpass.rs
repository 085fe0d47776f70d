//! phpass, the portable password hashes of PHP: iterated MD5 (`$P$B…` of WordPress before 6.8 and others, `$H$9…` of
//! phpBB 3), and Drupal's variant with SHA-512 (`$S$D…`). The character after the name is the binary logarithm of the
//! iterations, the next eight are the salt. The stored format is the same.

use md5::Md5;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::wordpress;
use crate::hashing::hash_error::UnusableHash;

/// The digits of phpass's Base64, from 0 to 63.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The allowed binary logarithms of the number of iterations.
const LOG_ITERATIONS: std::ops::RangeInclusive<u8> = 7..=30;
/// Length of the name, the number of iterations and the salt.
const SETTING_BYTES: usize = 12;
/// Drupal refuses longer passwords.
const DRUPAL_MAX_BYTES: usize = 512;

/// The system that made a hash, which decides the digest and what else it does to a password.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// `$P$`: WordPress, or another system that uses phpass.
    WordPress,
    /// `$H$`
    PhpBb,
    /// `$S$`
    Drupal,
}

impl Origin {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "P" => Some(Self::WordPress),
            "H" => Some(Self::PhpBb),
            "S" => Some(Self::Drupal),
            _ => None,
        }
    }

    /// Returns the length of the encoded digest. Drupal cuts it off.
    const fn encoded_chars(self) -> usize {
        match self {
            Self::WordPress | Self::PhpBb => 22,
            Self::Drupal => 43,
        }
    }

    /// Returns the cost of one iteration in Argon2 blocks, as numerator and denominator. An iteration hashes the
    /// previous digest and the password: 1 block of the hash function for each 64 bytes (MD5) or 128 bytes (SHA-512).
    /// Three to five blocks of MD5 and two to three of SHA-512 take as long as one Argon2 block (measured with two
    /// optimisation levels). The smaller numbers count.
    const fn iteration_cost(self, password_bytes: usize) -> (u64, u64) {
        // The padding of MD5 has at least 9 bytes, and that of SHA-512 at least 17.
        match self {
            Self::WordPress | Self::PhpBb => ((16 + password_bytes + 9).div_ceil(64) as u64, 3),
            Self::Drupal => ((64 + password_bytes + 17).div_ceil(128) as u64, 2),
        }
    }
}

#[derive(Clone)]
pub(in crate::hashing) struct Phpass {
    text: String,
    origin: Origin,
    log_iterations: u8,
}

impl Phpass {
    /// Returns whether the first part of a stored hash is one of phpass.
    pub(super) fn is_name(name: &str) -> bool {
        Origin::from_name(name).is_some()
    }

    pub(super) fn parse(name: &str, stored: &str) -> Result<Self, UnusableHash> {
        let origin = Origin::from_name(name).ok_or(UnusableHash::UnknownAlgorithm)?;
        let digits = stored.as_bytes().get(3..).unwrap_or_default();
        if stored.len() != SETTING_BYTES + origin.encoded_chars() || !digits.iter().all(|digit| DIGITS.contains(digit))
        {
            return Err(UnusableHash::Malformed);
        }
        let log_iterations =
            (0..).zip(DIGITS).find_map(|(value, digit)| (*digit == digits[0]).then_some(value)).unwrap_or(0);
        if !LOG_ITERATIONS.contains(&log_iterations) {
            return Err(UnusableHash::InvalidParameters);
        }
        Ok(Self { text: stored.to_owned(), origin, log_iterations })
    }

    pub(super) fn to_stored(&self) -> String {
        self.text.clone()
    }

    /// Returns the cost of a verification of this password.
    pub(super) fn cost(&self, typed: &str) -> u64 {
        let inputs = self.inputs(typed);
        inputs
            .iter()
            .map(|input| {
                let (blocks, blocks_per_argon2_block) = self.origin.iteration_cost(input.len());
                (blocks << self.log_iterations).div_ceil(blocks_per_argon2_block)
            })
            .sum()
    }

    pub(super) fn verify(&self, typed: &str) -> bool {
        self.inputs(typed).iter().any(|input| self.matches(input.as_bytes()))
    }

    /// Returns what may have been hashed: the password, and what the system changes in it. The latter comes second,
    /// because systems that share the format do not share that.
    fn inputs(&self, typed: &str) -> Vec<Zeroizing<String>> {
        let mut inputs = vec![Zeroizing::new(typed.to_owned())];
        let changed = match self.origin {
            Origin::WordPress => wordpress::as_hashed(typed),
            Origin::PhpBb => as_html(typed),
            Origin::Drupal => return inputs,
        };
        if *changed != typed {
            inputs.push(changed);
        }
        inputs
    }

    fn matches(&self, password: &[u8]) -> bool {
        let (setting, expected) = self.text.as_bytes().split_at(SETTING_BYTES);
        let salt = &setting[4..];
        let encoded = match self.origin {
            Origin::WordPress | Origin::PhpBb => encode(&iterate::<Md5>(salt, password, self.log_iterations)),
            Origin::Drupal if password.len() > DRUPAL_MAX_BYTES => return false,
            Origin::Drupal => encode(&iterate::<Sha512>(salt, password, self.log_iterations)),
        };
        encoded[..expected.len()].ct_eq(expected).into()
    }
}

/// Hashes the salt and the password, and then each digest with the password.
fn iterate<D: Digest>(salt: &[u8], password: &[u8], log_iterations: u8) -> Zeroizing<Vec<u8>> {
    let mut digest = D::new().chain_update(salt).chain_update(password).finalize();
    for _ in 0..1_u32 << log_iterations {
        digest = D::new().chain_update(&digest).chain_update(password).finalize();
    }
    Zeroizing::new(digest.to_vec())
}

/// Encodes bytes in phpass's Base64: each group of three bytes is a little-endian number, whose lowest digit is first.
fn encode(bytes: &[u8]) -> Vec<u8> {
    let digits = bytes.chunks(3).flat_map(|group| {
        let value = group.iter().rev().fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
        (0..=group.len()).map(move |digit| DIGITS[value >> (6 * digit) & 63])
    });
    digits.collect()
}

/// Returns a password as phpBB hashes it: as HTML, without white space at its ends.
fn as_html(typed: &str) -> Zeroizing<String> {
    // `&quot;` is the longest replacement.
    let mut html = Zeroizing::new(String::with_capacity(6 * typed.len()));
    for c in typed.trim_matches(wordpress::WHITE_SPACE).chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            _ => html.push(c),
        }
    }
    html
}

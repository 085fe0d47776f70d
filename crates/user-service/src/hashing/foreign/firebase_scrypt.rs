//! Firebase's scrypt: the derived key encrypts the project's signer key with AES-256 in counter mode, and the result is
//! the hash.
//!
//! The stored format is that of Supabase Auth: `$fbscrypt$v=1,n=14,r=8,p=1,ss=…,sk=…$salt$hash`, with the project's
//! salt separator and signer key in Base64, as `firebase auth:export` and the console show them.

use aes::Aes256;
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    phc::{self, PhcString},
    scrypt::ScryptParams,
};
use crate::hashing::hash_error::UnusableHash;

/// The password hash parameters of a Firebase project, as the console shows them.
#[derive(Debug, Clone)]
pub struct FirebaseParameters {
    /// `base64_signer_key`
    pub signer_key: SecretString,
    /// `base64_salt_separator`
    pub salt_separator: String,
    /// `rounds`, scrypt's r.
    pub rounds: u32,
    /// `mem_cost`, the binary logarithm of scrypt's N.
    pub memory_cost: u32,
}

/// Converts the hash and the salt of one user, in Base64, to the stored format.
pub(in crate::hashing) fn canonicalize(
    hash: &str,
    salt: &str,
    project: &FirebaseParameters,
) -> Result<String, UnusableHash> {
    let params = ScryptParams::new(project.memory_cost, project.rounds, 1)?;
    let [salt, separator, signer_key, expected] =
        [salt, &project.salt_separator, project.signer_key.expose_secret(), hash].map(phc::decode_base64);
    FirebaseScrypt::new(params, salt?, separator?, signer_key?, expected?).map(|hash| hash.to_stored())
}

#[derive(Clone)]
pub(in crate::hashing) struct FirebaseScrypt {
    params: ScryptParams,
    salt: Vec<u8>,
    separator: Vec<u8>,
    signer_key: Vec<u8>,
    expected: Vec<u8>,
}

impl FirebaseScrypt {
    pub(super) fn parse(stored: &str) -> Result<Self, UnusableHash> {
        let phc = PhcString::parse(stored)?;
        if phc.param("v") != Some("1") {
            return Err(UnusableHash::InvalidParameters);
        }
        let params = ScryptParams::new(phc.u32_param("n")?, phc.u32_param("r")?, phc.u32_param("p")?)?;
        let separator = phc::decode_base64(phc.param("ss").unwrap_or_default())?;
        let signer_key = phc::decode_base64(phc.param("sk").ok_or(UnusableHash::InvalidParameters)?)?;
        Self::new(params, phc.salt, separator, signer_key, phc.hash)
    }

    fn new(
        params: ScryptParams,
        salt: Vec<u8>,
        separator: Vec<u8>,
        signer_key: Vec<u8>,
        expected: Vec<u8>,
    ) -> Result<Self, UnusableHash> {
        if salt.is_empty() || !(16..=64).contains(&expected.len()) || signer_key.len() != expected.len() {
            return Err(UnusableHash::InvalidParameters);
        }
        Ok(Self { params, salt, separator, signer_key, expected })
    }

    pub(super) fn to_stored(&self) -> String {
        let ScryptParams { log_n, r, p } = self.params;
        let [separator, signer_key, salt, hash] =
            [&self.separator, &self.signer_key, &self.salt, &self.expected].map(|bytes| phc::encode_base64(bytes));
        format!("$fbscrypt$v=1,n={log_n},r={r},p={p},ss={separator},sk={signer_key}${salt}${hash}")
    }

    pub(super) fn cost(&self) -> u64 {
        self.params.cost()
    }

    pub(super) fn memory_kib(&self) -> u64 {
        self.params.memory_kib()
    }

    pub(super) fn verify(&self, typed: &[u8]) -> bool {
        let salt = [self.salt.as_slice(), &self.separator].concat();
        let mut key = Zeroizing::new([0; 32]);
        if !self.params.compute(typed, &salt, key.as_mut()) {
            return false;
        }
        let mut out = Zeroizing::new(self.signer_key.clone());
        Ctr128BE::<Aes256>::new((&*key).into(), &[0; 16].into()).apply_keystream(&mut out);
        out.ct_eq(&self.expected).into()
    }
}

//! scrypt (RFC 7914): `$scrypt$ln=16,r=8,p=1$salt$hash`.

use scrypt::Params;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::phc::{self, PhcString};
use crate::hashing::hash_error::UnusableHash;

/// The allowed lengths of a hash in bytes.
const HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// The parameters N (as its binary logarithm), r and p, within limits that exclude overflows.
#[derive(Clone, Copy)]
pub(super) struct ScryptParams {
    pub(super) log_n: u8,
    pub(super) r: u32,
    pub(super) p: u32,
}

impl ScryptParams {
    pub(super) fn new(log_n: u32, r: u32, p: u32) -> Result<Self, UnusableHash> {
        match (log_n, r, p) {
            (1..=31, 1..=64, 1..=64) => {
                Ok(Self { log_n: u8::try_from(log_n).map_err(|_| UnusableHash::InvalidParameters)?, r, p })
            }
            _ => Err(UnusableHash::InvalidParameters),
        }
    }

    /// Returns the cost in Argon2 blocks. scrypt mixes a block of 128·r bytes 2·N·p times. Mixing 1 KiB takes as long
    /// as two Argon2 blocks.
    pub(super) fn cost(self) -> u64 {
        ((u64::from(self.r) * u64::from(self.p)) << self.log_n) / 2
    }

    /// Returns the memory for N blocks. The p blocks that are mixed one after the other take less than 1 MiB and are
    /// not counted.
    pub(super) fn memory_kib(self) -> u64 {
        (u64::from(self.r) << self.log_n).div_ceil(8)
    }

    /// Computes the hash into `out`, whose length is part of the computation. Returns whether it succeeded.
    pub(super) fn compute(self, typed: &[u8], salt: &[u8], out: &mut [u8]) -> bool {
        let Ok(params) = Params::new(self.log_n, self.r, self.p) else { return false };
        scrypt::scrypt(typed, salt, &params, out).is_ok()
    }
}

#[derive(Clone)]
pub(in crate::hashing) struct Scrypt {
    params: ScryptParams,
    salt: Vec<u8>,
    expected: Vec<u8>,
}

impl Scrypt {
    pub(super) fn parse(stored: &str) -> Result<Self, UnusableHash> {
        let phc = PhcString::parse(stored)?;
        let params = ScryptParams::new(phc.u32_param("ln")?, phc.u32_param("r")?, phc.u32_param("p")?)?;
        Self::new(params, phc.salt, phc.hash)
    }

    pub(super) fn new(params: ScryptParams, salt: Vec<u8>, expected: Vec<u8>) -> Result<Self, UnusableHash> {
        if !HASH_BYTES.contains(&expected.len()) || salt.is_empty() {
            return Err(UnusableHash::InvalidParameters);
        }
        Ok(Self { params, salt, expected })
    }

    pub(super) fn to_stored(&self) -> String {
        let ScryptParams { log_n, r, p } = self.params;
        let (salt, hash) = (phc::encode_base64(&self.salt), phc::encode_base64(&self.expected));
        format!("$scrypt$ln={log_n},r={r},p={p}${salt}${hash}")
    }

    pub(super) fn cost(&self) -> u64 {
        self.params.cost()
    }

    pub(super) fn memory_kib(&self) -> u64 {
        self.params.memory_kib()
    }

    pub(super) fn verify(&self, typed: &[u8]) -> bool {
        let mut out = Zeroizing::new(vec![0; self.expected.len()]);
        self.params.compute(typed, &self.salt, &mut out) && bool::from(out.ct_eq(&self.expected))
    }
}

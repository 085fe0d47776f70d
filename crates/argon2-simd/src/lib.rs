//! Argon2 (RFC 9106) with a block function in AVX-512 or AVX2 instructions.
//!
//! [`hash_into`] computes the same hash as the `argon2` crate, bit for bit. On a processor with
//! AVX-512 or AVX2, this crate computes Argon2id of version 0x13 with one lane. The `argon2` crate
//! computes all other hashes, and all hashes on other processors, in the same [`Arena`].
//!
//! | module | job | source |
//! |---|---|---|
//! | `arena` | reusable memory in huge pages | |
//! | `single_lane` | the computation with one lane | RFC 9106 section 3.2 |
//! | `single_lane::blake2b` | H0, and the variable-length hash H' | sections 3.2 (step 1) and 3.3 |
//! | `single_lane::indexing` | which block is the reference block | section 3.4 |
//! | `single_lane::avx2`, `single_lane::avx512` | the compression function G and its permutation P | sections 3.5 and 3.6 |
//!
//! # What makes it fast
//!
//! 19 MiB are filled twice, so a hash takes 38 912 calls of G. Each call reads 1 KiB at an address
//! that is not known before the previous call is nearly finished. The measurements are in
//! docs/adr/0010-argon2-simd.md. Each optimization is explained in its module:
//!
//! - P processes four words per instruction, and three rows or two columns at once
//!   (`single_lane::avx2`), or eight words per instruction and all rows or columns at once
//!   (`single_lane::avx512`).
//! - The reference block of the next call is prefetched as soon as the word that names it is
//!   known: `single_lane`.
//! - The memory is mapped once, in huge pages: `arena`.
//!
//! # Memory safety
//!
//! `unsafe` is denied except for nine expressions, each in a function that is safe to call with any
//! arguments: for AVX2 and for AVX-512 a load and a store of one vector through a reference, and the call
//! of their code with a value that only detection creates; a prefetch, the advice about huge pages, and the
//! view of the arena's initialised blocks. Safe code with checked indices decides which blocks a call of G reads and
//! writes. docs/DEVELOPMENT.md has the commands that check memory safety (Miri, AddressSanitizer,
//! Valgrind, fuzzing).
//!
//! # Secrets
//!
//! After each hash, H0, the digests of H', the bytes of the first and last blocks, the scratch block
//! of G in AVX2, and BLAKE2b's state and buffer are wiped. The arena is wiped when it is dropped. This crate
//! cannot wipe registers, the values that the compiler spills from them to the stack, and the block
//! that BLAKE2b's own round works on.

mod arena;
#[cfg(target_arch = "x86_64")]
mod single_lane;

use std::fmt;

use argon2::{
    Algorithm, Argon2, Block, Error, MAX_PWD_LEN, MAX_SALT_LEN, MAX_SECRET_LEN, MIN_SALT_LEN, Params, Result, Version,
};

pub use arena::Arena;

/// The inputs of a hash. Associated data is part of the parameters.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The variant of Argon2.
    pub algorithm: Algorithm,
    /// The memory, passes, lanes, associated data, and the length of the output if it is fixed.
    pub params: &'a Params,
    /// The version of Argon2.
    pub version: Version,
    /// The key for keyed hashing; empty if there is none.
    pub secret: &'a [u8],
    /// The password to hash.
    pub password: &'a [u8],
    /// The salt, at least 8 bytes.
    pub salt: &'a [u8],
}

/// An implementation that this machine can run. It computes Argon2id of version 0x13 with one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Implementation(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512(single_lane::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(single_lane::Avx2),
    Portable,
}

impl Implementation {
    /// The `argon2` crate, on any machine.
    pub const PORTABLE: Self = Self(Kind::Portable);

    /// Detects the fastest implementation by asking the processor and the operating system, which has
    /// to save the vector registers.
    #[must_use]
    pub fn detect() -> Self {
        Self::all().next().unwrap_or(Self::PORTABLE)
    }

    /// Detects all implementations, the fastest first and the portable one last.
    pub fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let ours = [single_lane::Avx512::detect().map(Kind::Avx512), single_lane::Avx2::detect().map(Kind::Avx2)];
        #[cfg(not(target_arch = "x86_64"))]
        let ours: [Option<Kind>; 0] = [];
        ours.into_iter().flatten().chain([Kind::Portable]).map(Self)
    }
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            Kind::Portable => "portable",
        })
    }
}

/// Computes a hash in the arena with this machine's fastest implementation and writes it to `out`. The
/// length of `out` is an input of the hash.
///
/// # Errors
/// Returns the same errors as the `argon2` crate if the secret, password, salt or output has a length
/// that Argon2 or the parameters do not allow, or if the arena is too small. Then nothing has been
/// computed, and `out` is unchanged.
pub fn hash_into(inputs: &Inputs<'_>, arena: &mut Arena, out: &mut [u8]) -> Result<()> {
    hash_into_with(Implementation::detect(), inputs, arena, out)
}

/// Computes the same hash with this implementation, for comparison.
///
/// # Errors
/// Returns the same errors as [`hash_into`].
pub fn hash_into_with(
    implementation: Implementation,
    inputs: &Inputs<'_>,
    arena: &mut Arena,
    out: &mut [u8],
) -> Result<()> {
    let blocks = check_lengths(inputs, arena, out.len())?;
    #[cfg(target_arch = "x86_64")]
    if inputs.algorithm == Algorithm::Argon2id && inputs.version == Version::V0x13 && inputs.params.p_cost() == 1 {
        match implementation.0 {
            Kind::Avx512(avx512) => {
                single_lane::hash(single_lane::Avx512Compression::from(avx512), inputs, blocks, out);
                return Ok(());
            }
            Kind::Avx2(avx2) => {
                single_lane::hash(single_lane::Avx2Compression::from(avx2), inputs, blocks, out);
                return Ok(());
            }
            Kind::Portable => {}
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let Implementation(Kind::Portable) = implementation;
    Argon2::new_with_secret(inputs.secret, inputs.algorithm, inputs.version, inputs.params.clone())?
        .hash_password_into_with_memory(inputs.password, inputs.salt, out, blocks)
}

/// Returns the blocks to compute in, if Argon2 allows all lengths (RFC 9106 section 3.1).
///
/// # Errors
/// Returns the same error as the `argon2` crate. If there are several errors, the order is also that
/// of the crate.
fn check_lengths<'a>(inputs: &Inputs<'_>, arena: &'a mut Arena, output_len: usize) -> Result<&'a mut [Block]> {
    let fixed_len = inputs.params.output_len();
    if inputs.secret.len() > MAX_SECRET_LEN {
        return Err(Error::SecretTooLong);
    }
    if output_len < fixed_len.unwrap_or(Params::MIN_OUTPUT_LEN) {
        return Err(Error::OutputTooShort);
    }
    if output_len > fixed_len.unwrap_or(Params::MAX_OUTPUT_LEN) {
        return Err(Error::OutputTooLong);
    }
    if inputs.password.len() > MAX_PWD_LEN {
        return Err(Error::PwdTooLong);
    }
    if inputs.salt.len() < MIN_SALT_LEN {
        return Err(Error::SaltTooShort);
    }
    if inputs.salt.len() > MAX_SALT_LEN {
        return Err(Error::SaltTooLong);
    }
    arena.blocks_mut().get_mut(..inputs.params.block_count()).ok_or(Error::MemoryTooLittle)
}

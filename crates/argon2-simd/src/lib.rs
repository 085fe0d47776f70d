//! Argon2 (RFC 9106) with a block function in AVX2 instructions.
//!
//! [`hash_into`] computes what the `argon2` crate computes, bit for bit. Argon2id of
//! version 0x13 with one lane, on a processor with AVX2, is computed here; everything
//! else, and everything on other processors, by the crate, in the same [`Arena`].
//!
//! | module | job | source |
//! |---|---|---|
//! | `arena` | memory that is used again and again, in huge pages | |
//! | `length_check` | what Argon2 does not allow | RFC 9106 section 3.1 |
//! | `single_lane` | the computation with one lane | section 3.2 |
//! | `single_lane::blake2b` | H0, and the hash H' of any length | sections 3.2 (step 1) and 3.3 |
//! | `single_lane::indexing` | which block is referred to | section 3.4 |
//! | `single_lane::avx2` | the compression function G and its permutation P | sections 3.5 and 3.6 |
//!
//! # What makes it fast
//!
//! 19 MiB are filled twice, so a hash is 38 912 calls of G, of which each reads 1 KiB at a
//! place that is not known before the one before it is nearly done. The figures are in
//! docs/adr/0010-argon2-simd.md; each trick is explained where it is:
//!
//! - P on four words at a time, of three rows or two columns at once: `single_lane::avx2`.
//! - The block that the next call refers to is asked for as soon as the word is known that
//!   names it: `single_lane`.
//! - Memory that is mapped once, in huge pages: `arena`.
//!
//! # Memory safety
//!
//! `unsafe` is denied but for six expressions, each in a function that is safe to call
//! whatever its arguments: a load and a store of 32 bytes through a reference, the call
//! into code for AVX2 with a value that only detection makes, a prefetch, the advice
//! about huge pages, and the view of the arena's initialised blocks. Which blocks a call
//! of G reads and writes is decided in safe code, with checked indices.
//! docs/DEVELOPMENT.md has the commands that check it (Miri, AddressSanitizer, Valgrind,
//! fuzzing).
//!
//! # Secrets
//!
//! H0, the digests of H', the bytes of the first and last blocks, the block that G works
//! in, BLAKE2b's state and its buffer are wiped after each hash; the arena when it is
//! dropped. What cannot be wiped from here: registers, what the compiler spills of them
//! to the stack, and the block that BLAKE2b's own round works on.

mod arena;
mod length_check;
#[cfg(target_arch = "x86_64")]
mod single_lane;

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Result, Version};

pub use arena::Arena;

/// What a hash is computed from. Associated data is part of the parameters.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// Which of the three.
    pub algorithm: Algorithm,
    /// Memory, passes, lanes, associated data, and the length of the output if it is fixed.
    pub params: &'a Params,
    /// Of Argon2.
    pub version: Version,
    /// The key of keyed hashing; empty without one.
    pub secret: &'a [u8],
    /// What is hashed.
    pub password: &'a [u8],
    /// At least 8 bytes.
    pub salt: &'a [u8],
}

/// What computes Argon2id with one lane on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Implementation {
    /// This crate's block function.
    Avx2,
    /// The `argon2` crate.
    Portable,
}

impl Implementation {
    /// Asks the processor (and the operating system, which has to keep its registers).
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if single_lane::Avx2::detect().is_some() {
            return Self::Avx2;
        }
        Self::Portable
    }
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        })
    }
}

/// Computes the hash in the arena into `out`, whose length is part of the computation.
///
/// # Errors
/// Those of the `argon2` crate: when secret, password, salt or output have a length that
/// Argon2 or the parameters do not allow, or the arena is too small. Nothing has been
/// computed then, and `out` is as it was.
pub fn hash_into(inputs: &Inputs<'_>, arena: &mut Arena, out: &mut [u8]) -> Result<()> {
    #[cfg(target_arch = "x86_64")]
    if inputs.algorithm == Algorithm::Argon2id
        && inputs.version == Version::V0x13
        && inputs.params.p_cost() == 1
        && let Some(avx2) = single_lane::Avx2::detect()
    {
        let blocks = length_check::check(inputs, arena, out.len())?;
        single_lane::hash(avx2, inputs, blocks, out);
        return Ok(());
    }
    hash_into_portably(inputs, arena, out)
}

/// The same by the `argon2` crate, whatever the machine: to compare with.
///
/// # Errors
/// As [`hash_into`].
pub fn hash_into_portably(inputs: &Inputs<'_>, arena: &mut Arena, out: &mut [u8]) -> Result<()> {
    let blocks = length_check::check(inputs, arena, out.len())?;
    Argon2::new_with_secret(inputs.secret, inputs.algorithm, inputs.version, inputs.params.clone())?
        .hash_password_into_with_memory(inputs.password, inputs.salt, out, blocks)
}

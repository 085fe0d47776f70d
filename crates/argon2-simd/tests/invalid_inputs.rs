//! Tests that invalid inputs are refused with the `argon2` crate's errors, and leave the output
//! unchanged.

use argon2::{Algorithm, Argon2, Block, Error, MAX_PWD_LEN, Params, Result, Version};
use argon2_simd::{Arena, Implementation, Inputs, hash_into_with};

const UNTOUCHED: u8 = 0xA5;

struct HashCall<'a> {
    params: Params,
    arena_kib: u32,
    secret: &'a [u8],
    password: &'a [u8],
    salt: &'a [u8],
    output_len: usize,
}

impl Default for HashCall<'_> {
    fn default() -> Self {
        Self {
            params: Params::new(16, 1, 1, None).expect("the parameters are allowed"),
            arena_kib: 16,
            secret: b"",
            password: b"password",
            salt: b"somesalt",
            output_len: 32,
        }
    }
}

impl HashCall<'_> {
    /// Returns the outcome, after checking that all implementations agree with the `argon2` crate.
    fn outcome(&self) -> Result<()> {
        let inputs = Inputs {
            algorithm: Algorithm::Argon2id,
            params: &self.params,
            version: Version::V0x13,
            secret: self.secret,
            password: self.password,
            salt: self.salt,
        };
        let argon2_crate_outcome =
            Argon2::new_with_secret(self.secret, Algorithm::Argon2id, Version::V0x13, self.params.clone()).and_then(
                |argon2| {
                    let mut memory = vec![Block::new(); self.arena_kib as usize];
                    let mut out = vec![0; self.output_len];
                    argon2.hash_password_into_with_memory(self.password, self.salt, &mut out, &mut memory[..])
                },
            );
        for implementation in Implementation::all() {
            let mut arena =
                Arena::for_params(&Params::new(self.arena_kib, 1, 1, None).expect("the parameters are allowed"));
            assert_eq!(arena.fits(&self.params), self.params.block_count() <= self.arena_kib as usize);
            let mut out = vec![UNTOUCHED; self.output_len];
            let outcome = hash_into_with(implementation, &inputs, &mut arena, &mut out);
            assert_eq!(outcome, argon2_crate_outcome);
            assert_eq!(outcome.is_err(), out.iter().all(|byte| *byte == UNTOUCHED), "{outcome:?}");
        }
        argon2_crate_outcome
    }
}

#[test]
fn lengths_out_of_bounds_are_refused() {
    let fixed = |output_len| Params::new(16, 1, 1, Some(output_len)).unwrap();
    for (call, error) in [
        (HashCall { salt: b"7 bytes", ..HashCall::default() }, Error::SaltTooShort),
        (HashCall { salt: b"", ..HashCall::default() }, Error::SaltTooShort),
        (HashCall { output_len: 3, ..HashCall::default() }, Error::OutputTooShort),
        (HashCall { params: fixed(32), output_len: 31, ..HashCall::default() }, Error::OutputTooShort),
        (HashCall { params: fixed(32), output_len: 33, ..HashCall::default() }, Error::OutputTooLong),
        // The first error is reported, as in the `argon2` crate.
        (HashCall { salt: b"", output_len: 3, arena_kib: 8, ..HashCall::default() }, Error::OutputTooShort),
        (HashCall { salt: b"", arena_kib: 8, ..HashCall::default() }, Error::SaltTooShort),
    ] {
        assert_eq!(call.outcome(), Err(error));
    }
}

#[test]
fn lengths_at_the_bounds_are_computed() {
    for call in [
        HashCall { password: b"", salt: b"8 bytes!", ..HashCall::default() },
        HashCall { output_len: 4, ..HashCall::default() },
        HashCall { params: Params::new(16, 1, 1, Some(32)).unwrap(), ..HashCall::default() },
        // 19 KiB are rounded down to the arena's 16 blocks.
        HashCall { params: Params::new(19, 1, 1, None).unwrap(), ..HashCall::default() },
    ] {
        assert_eq!(call.outcome(), Ok(()));
    }
}

#[test]
fn an_arena_that_is_too_small_is_refused() {
    for memory_kib in [20, 32, 19_456] {
        let call = HashCall { params: Params::new(memory_kib, 1, 1, None).unwrap(), ..HashCall::default() };
        assert_eq!(call.outcome(), Err(Error::MemoryTooLittle));
    }
}

/// The 4 GiB of zeros are never read, so they take no physical memory.
#[test]
#[cfg(all(target_pointer_width = "64", not(miri)))]
fn inputs_of_four_gibibytes_are_refused() {
    let zeros = vec![0; MAX_PWD_LEN + 1];
    for (call, error) in [
        (HashCall { secret: &zeros, ..HashCall::default() }, Error::SecretTooLong),
        (HashCall { password: &zeros, ..HashCall::default() }, Error::PwdTooLong),
        (HashCall { salt: &zeros, ..HashCall::default() }, Error::SaltTooLong),
    ] {
        assert_eq!(call.outcome(), Err(error));
    }
}

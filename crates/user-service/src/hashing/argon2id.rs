//! Argon2id (RFC 9106): the one place that calls a block function.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

/// Memory for one computation at a time: allocated, aligned and faulted in once, and
/// used again and again. What a computation leaves behind is overwritten by the next one
/// and wiped with the arena.
pub(super) struct Arena(Vec<Block>);

impl Arena {
    /// An arena in which hashes of these parameters, and of smaller ones, fit.
    pub(super) fn for_params(params: &Params) -> Self {
        Self(vec![Block::new(); params.block_count()])
    }

    pub(super) fn fits(&self, params: &Params) -> bool {
        params.block_count() <= self.0.len()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What a hash is computed from. Keyed hashing's secret is empty throughout this service;
/// it is here because RFC 9106's test vectors have one.
pub(super) struct Inputs<'a> {
    /// Argon2i is here for hashes of other systems.
    pub(super) algorithm: Algorithm,
    pub(super) params: &'a Params,
    pub(super) version: Version,
    pub(super) secret: &'a [u8],
    pub(super) password: &'a [u8],
    pub(super) salt: &'a [u8],
}

/// Computes the hash in the arena into `out`, whose length is part of the computation.
///
/// # Errors
/// When salt, secret or output have a length that Argon2 does not allow, or the arena is
/// too small for the parameters.
pub(super) fn fill(inputs: &Inputs<'_>, arena: &mut Arena, out: &mut [u8]) -> argon2::Result<()> {
    Argon2::new_with_secret(inputs.secret, inputs.algorithm, inputs.version, inputs.params.clone())?
        .hash_password_into_with_memory(inputs.password, inputs.salt, out, &mut arena.0[..])
}

/// How much work a hash of these parameters is: blocks times passes.
pub(super) fn cost(params: &Params) -> u64 {
    params.block_count() as u64 * u64::from(params.t_cost())
}

#[cfg(test)]
mod tests {
    use argon2::{AssociatedData, ParamsBuilder};
    use proptest::prelude::*;

    use super::*;

    /// RFC 9106 section 5.3.
    #[test]
    fn the_vector_of_rfc_9106_comes_out() {
        let params = ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .output_len(32)
            .data(AssociatedData::new(&[4; 12]).unwrap())
            .build()
            .unwrap();
        let inputs = Inputs {
            algorithm: Algorithm::Argon2id,
            params: &params,
            version: Version::V0x13,
            secret: &[3; 8],
            password: &[1; 32],
            salt: &[2; 16],
        };
        let mut tag = [0; 32];
        fill(&inputs, &mut Arena::for_params(&params), &mut tag).unwrap();
        assert_eq!(hex::encode(tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
    }

    #[test]
    fn an_arena_that_is_too_small_is_an_error() {
        let small = Params::new(8, 1, 1, None).unwrap();
        let large = Params::new(16, 1, 1, None).unwrap();
        let arena = &mut Arena::for_params(&small);
        assert!(arena.fits(&small) && !arena.fits(&large));
        let inputs = Inputs {
            algorithm: Algorithm::Argon2id,
            params: &large,
            version: Version::V0x13,
            secret: b"",
            password: b"p",
            salt: &[0; 16],
        };
        assert_eq!(fill(&inputs, arena, &mut [0; 32]), Err(argon2::Error::MemoryTooLittle));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// A dirty and too large arena changes nothing.
        #[test]
        fn it_is_equal_to_the_crate(
            lanes in 1_u32..4, blocks_a_lane in 8_u32..40, iterations in 1_u32..4, version in prop_oneof![Just(Version::V0x10), Just(Version::V0x13)],
            password in any::<Vec<u8>>(), salt in proptest::collection::vec(any::<u8>(), 8..48), length in 4_usize..80,
        ) {
            let params = Params::new(lanes * blocks_a_lane, iterations, lanes, None).unwrap();
            let mut expected = vec![0; length];
            Argon2::new(Algorithm::Argon2id, version, params.clone()).hash_password_into(&password, &salt, &mut expected).unwrap();

            let mut arena = Arena(vec![Block::new(); 256]);
            let inputs = Inputs { algorithm: Algorithm::Argon2id, params: &params, version, secret: b"", password: &password, salt: &salt };
            for _ in 0..2 {
                let mut out = vec![0; length];
                fill(&inputs, &mut arena, &mut out).unwrap();
                prop_assert_eq!(&out, &expected);
            }
        }
    }
}

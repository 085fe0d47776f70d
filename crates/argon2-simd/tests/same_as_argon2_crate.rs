//! Tests that for all inputs the hash is the same as the `argon2` crate's with its own memory.

use argon2::{Algorithm, Argon2, AssociatedData, Params, ParamsBuilder, Version};
use argon2_simd::{Arena, Implementation, Inputs, hash_into_with};
use proptest::{collection::vec, prelude::*};

/// The size of the arena in blocks. It contains the data of the previous case.
const ARENA_BLOCKS: u32 = 300;

/// All inputs of a hash.
#[derive(Debug)]
struct Case {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    secret: Vec<u8>,
    password: Vec<u8>,
    salt: Vec<u8>,
    output_len: usize,
}

impl Case {
    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            algorithm: self.algorithm,
            params: &self.params,
            version: self.version,
            secret: &self.secret,
            password: &self.password,
            salt: &self.salt,
        }
    }

    fn argon2_crate_hash(&self) -> Vec<u8> {
        let mut out = vec![0; self.output_len];
        Argon2::new_with_secret(&self.secret, self.algorithm, self.version, self.params.clone())
            .and_then(|argon2| argon2.hash_password_into(&self.password, &self.salt, &mut out))
            .expect("the parameters are allowed");
        out
    }
}

/// Generates memory sizes: half of them the minimum, the others random, so most are not divisible by
/// four.
fn memory_kib(lanes: u32) -> impl Strategy<Value = u32> {
    prop_oneof![Just(8 * lanes), 8 * lanes..=ARENA_BLOCKS]
}

fn bytes(lengths: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), lengths)
}

/// Generates passwords with lengths around the borders of BLAKE2b's blocks, which have 128 bytes.
fn password() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), bytes(1..64), bytes(64..300), bytes(4_000..5_000)]
}

fn case(
    algorithm: impl Strategy<Value = Algorithm>,
    version: impl Strategy<Value = Version>,
    lanes: impl Strategy<Value = u32>,
) -> impl Strategy<Value = Case> {
    let params =
        (lanes.prop_flat_map(|lanes| (memory_kib(lanes), Just(lanes))), 1_u32..=4, bytes(0..33), any::<bool>());
    // H' has three forms: for up to 64 bytes, for up to 96 bytes, and for more.
    let output_len = prop_oneof![4_usize..=64, 65_usize..=96, 97_usize..400];
    let texts = (prop_oneof![Just(Vec::new()), bytes(1..100)], password(), bytes(8..100));
    (algorithm, version, params, texts, output_len).prop_map(|(algorithm, version, params, texts, output_len)| {
        let ((memory_kib, lanes), passes, data, fixed) = params;
        let (secret, password, salt) = texts;
        let mut builder = ParamsBuilder::new();
        builder
            .m_cost(memory_kib)
            .t_cost(passes)
            .p_cost(lanes)
            .data(AssociatedData::new(&data).expect("at most 32 bytes"));
        if fixed {
            builder.output_len(output_len);
        }
        Case {
            algorithm,
            version,
            params: builder.build().expect("the parameters are allowed"),
            secret,
            password,
            salt,
            output_len,
        }
    })
}

/// Checks all implementations with one arena for all cases. It is larger than needed and contains old data.
fn assert_equal_hashes(cases: impl Strategy<Value = Case>) {
    let params = Params::new(ARENA_BLOCKS, 1, 1, None).expect("the parameters are allowed");
    let arena = std::sync::Mutex::new(Arena::for_params(&params));
    proptest!(|(case in cases)| {
        let arena = &mut *arena.lock().expect("no case has panicked");
        let expected = case.argon2_crate_hash();
        for implementation in Implementation::all() {
            let mut out = vec![0; case.output_len];
            hash_into_with(implementation, &case.inputs(), arena, &mut out).expect("the parameters are allowed");
            prop_assert_eq!(&out, &expected, "{}", implementation);
        }
    });
}

/// Reports what is not tested on this machine.
fn warn_about_missing_implementations() {
    let names: Vec<_> = Implementation::all().map(|implementation| implementation.to_string()).collect();
    for name in ["avx512", "avx2"] {
        if !names.contains(&name.to_owned()) {
            eprintln!("SKIPPED: {name}, which this processor does not have");
        }
    }
}

#[test]
fn argon2id_with_one_lane_equals_the_argon2_crate() {
    warn_about_missing_implementations();
    assert_equal_hashes(case(Just(Algorithm::Argon2id), Just(Version::V0x13), Just(1)));
}

#[test]
fn all_other_parameters_equal_the_argon2_crate() {
    let algorithms = prop_oneof![Just(Algorithm::Argon2d), Just(Algorithm::Argon2i), Just(Algorithm::Argon2id)];
    let versions = prop_oneof![Just(Version::V0x10), Just(Version::V0x13)];
    assert_equal_hashes(case(algorithms, versions, 1_u32..=4));
}

/// Tests memory in huge pages, with segments of many address blocks.
#[test]
#[cfg_attr(miri, ignore = "Miri does not support madvise")]
fn large_memory_equals_the_argon2_crate() {
    warn_about_missing_implementations();
    for memory_kib in [2_047, 2_048, 2_051, 19_456] {
        let case = Case {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: Params::new(memory_kib, 2, 1, Some(32)).unwrap(),
            secret: Vec::new(),
            password: b"correct horse battery staple".to_vec(),
            salt: b"0123456789abcdef".to_vec(),
            output_len: 32,
        };
        let expected = case.argon2_crate_hash();
        for implementation in Implementation::all() {
            let mut out = [0; 32];
            let mut arena = Arena::for_params(&case.params);
            hash_into_with(implementation, &case.inputs(), &mut arena, &mut out).unwrap();
            assert_eq!(out[..], expected, "{implementation}, {memory_kib} KiB");
        }
    }
}

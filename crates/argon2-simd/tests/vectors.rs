//! Published test vectors, with all implementations that this machine can run.

use argon2::{Algorithm, AssociatedData, Params, ParamsBuilder, Version};
use argon2_simd::{Arena, Implementation, Inputs, hash_into_with};

fn tag(implementation: Implementation, inputs: &Inputs<'_>) -> String {
    let mut out = [0; 32];
    hash_into_with(implementation, inputs, &mut Arena::for_params(inputs.params), &mut out)
        .expect("the parameters are allowed");
    hex::encode(out)
}

/// The vector of RFC 9106 section 5.3 has four lanes, so all implementations are portable.
#[test]
fn the_rfc_9106_vector_is_reproduced() {
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
    let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
    for implementation in Implementation::all() {
        assert_eq!(tag(implementation, &inputs), expected, "{implementation}");
    }
}

/// The vectors are from `src/test.c` of the reference implementation: Argon2id, version 0x13, one lane.
#[test]
fn the_vectors_of_the_reference_implementation_are_reproduced() {
    for (memory_kib, passes, password, salt, expected) in [
        (1 << 8, 2, "password", "somesalt", "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
        (1 << 16, 2, "password", "somesalt", "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"),
        (1 << 16, 1, "password", "somesalt", "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98"),
        (1 << 16, 4, "password", "somesalt", "9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c"),
        (
            1 << 16,
            2,
            "differentpassword",
            "somesalt",
            "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde",
        ),
        (1 << 16, 2, "password", "diffsalt", "bdf32b05ccc42eb15d58fd19b1f856b113da1e9a5874fdcc544308565aa8141c"),
    ] {
        if cfg!(miri) && memory_kib > 1 << 8 {
            continue;
        }
        let params = Params::new(memory_kib, passes, 1, Some(32)).unwrap();
        let inputs = Inputs {
            algorithm: Algorithm::Argon2id,
            params: &params,
            version: Version::V0x13,
            secret: b"",
            password: password.as_bytes(),
            salt: salt.as_bytes(),
        };
        for implementation in Implementation::all() {
            // The portable implementation takes seconds for the large ones.
            if implementation != Implementation::PORTABLE || memory_kib == 1 << 8 {
                let tag = tag(implementation, &inputs);
                assert_eq!(tag, expected, "{implementation}, {memory_kib} KiB, {passes} passes, {password}, {salt}");
            }
        }
    }
}

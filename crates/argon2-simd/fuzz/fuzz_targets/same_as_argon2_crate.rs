//! For all inputs, valid or not, the outcome is the same as the `argon2` crate's with its own memory.
//! The arena is larger than needed and contains old data.

#![no_main]

use std::cell::RefCell;

use argon2::{Algorithm, Argon2, AssociatedData, Block, Params, ParamsBuilder, Version};
use argon2_simd::{Arena, Implementation, Inputs, hash_into_with};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};

/// The size of the arena in blocks. Some inputs need up to a third more.
const ARENA_BLOCKS: u32 = 192;

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    algorithm: u8,
    old_version: bool,
    memory_kib: u8,
    passes: u8,
    lanes: u8,
    data: &'a [u8],
    fixed: bool,
    output_len: u8,
    secret: &'a [u8],
    salt: &'a [u8],
    password: &'a [u8],
}

thread_local! {
    static ARENA: RefCell<Arena> = RefCell::new(Arena::for_params(&Params::new(ARENA_BLOCKS, 1, 1, None).expect("the parameters are allowed")));
}

fuzz_target!(|case: Case<'_>| {
    // Most cases are computed by this crate's own implementation.
    let algorithm = match case.algorithm {
        0..8 => Algorithm::Argon2d,
        8..16 => Algorithm::Argon2i,
        _ => Algorithm::Argon2id,
    };
    let version = if case.old_version && case.algorithm < 32 { Version::V0x10 } else { Version::V0x13 };
    let lanes = if case.lanes < 16 { u32::from(case.lanes) } else { 1 };
    let mut params = ParamsBuilder::new();
    params.m_cost(case.memory_kib.into()).t_cost((case.passes % 6).into()).p_cost(lanes);
    if case.fixed {
        params.output_len(case.output_len.into());
    }
    let Ok(data) = AssociatedData::new(case.data) else { return };
    let Ok(params) = params.data(data).build() else { return };

    let mut expected = vec![0; case.output_len.into()];
    let argon2_crate_outcome = Argon2::new_with_secret(case.secret, algorithm, version, params.clone()).and_then(|argon2| {
        let mut memory = vec![Block::new(); ARENA_BLOCKS as usize];
        argon2.hash_password_into_with_memory(case.password, case.salt, &mut expected, &mut memory[..])
    });
    let inputs =
        Inputs { algorithm, params: &params, version, secret: case.secret, password: case.password, salt: case.salt };
    for implementation in Implementation::all() {
        let mut out = vec![0; case.output_len.into()];
        let outcome = ARENA.with_borrow_mut(|arena| hash_into_with(implementation, &inputs, arena, &mut out));
        assert_eq!(outcome, argon2_crate_outcome, "{implementation}");
        assert_eq!(out, expected, "{implementation}");
    }
});

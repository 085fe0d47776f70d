//! The C reference implementation of Argon2id, in its variant that is optimised for this processor.
#![expect(unsafe_code, reason = "it is C")]

/// Computes Argon2id, version 0x13, with one lane.
///
/// # Panics
/// Panics when the library refuses the parameters or cannot allocate memory.
pub(crate) fn hash_into(password: &[u8], salt: &[u8], memory_kib: u32, passes: u32, out: &mut [u8]) {
    // SAFETY: each pointer is passed with the length of its data. The function reads the password and the salt,
    // writes `out`, and keeps none of the pointers.
    let status = unsafe {
        argon2_sys::argon2id_hash_raw(
            passes,
            memory_kib,
            1,
            password.as_ptr().cast(),
            password.len(),
            salt.as_ptr().cast(),
            salt.len(),
            out.as_mut_ptr().cast(),
            out.len(),
        )
    };
    assert_eq!(status, 0, "the reference implementation returned an error");
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Argon2, Params, Version};

    use super::*;

    #[test]
    fn the_reference_computes_the_same_hash_as_the_argon2_crate() {
        let (mut theirs, mut ours) = ([0; 32], [0; 32]);
        hash_into(b"password", b"somesalt", 64, 2, &mut theirs);
        let params = Params::new(64, 2, 1, Some(32)).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(b"password", b"somesalt", &mut ours)
            .unwrap();
        assert_eq!(theirs, ours);
    }
}

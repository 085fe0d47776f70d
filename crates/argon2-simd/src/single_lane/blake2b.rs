//! The initial hash H0 and the variable-length hash H' (RFC 9106 sections 3.2, step 1, and 3.3), both
//! based on BLAKE2b without a key (RFC 7693).

use argon2::Block;
use blake2::{
    Blake2bVarCore,
    digest::{
        block_api::{UpdateCore, VariableOutputCore},
        block_buffer::LazyBuffer,
    },
};
use zeroize::{Zeroize, Zeroizing};

use super::Compression;
use crate::Inputs;

/// The maximum length of a BLAKE2b digest, in bytes.
const MAX_DIGEST_BYTES: usize = 64;

/// Computes H0 of these inputs, for an output of `output_len` bytes. All lengths are checked before.
pub(super) fn h0(inputs: &Inputs<'_>, output_len: usize) -> Zeroizing<[u8; MAX_DIGEST_BYTES]> {
    let Inputs { algorithm, params, version, secret, password, salt } = *inputs;
    let mut h0 = Zeroizing::new([0; MAX_DIGEST_BYTES]);
    blake2b(
        &[
            &params.p_cost().to_le_bytes(),
            &le32(output_len),
            &params.m_cost().to_le_bytes(),
            &params.t_cost().to_le_bytes(),
            &u32::from(version).to_le_bytes(),
            &(algorithm as u32).to_le_bytes(),
            &le32(password.len()),
            password,
            &le32(salt.len()),
            salt,
            &le32(secret.len()),
            secret,
            &le32(params.data().len()),
            params.data(),
        ],
        h0.as_mut(),
    );
    h0
}

/// Computes block 0 or 1 of the only lane: H' of H0, the block's number and the lane's number.
pub(super) fn first_block<C: Compression>(h0: &[u8; MAX_DIGEST_BYTES], number: u32, block: &mut Block) {
    let mut bytes = Zeroizing::new([0; Block::SIZE]);
    h_prime(&[h0, &number.to_le_bytes(), &0_u32.to_le_bytes()], bytes.as_mut());
    for (word, bytes) in bytes.as_chunks().0.iter().enumerate() {
        block.as_mut()[C::position(word)] = u64::from_le_bytes(*bytes);
    }
}

/// Computes the output hash: H' of the last block.
pub(super) fn output<C: Compression>(last: &Block, out: &mut [u8]) {
    let mut bytes = Zeroizing::new([0; Block::SIZE]);
    for (word, bytes) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
        *bytes = last.as_ref()[C::position(word)].to_le_bytes();
    }
    h_prime(&[bytes.as_ref()], out);
}

/// Computes H' of the concatenated parts, with the length of `out`, which is not empty.
fn h_prime(parts: &[&[u8]], out: &mut [u8]) {
    let length = le32(out.len());
    let parts_with_length = [&[&length[..]], parts].concat();
    if out.len() <= MAX_DIGEST_BYTES {
        return blake2b(&parts_with_length, out);
    }
    // A chain of digests: the first half of each digest is output, and all of the last one.
    let mut digest = Zeroizing::new([0; MAX_DIGEST_BYTES]);
    blake2b(&parts_with_length, digest.as_mut());
    let mut rest = out;
    loop {
        let (half, remaining) = rest.split_at_mut(MAX_DIGEST_BYTES / 2);
        half.copy_from_slice(&digest[..MAX_DIGEST_BYTES / 2]);
        rest = remaining;
        let previous = digest.clone();
        if rest.len() <= MAX_DIGEST_BYTES {
            return blake2b(&[previous.as_ref()], rest);
        }
        blake2b(&[previous.as_ref()], digest.as_mut());
    }
}

/// Computes BLAKE2b of the concatenated parts. The length of `out`, 1 to 64 bytes, is an input of the
/// hash.
fn blake2b(parts: &[&[u8]], out: &mut [u8]) {
    let mut state = Blake2bVarCore::new(out.len()).expect("BLAKE2b has outputs of 1 to 64 bytes");
    let mut buffer = LazyBuffer::default();
    for part in parts {
        buffer.digest_blocks(part, |blocks| state.update_blocks(blocks));
    }
    let mut digest = Default::default();
    state.finalize_variable_core(&mut buffer, &mut digest);
    out.copy_from_slice(&digest[..out.len()]);
    digest.as_mut_slice().zeroize();
}

/// Returns LE32 of a length. Argon2 allows at most 2^32 - 1 for each of them.
fn le32(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("lengths are checked before the computation").to_le_bytes()
}

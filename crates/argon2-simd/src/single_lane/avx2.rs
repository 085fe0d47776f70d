//! The compression function G (RFC 9106 section 3.5) and its permutation P (section 3.6)
//! in AVX2 instructions.
//!
//! P is BLAKE2b's round without message words and with a product in each addition (BlaMka, from the
//! Lyra2 and Argon2 papers; GB in section 3.6). A vector contains four words, so one vector each of
//! a, b, c and d is a whole GB step of P.
//!
//! # Optimizations
//!
//! - **Several rows or columns at once.** The steps of GB depend on each other: multiply (3 cycles),
//!   add, add, XOR, rotate, and again. A single P leaves most of the core idle. G applies P to eight
//!   rows and then to eight columns, which are independent of each other. So three rows (3 + 3 + 2) or
//!   two columns execute each step together. The code does each step for all of them, because the
//!   compiler keeps that order; the processor's window is too short to reorder across a whole P. The
//!   16 registers hold three rows. Four rows need the stack, and are faster only on a core that is not
//!   shared.
//! - **Two columns in a vector.** The words of a column are pairs, 128 bytes apart. A vector contains
//!   the pairs of two neighbouring columns, one in each half. So columns need no transposition, and
//!   moving to the diagonals is a shift by one word over two vectors (`vpalignr`).
//! - **Feed-forward in the target.** G ends with an XOR of its state and its start value R. There are
//!   no registers for R. It is written to the target, in later passes added (XOR) to the old contents
//!   (section 3.2, step 6), and the result is added to it. So R is neither computed twice nor stored
//!   elsewhere. This is correct because the target is not one of the sources: [`Compression::compress`] has an
//!   exclusive reference to it.
//! - **The first word early.** It is in the first column, so it is known when three quarters of the
//!   columns are not computed yet.

use std::arch::x86_64::*;

use argon2::Block;
use zeroize::Zeroize;

use super::Compression;

/// The four words of a vector.
type Words = [u64; 4];
/// The four vectors of a row: of P's 16 words, words 0 to 3 (a), 4 to 7 (b), 8 to 11 (c) and 12 to 15
/// (d).
type Row = [Words; 4];

/// A proof that the processor has AVX2. Only detection creates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Detects AVX2. std asks the processor once and caches the answer.
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// The compression function G in AVX2 instructions.
pub(crate) struct Avx2Compression {
    /// Allows the calls of AVX2 code.
    _proof: Avx2,
    /// The block for the state between rows and columns.
    scratch: Block,
}

impl From<Avx2> for Avx2Compression {
    fn from(proof: Avx2) -> Self {
        Self { _proof: proof, scratch: Block::new() }
    }
}

impl Compression for Avx2Compression {
    fn position(word: usize) -> usize {
        word
    }

    #[allow(unsafe_code, reason = "code for any processor calls code for AVX2")]
    fn compress<const ADD: bool>(&mut self, target: &mut Block, x: &Block, y: &Block, first_word: impl FnOnce(u64)) {
        // SAFETY: `self` contains the proof that the processor has AVX2.
        unsafe { compress::<ADD>(rows_mut(target), rows(x), rows(y), rows_mut(&mut self.scratch), first_word) }
    }
}

impl Drop for Avx2Compression {
    fn drop(&mut self) {
        self.scratch.zeroize();
    }
}

#[target_feature(enable = "avx2")]
fn compress<const ADD: bool>(
    target: &mut [Row; 8],
    x: &[Row; 8],
    y: &[Row; 8],
    scratch: &mut [Row; 8],
    first_word: impl FnOnce(u64),
) {
    permute_rows::<ADD, 0, 3>(target, x, y, scratch);
    permute_rows::<ADD, 3, 3>(target, x, y, scratch);
    permute_rows::<ADD, 6, 2>(target, x, y, scratch);
    permute_columns::<0>(target, scratch);
    first_word(target[0][0][0]);
    permute_columns::<1>(target, scratch);
    permute_columns::<2>(target, scratch);
    permute_columns::<3>(target, scratch);
}

/// Processes N rows from FIRST on: writes R, which is x + y (XOR), to the target, and P of R to the
/// scratch block.
#[target_feature(enable = "avx2")]
#[inline]
fn permute_rows<const ADD: bool, const FIRST: usize, const N: usize>(
    target: &mut [Row; 8],
    x: &[Row; 8],
    y: &[Row; 8],
    scratch: &mut [Row; 8],
) {
    let mut parts = [[_mm256_setzero_si256(); N]; 4];
    for (part, vectors) in parts.iter_mut().enumerate() {
        for (row, vector) in (FIRST..).zip(vectors) {
            *vector = _mm256_xor_si256(load(&x[row][part]), load(&y[row][part]));
            let slot = &mut target[row][part];
            store(slot, if ADD { _mm256_xor_si256(*vector, load(slot)) } else { *vector });
        }
    }
    let [a, b, c, d] = &mut parts;
    gb(a, b, c, d);
    // Move to the diagonals, and back.
    for row in 0..N {
        b[row] = _mm256_permute4x64_epi64::<0b00_11_10_01>(b[row]);
        c[row] = _mm256_permute4x64_epi64::<0b01_00_11_10>(c[row]);
        d[row] = _mm256_permute4x64_epi64::<0b10_01_00_11>(d[row]);
    }
    gb(a, b, c, d);
    for row in 0..N {
        b[row] = _mm256_permute4x64_epi64::<0b10_01_00_11>(b[row]);
        c[row] = _mm256_permute4x64_epi64::<0b01_00_11_10>(c[row]);
        d[row] = _mm256_permute4x64_epi64::<0b00_11_10_01>(d[row]);
    }
    for (part, vectors) in parts.into_iter().enumerate() {
        for (row, vector) in (FIRST..).zip(vectors) {
            store(&mut scratch[row][part], vector);
        }
    }
}

/// Adds P of the two columns in vector VECTOR of each row to the target.
#[target_feature(enable = "avx2")]
#[inline]
fn permute_columns<const VECTOR: usize>(target: &mut [Row; 8], scratch: &[Row; 8]) {
    let mut parts = [[_mm256_setzero_si256(); 2]; 4];
    // a is from the first two rows, b from the next two, and so on.
    for (part, rows) in parts.as_flattened_mut().iter_mut().zip(scratch) {
        *part = load(&rows[VECTOR]);
    }
    let [a, b, c, d] = &mut parts;
    gb(a, b, c, d);
    // Move to the diagonals, and back.
    *b = [_mm256_alignr_epi8::<8>(b[1], b[0]), _mm256_alignr_epi8::<8>(b[0], b[1])];
    *c = [c[1], c[0]];
    *d = [_mm256_alignr_epi8::<8>(d[0], d[1]), _mm256_alignr_epi8::<8>(d[1], d[0])];
    gb(a, b, c, d);
    *b = [_mm256_alignr_epi8::<8>(b[0], b[1]), _mm256_alignr_epi8::<8>(b[1], b[0])];
    *c = [c[1], c[0]];
    *d = [_mm256_alignr_epi8::<8>(d[1], d[0]), _mm256_alignr_epi8::<8>(d[0], d[1])];
    for (part, rows) in parts.as_flattened().iter().zip(target) {
        let slot = &mut rows[VECTOR];
        store(slot, _mm256_xor_si256(*part, load(slot)));
    }
}

/// Applies GB of section 3.6 to four words of each of N permutations P.
#[target_feature(enable = "avx2")]
#[inline]
fn gb<const N: usize>(a: &mut [__m256i; N], b: &mut [__m256i; N], c: &mut [__m256i; N], d: &mut [__m256i; N]) {
    // Right rotations by whole bytes are byte shuffles.
    let by_24 = _mm256_broadcastsi128_si256(_mm_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10));
    let by_16 = _mm256_broadcastsi128_si256(_mm_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9));
    add_with_product(a, b);
    xor(d, a);
    for d in &mut *d {
        *d = _mm256_shuffle_epi32::<0b10_11_00_01>(*d);
    }
    add_with_product(c, d);
    xor(b, c);
    for b in &mut *b {
        *b = _mm256_shuffle_epi8(*b, by_24);
    }
    add_with_product(a, b);
    xor(d, a);
    for d in &mut *d {
        *d = _mm256_shuffle_epi8(*d, by_16);
    }
    add_with_product(c, d);
    xor(b, c);
    // A right rotation by 63 is a left rotation by 1.
    for b in &mut *b {
        *b = _mm256_or_si256(_mm256_srli_epi64::<63>(*b), _mm256_add_epi64(*b, *b));
    }
}

/// Sets each word x to x + y + 2 * (low half of x) * (low half of y), modulo 2^64.
#[target_feature(enable = "avx2")]
#[inline]
fn add_with_product<const N: usize>(x: &mut [__m256i; N], y: &[__m256i; N]) {
    let mut product = *x;
    for (product, y) in product.iter_mut().zip(y) {
        *product = _mm256_mul_epu32(*product, *y);
    }
    for (x, y) in x.iter_mut().zip(y) {
        *x = _mm256_add_epi64(*x, *y);
    }
    for product in &mut product {
        *product = _mm256_add_epi64(*product, *product);
    }
    for (x, product) in x.iter_mut().zip(product) {
        *x = _mm256_add_epi64(*x, product);
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn xor<const N: usize>(x: &mut [__m256i; N], y: &[__m256i; N]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x = _mm256_xor_si256(*x, *y);
    }
}

fn rows(block: &Block) -> &[Row; 8] {
    block.as_ref().as_chunks().0.as_chunks().0.try_into().expect("a block is 128 words")
}

fn rows_mut(block: &mut Block) -> &mut [Row; 8] {
    block.as_mut().as_chunks_mut().0.as_chunks_mut().0.try_into().expect("a block is 128 words")
}

#[target_feature(enable = "avx2")]
#[inline]
#[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
fn load(words: &Words) -> __m256i {
    // SAFETY: reads the 32 bytes of `words`, with any alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
#[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
fn store(words: &mut Words, vector: __m256i) {
    // SAFETY: writes the 32 bytes of `words`, with any alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
}

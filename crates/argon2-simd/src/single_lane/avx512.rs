//! The compression function G (RFC 9106 section 3.5) and its permutation P (section 3.6) in AVX-512
//! instructions.
//!
//! [`super::avx2`] describes P, and the feed-forward in the target. Here a vector contains eight words,
//! and the 32 registers hold a whole block: nothing is stored between rows and columns.
//!
//! # Where the words are
//!
//! A vector contains one part (a, b, c or d) of two neighbouring rows, in the order row, column:
//!
//! | part a of rows 0 and 1 | part b | part c | part d |
//! |---|---|---|---|
//! | words 0 to 3, 16 to 19 | 4 to 7, 20 to 23 | 8 to 11, 24 to 27 | 12 to 15, 28 to 31 |
//!
//! For rows, the four vectors in a line of this table are a, b, c and d of two permutations P. For
//! columns, the four vectors below each other are: P of columns 0 and 1 takes words 0 to 3 and 16 to 19 as
//! its two a, words 32 to 35 and 48 to 51 as its two b, and so on. So words move only within a vector, when
//! they go to the diagonals and back. The blocks in memory have this order, too
//! ([`Compression::position`]); the order of Argon2 would need two loads for each vector.
//!
//! # Diagonals
//!
//! The last result of GB is b, and the next GB begins with it. So b stays where it is, and a, c and d move
//! relative to it: they are known earlier, and the time of their moves is hidden.

use std::arch::x86_64::*;

use argon2::Block;

use super::Compression;

/// The eight words of a vector.
type Words = [u64; 8];
/// The vectors of two neighbouring rows: parts a, b, c and d.
type RowPair = [Words; 4];

/// A proof that the processor has AVX-512. Only detection creates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// Detects AVX-512 of Ice Lake, Zen 4 or later: these were the first with VBMI2. This code needs only
    /// AVX-512F, but with that the processors before them reduce their clock rate, also for other programs.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vbmi2")).then_some(Self(()))
    }
}

/// The compression function G in AVX-512 instructions.
pub(crate) struct Avx512Compression {
    /// Allows the calls of AVX-512 code.
    _proof: Avx512,
}

impl From<Avx512> for Avx512Compression {
    fn from(proof: Avx512) -> Self {
        Self { _proof: proof }
    }
}

impl Compression for Avx512Compression {
    fn position(word: usize) -> usize {
        let (pair, row, part, column) = (word / 32, word / 16 % 2, word / 4 % 4, word % 4);
        pair * 32 + part * 8 + row * 4 + column
    }

    #[allow(unsafe_code, reason = "code for any processor calls code for AVX-512")]
    fn compress<const ADD: bool>(&mut self, target: &mut Block, x: &Block, y: &Block, first_word: impl FnOnce(u64)) {
        // SAFETY: `self` contains the proof that the processor has AVX-512.
        unsafe { compress::<ADD>(pairs_mut(target), pairs(x), pairs(y), first_word) }
    }
}

#[target_feature(enable = "avx512f")]
fn compress<const ADD: bool>(
    target: &mut [RowPair; 4],
    x: &[RowPair; 4],
    y: &[RowPair; 4],
    first_word: impl FnOnce(u64),
) {
    // The vectors of each part, for the four pairs of rows. R, which is x + y (XOR), is written to the target.
    let mut parts = [[_mm512_setzero_si512(); 4]; 4];
    for (part, vectors) in parts.iter_mut().enumerate() {
        for (pair, vector) in vectors.iter_mut().enumerate() {
            *vector = _mm512_xor_si512(load(&x[pair][part]), load(&y[pair][part]));
            let slot = &mut target[pair][part];
            store(slot, if ADD { _mm512_xor_si512(*vector, load(slot)) } else { *vector });
        }
    }
    permute_rows::<ADD>(&mut parts);
    // The vectors of each pair of rows, for the four parts.
    let mut pairs = [[_mm512_setzero_si512(); 4]; 4];
    for (part, vectors) in parts.into_iter().enumerate() {
        for (pair, vector) in vectors.into_iter().enumerate() {
            pairs[pair][part] = vector;
        }
    }
    permute_columns::<ADD>(&mut pairs);
    for (vectors, slots) in pairs.into_iter().zip(&mut *target) {
        for (vector, slot) in vectors.into_iter().zip(slots) {
            store(slot, _mm512_xor_si512(vector, load(slot)));
        }
    }
    first_word(target[0][0][0]);
}

/// Applies P to the eight rows. ADD only gives each `compress` a function of its own, to be inlined.
#[target_feature(enable = "avx512f")]
#[inline]
fn permute_rows<const ADD: bool>([a, b, c, d]: &mut [[__m512i; 4]; 4]) {
    gb(a, b, c, d);
    for vector in &mut *a {
        *vector = _mm512_permutex_epi64::<0b10_01_00_11>(*vector);
    }
    for vector in &mut *d {
        *vector = _mm512_permutex_epi64::<0b01_00_11_10>(*vector);
    }
    for vector in &mut *c {
        *vector = _mm512_permutex_epi64::<0b00_11_10_01>(*vector);
    }
    gb(a, b, c, d);
    for vector in a {
        *vector = _mm512_permutex_epi64::<0b00_11_10_01>(*vector);
    }
    for vector in d {
        *vector = _mm512_permutex_epi64::<0b01_00_11_10>(*vector);
    }
    for vector in c {
        *vector = _mm512_permutex_epi64::<0b10_01_00_11>(*vector);
    }
}

/// Applies P to the eight columns. The four words of a column are in the first and third quarter of a vector, or in
/// the second and fourth.
#[target_feature(enable = "avx512f")]
#[inline]
fn permute_columns<const ADD: bool>([a, b, c, d]: &mut [[__m512i; 4]; 4]) {
    let left = _mm512_setr_epi64(1, 4, 3, 6, 5, 0, 7, 2);
    let right = _mm512_setr_epi64(5, 0, 7, 2, 1, 4, 3, 6);
    gb(a, b, c, d);
    for vector in &mut *a {
        *vector = _mm512_permutexvar_epi64(right, *vector);
    }
    for vector in &mut *d {
        *vector = _mm512_shuffle_i64x2::<0b01_00_11_10>(*vector, *vector);
    }
    for vector in &mut *c {
        *vector = _mm512_permutexvar_epi64(left, *vector);
    }
    gb(a, b, c, d);
    for vector in a {
        *vector = _mm512_permutexvar_epi64(left, *vector);
    }
    for vector in d {
        *vector = _mm512_shuffle_i64x2::<0b01_00_11_10>(*vector, *vector);
    }
    for vector in c {
        *vector = _mm512_permutexvar_epi64(right, *vector);
    }
}

/// Applies GB of section 3.6 to eight words of each of four vectors.
#[target_feature(enable = "avx512f")]
#[inline]
fn gb(a: &mut [__m512i; 4], b: &mut [__m512i; 4], c: &mut [__m512i; 4], d: &mut [__m512i; 4]) {
    add_with_product(a, b);
    xor_and_rotate::<32>(d, a);
    add_with_product(c, d);
    xor_and_rotate::<24>(b, c);
    add_with_product(a, b);
    xor_and_rotate::<16>(d, a);
    add_with_product(c, d);
    xor_and_rotate::<63>(b, c);
}

/// Sets each word x to x + y + 2 * (low half of x) * (low half of y), modulo 2^64.
#[target_feature(enable = "avx512f")]
#[inline]
fn add_with_product(x: &mut [__m512i; 4], y: &[__m512i; 4]) {
    let mut product = *x;
    for (product, y) in product.iter_mut().zip(y) {
        *product = _mm512_mul_epu32(*product, *y);
    }
    for (x, y) in x.iter_mut().zip(y) {
        *x = _mm512_add_epi64(*x, *y);
    }
    for product in &mut product {
        *product = _mm512_add_epi64(*product, *product);
    }
    for (x, product) in x.iter_mut().zip(product) {
        *x = _mm512_add_epi64(*x, product);
    }
}

/// Sets each word x to x + y (XOR), rotated right by BITS.
#[target_feature(enable = "avx512f")]
#[inline]
fn xor_and_rotate<const BITS: i32>(x: &mut [__m512i; 4], y: &[__m512i; 4]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x = _mm512_xor_si512(*x, *y);
    }
    for x in x {
        *x = _mm512_ror_epi64::<BITS>(*x);
    }
}

fn pairs(block: &Block) -> &[RowPair; 4] {
    block.as_ref().as_chunks().0.as_chunks().0.try_into().expect("a block is 128 words")
}

fn pairs_mut(block: &mut Block) -> &mut [RowPair; 4] {
    block.as_mut().as_chunks_mut().0.as_chunks_mut().0.try_into().expect("a block is 128 words")
}

#[target_feature(enable = "avx512f")]
#[inline]
#[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
fn load(words: &Words) -> __m512i {
    // SAFETY: reads the 64 bytes of `words`, with any alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
#[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
fn store(words: &mut Words, vector: __m512i) {
    // SAFETY: writes the 64 bytes of `words`, with any alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
}

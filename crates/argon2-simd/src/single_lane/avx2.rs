//! The compression function G (RFC 9106 section 3.5) and its permutation P (section 3.6)
//! in AVX2 instructions.
//!
//! P is BLAKE2b's round without message words and with a product in each addition
//! (BlaMka, of the Lyra2 and Argon2 papers; GB in section 3.6). A vector holds four words,
//! so one of each a, b, c, d is a whole GB step of P.
//!
//! # What buys what
//!
//! - **Several at once.** The steps of GB depend on each other: multiply (3 cycles), add,
//!   add, XOR, rotate, and again. One P alone leaves most of the core idle. G applies P to
//!   eight rows and then to eight columns, which are independent of each other: so three
//!   rows (3 + 3 + 2), or two columns, take every step together. It is written step by
//!   step for all of them because the compiler keeps that order; the processor's window is
//!   too short to find it by itself. Three are what 16 registers hold: four need the
//!   stack, and gain only on a core that nobody shares.
//! - **Two columns in a vector.** A column's words are pairs, 128 bytes apart; a vector holds
//!   the pairs of two neighbours, one in each half. So columns need no transposition, and
//!   going to the diagonals is a shift by one word over two vectors (`vpalignr`).
//! - **Feed-forward in the target.** G ends with an XOR of the state and what it began with,
//!   R. There are no registers for R: it is written where the result will be, in later
//!   passes added (XOR) to what is there (section 3.2, step 6), and the result is added to
//!   that. So R is neither computed twice nor kept elsewhere. It is correct because the
//!   target is none of the sources: [`Avx2::compress`] has it by a reference of its own.
//! - **The first word early.** It is in the first column, so it is known when three quarters
//!   of the columns are still to be computed.

use std::arch::x86_64::*;

use argon2::Block;

/// The words of a vector.
type Words = [u64; 4];
/// The vectors of a row: words 0 to 3 (a), 4 to 7 (b), 8 to 11 (c), 12 to 15 (d) of P's 16.
type Row = [Words; 4];

/// The proof that the processor has AVX2: only detection makes one.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Asks the processor, once in a process; std remembers the answer.
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// G(x, y) into the target, or added (XOR) to what it holds. `first_word` is told the
    /// target's first word as soon as it is known, well before the rest.
    #[allow(unsafe_code, reason = "from code for every processor into code for this one")]
    pub(super) fn compress<const ADD: bool>(
        self,
        target: &mut Block,
        x: &Block,
        y: &Block,
        scratch: &mut Block,
        first_word: impl FnOnce(u64),
    ) {
        // SAFETY: `self` exists, so the processor has AVX2.
        unsafe { compress::<ADD>(rows_mut(target), rows(x), rows(y), rows_mut(scratch), first_word) }
    }
}

/// Brings a block near that is about to be read.
#[inline]
#[allow(unsafe_code, reason = "the intrinsic belongs to SSE, of which no function here says that it needs it")]
pub(super) fn prefetch(blocks: *const Block, index: usize) {
    const LINE: usize = 64;
    let block = blocks.wrapping_add(index).cast::<i8>();
    for offset in (0..Block::SIZE).step_by(LINE) {
        // SAFETY: every x86-64 has SSE. No address is wrong: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(block.wrapping_add(offset)) };
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

/// For N rows from FIRST on: R, which is x + y (XOR), goes into the target, P of it into
/// the scratch block.
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
    // To the diagonals, and back.
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

/// P of the two columns in this vector of each row, added to the target.
#[target_feature(enable = "avx2")]
#[inline]
fn permute_columns<const VECTOR: usize>(target: &mut [Row; 8], scratch: &[Row; 8]) {
    let mut parts = [[_mm256_setzero_si256(); 2]; 4];
    // a is of the first two rows, b of the next two.
    for (part, rows) in parts.as_flattened_mut().iter_mut().zip(scratch) {
        *part = load(&rows[VECTOR]);
    }
    let [a, b, c, d] = &mut parts;
    gb(a, b, c, d);
    // To the diagonals, and back.
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

/// GB of section 3.6 on four words of each of N applications of P.
#[target_feature(enable = "avx2")]
#[inline]
fn gb<const N: usize>(a: &mut [__m256i; N], b: &mut [__m256i; N], c: &mut [__m256i; N], d: &mut [__m256i; N]) {
    // Rotations to the right by whole bytes are shuffles of them.
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
    // By 63 to the right is by 1 to the left.
    for b in &mut *b {
        *b = _mm256_or_si256(_mm256_srli_epi64::<63>(*b), _mm256_add_epi64(*b, *b));
    }
}

/// x becomes x + y + 2 * low half of x * low half of y, modulo 2^64, in each word.
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
    // SAFETY: reads the 32 bytes of `words`, whatever their alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
#[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
fn store(words: &mut Words, vector: __m256i) {
    // SAFETY: writes the 32 bytes of `words`, whatever their alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block() -> impl Strategy<Value = Block> {
        proptest::collection::vec(any::<u64>(), 128).prop_map(|words| {
            let mut block = Block::new();
            block.as_mut().copy_from_slice(&words);
            block
        })
    }

    #[test]
    fn the_first_word_is_reported_and_later_passes_add() {
        let Some(avx2) = Avx2::detect() else {
            eprintln!("SKIPPED: no AVX2 here");
            return;
        };
        proptest!(|(x in block(), y in block(), before in block())| {
            let (mut fresh, mut added, mut scratch) = (before, before, before);
            let (mut reported_fresh, mut reported_added) = (None, None);
            avx2.compress::<false>(&mut fresh, &x, &y, &mut scratch, |word| reported_fresh = Some(word));
            avx2.compress::<true>(&mut added, &x, &y, &mut scratch, |word| reported_added = Some(word));
            prop_assert_eq!(reported_fresh, Some(fresh.as_ref()[0]));
            prop_assert_eq!(reported_added, Some(added.as_ref()[0]));
            let expected = fresh ^ &before;
            prop_assert_eq!(expected.as_ref(), added.as_ref());
        });
    }
}

//! The compression function G (RFC 9106 section 3.5) and its permutation P (section 3.6),
//! which is BLAKE2b's round with a multiplication in its additions (BlaMka: Lyra2's, and
//! section 3.6's GB), in AVX2 instructions.

use std::arch::x86_64::*;

use argon2::Block;

/// Four words of a block: half a register file's line of 16.
type Words = [u64; 4];

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
        unsafe { compress::<ADD>(vectors_mut(target), vectors(x), vectors(y), vectors_mut(scratch), first_word) }
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
    target: &mut [Words; 32],
    x: &[Words; 32],
    y: &[Words; 32],
    scratch: &mut [Words; 32],
    first_word: impl FnOnce(u64),
) {
    for row in [0, 8, 16, 24] {
        let mut r: [__m256i; 8] = [_mm256_setzero_si256(); 8];
        for i in 0..8 {
            r[i] = _mm256_xor_si256(load(&x[row + i]), load(&y[row + i]));
            let feed = if ADD { _mm256_xor_si256(r[i], load(&target[row + i])) } else { r[i] };
            store(&mut target[row + i], feed);
        }
        let [mut a, mut b, mut c, mut d] = [[r[0], r[4]], [r[1], r[5]], [r[2], r[6]], [r[3], r[7]]];
        gb(&mut a, &mut b, &mut c, &mut d);
        for i in 0..2 {
            b[i] = _mm256_permute4x64_epi64::<0b00_11_10_01>(b[i]);
            c[i] = _mm256_permute4x64_epi64::<0b01_00_11_10>(c[i]);
            d[i] = _mm256_permute4x64_epi64::<0b10_01_00_11>(d[i]);
        }
        gb(&mut a, &mut b, &mut c, &mut d);
        for i in 0..2 {
            b[i] = _mm256_permute4x64_epi64::<0b10_01_00_11>(b[i]);
            c[i] = _mm256_permute4x64_epi64::<0b01_00_11_10>(c[i]);
            d[i] = _mm256_permute4x64_epi64::<0b00_11_10_01>(d[i]);
        }
        for i in 0..2 {
            store(&mut scratch[row + 4 * i], a[i]);
            store(&mut scratch[row + 4 * i + 1], b[i]);
            store(&mut scratch[row + 4 * i + 2], c[i]);
            store(&mut scratch[row + 4 * i + 3], d[i]);
        }
    }
    let mut first_word = Some(first_word);
    for column in 0..4 {
        let s = |row: usize| load(&scratch[4 * row + column]);
        let [mut a, mut b, mut c, mut d] = [[s(0), s(1)], [s(2), s(3)], [s(4), s(5)], [s(6), s(7)]];
        gb(&mut a, &mut b, &mut c, &mut d);
        b = [_mm256_alignr_epi8::<8>(b[1], b[0]), _mm256_alignr_epi8::<8>(b[0], b[1])];
        c = [c[1], c[0]];
        d = [_mm256_alignr_epi8::<8>(d[0], d[1]), _mm256_alignr_epi8::<8>(d[1], d[0])];
        gb(&mut a, &mut b, &mut c, &mut d);
        b = [_mm256_alignr_epi8::<8>(b[0], b[1]), _mm256_alignr_epi8::<8>(b[1], b[0])];
        c = [c[1], c[0]];
        d = [_mm256_alignr_epi8::<8>(d[1], d[0]), _mm256_alignr_epi8::<8>(d[0], d[1])];
        let rows = [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]];
        for (row, q) in rows.into_iter().enumerate() {
            let words = &mut target[4 * row + column];
            let word = _mm256_xor_si256(q, load(words));
            store(words, word);
            if let Some(first_word) = first_word.take() {
                first_word(_mm256_extract_epi64::<0>(word).cast_unsigned());
            }
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn gb(a: &mut [__m256i; 2], b: &mut [__m256i; 2], c: &mut [__m256i; 2], d: &mut [__m256i; 2]) {
    let rotate24 = _mm256_setr_epi8(
        3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,
    );
    let rotate16 = _mm256_setr_epi8(
        2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,
    );
    for i in 0..2 {
        a[i] = add_with_product(a[i], b[i]);
        d[i] = _mm256_shuffle_epi32::<0b10_11_00_01>(_mm256_xor_si256(d[i], a[i]));
        c[i] = add_with_product(c[i], d[i]);
        b[i] = _mm256_shuffle_epi8(_mm256_xor_si256(b[i], c[i]), rotate24);
        a[i] = add_with_product(a[i], b[i]);
        d[i] = _mm256_shuffle_epi8(_mm256_xor_si256(d[i], a[i]), rotate16);
        c[i] = add_with_product(c[i], d[i]);
        let x = _mm256_xor_si256(b[i], c[i]);
        b[i] = _mm256_xor_si256(_mm256_srli_epi64::<63>(x), _mm256_add_epi64(x, x));
    }
}

/// x + y + 2 * low half of x * low half of y, modulo 2^64, in each word.
#[target_feature(enable = "avx2")]
#[inline]
fn add_with_product(x: __m256i, y: __m256i) -> __m256i {
    let product = _mm256_mul_epu32(x, y);
    _mm256_add_epi64(_mm256_add_epi64(x, y), _mm256_add_epi64(product, product))
}

fn vectors(block: &Block) -> &[Words; 32] {
    block.as_ref().as_chunks().0.try_into().expect("a block is 128 words")
}

fn vectors_mut(block: &mut Block) -> &mut [Words; 32] {
    block.as_mut().as_chunks_mut().0.try_into().expect("a block is 128 words")
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

    proptest! {
        #[test]
        fn the_first_word_is_told_and_later_passes_add(x in block(), y in block(), before in block()) {
            let Some(avx2) = Avx2::detect() else {
                eprintln!("SKIPPED: no AVX2 here");
                return Ok(());
            };
            let (mut fresh, mut added, mut scratch) = (before, before, before);
            let (mut told_fresh, mut told_added) = (None, None);
            avx2.compress::<false>(&mut fresh, &x, &y, &mut scratch, |word| told_fresh = Some(word));
            avx2.compress::<true>(&mut added, &x, &y, &mut scratch, |word| told_added = Some(word));
            prop_assert_eq!(told_fresh, Some(fresh.as_ref()[0]));
            prop_assert_eq!(told_added, Some(added.as_ref()[0]));
            let expected = fresh ^ &before;
            prop_assert_eq!(expected.as_ref(), added.as_ref());
        }
    }
}

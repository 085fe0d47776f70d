//! Argon2id of version 0x13 with one lane (RFC 9106 section 3.2).
//!
//! # Why blocks are prefetched
//!
//! A block's reference block can be anywhere in the arena and is probably not in the core's caches. In
//! the first half of the first pass all addresses are known in advance. After that the first word of
//! each block names the reference block of the next one (section 3.4.1.1). G knows that word after a
//! part of its last step in AVX2 (see [`avx2`]), and when it ends in AVX-512, so the next reference block is loaded while the rest is
//! computed. A prefetch affects only the time: with a wrong address the hash would be the same, but
//! slower.

mod avx2;
mod avx512;
mod blake2b;
mod indexing;

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use argon2::{Algorithm, Block};

use self::indexing::Segment;
pub(crate) use self::{
    avx2::{Avx2, Avx2Compression},
    avx512::{Avx512, Avx512Compression},
};
use crate::Inputs;

/// The compression function G (RFC 9106 section 3.5) in the instructions of some processors.
pub(crate) trait Compression {
    /// Returns the position in memory of a block's word. The first word is the first in memory, too.
    fn position(word: usize) -> usize;

    /// Writes G(x, y) to the target, or adds it (XOR) to the target's contents. `first_word` is called
    /// with the target's first word as soon as it is known.
    fn compress<const ADD: bool>(&mut self, target: &mut Block, x: &Block, y: &Block, first_word: impl FnOnce(u64));
}

/// Computes the hash in all of these blocks. The inputs are checked, and are Argon2id of version 0x13
/// with one lane.
pub(crate) fn hash<C: Compression>(compression: C, inputs: &Inputs<'_>, blocks: &mut [Block], out: &mut [u8]) {
    let h0 = blake2b::h0(inputs, out.len());
    for (number, block) in (0..2).zip(&mut *blocks) {
        blake2b::first_block::<C>(&h0, number, block);
    }
    let passes = inputs.params.t_cost();
    let mut lane = Lane { compression, blocks };
    for segment in Segment::all(passes, lane.blocks.len()) {
        if segment.is_data_independent() {
            lane.fill_data_independent(segment, passes);
        } else {
            lane.fill_data_dependent(segment);
        }
    }
    blake2b::output::<C>(lane.blocks.last().expect("a lane has at least eight blocks"), out);
}

/// The only lane of a computation.
struct Lane<'a, C> {
    compression: C,
    blocks: &'a mut [Block],
}

impl<C: Compression> Lane<'_, C> {
    /// Fills a segment like Argon2i: the addresses are words of blocks that are computed from a counter
    /// (section 3.4.1.2).
    fn fill_data_independent(&mut self, segment: Segment, passes: u32) {
        let mut addresses = Addresses::new::<C>(segment, self.blocks.len(), passes);
        for index in segment.blocks() {
            let random = addresses.word(index, &mut self.compression);
            if let Some(next) = addresses.next_word::<C>(index)
                && index + 1 < segment.blocks().end
            {
                prefetch(self.blocks.as_ptr(), segment.reference(index + 1, next));
            }
            self.fill(segment, index, segment.reference(index, random), |_| {});
        }
    }

    /// Fills a segment like Argon2d: the address is the first word of the previous block (section
    /// 3.4.1.1).
    fn fill_data_dependent(&mut self, segment: Segment) {
        let blocks = self.blocks.as_ptr();
        let mut random = self.blocks[segment.previous(0)].as_ref()[0];
        for index in segment.blocks() {
            self.fill(segment, index, segment.reference(index, random), |first_word| {
                random = first_word;
                if index + 1 < segment.blocks().end {
                    prefetch(blocks, segment.reference(index + 1, first_word));
                }
            });
        }
    }

    /// Fills one block with G of the previous block and the reference block; in later passes the result
    /// is added (XOR) to the old contents. `first_word` is called with the new block's first word as
    /// soon as it is known.
    fn fill(&mut self, segment: Segment, index: usize, reference: usize, first_word: impl FnOnce(u64)) {
        let positions = [segment.position(index), segment.previous(index), reference];
        let [target, previous, reference] =
            self.blocks.get_disjoint_mut(positions).expect("the three blocks of the lane are different");
        if segment.pass() == 0 {
            self.compression.compress::<false>(target, previous, reference, first_word);
        } else {
            self.compression.compress::<true>(target, previous, reference, first_word);
        }
    }
}

/// Prefetches a block that will soon be read.
#[inline]
#[allow(unsafe_code, reason = "the intrinsic needs SSE, which no function here declares")]
fn prefetch(blocks: *const Block, index: usize) {
    const LINE: usize = 64;
    let block = blocks.wrapping_add(index).cast::<i8>();
    for offset in (0..Block::SIZE).step_by(LINE) {
        // SAFETY: every x86-64 processor has SSE. Any address is allowed: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(block.wrapping_add(offset)) };
    }
}

/// The pseudo-random words of a data-independent segment. They are not secret.
struct Addresses {
    /// Z of section 3.4.1.2, with the counter in its seventh word.
    input: Block,
    words: Block,
}

impl Addresses {
    const WORDS_PER_BLOCK: usize = Block::SIZE / 8;
    /// The word of Z that counts the blocks of addresses.
    const COUNTER: usize = 6;

    fn new<C: Compression>(segment: Segment, blocks: usize, passes: u32) -> Self {
        let mut input = Block::new();
        let z = [
            segment.pass().into(),
            0,
            segment.slice() as u64,
            blocks as u64,
            passes.into(),
            Algorithm::Argon2id as u64,
        ];
        for (word, value) in z.into_iter().enumerate() {
            input.as_mut()[C::position(word)] = value;
        }
        Self { input, words: Block::new() }
    }

    /// Returns the word for the segment's block `index`. Call it for one block after the other.
    fn word<C: Compression>(&mut self, index: usize, compression: &mut C) -> u64 {
        let counter = &mut self.input.as_mut()[C::position(Self::COUNTER)];
        // Blocks 0 and 1 of the lane are not filled here, but their words are skipped.
        if index.is_multiple_of(Self::WORDS_PER_BLOCK) || *counter == 0 {
            *counter += 1;
            let (zero, mut address_input) = (Block::new(), Block::new());
            compression.compress::<false>(&mut address_input, &zero, &self.input, |_| {});
            compression.compress::<false>(&mut self.words, &zero, &address_input, |_| {});
        }
        self.words.as_ref()[C::position(index % Self::WORDS_PER_BLOCK)]
    }

    /// Returns the word for the next block, if it is already known.
    fn next_word<C: Compression>(&self, index: usize) -> Option<u64> {
        let next = index % Self::WORDS_PER_BLOCK + 1;
        (next < Self::WORDS_PER_BLOCK).then(|| self.words.as_ref()[C::position(next)])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block() -> impl Strategy<Value = Block> {
        proptest::collection::vec(any::<u64>(), Addresses::WORDS_PER_BLOCK).prop_map(|words| {
            let mut block = Block::new();
            block.as_mut().copy_from_slice(&words);
            block
        })
    }

    fn assert_reports_the_first_word_and_adds<C: Compression>(new: impl Fn() -> C) {
        proptest!(|(x in block(), y in block(), before in block())| {
            let mut compression = new();
            let (mut fresh, mut added) = (before, before);
            let (mut reported_fresh, mut reported_added) = (None, None);
            compression.compress::<false>(&mut fresh, &x, &y, |word| reported_fresh = Some(word));
            compression.compress::<true>(&mut added, &x, &y, |word| reported_added = Some(word));
            prop_assert_eq!(reported_fresh, Some(fresh.as_ref()[0]));
            prop_assert_eq!(reported_added, Some(added.as_ref()[0]));
            let expected = fresh ^ &before;
            prop_assert_eq!(expected.as_ref(), added.as_ref());
        });
    }

    fn assert_positions_are_a_permutation<C: Compression>() {
        let mut positions: Vec<_> = (0..Addresses::WORDS_PER_BLOCK).map(C::position).collect();
        assert_eq!(positions[0], 0);
        positions.sort_unstable();
        assert_eq!(positions, Vec::from_iter(0..Addresses::WORDS_PER_BLOCK));
    }

    #[test]
    fn the_first_word_is_reported_and_later_passes_add_in_avx2() {
        assert_positions_are_a_permutation::<Avx2Compression>();
        let Some(avx2) = Avx2::detect() else {
            eprintln!("SKIPPED: this processor has no AVX2");
            return;
        };
        assert_reports_the_first_word_and_adds(|| Avx2Compression::from(avx2));
    }

    #[test]
    fn the_first_word_is_reported_and_later_passes_add_in_avx512() {
        assert_positions_are_a_permutation::<Avx512Compression>();
        let Some(avx512) = Avx512::detect() else {
            eprintln!("SKIPPED: this processor has no AVX-512");
            return;
        };
        assert_reports_the_first_word_and_adds(|| Avx512Compression::from(avx512));
    }
}

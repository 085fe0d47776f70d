//! Argon2id of version 0x13 with one lane (RFC 9106 section 3.2).
//!
//! # Why blocks are prefetched
//!
//! A block's reference block can be anywhere in the arena and is probably not in the core's caches. In
//! the first half of the first pass all addresses are known in advance. After that the first word of
//! each block names the reference block of the next one (section 3.4.1.1). G knows that word after a
//! quarter of its last step (see [`avx2`]), so the next reference block is loaded while the rest is
//! computed. A prefetch affects only the time: with a wrong address the hash would be the same, but
//! slower.

mod avx2;
mod blake2b;
mod indexing;

use argon2::{Algorithm, Block};
use zeroize::Zeroize;

pub(crate) use self::avx2::Avx2;
use self::indexing::Segment;
use crate::Inputs;

/// Computes the hash in all of these blocks. The inputs are checked, and are Argon2id of version 0x13
/// with one lane.
pub(crate) fn hash(avx2: Avx2, inputs: &Inputs<'_>, blocks: &mut [Block], out: &mut [u8]) {
    let h0 = blake2b::h0(inputs, out.len());
    for (number, block) in (0..2).zip(&mut *blocks) {
        blake2b::first_block(&h0, number, block);
    }
    let passes = inputs.params.t_cost();
    let mut lane = Lane { avx2, blocks, scratch: Block::new() };
    for segment in Segment::all(passes, lane.blocks.len()) {
        if segment.is_data_independent() {
            lane.fill_data_independent(segment, passes);
        } else {
            lane.fill_data_dependent(segment);
        }
    }
    blake2b::output(lane.blocks.last().expect("a lane has at least eight blocks"), out);
}

/// The only lane of a computation.
struct Lane<'a> {
    avx2: Avx2,
    blocks: &'a mut [Block],
    /// The block for intermediate results of G.
    scratch: Block,
}

impl Lane<'_> {
    /// Fills a segment like Argon2i: the addresses are words of blocks that are computed from a counter
    /// (section 3.4.1.2).
    fn fill_data_independent(&mut self, segment: Segment, passes: u32) {
        let mut addresses = Addresses::new(segment, self.blocks.len(), passes);
        for index in segment.blocks() {
            let random = addresses.word(index, self);
            if let Some(next) = addresses.next_word(index)
                && index + 1 < segment.blocks().end
            {
                avx2::prefetch(self.blocks.as_ptr(), segment.reference(index + 1, next));
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
                    avx2::prefetch(blocks, segment.reference(index + 1, first_word));
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
            self.avx2.compress::<false>(target, previous, reference, &mut self.scratch, first_word);
        } else {
            self.avx2.compress::<true>(target, previous, reference, &mut self.scratch, first_word);
        }
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.scratch.zeroize();
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

    fn new(segment: Segment, blocks: usize, passes: u32) -> Self {
        let mut input = Block::new();
        let z = [
            segment.pass().into(),
            0,
            segment.slice() as u64,
            blocks as u64,
            passes.into(),
            Algorithm::Argon2id as u64,
        ];
        input.as_mut()[..z.len()].copy_from_slice(&z);
        Self { input, words: Block::new() }
    }

    /// Returns the word for the segment's block `index`. Call it for one block after the other.
    fn word(&mut self, index: usize, lane: &mut Lane<'_>) -> u64 {
        // Blocks 0 and 1 of the lane are not filled here, but their words are skipped.
        if index.is_multiple_of(Self::WORDS_PER_BLOCK) || self.input.as_ref()[6] == 0 {
            self.input.as_mut()[6] += 1;
            let (zero, mut address_input) = (Block::new(), Block::new());
            lane.avx2.compress::<false>(&mut address_input, &zero, &self.input, &mut lane.scratch, |_| {});
            lane.avx2.compress::<false>(&mut self.words, &zero, &address_input, &mut lane.scratch, |_| {});
        }
        self.words.as_ref()[index % Self::WORDS_PER_BLOCK]
    }

    /// Returns the word for the next block, if it is already known.
    fn next_word(&self, index: usize) -> Option<u64> {
        self.words.as_ref().get(index % Self::WORDS_PER_BLOCK + 1).copied()
    }
}

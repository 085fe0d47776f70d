//! Chooses the reference block of a new block (RFC 9106 section 3.4), for one lane.

/// The number of slices of a lane, which end at synchronisation points. With one lane a segment is
/// the same as a slice.
const SLICES: usize = 4;

/// A segment: a quarter of a pass over the lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pass: u32,
    slice: usize,
    /// The length in blocks, a quarter of the lane's length.
    length: usize,
}

impl Segment {
    /// Returns all segments of a computation, in order, for a lane of `lane` blocks.
    pub(super) fn all(passes: u32, lane: usize) -> impl Iterator<Item = Self> {
        (0..passes).flat_map(move |pass| (0..SLICES).map(move |slice| Self { pass, slice, length: lane / SLICES }))
    }

    /// Returns the indices of the blocks to fill. The first two blocks of the lane are computed before
    /// the first pass.
    pub(super) fn blocks(self) -> std::ops::Range<usize> {
        let start = if self.pass == 0 && self.slice == 0 { 2 } else { 0 };
        start..self.length
    }

    pub(super) fn pass(self) -> u32 {
        self.pass
    }

    pub(super) fn slice(self) -> usize {
        self.slice
    }

    /// Returns whether the addresses are independent of the password: in Argon2id's first two slices.
    pub(super) fn is_data_independent(self) -> bool {
        self.pass == 0 && self.slice < SLICES / 2
    }

    /// Returns the position in the lane of the segment's block `index`.
    pub(super) fn position(self, index: usize) -> usize {
        self.slice * self.length + index
    }

    /// Returns the position of the block before it. The block before the first one is the last one.
    pub(super) fn previous(self, index: usize) -> usize {
        self.position(index).checked_sub(1).unwrap_or(SLICES * self.length - 1)
    }

    /// Returns the position of the reference block of block `index`. The low half J1 of `random`
    /// chooses it (the high half would choose a lane). See sections 3.4.1.2 and 3.4.2.
    ///
    /// Recent blocks are more likely. Neither the block itself nor the previous one is chosen, so the
    /// three blocks are always different.
    pub(super) fn reference(self, index: usize, random: u64) -> usize {
        // The candidates W: in the first pass all blocks so far, later the blocks of the last three
        // slices and of this slice so far; never the previous block.
        let finished = if self.pass == 0 { self.slice } else { SLICES - 1 };
        let candidates = (finished * self.length + index - 1) as u64;
        let j1 = random & u64::from(u32::MAX);
        let back = (candidates * ((j1 * j1) >> 32)) >> 32;
        let chosen = (candidates - 1 - back) as usize;
        // W begins after this segment in the previous pass. In the first pass, and in the last slice,
        // that is the beginning of the lane.
        let oldest = if self.pass == 0 || self.slice == SLICES - 1 { 0 } else { (self.slice + 1) * self.length };
        let lane = SLICES * self.length;
        let position = oldest + chosen;
        if position < lane { position } else { position - lane }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Computes section 3.4.2 literally: W is a list of positions.
    fn reference_by_definition(segment: Segment, index: usize, random: u64) -> usize {
        let lane = SLICES * segment.length;
        let in_this_segment = segment.slice * segment.length..segment.position(index);
        let mut w: Vec<usize> = if segment.pass == 0 {
            (0..segment.position(index)).collect()
        } else {
            let finished = (segment.slice + 1) * segment.length;
            (finished..finished + (SLICES - 1) * segment.length)
                .map(|position| position % lane)
                .chain(in_this_segment)
                .collect()
        };
        assert_eq!(w.pop(), Some(segment.previous(index)), "the previous block is the last computed one");
        // W is in the order of computation of the last three slices. Where they do not wrap around,
        // that is the order of positions in the lane.
        let j1 = u128::from(random as u32);
        let x = (j1 * j1) >> 32;
        let y = (w.len() as u128 * x) >> 32;
        w[w.len() - 1 - y as usize]
    }

    #[test]
    fn every_block_is_filled_once_in_each_pass() {
        for length in [2, 3, 7] {
            let filled: Vec<_> = Segment::all(3, SLICES * length)
                .flat_map(|segment| segment.blocks().map(move |index| (segment.pass(), segment.position(index))))
                .collect();
            let all: Vec<_> =
                (0..3).flat_map(|pass| (0..SLICES * length).map(move |position| (pass, position))).collect();
            assert_eq!(filled, all[2..]);
        }
    }

    #[test]
    fn the_first_half_of_the_first_pass_has_known_addresses() {
        let known: Vec<_> =
            Segment::all(2, 8).filter(|segment| segment.is_data_independent()).map(|s| (s.pass(), s.slice())).collect();
        assert_eq!(known, [(0, 0), (0, 1)]);
    }

    proptest! {
        #[test]
        fn the_reference_is_that_of_the_rfc_and_a_different_block(
            pass in 0_u32..3, slice in 0..SLICES, length in 2_usize..50, index in any::<prop::sample::Index>(),
            random in prop_oneof![any::<u64>(), Just(0), Just(u64::from(u32::MAX)), Just(u64::MAX)],
        ) {
            let segment = Segment { pass, slice, length };
            let blocks = segment.blocks();
            prop_assume!(!blocks.is_empty());
            let index = blocks.start + index.index(blocks.len());
            let reference = segment.reference(index, random);
            prop_assert_eq!(reference, reference_by_definition(segment, index, random));
            prop_assert_ne!(reference, segment.position(index));
            prop_assert_ne!(reference, segment.previous(index));
        }

        /// Checks the maximum number of blocks that Argon2 allows, which no test can allocate.
        #[test]
        fn no_size_overflows(pass in 0_u32..2, slice in 0..SLICES, from_the_end in 1_usize..100, random: u64) {
            let length = u32::MAX as usize / SLICES;
            let segment = Segment { pass, slice, length };
            let reference = segment.reference(length - from_the_end, random);
            prop_assert!(reference < SLICES * length);
        }
    }
}

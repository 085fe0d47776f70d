//! Memory for one computation at a time: allocated and faulted in once, used again and
//! again, in huge pages where Linux has them, wiped when it is dropped.
//!
//! # Why huge pages
//!
//! Each call of G reads 1 KiB somewhere in 19 MiB. In pages of 4 KiB these are 4 864
//! addresses to translate, of which a core remembers some 2 000, so many calls wait for a
//! walk through the page table (on a virtual machine, through two). In pages of 2 MiB they
//! are ten. Linux gives them to memory that asked for it (`madvise(2)`, `MADV_HUGEPAGE`)
//! before it was first touched, in whole aligned pages only: so the blocks begin at a
//! multiple of 2 MiB. What is allocated before and after them is never touched: it takes
//! addresses and no memory.

use std::{mem::MaybeUninit, ops::Range};

use argon2::{Block, Params};
use zeroize::Zeroize;

/// Of x86-64, and of aarch64 with pages of 4 KiB.
const HUGE_PAGE_BYTES: usize = 2 << 20;
const HUGE_PAGE_BLOCKS: usize = HUGE_PAGE_BYTES / Block::SIZE;

/// Memory for one computation at a time. What a computation leaves behind is overwritten
/// by the next one, and wiped with the arena.
pub struct Arena {
    memory: Box<[MaybeUninit<Block>]>,
    /// What of it is initialised: the blocks to compute in.
    blocks: Range<usize>,
}

impl Arena {
    /// An arena in which hashes of these parameters, and of smaller ones, fit. Made by
    /// the thread that will use it, its memory is near that thread's core.
    #[must_use]
    pub fn for_params(params: &Params) -> Self {
        Self::with_block_count(params.block_count())
    }

    /// Whether hashes of these parameters fit.
    #[must_use]
    pub fn fits(&self, params: &Params) -> bool {
        params.block_count() <= self.blocks.len()
    }

    fn with_block_count(count: usize) -> Self {
        let huge = count >= HUGE_PAGE_BLOCKS;
        let mut memory = Box::new_uninit_slice(if huge { count + HUGE_PAGE_BLOCKS } else { count });
        let first = if huge { huge_page_offset(&memory) } else { 0 };
        let blocks = first..first + count;
        if huge {
            advise_huge_pages(&memory[blocks.clone()]);
        }
        for block in &mut memory[blocks.clone()] {
            block.write(Block::new());
        }
        Self { memory, blocks }
    }

    #[allow(unsafe_code, reason = "Rust has no owned slice of which only a part is initialised")]
    pub(crate) fn blocks_mut(&mut self) -> &mut [Block] {
        let blocks = &mut self.memory[self.blocks.clone()];
        // SAFETY: `with_block_count` has written each block of this range, and neither field
        // changes afterwards.
        unsafe { blocks.assume_init_mut() }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.blocks_mut().iter_mut().zeroize();
    }
}

/// How many blocks to leave out, so that the next one begins where a huge page does, or
/// within the 1 KiB after that: the allocator aligns to a cache line, not to a block.
fn huge_page_offset(memory: &[MaybeUninit<Block>]) -> usize {
    let address = memory.as_ptr().addr();
    (address.next_multiple_of(HUGE_PAGE_BYTES) - address).div_ceil(Block::SIZE)
}

/// For these blocks, from the start of the page in which the first one begins. It is a
/// wish: a kernel without huge pages refuses it, and all works without.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "madvise can also throw pages away; this advice cannot")]
fn advise_huge_pages(blocks: &[MaybeUninit<Block>]) {
    use rustix::mm::{Advice, madvise};

    let end = blocks.as_ptr_range().end;
    let start = blocks.as_ptr().map_addr(|address| address - address % HUGE_PAGE_BYTES);
    let bytes = end.addr() - start.addr();
    // SAFETY: this advice changes no contents and no mapping's extent, only the size of
    // the pages that back it; what else lies in a page at the edge keeps its contents too.
    let _ = unsafe { madvise(start.cast_mut().cast(), bytes, Advice::LinuxHugepage) };
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_: &[MaybeUninit<Block>]) {}

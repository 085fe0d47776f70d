//! Memory for one computation at a time. It is allocated and faulted in once, reused for all
//! computations, in huge pages where Linux provides them, and wiped when it is dropped.
//!
//! # Why huge pages
//!
//! Each call of G reads 1 KiB at an address within 19 MiB. With pages of 4 KiB there are 4 864 pages to
//! translate. A core caches about 2 000 translations, and many calls wait for a page table walk (for
//! two on a virtual machine). With pages of 2 MiB there are ten pages. Linux uses huge pages for memory
//! that requests them (`madvise(2)`, `MADV_HUGEPAGE`) before it is first touched, but only in whole
//! aligned pages. So the blocks begin at a multiple of 2 MiB. The memory allocated before and after
//! them is never touched: it takes addresses, but no physical memory.

use std::{mem::MaybeUninit, ops::Range};

use argon2::{Block, Params};
use zeroize::Zeroize;

/// The size of a huge page on x86-64, and on aarch64 with pages of 4 KiB.
const HUGE_PAGE_BYTES: usize = 2 << 20;
const HUGE_PAGE_BLOCKS: usize = HUGE_PAGE_BYTES / Block::SIZE;

/// Memory for one computation at a time. The next computation overwrites the contents; dropping the
/// arena wipes them.
pub struct Arena {
    memory: Box<[MaybeUninit<Block>]>,
    /// The initialised part of the memory: the blocks to compute in.
    blocks: Range<usize>,
}

impl Arena {
    /// Creates an arena for hashes with these parameters or smaller ones. If the thread that will use
    /// it creates it, its memory is near that thread's core.
    #[must_use]
    pub fn for_params(params: &Params) -> Self {
        Self::with_block_count(params.block_count())
    }

    /// Returns whether hashes with these parameters fit.
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

    #[allow(unsafe_code, reason = "Rust has no owned slice that is initialised only in part")]
    pub(crate) fn blocks_mut(&mut self) -> &mut [Block] {
        let blocks = &mut self.memory[self.blocks.clone()];
        // SAFETY: `with_block_count` has initialised each block of this range, and neither field
        // changes afterwards.
        unsafe { blocks.assume_init_mut() }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.blocks_mut().iter_mut().zeroize();
    }
}

/// Returns the number of blocks to skip, so that the next block begins at the start of a huge page or
/// at most 1 KiB after it: the allocator aligns to a cache line, not to a block.
fn huge_page_offset(memory: &[MaybeUninit<Block>]) -> usize {
    let address = memory.as_ptr().addr();
    (address.next_multiple_of(HUGE_PAGE_BYTES) - address).div_ceil(Block::SIZE)
}

/// Requests huge pages for these blocks, from the start of the page that contains the first block. A
/// kernel without huge pages refuses, and everything works without them.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "madvise can also discard pages; this advice cannot")]
fn advise_huge_pages(blocks: &[MaybeUninit<Block>]) {
    use rustix::mm::{Advice, madvise};

    let end = blocks.as_ptr_range().end;
    let start = blocks.as_ptr().map_addr(|address| address - address % HUGE_PAGE_BYTES);
    let bytes = end.addr() - start.addr();
    // SAFETY: this advice changes neither the contents nor the extent of a mapping, only the size of
    // the pages behind it. Other data in the pages at the edges keeps its contents too.
    let _ = unsafe { madvise(start.cast_mut().cast(), bytes, Advice::LinuxHugepage) };
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_: &[MaybeUninit<Block>]) {}

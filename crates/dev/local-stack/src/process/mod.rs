//! Child processes that never outlive this process, and the processes below them.

pub mod child;
pub mod log_file;
pub mod process_tree;
mod spawn;
pub mod stat;

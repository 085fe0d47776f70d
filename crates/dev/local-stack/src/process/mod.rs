//! Child processes that never outlive this process.

pub mod child;
pub mod log_file;
pub mod process_tree;
mod spawn;

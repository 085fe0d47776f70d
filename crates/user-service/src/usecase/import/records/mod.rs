//! Cuts a file into records.

pub(super) mod lines;

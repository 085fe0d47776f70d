//! The import and export of all users.

mod export;
mod files;
mod hashes;
mod refused_lines;
mod runs;

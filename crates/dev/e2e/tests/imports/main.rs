//! The import and export of all users.

mod export;
mod exports;
mod files;
mod hashes;
mod invitations;
mod refused_lines;
mod runs;

//! All users at once: taken over from another system with their passwords, and given away.

mod export;
mod files;
mod hashes;
mod refused_lines;
mod runs;

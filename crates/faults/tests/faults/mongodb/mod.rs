//! MongoDB away, stopped, slow, and without space.

mod away;
mod full_disk;

//! Faults of MongoDB: down, paused, slow, without disk space, and without a majority.

mod full_disk;
mod no_majority;
mod outage;

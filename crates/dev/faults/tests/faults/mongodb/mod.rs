//! MongoDB away, stopped, slow, without space, and without a majority.

mod full_disk;
mod no_majority;
mod outage;

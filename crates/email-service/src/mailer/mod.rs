//! SMTP: connections with a deadline on every step, a pool of them, and what replies mean.

pub mod backoff;
pub mod connection;
pub mod pool;
pub mod servers;
pub mod stream;
pub mod verdict;

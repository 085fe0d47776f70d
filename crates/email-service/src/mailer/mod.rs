//! SMTP: connections with a deadline on every step, a pool of them, and what replies mean.

mod breaker;
pub mod connection;
mod login;
pub mod offers;
pub mod pool;
pub mod servers;
pub mod stream;
pub mod verdict;

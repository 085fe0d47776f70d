//! SMTP: connections with a deadline on every step, a pool of them, and the meaning of replies.

mod auth;
mod breaker;
pub mod connection;
pub mod ehlo_capabilities;
pub mod endpoint;
mod implicit_tls;
pub mod reply;
pub mod server_config;
pub mod server_pool;
pub mod stream;
pub mod verdict;

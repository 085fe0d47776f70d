//! The user service: accounts, sessions and profiles over HTTP, with an event on Kafka for every change.
//!
//! Data flows one way: `http -> usecase -> {domain, store}`, and the relay publishes the events in the store. `app` is
//! the only file that knows every part.

pub mod app;
pub mod breached_passwords;
pub mod commands;
pub mod config;
pub mod domain;
pub mod hashing;
pub mod housekeeping;
pub mod http;
pub mod keys;
pub mod metrics;
pub mod outbox;
pub mod problem;
pub mod relay;
pub mod store;
pub mod tokens;
pub mod usecase;

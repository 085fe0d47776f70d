//! Runs what the services need next to them: MongoDB, Kafka and a mail catcher, natively.
//!
//! Real programs where they can be had ([`parts`]), embedded stand-ins where not
//! ([`mock_kafka`], [`mail_catcher`]). Whatever is started here ends with the process that
//! started it. Development and tests only; nothing of this is part of a deployment.

pub mod child;
pub mod descendants;
pub mod http;
pub mod infra;
pub mod kafka;
pub mod mail_catcher;
pub mod mailhog;
pub mod mock_control;
pub mod mock_kafka;
pub mod mongo_wire;
pub mod mongod;
pub mod parts;
pub mod ports;
pub mod probes;
pub mod small_disk;
pub mod tcp_proxy;
pub mod wait_for;

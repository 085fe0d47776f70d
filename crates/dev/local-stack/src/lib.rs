//! Runs what the services need next to them: MongoDB, Kafka and a mail catcher, natively.
//!
//! Real programs where they can be had ([`parts`]), embedded stand-ins where not
//! ([`mock_kafka`], [`mail_catcher`]). Whatever is started here ends with the process that
//! started it. Development and tests only; nothing of this is part of a deployment.

pub mod dependencies;
pub mod network;
pub mod process;
pub mod small_disk;
pub mod wait_for;

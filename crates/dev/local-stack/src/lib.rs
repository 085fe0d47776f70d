//! Runs the dependencies of the services natively: MongoDB, Kafka and a mail server.
//!
//! A dependency is a real program where one is available, otherwise an embedded stand-in; [`dependencies`] chooses.
//! Everything that this crate starts ends with the process that started it. The crate is for development and tests
//! only and is not part of a deployment.

pub mod dependencies;
pub mod network;
pub mod process;
pub mod small_disk;
pub mod wait_for;

//! Where an isolated dependency keeps its data and its log.

use std::path::PathBuf;

use anyhow::Result;
use local_stack::network::ports::Port;

use crate::Stack;

pub(super) fn data_directory(stack: &Stack, kind: &str, port: &Port) -> PathBuf {
    stack.directory().join("data").join(format!("{kind}-{}-{}", std::process::id(), port.number()))
}

pub(super) fn log_file(stack: &Stack, name: &str) -> PathBuf {
    stack.directory().join("logs").join(format!("{name}-{}.log", std::process::id()))
}

#[track_caller]
pub(super) fn expect_ok<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error:#}"))
}

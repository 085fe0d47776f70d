//! The paths of the data and the logs of isolated dependencies.

use std::path::PathBuf;

use anyhow::Result;
use local_stack::network::ports::Port;

use crate::stack::Stack;

/// Returns the data directory of the dependency on this port.
pub(super) fn data_directory(stack: &Stack, kind: &str, port: &Port) -> PathBuf {
    stack.directory().join("data").join(format!("{kind}-{}-{}", std::process::id(), port.number()))
}

/// Returns the path of a log file. `name` is unique within the test process.
pub(super) fn log_file(stack: &Stack, name: &str) -> PathBuf {
    stack.directory().join("logs").join(format!("{name}-{}.log", std::process::id()))
}

/// Returns the value, or panics with the cause chain of the error.
#[track_caller]
pub(super) fn expect_ok<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error:#}"))
}

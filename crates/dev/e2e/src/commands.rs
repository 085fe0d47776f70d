//! The commands of both services, and their output.

use std::process::Output;

use serde_json::Value;
use test_support::ServiceSpec;

/// Checks the exit code of a command, and returns its standard output.
///
/// # Panics
/// Panics with the output if the exit code differs.
#[track_caller]
#[must_use]
pub fn stdout_of(output: &Output, code: i32) -> String {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{error}");
    out.into_owned()
}

/// Parses a text with one JSON object in each line.
///
/// # Panics
/// Panics if a line is not JSON.
#[must_use]
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// Checks that `check-config` and `serve` end with exit code 1 and an error that contains every part, in any case.
/// Returns the error of `serve`.
///
/// # Panics
/// Panics with the error if a command ends otherwise.
pub async fn assert_start_refused(spec: &ServiceSpec, parts: &[&str]) -> String {
    let mut error = String::new();
    for command in ["check-config", "serve"] {
        let refused = spec.command(&[command]).await;
        error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{command}: {error}");
        for part in parts {
            assert!(error.to_lowercase().contains(&part.to_lowercase()), "{command}, without {part:?}: {error}");
        }
    }
    error
}

//! Profiles with Linux's `perf`, which samples a process's functions some hundred times per second.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

/// A rate that does not divide the frequencies of other timers.
const SAMPLES_PER_SECOND: &str = "499";
/// Release builds have no frame pointers, so `perf` copies this many bytes of each stack and unwinds them later.
/// Deeper stacks are cut off at their root.
const CALL_GRAPH: &str = "dwarf,16384";
const DIRECTORY: &str = "target/bench";

/// Profiles a process for `length` and returns the output of `perf script`.
///
/// # Errors
/// Returns an error when `perf` is not installed or not permitted.
pub(super) async fn record(pid: u32, length: Duration) -> Result<String> {
    fs::create_dir_all(DIRECTORY)?;
    let file = Path::new(DIRECTORY).join(format!("{pid}.perf"));
    let samples = Samples(file.clone());
    let (pid, seconds) = (pid.to_string(), length.as_secs_f64().to_string());
    let mut record = Command::new("perf");
    record.args(["record", "--quiet", "-F", SAMPLES_PER_SECOND, "--call-graph", CALL_GRAPH, "-p", &pid, "-o"]);
    perf(record.arg(&file).args(["--", "sleep", &seconds])).await?;
    let mut script = Command::new("perf");
    // Inlined functions are not resolved, because that takes minutes.
    script.args(["script", "--no-inline", "-F", "comm,ip,sym,dso", "-i"]).arg(&file);
    let printed = perf(&mut script).await?;
    drop(samples);
    Ok(String::from_utf8_lossy(&printed.stdout).into_owned())
}

async fn perf(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("perf")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "perf: {}", said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default());
    Ok(output)
}

/// Writes folded stacks in the format of flame graph programs: lines of `thread;outer;inner 12`.
pub(super) fn write_folded(name: &str, folded: &str) -> Result<()> {
    let path = Path::new(DIRECTORY).join(name).with_extension("folded");
    fs::write(&path, folded).with_context(|| path.display().to_string())
}

/// The raw samples, which take tens of megabytes and are deleted afterwards.
struct Samples(PathBuf);

impl Drop for Samples {
    fn drop(&mut self) {
        // The file does not exist if perf failed.
        let _ = fs::remove_file(&self.0);
    }
}

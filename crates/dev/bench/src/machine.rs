//! A description of the machine and of the measured commit.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// The machine and the commit of the figures.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) machine: String,
    pub(crate) commit: String,
}

pub(crate) fn describe() -> Result<Machine> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = field(&cpus, "model name").unwrap_or("unknown processor");
    let gib = memory_gib()?.ceil();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cores = std::thread::available_parallelism()?;
    let flags: Vec<_> = field(&cpus, "flags").unwrap_or_default().split(' ').collect();
    let simd = match (flags.contains(&"avx512f"), flags.contains(&"avx2")) {
        (true, _) => "AVX-512",
        (false, true) => "AVX2",
        (false, false) => "no AVX2",
    };
    let machine = format!("{model}, {cores} cores, {simd}, {gib} GiB, Linux {}", kernel.trim());
    Ok(Machine { machine, commit: commit()? })
}

/// Returns the size of the machine's memory.
pub(crate) fn memory_gib() -> Result<f64> {
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib: f64 =
        field(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok()).context("MemTotal")?;
    Ok(kib / 1024.0 / 1024.0)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

/// Returns the commit of the work tree, marked if the tree has uncommitted changes.
fn commit() -> Result<String> {
    let run = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("git").args(arguments).output().context("git")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = run(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = !run(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Ok(if changed { format!("{commit}+changes") } else { commit })
}

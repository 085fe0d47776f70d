//! The resource usage of a process as the kernel counts it, and exclusive use of the machine for measurements.

use std::{fs, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use test_support::{DEADLINE, wait_for};
use tokio::sync::{Mutex, MutexGuard};

/// The current resource usage of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) resident_kib: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: usize,
}

impl Usage {
    /// Reads the resource usage of a process.
    ///
    /// # Panics
    /// Panics if the process does not exist.
    pub(crate) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the service runs");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel reports the value");
            line.trim_start_matches(':')
                .split_whitespace()
                .next()
                .expect("the value is a number")
                .parse()
                .expect("the value is a number")
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("the service runs").count();
        Self { resident_kib: number("VmRSS"), threads: number("Threads"), descriptors }
    }
}

/// Waits until a process has at most `most` open descriptors.
pub(crate) async fn wait_for_descriptors(pid: u32, most: usize) {
    wait_for(DEADLINE, &format!("at most {most} descriptors"), async || {
        let now = Usage::of(pid).descriptors;
        (now <= most).then_some(())
    })
    .await;
}

/// Waits for the lock that lets the tests that load the machine run one after the other.
pub(crate) async fn run_exclusively() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// Raises the limit of open files of this process as far as possible, and returns whether `files` can be open.
pub(crate) fn raise_open_file_limit(files: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.is_none_or(|now| now >= files)
}

/// Returns a number from the environment, which allows a longer run, or the default.
pub(crate) fn number_from_env(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Returns the percentile `percent` of sorted durations.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

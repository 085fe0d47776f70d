//! What a process holds, as the kernel counts it; and that nobody else measures meanwhile.

use std::{fs, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use test_support::{DEADLINE, wait_for};
use tokio::sync::{Mutex, MutexGuard};

/// What a process holds now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) resident_kib: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: usize,
}

impl Usage {
    /// # Panics
    /// When there is no such process.
    pub(crate) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the service runs");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel says so");
            line.trim_start_matches(':').split_whitespace().next().expect("a number").parse().expect("a number")
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("the service runs").count();
        Self { resident_kib: number("VmRSS"), threads: number("Threads"), descriptors }
    }
}

/// Waits until a process holds at most so many descriptors.
pub(crate) async fn wait_for_descriptors(pid: u32, most: usize) {
    wait_for(DEADLINE, &format!("at most {most} descriptors"), async || {
        let now = Usage::of(pid).descriptors;
        (now <= most).then_some(())
    })
    .await;
}

/// Tests that load the machine run one after the other.
pub(crate) async fn run_exclusively() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// Makes room for so many open files in this process; false where it is not given.
pub(crate) fn raise_open_file_limit(files: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.is_none_or(|now| now >= files)
}

/// A number from the environment, for a longer run.
pub(crate) fn number_from_env(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Of sorted durations, the one below which so many of a hundred are.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

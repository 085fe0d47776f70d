//! The processor time and memory of processes, as the kernel counts them.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use local_stack::process::stat::ProcessStat;

/// The name prefix of the user service's hash threads. Their time is counted as hashing.
pub(crate) const HASH_THREADS: &str = "hash-";

/// Processes with their names in the report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Processes(Vec<(&'static str, u32)>);

impl Processes {
    pub(crate) fn with(mut self, name: &'static str, pid: u32) -> Self {
        self.0.push((name, pid));
        self
    }

    /// Starts to count.
    pub(crate) fn watch(&self) -> Result<ProcessorTimeWatch<'_>> {
        Ok(ProcessorTimeWatch { processes: self, since: Instant::now(), before: self.times()? })
    }

    /// Returns the processor time so far, in seconds.
    fn times(&self) -> Result<BTreeMap<&'static str, f64>> {
        let mut times = BTreeMap::new();
        for &(name, pid) in &self.0 {
            *times.entry(name).or_default() += processor_seconds(pid)?;
        }
        Ok(times)
    }
}

/// Counts processor time from its creation on.
pub(crate) struct ProcessorTimeWatch<'a> {
    processes: &'a Processes,
    since: Instant,
    before: BTreeMap<&'static str, f64>,
}

impl ProcessorTimeWatch<'_> {
    /// Returns each process's share of the time of all cores since then.
    pub(crate) fn shares(&self, cores: usize) -> Result<BTreeMap<&'static str, f64>> {
        let all = self.since.elapsed().as_secs_f64() * cores as f64;
        Ok(self.seconds()?.into_iter().map(|(name, seconds)| (name, seconds / all)).collect())
    }

    /// Returns each process's processor time since then, in seconds.
    pub(crate) fn seconds(&self) -> Result<BTreeMap<&'static str, f64>> {
        let after = self.processes.times()?;
        Ok(after.into_iter().map(|(name, time)| (name, time - self.before.get(name).copied().unwrap_or(0.0))).collect())
    }
}

/// Returns the user and system time of a process with all its threads, in seconds.
pub(crate) fn processor_seconds(pid: u32) -> Result<f64> {
    seconds_in(Path::new(&format!("/proc/{pid}")))
}

/// Returns the user and system time of those current threads of a process whose names begin with `name`, in
/// seconds.
pub(crate) fn thread_seconds(pid: u32, name: &str) -> Result<f64> {
    let mut seconds = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        // A thread may end between the listing and the reading.
        let Ok(own) = fs::read_to_string(task.join("comm")) else { continue };
        if own.starts_with(name) {
            seconds += seconds_in(&task)?;
        }
    }
    Ok(seconds)
}

fn seconds_in(directory: &Path) -> Result<f64> {
    ProcessStat::read(directory)
        .and_then(|stat| stat.processor_seconds())
        .with_context(|| directory.display().to_string())
}

/// Returns the processor time of all current threads of a process, with a resolution of nanoseconds;
/// `/proc/<pid>/stat` counts hundredths of a second.
pub(crate) fn precise_processor_time(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end in the meantime.
        let Ok(times) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanos += times.split(' ').next().context("schedstat")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// Returns the resident memory of a process, in MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    memory_mib(pid, "VmRSS:")
}

/// Returns the part of the resident memory that is mapped from files (the program and its libraries), in MiB.
pub(crate) fn resident_file_mib(pid: u32) -> Result<f64> {
    memory_mib(pid, "RssFile:")
}

fn memory_mib(pid: u32, field: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field}"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().context("memory")?;
    Ok(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_process_takes_processor_time_and_memory() {
        let own = std::process::id();
        let processes = Processes::default().with("own", own);
        let watch = processes.watch().unwrap();
        while watch.seconds().unwrap()["own"] == 0.0 {
            std::hint::black_box((0..100_000).sum::<u64>());
        }
        assert!(watch.shares(1).unwrap()["own"] > 0.0);
        assert!(resident_mib(own).unwrap() > 0.5);
        assert!(resident_mib(own).unwrap() > resident_file_mib(own).unwrap());
    }

    #[test]
    fn processor_time_is_counted_by_thread_name() {
        let (busy, stop) = std::sync::mpsc::channel::<()>();
        let work = move || {
            while stop.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                std::hint::black_box((0..100_000).sum::<u64>());
            }
        };
        let thread = std::thread::Builder::new().name("busy-0".to_owned()).spawn(work).unwrap();
        let own = std::process::id();
        while thread_seconds(own, "busy-").unwrap() == 0.0 {
            std::thread::yield_now();
        }
        assert!(thread_seconds(own, "busy-").unwrap() <= processor_seconds(own).unwrap());
        assert_eq!(thread_seconds(own, "absent-").unwrap(), 0.0);
        drop(busy);
        thread.join().unwrap();
    }
}

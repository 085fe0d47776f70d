//! Instance files: one file under `.local/run` for each stack that `up` has started in this clone.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use local_stack::{process::stat::ProcessStat, wait_for::try_wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::workspace::Workspace;

/// Identifies a process by its id and its start time, so that a later process with the same id is not taken for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// The start time in clock ticks since the boot of the machine.
    started: u64,
}

impl ProcessIdentity {
    /// Returns the identity of the running process with this id.
    pub(crate) fn from_pid(name: &str, pid: u32) -> Option<Self> {
        Some(Self { name: name.to_owned(), pid, started: start_ticks(pid)? })
    }

    /// Returns whether the process still runs.
    pub(crate) fn is_running(&self) -> bool {
        start_ticks(self.pid) == Some(self.started)
    }

    /// Sends a signal if the process still runs.
    pub(crate) fn signal(&self, signal: Signal) {
        if let (true, Some(pid)) = (self.is_running(), i32::try_from(self.pid).ok().and_then(Pid::from_raw)) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits until the process has ended.
    pub(crate) async fn wait_until_gone(&self, deadline: Duration) -> Result<()> {
        try_wait_for(deadline, &format!("the end of {} (pid {})", self.name, self.pid), async || {
            Ok((!self.is_running()).then_some(()))
        })
        .await
    }
}

/// Returns the start time of a process, or `None` if there is no such process or it is a zombie.
fn start_ticks(pid: u32) -> Option<u64> {
    ProcessStat::of(pid).filter(|stat| !stat.is_zombie())?.start_ticks()
}

/// A stack that `up` has started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StackInstance {
    /// The `local-stack up` process.
    pub(crate) supervisor: ProcessIdentity,
    /// The processes that it has started.
    pub(crate) children: Vec<ProcessIdentity>,
    /// Whether the stack includes the services.
    pub(crate) services: bool,
    /// Whether everything is ready.
    pub(crate) ready: bool,
}

impl StackInstance {
    /// Writes the instance file. The rename is atomic, so a reader never sees a partial file.
    pub(crate) fn save(&self, workspace: &Workspace) -> Result<()> {
        let path = file(workspace, self.supervisor.pid);
        let draft = path.with_extension("draft");
        fs::create_dir_all(directory(workspace))?;
        fs::write(&draft, serde_json::to_vec_pretty(self)?)
            .and_then(|()| fs::rename(&draft, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes the instance file.
    pub(crate) fn delete(&self, workspace: &Workspace) {
        let _ = fs::remove_file(file(workspace, self.supervisor.pid));
    }

    /// Reads the instance file of the supervisor with this process id.
    pub(crate) fn load(workspace: &Workspace, pid: u32) -> Option<Self> {
        serde_json::from_slice(&fs::read(file(workspace, pid)).ok()?).ok()
    }

    /// Reads all instance files, including those of supervisors that have ended.
    pub(crate) fn load_all(workspace: &Workspace) -> Vec<Self> {
        let Ok(entries) = fs::read_dir(directory(workspace)) else { return Vec::new() };
        entries
            .flatten()
            .filter_map(|entry| entry.path().file_stem()?.to_str()?.parse().ok())
            .filter_map(|pid| Self::load(workspace, pid))
            .collect()
    }
}

fn directory(workspace: &Workspace) -> PathBuf {
    workspace.local().join("run")
}

fn file(workspace: &Workspace, pid: u32) -> PathBuf {
    directory(workspace).join(format!("{pid}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_not_taken_for_an_earlier_one_with_the_same_id() {
        let mut this_process = ProcessIdentity::from_pid("self", std::process::id()).unwrap();
        assert!(this_process.is_running());
        this_process.started -= 1;
        assert!(!this_process.is_running());
    }
}

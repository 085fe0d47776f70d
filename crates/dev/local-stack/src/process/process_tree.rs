//! The descendants of this process: adopts orphans, and kills all descendants, so that no process is left behind.

use std::{
    collections::HashMap,
    fs,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, set_child_subreaper};

use super::stat::ProcessStat;

/// Makes orphaned descendants of this process its children instead of children of init.
pub fn adopt_orphans() {
    // If this fails, only grandchildren whose parent has died are missed; the process groups cover the others.
    let _ = set_child_subreaper(Some(rustix::process::getpid()));
}

/// Kills all descendants of this process repeatedly until none is left or `deadline` has passed. Returns whether
/// none is left.
pub fn kill_descendants(deadline: Duration) -> bool {
    let end = Instant::now() + deadline;
    loop {
        let remaining = living_descendants_of(std::process::id());
        if remaining.is_empty() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        for pid in remaining.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the living descendants of `ancestor`, without zombies.
fn living_descendants_of(ancestor: u32) -> Vec<u32> {
    let processes: HashMap<u32, (u32, bool)> = process_ids().into_iter().filter_map(parent_and_end).collect();
    let is_descendant = |mut pid: u32| {
        // The number of steps is limited because the table is not an atomic snapshot and could contain a cycle.
        for _ in 0..64 {
            match processes.get(&pid) {
                Some((parent, _)) if *parent == ancestor => return true,
                Some((parent, _)) => pid = *parent,
                None => return false,
            }
        }
        false
    };
    let living = processes.iter().filter(|(_, (_, ended))| !ended).map(|(pid, _)| *pid);
    living.filter(|pid| is_descendant(*pid)).collect()
}

/// Returns the ids of all processes that are visible in `/proc`.
pub(crate) fn process_ids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Returns the process with its parent, and whether it has ended and was not reaped yet.
fn parent_and_end(pid: u32) -> Option<(u32, (u32, bool))> {
    let stat = ProcessStat::of(pid)?;
    Some((pid, (stat.parent()?, stat.is_zombie())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::child::{ChildSpec, Output};

    #[test]
    fn a_child_and_a_grandchild_are_descendants_of_this_process() {
        let child =
            ChildSpec::new("shell", "/bin/sh", Output::Inherit).args(["-c", "sleep 300 & wait"]).start().unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while living_descendants_of(child.pid()).is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(living_descendants_of(child.pid()).len(), 1);
        assert!(living_descendants_of(std::process::id()).contains(&child.pid()));
    }
}

//! The processes below this one, orphans included: adopted, found and ended, so that nothing is left behind.

use std::{
    collections::HashMap,
    fs,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, set_child_subreaper};

/// From now on orphans below this process become its children instead of init's.
pub fn adopt_orphans() {
    // Without it only a grandchild whose parent died is missed; the process groups cover the rest.
    let _ = set_child_subreaper(Some(rustix::process::getpid()));
}

/// Kills every process below this one, again and again until there is none, at most for `deadline`.
/// Returns whether none is left.
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

/// The living processes below `ancestor`, zombies not counted.
fn living_descendants_of(ancestor: u32) -> Vec<u32> {
    let parents: HashMap<u32, (u32, char)> =
        process_ids().into_iter().filter_map(|pid| Some((pid, parent_and_state(pid)?))).collect();
    let is_descendant = |mut pid: u32| {
        // Bounded: the table is not one moment's, so a cycle is thinkable.
        for _ in 0..64 {
            match parents.get(&pid) {
                Some((parent, _)) if *parent == ancestor => return true,
                Some((parent, _)) => pid = *parent,
                None => return false,
            }
        }
        false
    };
    parents.iter().filter(|(pid, (_, state))| *state != 'Z' && is_descendant(**pid)).map(|(pid, _)| *pid).collect()
}

/// The ids of all processes that can be seen.
pub(crate) fn process_ids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn parent_and_state(pid: u32) -> Option<(u32, char)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold blanks and brackets: what counts is after the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::child::{ChildSpec, Output};

    #[test]
    fn a_child_and_its_child_are_below_this_process() {
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

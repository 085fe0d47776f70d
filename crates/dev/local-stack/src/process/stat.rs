//! The state and the times of a process in `/proc/<pid>/stat` (proc(5)).

use std::{fs, path::Path, str::FromStr};

/// The unit of processor time in `/proc`, the same on every supported architecture of Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The fields of a process or a thread after its name.
#[derive(Debug)]
pub struct ProcessStat(Vec<String>);

impl ProcessStat {
    /// Reads the fields of a process. Returns `None` if it does not exist.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Self::read(format!("/proc/{pid}"))
    }

    /// Reads the fields of the process or thread that has this directory in `/proc`.
    #[must_use]
    pub fn read(directory: impl AsRef<Path>) -> Option<Self> {
        let stat = fs::read_to_string(directory.as_ref().join("stat")).ok()?;
        // The name in parentheses may contain any character, so the fields after the last bracket are read.
        let (_, fields) = stat.rsplit_once(')')?;
        Some(Self(fields.split_ascii_whitespace().map(str::to_owned).collect()))
    }

    /// Returns whether the process has ended and was not reaped yet.
    #[must_use]
    pub fn is_zombie(&self) -> bool {
        self.field::<char>(3) == Some('Z')
    }

    /// Returns the id of the parent.
    #[must_use]
    pub fn parent(&self) -> Option<u32> {
        self.field(4)
    }

    /// Returns the start time in ticks since the start of the machine.
    #[must_use]
    pub fn start_ticks(&self) -> Option<u64> {
        self.field(22)
    }

    /// Returns the user and system time so far, in seconds.
    #[must_use]
    pub fn processor_seconds(&self) -> Option<f64> {
        Some((self.field::<f64>(14)? + self.field::<f64>(15)?) / TICKS_PER_SECOND)
    }

    /// Returns a field by its number in proc(5). The first one after the name is 3.
    fn field<T: FromStr>(&self, number: usize) -> Option<T> {
        self.0.get(number - 3)?.parse().ok()
    }
}

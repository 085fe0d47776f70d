//! Runs a service with its clock off, by libfaketime: a library that the dynamic linker loads before libc and that
//! changes what the real-time clock says. The monotonic clock, timers and the times of files are not affected.

use std::{env::consts::ARCH, fs, path::PathBuf};

const LIBRARY: &str = "libfaketimeMT.so.1";

/// Returns the environment variables that shift the clock of a process.
///
/// # Errors
/// Returns the reason why this machine cannot shift it.
pub(crate) fn variables(seconds: i64) -> Result<[(&'static str, String); 4], String> {
    let directories = [format!("/usr/lib/{ARCH}-linux-gnu"), "/usr/lib".to_owned(), "/usr/lib64".to_owned()];
    let libraries = directories.map(|directory| PathBuf::from(directory).join("faketime").join(LIBRARY));
    let library = libraries.iter().find(|library| library.is_file()).ok_or("libfaketime is not installed")?;
    Ok([
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", format!("{seconds:+}")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ])
}

/// Removes what the library leaves in shared memory if the process was killed. Otherwise a later process with the same
/// id could not start with this library.
pub(crate) fn remove_shared_memory(pid: u32) {
    for name in [format!("faketime_shm_{pid}"), format!("sem.faketime_sem_{pid}")] {
        // A process that has ended by itself, and one without the library, have none.
        let _ = fs::remove_file(PathBuf::from("/dev/shm").join(name));
    }
}

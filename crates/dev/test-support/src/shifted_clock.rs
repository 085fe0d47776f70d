//! Runs a service with its clock off, by a library that the dynamic linker loads before libc.
//!
//! The library is `shifted_clock.c`, compiled when it is first used. libfaketime cannot do this: librdkafka waits with
//! `cnd_timedwait`, which libfaketime 0.9.10 does not replace, so a service with a clock in the past waits in a busy
//! loop, and with one in the future for the whole difference.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const SOURCE: &str = include_str!("shifted_clock.c");

/// Returns the environment variables that shift the clock of a process by this many seconds. The library is written
/// into `directory`.
///
/// # Errors
/// Returns the reason why this machine cannot shift it.
pub(crate) fn variables(seconds: i64, directory: &Path) -> Result<[(&'static str, String); 2], String> {
    let library = compile(directory)?;
    Ok([("LD_PRELOAD", library.display().to_string()), ("SHIFT_CLOCK_SECONDS", seconds.to_string())])
}

fn compile(directory: &Path) -> Result<PathBuf, String> {
    let library = directory.join("shifted_clock.so");
    // A process that runs with the library still has it open.
    if !library.is_file() {
        let text = |error: std::io::Error| error.to_string();
        fs::create_dir_all(directory).map_err(text)?;
        // Another process never sees a part of the library.
        let temporary = tempfile::tempdir_in(directory).map_err(text)?;
        let (source, compiled) = (temporary.path().join("shifted_clock.c"), temporary.path().join("shifted_clock.so"));
        fs::write(&source, SOURCE).map_err(text)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]).arg(&compiled).arg(&source);
        let output = compiler.output().map_err(|error| format!("cc cannot be run: {error}"))?;
        if !output.status.success() {
            return Err(format!("cc cannot compile the library: {}", String::from_utf8_lossy(&output.stderr)));
        }
        fs::rename(&compiled, &library).map_err(text)?;
    }
    Ok(library)
}

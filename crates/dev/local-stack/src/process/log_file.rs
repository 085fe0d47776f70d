//! Log files of child processes: opens them for appending, and reads their last lines for error messages.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use anyhow::{Context as _, Result};

/// Returns the last lines of a text file, or the reason why it cannot be read.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    const MAX_BYTES: i64 = 256 * 1024;
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        if i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX) > MAX_BYTES {
            file.seek(SeekFrom::End(-MAX_BYTES))?;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Err(error) => format!("({} cannot be read: {error})", path.display()),
        Ok(text) => {
            let all: Vec<&str> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
    }
}

/// Opens a log file for appending, and creates it and its directory if they are missing.
pub(super) fn open_log(path: &Path) -> Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    File::options().create(true).append(true).open(path).with_context(|| format!("cannot open {}", path.display()))
}
